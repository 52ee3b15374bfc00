"""As another processor: follow runs as a hospital does, and verify them as an auditor does (`elsewhere` starts it).

Its arguments are folders of runs; for each it prints a line of JSON: what failed in following, what failed in
verifying, whether results came out to the last bit, and the greatest difference of a derived number.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gagyo.coordinator.run import Run
from gagyo.coordinator.verify import verify
from gagyo.errors import GagyoError
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation.ask import Ask
from gagyo.federation.asked import Questions
from gagyo.federation.line import Line
from gagyo.federation.wire import question_of
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import read
from gagyo.runtime.journal import Journal
from gagyo.site import admission
from gagyo.site.history import History

ONE = "seoul"
NOT_OF_METHODS = ("preflight", "close", "open.people", "open.values", "receive", "relayed")


class Followed(Journal):
    """The journal of a run, beside which one hospital follows what was asked, by what this processor derives."""

    def __init__(self, path: Path, plan: Plan) -> None:
        super().__init__(path, Keys.make())
        publics = {name: PublicKeys(**keys) for name, keys in plan.keys.items()}
        self._history = History(plan, Line(plan.study), publics)
        self._there = Questions()
        for question in (question_of(link.record) for link in read(path)):
            if question is not None:
                self._there.note(question)
        self.apart = 0.0
        """The greatest relative difference of a number that a method derives here."""

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        for request in (self._there.asked(one) for one in requests if one.site == ONE):
            self._history.follow(request.relay.get("history", ()))
            if request.step not in NOT_OF_METHODS:
                ask = self._history.current(request, Ask)
                admission.check_derived(request, ask)
                self.apart = max([self.apart, *(_apart(request.arguments[k], v) for k, v in ask.arguments.items())])
        return super().ask(requests)


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
    """Follow a run from inside a hospital; how far apart the derived numbers lie."""
    plan = Plan.from_bytes((folder / "plan.json").read_bytes())
    followed = Followed(folder / "journal.jsonl", plan)
    for _ in Run(plan, followed):
        pass
    return followed.apart


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
