"""Gagyo: joint clinical research between hospitals that keep their patients' data.

    study = gagyo.Study.read("study.yaml")
    folder = gagyo.run_embedded(study, sites="hospitals", out="out")

or step by step: `gagyo.plan(study, keys)`, then `gagyo.run(plan, runtime)` gives each analysis as it ends.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gagyo.api import Feasibility, Finished, feasibility, plan, run, run_embedded, verify
    from gagyo.errors import GagyoError
    from gagyo.protocol.study import Study
    from gagyo.result import Result

__all__ = [
    "Feasibility",
    "Finished",
    "GagyoError",
    "Result",
    "Study",
    "feasibility",
    "plan",
    "run",
    "run_embedded",
    "verify",
]

_WHERE = {
    "Feasibility": "gagyo.api",
    "Finished": "gagyo.api",
    "GagyoError": "gagyo.errors",
    "Result": "gagyo.result",
    "Study": "gagyo.protocol.study",
    "feasibility": "gagyo.api",
    "plan": "gagyo.api",
    "run": "gagyo.api",
    "run_embedded": "gagyo.api",
    "verify": "gagyo.api",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `gagyo --help` must not wait for numpy.
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(name)
