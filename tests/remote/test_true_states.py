"""What a coordinator is told of each hospital is true: refused and why, withdrawn, waiting; never silence instead."""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path

import pytest

from gagyo.api import run_remote
from gagyo.coordinator.planning import make_plan
from gagyo.errors import ExchangeFault, FileFault, Refused, SiteSilent
from gagyo.exchange.envelope import Keys
from gagyo.exchange.letter import Received
from gagyo.exchange.membership import Membership
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.protocol.study import Study
from gagyo.release.ledger import read
from gagyo.site import decisions
from gagyo.site import service as service_module
from gagyo.site.folder import held, state_folder
from gagyo.site.health import health_page
from gagyo.site.service import Service
from tests.remote.conftest import SITES, Files
from tests.remote.post_office import Caller, Town


def preflight(plan: Plan, site: str) -> Request:
    return Request(plan.digest, "", "", 0, site, "preflight")


def test_a_refusal_is_told_with_its_reason(here: Town, files: Files) -> None:
    study, remote = files.study, here.remote(files.study)

    plan = make_plan(study, remote.gather_keys(study.source))
    service = here.services["busan"]

    def refuse(sender: str, recipient: str, body: bytes) -> Sequence[bytes]:
        for one in service.inbox.plans():
            if one.state == "waiting" and not service.inbox.wishes():
                service.inbox.wish(one.plan, "refuse", "no review board yet")
        return [body]

    here.office.mischief = refuse
    with pytest.raises(Refused) as told:
        remote.submit(plan)
    assert told.value.findings[0].values == {"found": "busan", "expected": "no review board yet"}


def test_a_plan_that_is_approved_after_a_refusal_goes_on(here: Town, files: Files) -> None:
    """As where the review board decides a week later: the same command again, and the refusal is past."""
    study, remote = files.study, here.remote(files.study)
    plan = make_plan(study, remote.gather_keys(study.source))

    def decide(doing: str) -> None:
        for name, service in here.services.items():
            while not service.inbox.plans():
                time.sleep(0.02)
            service.inbox.wish(plan.digest, doing if name == "busan" else "approve", "no review board yet")

    deciding = threading.Thread(target=decide, args=("refuse",), daemon=True)
    deciding.start()
    with pytest.raises(Refused):
        remote.submit(plan)
    deciding.join()
    decide("approve")
    until = time.monotonic() + 20
    while {one.state for service in here.services.values() for one in service.inbox.plans()} != {"approved"}:
        assert time.monotonic() < until, "the approval was not taken up"
        time.sleep(0.02)
    again = here.remote(study, 20.0)
    again.submit(plan)
    (answer,) = again.ask([preflight(plan, "busan")])
    assert answer.outcome == "released"


def test_nothing_is_answered_before_approval_or_after_withdrawal(here: Town, files: Files) -> None:
    study, remote = files.study, here.remote(files.study, patience=1.5)

    plan = make_plan(study, remote.gather_keys(study.source))
    with pytest.raises(SiteSilent):
        remote.submit(plan)
    assert {state.doing for state in remote.states.values()} == {"waiting"}
    (answer,) = remote.ask([Request(plan.digest, "", "", 0, "seoul", "preflight")])
    assert (answer.outcome, answer.code, answer.receipt) == ("silent", "undecided", None)
    assert not (state_folder(here.files["seoul"]) / "ledger.jsonl").exists()


def test_a_study_that_a_hospital_cannot_read_is_refused_at_once(here: Town, files: Files) -> None:
    """As where the hospital's version is older than the study file."""
    remote = here.remote(files.study)
    with pytest.raises(Refused) as told:
        remote.gather_keys(files.study.source.replace("method: describe", "method: from_next_year"))
    finding = told.value.findings[0]
    assert finding.code == "answer_other"
    assert finding.values["expected"] in {one["code"] for name in SITES for one in here.logs[name] if "code" in one}
    assert all(finding.text(language) for language in ("en", "ko", "zh"))


def test_data_that_are_gone_after_approval_are_a_refusal_with_its_code(here: Town, files: Files) -> None:
    remote = here.remote(files.study)
    plan = here.plan(files.study, remote)
    here.stop("busan")
    next(one for one in here.files["busan"].parent.glob("busan.*") if one.suffix != ".yaml").unlink()
    here.start("busan")
    with pytest.raises(Refused) as told:
        remote.ask([preflight(plan, "busan")])
    assert told.value.findings[0].code in ("answer_data_fault", "answer_other")
    assert "busan" in told.value.text("ko")


