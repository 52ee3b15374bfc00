"""A study with three hospitals at the hub and one without a line, whose letters a person carries on files."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gagyo.api import run_embedded, run_remote, verify
from gagyo.canonical import digest
from gagyo.cli import application
from gagyo.errors import ExchangeFault, FileFault
from gagyo.exchange import courier as carrying
from gagyo.exchange.courier import Both, Courier
from gagyo.exchange.enrolment import fingerprint
from gagyo.exchange.envelope import Keys
from gagyo.exchange.membership import FILE, KEYS, Membership
from gagyo.exchange.parcel import Card
from gagyo.protocol.study import Study
from gagyo.runtime.remote import Remote, SiteState
from gagyo.site import courier as at_site
from gagyo.site import decisions
from gagyo.site.folder import held, state_folder
from gagyo.site.inbox import Inbox
from tests.remote.conftest import Files, analyses
from tests.remote.post_office import Town

FAR = "tianjin"


def yes(card: Card, changed: bool) -> bool:
    return True


@pytest.fixture
def lead(here: Town) -> Path:
    """The coordinator's folder; `FAR` is not at the hub."""
    here.stop(FAR)
    here.services.pop(FAR)
    del here.office.members[FAR]
    folder = here.folder / "lead"
    keys = Keys.open(folder / KEYS)
    here.caller("lead", keys, "coordinator").membership.save(folder)
    return folder


