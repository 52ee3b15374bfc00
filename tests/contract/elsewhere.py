"""As another processor: follow runs as a hospital does, and verify them as an auditor does (`elsewhere` starts it).

Its arguments are folders of runs that `Heard` listened to; for each it prints a line of JSON: what failed in following,
what failed in verifying, whether results came out to the last bit, and the greatest difference of a derived number.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gagyo.coordinator.verify import verify
from gagyo.errors import GagyoError
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation.ask import Ask
from gagyo.federation.line import Line
from gagyo.federation.opened import Opened
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from gagyo.site import admission
from gagyo.site.history import History

REQUESTS = "requests.pickle"
ONE = "seoul"
NOT_OF_METHODS = ("preflight", "close", "open.people", "open.values", "receive", "relayed")


class Heard:
    """A runtime that keeps what one hospital is asked, and what it is told was opened since."""

    name = "embedded"

    def __init__(self, inner: Embedded) -> None:
        self._inner = inner
        self._told = 0
        self.kept: list[tuple[Request, list[Opened]]] = []

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        for one in requests:
            if one.site == ONE:
                opened = list(one.relay.get("history", ()))
                self.kept.append((one.relaying(history=()), opened[self._told :]))
                self._told = len(opened)
        return self._inner.ask(requests)

    def save(self, folder: Path) -> None:
        (folder / REQUESTS).write_bytes(pickle.dumps(self.kept))


def other_processor() -> dict[str, str]:
    """The environment of a process that computes as the oldest processor does that the libraries know."""
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    dispatched = np._core._multiarray_umath.__cpu_dispatch__  # type: ignore[attr-defined]
    disabled = " ".join(one for one in dispatched if features.get(one))
    paths = os.pathsep.join(filter(None, sys.path))
    return os.environ | {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": disabled, "PYTHONPATH": paths}


def elsewhere(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """What another processor makes of runs."""
    command = [sys.executable, "-m", "tests.contract.elsewhere", *map(str, folders)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=other_processor(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def follow(folder: Path) -> float:
    """Follow a run from inside a hospital; the greatest relative difference of a number that a method derives here."""
    plan = Plan.from_bytes((folder / "plan.json").read_bytes())
    publics = {name: PublicKeys(**keys) for name, keys in plan.keys.items()}
    history, opened, apart = History(plan, Line(plan.study), publics), [], 0.0
    for request, fresh in pickle.loads((folder / REQUESTS).read_bytes()):
        opened += fresh
        history.follow(opened)
        if request.step not in NOT_OF_METHODS:
            ask = history.current(request, Ask)
            apart = max([apart, *(_apart(request.arguments[name], value) for name, value in ask.arguments.items())])
            admission.check_derived(request, ask)
    return apart


def _apart(got: Any, wanted: Any) -> float:
    if not isinstance(wanted, np.ndarray) or got.shape != wanted.shape or not wanted.size:
        return 0.0
    return float(np.nanmax(np.abs(got - wanted) / np.maximum(np.abs(wanted), 1e-300)))


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        told: dict[str, Any] = {"followed": "", "verified": "", "exact": None, "apart": 0.0}
        try:
            told["apart"] = follow(folder)
        except GagyoError as fault:
            told["followed"] = str(fault)
        try:
            told["exact"] = verify(folder, Journal(folder / "journal.jsonl", Keys.make())).exact
        except GagyoError as fault:
            told["verified"] = str(fault)
        print(json.dumps(told))


if __name__ == "__main__":
    main()
