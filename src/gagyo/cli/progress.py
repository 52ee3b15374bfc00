"""Progress that a person can read: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gagyo.cli.speech import language, say, stands
from gagyo.text import translate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gagyo.coordinator.run import Progress
    from gagyo.errors import Stopped
    from gagyo.result import Result
    from gagyo.runtime.remote import SiteState

ORDINARY = ("unheard", "answered")


class Teller:
    """Says what is happening on standard error; `told` and `ended` are handed to a run."""

    def __init__(self, hub: Path | None = None) -> None:
        self._hub = hub
        self._live = sys.stderr.isatty()
        self._last = ("", "")
        self._states: dict[str, tuple[str, str]] = {}

    def told(self, progress: Progress) -> None:
        """Something began."""
        doing = translate(f"progress.{progress.doing}", language())
        name = progress.analysis or say("run.preflight")
        line = translate(
            "progress.round",
            language(),
            analysis=name,
            round=progress.round + 1,
            sites=len(progress.sites),
            doing=doing,
        )
        if self._live:
            print(f"\r\033[2K{line}", end="", file=sys.stderr, flush=True)
        elif (progress.analysis, doing) != self._last:
            # Elsewhere a line for each thing that is done, not for each round of it.
            print(line, file=sys.stderr, flush=True)
        self._last = (progress.analysis, doing)

    def states(self, states: Mapping[str, SiteState]) -> None:
        """A hospital's state changed; what it answers in the ordinary course is not told, what is to do after it is."""
        for site, state in states.items():
            before, now = self._states.get(site), (state.doing, state.detail)
            self._states[site] = now
            if state.doing in ORDINARY or before == now:
                continue
            line = f"{site}: {stands(state.doing, state.detail, hub=self._hub, name=site)}"
            print(f"\r\033[2K{line}" if self._live else line, file=sys.stderr, flush=True)

    def ended(self, name: str, outcome: Result | Stopped) -> None:
        """An analysis ended."""
        from gagyo.errors import Stopped
        from gagyo.report.numbers import count

        if isinstance(outcome, Stopped):
            line = translate("progress.stopped", language(), analysis=name, why=outcome.text(language()))
        else:
            sites = len(outcome.sites)
            key = "progress.done_in_part" if outcome.lacks_parts else "progress.done"
            line = translate(key, language(), analysis=name, people=count(outcome.people), sites=sites)
        print(f"\r\033[2K{line}" if self._live else line, file=sys.stderr, flush=True)