def test_a_withdrawal_in_the_middle_of_a_run_is_an_answer_and_on_record(here: Town, files: Files) -> None:
    remote = here.remote(files.study)
    plan = here.plan(files.study, remote)
    folder = state_folder(here.files["busan"])
    # By the first characters of the digest, as a person types it, while the service runs.
    short = plan.digest.removeprefix("sha256:")[:12]
    assert decisions.withdraw(here.files["busan"], folder, short) == plan.digest
    (answer,) = remote.ask([preflight(plan, "busan")])
    assert (answer.outcome, answer.code) == ("refused", "withdrawn")
    records = [entry.record for entry in read(folder / "ledger.jsonl")]
    assert [one["told"]["doing"] for one in records if one["outcome"] == "noted"] == ["approve", "withdraw"]
    assert [one["code"] for one in records if one["outcome"] != "noted"] == ["withdrawn"]


@pytest.mark.parametrize(
    ("code", "known_again"),
    [("study_not_open", False), ("study_not_open", True), ("not_a_member", False), ("no_such_recipient", False)],
)
def test_a_study_that_the_hub_closed_does_not_cut_a_hospital_off(
    here: Town, files: Files, code: str, known_again: bool
) -> None:
    """A hospital that withdrew says so when it starts again, to a hub that takes no letter of that study any more."""
    remote = here.remote(files.study)
    plan = here.plan(files.study, remote)
    decisions.withdraw(here.files["busan"], state_folder(here.files["busan"]), plan.digest)
    about = here.services["busan"].inbox.plan(plan.digest).study
    here.stop("busan")
    here.office.shut[about] = code
    here.start("busan")
    other = Study.parse(files.study.source.replace("\nstudy: ", "\nstudy: another-", 1))
    assert other.study != files.study.study
    assert set(here.remote(other, 8.0).gather_keys(other.source)) >= set(SITES)
    assert {one["state"] for one in here.logs["busan"] if one["event"] == "hub"} == {"connected"}
    if known_again:  # as of a partner hub that is told of it a moment later
        before = len(here.office.carried)
        here.office.shut.clear()
        give_up = time.monotonic() + 8
        while not any(one[0] == "busan" and one[2] == about for one in here.office.carried[before:]):
            assert time.monotonic() < give_up, "its word was not said again"
            time.sleep(0.02)
        return
    give_up = time.monotonic() + 30
    while not any(one["event"] == "not_told" for one in here.logs["busan"]):
        assert time.monotonic() < give_up, "it never ends"
        time.sleep(0.02)


def test_a_withdrawal_of_a_plan_that_is_not_there_is_no_withdrawal(here: Town, files: Files) -> None:
    here.stop("busan")
    for plan in ("sha256:" + "0" * 64, "0" * 12):
        with pytest.raises(FileFault) as told:
            decisions.withdraw(here.files["busan"], state_folder(here.files["busan"]), plan)
        assert told.value.findings[0].code == "plan_none"


def test_the_hub_is_told_what_a_service_does(here: Town, files: Files) -> None:
    until = time.monotonic() + 30
    while not any(name == "busan" for name, _, _ in here.office.doings) and time.monotonic() < until:
        time.sleep(0.05)
    remote = here.remote(files.study, patience=1.5)
    with pytest.raises(SiteSilent):
        remote.submit(make_plan(files.study, remote.gather_keys(files.study.source)))
    here.stop("busan")
    told = [(doing, plans) for name, doing, plans in here.office.doings if name == "busan"]
    assert told[0] == ("serving", 0)
    assert ("waiting", 1) in told
    assert told[-1] == ("stopped", 1)
    assert all(one != other for one, other in pairwise(told)), "only what changed"


def test_an_answer_leaves_before_another_study_is_worked_on(here: Town, files: Files) -> None:
    """Two studies' letters come together: the first one's coordinator does not wait for the second one's computing."""
    service = here.services["seoul"]
    here.stop("seoul")
    texts = [files.study.source, files.study.source.replace("lead: {name: ", "lead: {name: Other ")]
    for text in texts:
        remote = here.remote(Study.parse(text))
        letter = remote._written(remote._post("propose", "seoul", {"study": text}))
        here.office.post("lead", "seoul", letter.study, letter.body)
    began: list[int] = []
    take = Service._take

    def counted(self: Service, letter: Received, ending: threading.Event) -> bool:
        began.append(sum(sender == "seoul" for sender, *_ in here.office.carried))
        return take(self, letter, ending)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Service, "_take", counted)
        already = sum(sender == "seoul" for sender, *_ in here.office.carried)
        here.start("seoul")
        until = time.monotonic() + 20
        while len(began) < 2 and time.monotonic() < until:
            time.sleep(0.02)
    assert here.services["seoul"] is not service
    assert began == [already, already + 1]