@pytest.fixture
def mixed(here: Town, lead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`open_carrier` with the hub in memory instead of a real one."""
    caller = here.caller("lead", Keys.open(lead / KEYS), "coordinator")
    caller.close = lambda: None  # type: ignore[attr-defined]

    def opened(folder: Path) -> Both:
        return Both(caller, Courier(folder, Membership.open(folder)))  # type: ignore[arg-type]

    monkeypatch.setattr(carrying, "open_carrier", opened)


class Bag:
    """A person with a memory stick, who goes back and forth; `approve` is done at the hospital in between."""

    def __init__(self, here: Town, lead: Path) -> None:
        self.file, self._lead, self._folder, self.trips = here.files[FAR], lead, here.folder, 0
        self.carried: dict[str, int] = {}
        """Letters to the hospital, and their bytes."""

    def introduce(self) -> None:
        """Cards both ways, before the run."""
        self.there()
        self.back()

    def there(self) -> None:
        self.trips += 1
        with Courier(self._lead, Membership.open(self._lead)) as courier:
            parcel = courier.export(FAR, self._folder / f"there{self.trips}")
        self.carried.update((letter.id, letter.size) for letter in parcel.letters)
        at_site.take_in(self.file, self._folder / f"there{self.trips}", yes)

    def back(self) -> None:
        at_site.export(self.file, self._folder / f"back{self.trips}")
        with Courier(self._lead, Membership.open(self._lead)) as courier:
            courier.take_in(self._folder / f"back{self.trips}", yes)

    def waits(self) -> bool:
        with Courier(self._lead, Membership.open(self._lead)) as courier:
            return courier.waiting(FAR).fresh > 0

    def walk(self, ending: threading.Event) -> None:
        while not ending.wait(0.05):
            if self.waits():
                self.there()
                self._approve()
                self.back()

    def _approve(self) -> None:
        folder = state_folder(self.file)
        inbox = Inbox(folder / "inbox.sqlite")
        waiting = [one.plan for one in inbox.plans() if one.state == "waiting"]
        inbox.close()
        for plan in waiting:
            decisions.take(self.file, folder, "approve", plan)


def short_study(files: Files, folder: Path) -> Study:
    """Few rounds, for each is a walk."""
    text = files.study.source
    path = folder / "study.yaml"
    path.write_text(text[: text.index("  algorithm:")], encoding="utf-8")
    return Study.read(path)


@pytest.mark.usefixtures("mixed")
def test_a_mixed_study_has_the_same_results(here: Town, files: Files, lead: Path) -> None:
    study = short_study(files, here.folder)
    expected = run_embedded(study, next(iter(files.sites.values())).parent, here.folder / "embedded")
    bag, ending = Bag(here, lead), threading.Event()
    bag.introduce()
    walking = threading.Thread(target=bag.walk, args=(ending,), daemon=True)
    approving = threading.Thread(target=here.approve_all, daemon=True)
    walking.start()
    approving.start()
    told: list[SiteState] = []
    finished = run_remote(study, lead, here.folder / "out", states=lambda states: told.append(states[FAR]))
    ending.set()
    walking.join(10)
    assert analyses(finished.document) == analyses(expected.document)
    assert verify(here.folder / "out").kept_there[FAR] >= 7
    stood = {state.doing for state in told}
    assert {"to_carry", "ready", "approved", "answered"} <= stood
    assert not {"silent", "unreadable"} & stood
    for state in (one for one in told if one.doing == "to_carry"):
        until = datetime.strptime(state.detail, "%Y-%m-%d %H:%M%z").timestamp()
        assert until == pytest.approx(state.since + study.waits.total_seconds(), abs=60)
    receipts = (state_folder(here.files[FAR]) / "ledger.jsonl").read_text().splitlines()
    requests = [json.loads(one)["record"]["request"] for one in receipts]
    assert len(requests) == len(set(requests)), "nothing is released twice"
    over_a_hub = [len(body) for _, recipient, _, body in here.office.carried if recipient == "seoul"]
    assert sorted(bag.carried.values()) == pytest.approx(sorted(over_a_hub), rel=0.02), "what came is not brought again"
    base = sqlite3.connect(state_folder(here.files[FAR]) / "memory.sqlite")
    assert base.execute("select count(*) from arrived").fetchone() == (0,), "what came is destroyed with the run's key"
    base.close()


@pytest.mark.usefixtures("mixed")
def test_where_hospitals_stand_is_told_by_one_thread(files: Files, lead: Path) -> None:
    """Each telling rewrites progress.json; of two at once one would find that its file is gone, and end the run."""
    told: list[threading.Thread] = []
    with Courier(lead, Membership.open(lead)) as courier:
        card = Membership(FAR, "CN", "site", "courier", "lead", Keys.make().public, Keys.make())
        with Courier(lead.parent / "far", card) as other:
            other.export("lead", lead.parent / "card")
        courier.take_in(lead.parent / "card", yes)
    with closing(carrying.open_carrier(lead)) as carrier:
        about = digest(files.study.canonical())
        remote = Remote(
            carrier, Keys.make(), about, files.study.sites, 60, lambda _: told.append(threading.current_thread())
        )
        post = remote._post("propose", FAR, {})
        remote._send([post])
        remote._send([post])
        remote.close()
    assert told == [threading.current_thread()]


def test_the_first_file_makes_the_keys_and_shows_them(here: Town, lead: Path, tmp_path: Path) -> None:
    run, site = _program(), str(here.files[FAR])
    first, answer = str(tmp_path / "first"), str(tmp_path / "answer")
    assert "no_courier_yet" in _code(lambda: at_site.export(here.files[FAR], tmp_path / "x"))
    written = run("courier", "export", first, "--hub", str(lead), "--to", FAR)
    own = fingerprint(Membership.open(lead).keys.public)
    assert own in written
    wrong = " ".join(["00000"] * 8)
    assert not (state_folder(here.files[FAR]) / FILE).exists()
    with pytest.raises(ExchangeFault):
        run("courier", "import", first, "--site", site, "--fingerprint", wrong)
    assert not (state_folder(here.files[FAR]) / FILE).exists(), "nothing is half done"
    taken = run("courier", "import", first, "--site", site, "--fingerprint", own)
    assert own in taken
    assert f"gagyo courier export FILE --site {site}" in taken
    keys = Membership.open(state_folder(here.files[FAR])).keys.public
    assert fingerprint(keys) in run("courier", "export", answer, "--site", site)
    assert f"{FAR} has sent no file yet" in written
    run("courier", "import", answer, "--hub", str(lead), input="y\n")
    assert "no file yet" not in run("courier", "export", str(tmp_path / "second"), "--hub", str(lead), "--to", FAR)
    other = run("courier", "export", str(tmp_path / "other"), "--hub", str(lead), "--to", "tjanjin")
    assert f"By courier so far: {FAR}." in other
    with Courier(lead, Membership.open(lead)) as courier:
        assert courier.directory()[FAR].keys == keys


def test_a_hospital_at_a_hub_takes_no_courier(here: Town, lead: Path, tmp_path: Path) -> None:
    at_hub = Membership("seoul", "KR", "site", "https://hub", "hub-kr", Keys.make().public, Keys.make())
    at_hub.save(state_folder(here.files["seoul"]))
    Keys.open(state_folder(here.files["seoul"]) / KEYS)
    with Courier(lead, Membership.open(lead)) as courier:
        courier.export("seoul", tmp_path / "file")
    assert _code(lambda: at_site.take_in(here.files["seoul"], tmp_path / "file", yes)) == "courier_has_hub"
    assert _code(lambda: at_site.export(here.files["seoul"], tmp_path / "back")) == "courier_has_hub"


def test_a_hospital_takes_its_first_file_from_a_coordinator_only(here: Town, lead: Path, tmp_path: Path) -> None:
    other = Membership("busan", "KR", "site", "courier", "lead", Keys.make().public, Keys.make())
    with Courier(tmp_path / "busan", other) as courier:
        courier.export(FAR, tmp_path / "file")
    assert _code(lambda: at_site.take_in(here.files[FAR], tmp_path / "file", yes)) == "courier_not_a_coordinator"


def test_a_running_service_answers_what_is_brought(here: Town, lead: Path) -> None:
    """Where the hospital's service runs, the command leaves the answering to it."""
    bag = Bag(here, lead)
    with held(state_folder(here.files[FAR])) as free:
        assert free
        bag.introduce()
        with Courier(lead, Membership.open(lead)) as courier:
            courier.send(FAR, "study", b"letter")
        bag.there()
    folder = state_folder(here.files[FAR])
    with Courier(folder, Membership.open(folder)) as courier:
        assert [one.body for one in courier.receive(0)] == [b"letter"]


def _code(work: Callable[[], object]) -> str:
    with pytest.raises((ExchangeFault, FileFault)) as fault:
        work()
    return fault.value.findings[0].code


def _program() -> Callable[..., str]:
    def run(*arguments: str, input: str | None = None) -> str:
        done = CliRunner().invoke(application(), list(arguments), input=input, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run
