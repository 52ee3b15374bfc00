"""A run is taken up, and verified, on a machine that rounds otherwise, as after a restore from a backup."""

from __future__ import annotations

import json
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gagyo.api import run_embedded, verify
from gagyo.coordinator.arithmetic import arithmetic, near
from gagyo.demo import breast
from gagyo.demo.world import GAGYO
from gagyo.errors import Tampered
from gagyo.protocol.request import COORDINATOR
from gagyo.release.ledger import read
from gagyo.runtime.embedded import Embedded
from tests.contract.elsewhere import other_processor

UNLIKE = platform.machine() == "x86_64"


@pytest.fixture(scope="module")
def taken_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run as it is, and one that ended in the middle here and was taken up by another processor."""
    folder = tmp_path_factory.mktemp("elsewhere")
    study, hospitals = breast.prepare(folder)
    study.write_text(study.read_text(encoding="utf-8").replace("bootstrap: 200", "bootstrap: 20"), encoding="utf-8")
    asked, ask = Counter[str](), Embedded.ask

    def stopping(self: Embedded, requests: Sequence[Any]) -> Any:
        asked["times"] += 1
        if asked["times"] > 60:
            raise KeyboardInterrupt
        return ask(self, requests)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Embedded, "ask", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_embedded(study, hospitals, folder / "taken-up")
    typed = [*GAGYO, "run", str(study), "--sites", str(hospitals), "--out", str(folder / "taken-up")]
    done = subprocess.run(typed, env=other_processor(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    again, others = breast.prepare(folder / "undisturbed")
    again.write_bytes(study.read_bytes())
    run_embedded(again, others, folder / "undisturbed" / "run")
    return folder / "undisturbed" / "run", folder / "taken-up"


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
    return found


def test_the_results_are_the_same_but_for_rounding(taken_up: tuple[Path, Path]) -> None:
    here, there = map(results, taken_up)
    assert near(here["analyses"], there["analyses"])
    assert (here["arithmetic"], there["arithmetic"] == arithmetic()) == (arithmetic(), not UNLIKE)


def test_no_hospital_released_anything_twice(taken_up: tuple[Path, Path]) -> None:
    _, folder = taken_up
    for ledger in (folder / "ledgers").iterdir():
        records = [entry.record for entry in read(ledger) if entry.record["receiver"] == COORDINATOR]
        sums = [(one["analysis"], one["round"], one["step"]) for one in records if one["channel"] in ("each", "pooled")]
        assert max(Counter(sums).values()) == 1


def test_either_machine_verifies_it_and_says_how_exactly(taken_up: tuple[Path, Path]) -> None:
    here, there = taken_up
    assert verify(here).exact
    assert verify(there).exact is not UNLIKE
    typed = [*GAGYO, "verify", str(there), "--json"]
    done = subprocess.run(typed, env=other_processor(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["exact"] is True, "where it was ended"


@contextmanager
def multiplied(folder: Path, factor: float) -> Iterator[None]:
    """A number of the results, changed; as it was in the end."""
    path, before = folder / "results.json", (folder / "results.json").read_bytes()
    found = results(folder)
    found["analyses"]["algorithm"]["estimates"][0]["value"] *= factor
    path.write_text(json.dumps(found))
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("change", [1e-6, -1e-8])
def test_a_number_that_was_changed_is_found_on_any_machine(taken_up: tuple[Path, Path], change: float) -> None:
    _, folder = taken_up
    with multiplied(folder, 1 + change), pytest.raises(Tampered, match="algorithm"):
        verify(folder)


def test_the_last_bit_counts_where_the_machine_rounds_alike(taken_up: tuple[Path, Path]) -> None:
    folder, _ = taken_up
    with multiplied(folder, 1 + 2**-52), pytest.raises(Tampered, match="algorithm"):
        verify(folder)