def test_a_second_run_of_a_study_over_a_hub_is_told_of_the_first(files: Files, tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    keys, hub = Keys.open(folder / "keys"), Keys.make().public
    Membership("lead", "KR", "coordinator", "https://127.0.0.1:9", "hub", hub, keys).save(folder)
    path = tmp_path / "study.yaml"
    path.write_text(files.study.source, encoding="utf-8")
    with held(tmp_path / ".gagyo", f"{files.study.study}.lock"), pytest.raises(FileFault) as told:
        run_remote(path, folder, tmp_path / "out")
    assert told.value.findings[0].code == "run_in_use"
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told_to_all_and_the_hospital_goes_on_when_there_is_room(
    here: Town, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the coordinator, to the hub's operator and to the hospital's own monitoring; a letter is not told of twice."""
    monkeypatch.setattr(service_module, "PAUSE_SECONDS", 0.1)
    remote = here.remote(files.study, patience=2.0)
    plan = here.plan(files.study, remote)
    busan = here.services["busan"]

    def no_room(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with health_page(0, busan.health) as port, monkeypatch.context() as full:
        assert asked(port) == (200, "")
        full.setattr(busan, "_answer", no_room)
        before = len(here.office.carried)
        (answer,) = remote.ask([preflight(plan, "busan")])
        assert (answer.outcome, answer.code) == ("silent", "disk_full_there")
        assert remote.states["busan"].doing == "disk_full"
        assert sum(sender == "busan" for sender, *_ in here.office.carried[before:]) == 1
        assert asked(port) == (503, "disk_full")
        assert ("busan", "disk_full", 0) in here.office.doings
        here.office.boxes["busan"].clear()
        until = time.monotonic() + 10
        while asked(port) != (200, ""):
            assert time.monotonic() < until, "nothing waits for room any more"
            time.sleep(0.05)
        full.undo()
        (answer,) = remote.ask([preflight(plan, "busan")])
        assert answer.outcome == "released"
        assert asked(port) == (200, "")


def test_a_letter_that_is_answered_ends_what_it_met_before(here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and not when no letter comes any more: a busy hospital would be called full for as long."""
    monkeypatch.setattr(service_module, "PAUSE_SECONDS", 0.0)
    here.stop("busan")
    busan, letter, ending = here.services["busan"], Received("1", "lead", "study", b""), threading.Event()

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    try:
        with monkeypatch.context() as full:
            full.setattr(busan, "_handle", no_room)
            assert not busan._take(letter, ending)
            assert busan.health()["fault"] == "disk_full"
            full.setattr(busan, "_handle", lambda _: None)
            assert busan._take(letter, ending)
        assert busan.health()["fault"] == ""
    finally:
        here.start("busan")


def test_a_hub_that_does_not_answer_is_told_while_it_is_still_tried(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Caller, "trouble", "hub_unreachable")
    told = here.services["busan"].health()
    assert (told["ok"], told["hub"]) == (False, "hub_unreachable")


def test_a_hospital_that_waits_for_the_operator_is_not_connected(
    here: Town, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls about itself are answered before the operator confirms, and those alone."""
    monkeypatch.setattr(service_module, "PAUSE_SECONDS", 0.02)
    here.stop("busan")
    here.logs["busan"].clear()

    def unconfirmed(*_: object, **__: object) -> None:
        raise ExchangeFault.of("not_enrolled", found="busan")

    with monkeypatch.context() as waiting:
        for call in ("receive", "directory", "tell_doing"):
            waiting.setattr(Caller, call, unconfirmed)
        here.start("busan")
        time.sleep(0.3)
        assert [one["state"] for one in here.logs["busan"]] == ["not_enrolled"]
        assert here.services["busan"].health()["ok"] is False
    until = time.monotonic() + 10
    while not here.services["busan"].health()["ok"]:
        assert time.monotonic() < until, "it was confirmed, and goes on"
        time.sleep(0.02)


def asked(port: int) -> tuple[int, str]:
    """The status of a health page, and the fault that it tells."""
    line = HTTPConnection("127.0.0.1", port, timeout=10)
    line.request("GET", "/health")
    page = line.getresponse()
    return page.status, json.loads(page.read())["fault"]
