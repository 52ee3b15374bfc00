"""Where a run and each of its hospitals stand: for people (callbacks) and for programs (progress.json)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gagyo.coordinator.folder import write
from gagyo.coordinator.run import Progress


class Board:
    """Takes what happens, writes it down, and hands it on."""

    def __init__(
        self,
        folder: Path,
        tell_states: Callable[[Mapping[str, Any]], None] | None = None,
        tell_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._path = folder / "progress.json"
        self._tell_states = tell_states or (lambda states: None)
        self._tell_progress = tell_progress or (lambda progress: None)
        self._states: dict[str, dict[str, Any]] = {}
        self._run: dict[str, Any] = {}

    def states(self, states: Mapping[str, Any]) -> None:
        """A hospital's state changed."""
        self._states = {site: asdict(state) for site, state in states.items()}
        self._write()
        self._tell_states(states)

    def progress(self, progress: Progress) -> None:
        """The run goes on to another question."""
        now = {"analysis": progress.analysis, "round": progress.round, "doing": progress.doing}
        changed = now["analysis"] != self._run.get("analysis") or now["doing"] != self._run.get("doing")
        self._run = now
        if changed:
            self._write()
        self._tell_progress(progress)

    def _write(self) -> None:
        record = {"at": time.time(), "run": self._run, "sites": self._states}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write(self._path, json.dumps(record, ensure_ascii=False, indent=1).encode())
