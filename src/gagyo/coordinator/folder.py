"""The output folder of a run: plan, journal, ledgers and results, written so that a run can be taken up again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gagyo.coordinator.document import document, receipts_of
from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.local import unlike_sources
from gagyo.protocol.plan import Plan
from gagyo.release.decision import Answer


def open_folder(folder: Path, plan: Plan) -> None:
    """Make the folder, or take up the run of the same plan in it; FileFault where it holds another."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    if not path.exists():
        write(path, plan.to_bytes())
        return
    there = Plan.from_bytes(path.read_bytes())
    if there.digest == plan.digest:
        return
    if there.text == plan.text:
        check_version(folder, there)
    raise FileFault.of("other_plan", found=str(folder))


def check_version(folder: Path, plan: Plan) -> None:
    """Raise FileFault where a run that is to go on was begun with other sources of its methods than are here."""
    if unlike := unlike_sources(plan.methods):
        raise FileFault.of("run_by_other_version", found=str(folder), expected=", ".join(unlike))


def finish(folder: Path, run: Run, runtime: str, answers: list[Answer], ledgers: Mapping[str, Path]) -> dict[str, Any]:
    """Write results.json and copies of the hospitals' ledgers; they hold digests and counts, no values."""
    record = document(run, runtime, receipts_of(answers))
    (folder / "ledgers").mkdir(exist_ok=True)
    for site, path in ledgers.items():
        # A hospital that never answered has no ledger yet; verifying then misses its receipts, as it should.
        write(folder / "ledgers" / f"{site}.jsonl", path.read_bytes() if path.exists() else b"")
    write(folder / "results.json", json.dumps(record, ensure_ascii=False, indent=1).encode())
    return record


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    beside = path.with_suffix(path.suffix + ".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
