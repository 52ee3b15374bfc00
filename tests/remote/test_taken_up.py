"""A run that is taken up from an earlier copy of its folder: it goes on where it can, and else says why it cannot."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gagyo.api import Finished, run_key_file, run_remote, verify
from gagyo.errors import FileFault, GagyoError, Refused
from gagyo.exchange import courier as carrying
from gagyo.exchange.envelope import Keys
from gagyo.exchange.membership import KEYS
from gagyo.protocol.study import Study
from tests.remote.conftest import Files, analyses
from tests.remote.post_office import Town
from tests.remote.test_courier import short_study

SECONDS = 30


class Lead:
    """The coordinator's folders."""

    def __init__(self, here: Town, study: Study) -> None:
        self._here, self._study = here, study
        self.out, self.key = here.folder / "out", run_key_file(study)
        self._folder, self._kept = here.folder / "lead", here.folder / "kept.keys"

    def run(self) -> Finished:
        """The run, or its error; a run that is asked by nobody any more would wait for ever."""
        threading.Thread(target=self._here.approve_all, daemon=True).start()
        ended: list[Finished | BaseException] = []
        going = threading.Thread(target=self._go, args=(ended,), daemon=True)
        going.start()
        going.join(SECONDS)
        assert ended, f"it neither went on nor stopped within {SECONDS} seconds"
        if isinstance(ended[0], BaseException):
            raise ended[0]
        return ended[0]

    def _go(self, ended: list[Finished | BaseException]) -> None:
        try:
            ended.append(run_remote(self._study, self._folder, self.out, states=lambda _: self._keep_key()))
        except GagyoError as error:
            ended.append(error)

    def _keep_key(self) -> None:
        shutil.copy(self.key, self._kept)

    def go_back(self, answers: int, key: bool) -> None:
        """The folder as it was so many answers before the run's end, with the run's key or without it."""
        path = self.out / "journal.jsonl"
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-answers]))
        (self.out / "results.json").unlink()
        if key:
            shutil.copy(self._kept, self.key)


@pytest.fixture
def lead(here: Town, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lead:
    keys = Keys.open(here.folder / "lead" / KEYS)
    caller = here.caller("lead", keys, "coordinator")
    caller.membership.save(here.folder / "lead")
    caller.close = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(carrying, "open_carrier", lambda folder: caller)
    return Lead(here, short_study(files, tmp_path))


def test_one_that_was_killed_when_hospitals_had_closed_it_goes_on(lead: Lead) -> None:
    """They open no letter of it any more, and its closing answers are not on record here."""
    before = lead.run()
    lead.go_back(4, key=True)
    assert analyses(lead.run().document) == analyses(before.document)
    assert verify(lead.out).journal == 28
    assert not lead.key.exists()


@pytest.mark.parametrize(("answers", "key", "said"), [(8, True, ["answer_run_closed"]), (8, False, ["run_key_gone"])])
def test_one_of_which_more_is_lost_says_why_it_cannot_go_on(
    lead: Lead, answers: int, key: bool, said: Sequence[str]
) -> None:
    lead.run()
    lead.go_back(answers, key)
    with pytest.raises((Refused, FileFault)) as stopped:
        lead.run()
    assert [one.code for one in stopped.value.findings] == said
    assert lead.key.exists() is key, "no other key is made in its place"
