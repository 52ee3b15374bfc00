"""A hospital whose folder was restored from an earlier copy answers nothing, and both sides are told what it lacks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gagyo.api import run_embedded, verify
from gagyo.errors import GagyoError, Refused, SiteSilent
from gagyo.protocol.study import Study
from gagyo.site.folder import state_folder
from tests.remote.conftest import Files, analyses
from tests.remote.post_office import Town
from tests.remote.test_courier import short_study

AT = "tianjin"


class Copies:
    """Copies of a hospital's folder, taken when so many letters have come to it."""

    def __init__(self, here: Town, folder: Path, moments: Sequence[int]) -> None:
        self._here, self._folder, self._state = here, folder, state_folder(here.files[AT])
        self._came, self._moments = 0, {moment: threading.Event() for moment in moments}
        here.office.mischief = self._count

    def _count(self, sender: str, recipient: str, body: bytes) -> list[bytes]:
        self._came += recipient == AT
        if recipient == AT and self._came in self._moments:
            self._moments[self._came].set()
        return [body]

    def take(self, moment: int) -> None:
        assert self._moments[moment].wait(30)
        self._here.stop(AT)
        shutil.copytree(self._state, self._folder / str(moment))
        self._here.start(AT)

    def restore(self, moment: int | None) -> None:
        """A copy in the place of the folder, or but the keys, as on the day that the hospital joined."""
        self._here.stop(AT)
        keys = (self._state / "keys").read_bytes()
        shutil.rmtree(self._state)
        if moment is None:
            self._state.mkdir()
            (self._state / "keys").write_bytes(keys)
        else:
            shutil.copytree(self._folder / str(moment), self._state)
        self._here.start(AT)

    @property
    def links(self) -> int:
        ledger = self._state / "ledger.jsonl"
        return len(ledger.read_bytes().splitlines()) if ledger.exists() else 0


class Going:
    """A run in another thread."""

    def __init__(self, here: Town, study: Study) -> None:
        self._here, self._study = here, study
        self._errors: list[GagyoError] = []
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def _go(self) -> None:
        try:
            self._here.run(self._study, patience=4)
        except GagyoError as error:
            self._errors.append(error)

    def error(self) -> GagyoError:
        self._thread.join(60)
        return self._errors[0]


def test_it_answers_nothing_and_goes_on_with_its_newest_copy(here: Town, files: Files, tmp_path: Path) -> None:
    study = short_study(files, tmp_path)
    copies = Copies(here, tmp_path / "copies", (3, 6))
    going = Going(here, study)
    copies.take(3)
    copies.take(6)
    copies.restore(3)
    links = copies.links
    error = going.error()
    assert isinstance(error, Refused)
    assert [one.code for one in error.findings] == ["answer_ledger_behind"]
    assert copies.links == links, "a refusal would be a second link of its number"
    told = (state_folder(here.files[AT]) / "faults.log").read_text(encoding="utf-8")
    assert f"and the ledger has {links} links" in told
    assert [one["code"] for one in here.logs[AT] if one["event"] == "refused"] == ["ledger_behind"]
    copies.restore(6)
    finished = here.run(study)
    expected = run_embedded(study, next(iter(files.sites.values())).parent, tmp_path / "embedded")
    assert analyses(finished.document) == analyses(expected.document)
    assert verify(finished.folder).analyses == 1


def test_one_that_lost_the_plan_says_so(here: Town, files: Files, tmp_path: Path) -> None:
    copies = Copies(here, tmp_path / "copies", (1, 4))
    going = Going(here, short_study(files, tmp_path))
    copies.take(1)
    copies.take(4)
    copies.restore(1)
    assert [one.code for one in going.error().findings] == ["answer_plan_unknown_here"]


def test_one_that_lost_the_key_of_the_run_says_that_it_can_open_nothing(
    here: Town, files: Files, tmp_path: Path
) -> None:
    copies = Copies(here, tmp_path / "copies", (3,))
    going = Going(here, short_study(files, tmp_path))
    copies.take(3)
    copies.restore(None)
    error = going.error()
    assert isinstance(error, SiteSilent)
    assert [one.code for one in error.findings] == ["unopened"]


@pytest.mark.parametrize("sender", ["busan", "nobody"])
def test_who_is_no_coordinator_is_told_nothing_of_keys(here: Town, sender: str) -> None:
    """Nor does it end the service."""
    here.office.put(sender, AT, "a study", b"nothing that could be opened")
    with here.office.bell:
        assert here.office.bell.wait_for(lambda: not here.office.boxes[AT], 10)
    assert not [one for one in here.office.carried if one[0] == AT]
