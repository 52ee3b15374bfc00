"""A run that another version of a method made: what is said of it, where the version here cannot go on or derive it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gagyo.coordinator.folder import open_folder
from gagyo.coordinator.verify import verify
from gagyo.errors import FileFault, GagyoError, SiteSilent
from gagyo.exchange.envelope import Keys
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.runtime.journal import Journal
from tests.hospitals import STUDY, House, breast, house
from tests.unit.test_run_and_verify import MEANS, audit, finished

READ = ("gagyo.coordinator.planning.source_digest", "gagyo.site.admission.source_digest")


@pytest.fixture
def made(tmp_path: Path) -> House:
    """A run of another version, in `tmp_path/out`; from then on there is the present one."""
    with pytest.MonkeyPatch.context() as then:
        for where in READ:
            then.setattr(where, lambda method: "sha256:" + "0" * 64)
        one = house(tmp_path / "out", STUDY + MEANS, breast())
        finished(tmp_path / "out", one)
    return one


class Otherwise(Journal):
    """A journal that lacks what a version asks that puts its questions otherwise."""

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        if requests[0].analysis:
            raise SiteSilent.of("not_in_journal", found=requests[0].step, site=requests[0].site)
        return super().ask(requests)


def otherwise(folder: Path) -> Otherwise:
    return Otherwise(folder / "journal.jsonl", Keys.make())


@pytest.mark.usefixtures("made")
def test_what_is_asked_in_the_same_way_is_derived_again(tmp_path: Path) -> None:
    assert verify(tmp_path / "out", audit(tmp_path / "out")).exact


@pytest.mark.usefixtures("made")
def test_what_it_asked_otherwise_is_not_called_a_cut_journal(tmp_path: Path) -> None:
    with pytest.raises(FileFault) as told:
        verify(tmp_path / "out", otherwise(tmp_path / "out"))
    assert [one.code for one in told.value.findings] == ["made_by_other_version"]
    assert told.value.findings[0].values["found"] == "describe"


def test_a_cut_journal_of_this_version_is_called_so(tmp_path: Path) -> None:
    finished(tmp_path / "out", house(tmp_path / "out", STUDY + MEANS, breast()))
    with pytest.raises(GagyoError) as told:
        verify(tmp_path / "out", otherwise(tmp_path / "out"))
    assert [one.code for one in told.value.findings] == ["not_in_journal"]


def test_it_is_not_gone_on_with(tmp_path: Path, made: House) -> None:
    present = house(tmp_path / "present", STUDY + MEANS, breast()).plan
    assert present.text == made.plan.text
    with pytest.raises(FileFault) as told:
        open_folder(tmp_path / "out", present)
    assert [one.code for one in told.value.findings] == ["run_by_other_version"]
