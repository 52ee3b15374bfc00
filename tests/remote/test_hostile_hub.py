"""A hostile hub drops, doubles, reorders, alters, replays and invents letters: the result stays, or it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from random import Random

import pytest

from gagyo.canonical import digest
from gagyo.errors import ExchangeFault, FileFault, Refused, SiteSilent
from gagyo.exchange.envelope import Keys
from gagyo.federation.message import Message, write
from gagyo.protocol.study import Study
from gagyo.release.ledger import read
from gagyo.site.folder import state_folder
from tests.remote.conftest import SITES, Files, analyses
from tests.remote.post_office import Caller, Town


def once_each(here: Town) -> bool:
    """Whether no hospital released an answer to one request twice."""
    for file in here.files.values():
        kept = read(state_folder(file) / "ledger.jsonl")
        released = [entry.record["request"] for entry in kept if entry.record["outcome"] == "released"]
        if len(released) != len(set(released)):
            return False
    return True


def lost(body: bytes, random: Random) -> Sequence[bytes]:
    return [] if random.random() < 0.1 else [body]


def doubled(body: bytes, random: Random) -> Sequence[bytes]:
    return [body, body]


def altered(body: bytes, random: Random) -> Sequence[bytes]:
    if random.random() < 0.9:
        return [body]
    changed = bytearray(body)
    changed[random.randrange(len(body))] ^= 1 << random.randrange(8)
    return [bytes(changed)]


@pytest.mark.parametrize("how", [lost, doubled, altered])
def test_letters_may_be_lost_doubled_or_altered(here: Town, files: Files, how: object) -> None:
    random = Random(5)
    here.office.mischief = lambda sender, recipient, body: how(body, random)  # type: ignore[operator]
    # Without leave-one-out, which has ten times the letters: a lost one costs the time until it is sent again.
    study = Study.parse("\n".join(line for line in files.study.source.splitlines() if "leave_out" not in line))
    found, expected = json.loads(analyses(here.run(study).document)), json.loads(files.expected)
    assert found == {name: expected[name] for name in ("characteristics", "algorithm")}
    assert once_each(here)


def test_every_letter_again_in_another_order_releases_nothing_more(here: Town, files: Files) -> None:
    finished = here.run(files.study)
    assert analyses(finished.document) == files.expected
    before = {name: len(list(read(state_folder(file) / "ledger.jsonl"))) for name, file in here.files.items()}
    replayed = [one for one in here.office.carried if one[1] in SITES]
    Random(3).shuffle(replayed)
    for letter in replayed:
        here.office.put(*letter)
    while any(here.office.boxes[name] for name in SITES):
        here.office.take("nobody", 0.05, ())
    after = {name: len(list(read(state_folder(file) / "ledger.jsonl"))) for name, file in here.files.items()}
    assert after == before


def test_letters_of_another_hospital_are_passed_over(here: Town, files: Files) -> None:
    """The hub gives a hospital's answers to the coordinator as another hospital's."""

    def exchanged(sender: str, recipient: str, body: bytes) -> Sequence[bytes]:
        if recipient == "lead" and sender == "busan":
            here.office.put("seoul", "lead", digest(files.study.canonical()), body)
        return [body]

    here.office.mischief = exchanged
    assert analyses(here.run(files.study).document) == files.expected


def test_a_hospital_that_the_hub_invents_is_in_no_plan(here: Town, files: Files) -> None:
    """The hub has the keys of a hospital that it runs itself; it cannot take another's place in an approved plan."""
    study, remote = files.study, here.remote(files.study)
    plan = here.plan(study, remote)
    impostor = Keys.make()
    here.office.members["tianjin"] = here.office.members["seoul"]
    forged = Message(
        *("answer", "tianjin", "lead", digest(study.canonical()), {}, plan.digest, "sha256:1"), expires=2**40
    )
    here.office.put("tianjin", "lead", digest(study.canonical()), write(forged, impostor, here.coordinator.public))
    remote._receive(0.2)
    assert remote.states["tianjin"].doing == "unreadable"
    assert remote.states["tianjin"].detail == "bad_signature"


def test_a_key_for_the_run_that_the_hub_made_is_refused(here: Town, files: Files) -> None:
    here.stop("tianjin")
    forger = Keys.make()
    study = files.study
    remote = here.remote(study, patience=2.0)
    about = digest(study.canonical())
    body = {"signing": forger.public.signing, "sealing": forger.public.sealing}
    forged = Message("key", "tianjin", "lead", about, body, expires=2**40)
    here.office.put("tianjin", "lead", about, write(forged, forger, here.coordinator.public))
    with pytest.raises(SiteSilent) as told:
        remote.gather_keys(study.source)
    assert told.value.findings[0].values["found"] == "tianjin"


def test_a_coordinator_whom_the_hub_invents_cannot_lead_the_study(here: Town, files: Files) -> None:
    study, about = files.study, digest(files.study.canonical())
    remote = here.remote(study)
    remote.gather_keys(study.source)
    other = Keys.make()
    caller: Caller = here.caller("somebody", other, "coordinator")
    body = {"study": study.source}
    for sender in ("somebody", "lead"):
        said = Message("propose", sender, "seoul", about, body, expires=2**40)
        here.office.put(sender, "seoul", about, write(said, other, here.office.members["seoul"].keys))
    while here.office.boxes["seoul"]:
        caller._office.take("nobody", 0.05, ())
    codes = [one["code"] for one in here.logs["seoul"] if one["event"] == "refused"]
    assert codes == ["other_leader", "bad_signature"]
    leader = here.services["seoul"].inbox.leader(about)
    assert leader is not None
    assert leader[:2] == ("lead", here.coordinator.public.signing)


def test_a_hospital_that_the_hub_does_not_know_is_named(
    here: Town, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.runtime.remote.REGISTERS_SECONDS", 0.0)
    del here.office.members["beijing"]
    with pytest.raises(ExchangeFault) as told:
        here.remote(files.study)
    assert told.value.code == "sites_not_at_hub"
    assert told.value.findings[0].values == {"found": "beijing", "expected": "busan, seoul, tianjin"}


def test_a_hospital_that_has_just_joined_at_the_partners_hub_is_waited_for(here: Town, files: Files) -> None:
    """Hubs tell each other of their members every ten seconds: a study proposed in between is none that fails."""
    member = here.office.members.pop("beijing")
    joining = threading.Timer(0.5, here.office.members.update, ({"beijing": member},))
    joining.start()
    assert "beijing" in here.remote(files.study).states
    joining.join()


def test_services_may_be_started_again_at_any_moment(here: Town, files: Files) -> None:
    random, count = Random(11), [0]

    def restart(sender: str, recipient: str, body: bytes) -> Sequence[bytes]:
        count[0] += 1
        return [body]

    here.office.mischief = restart
    study, remote = files.study, here.remote(files.study)
    plan = here.plan(study, remote)
    from gagyo.coordinator.run import Run
    from gagyo.runtime.journal import Journal

    journal = Journal(here.folder / "journal.jsonl", here.coordinator, remote)
    run = Run(plan, journal)
    asked = journal.ask

    def ask(requests: Sequence[object]) -> object:
        if random.random() < 0.05:
            name = random.choice(SITES)
            here.stop(name)
            here.start(name)
        return asked(requests)  # type: ignore[arg-type]

    journal.ask = ask  # type: ignore[method-assign, assignment]
    for _ in run:
        pass
    assert not run.stopped
    assert once_each(here)


def test_a_plan_with_another_coordinators_key_is_not_kept(here: Town, files: Files) -> None:
    from gagyo.coordinator.planning import make_plan

    study, remote = files.study, here.remote(files.study)
    keys = remote.gather_keys(study.source)
    plan = make_plan(study, {**keys, "coordinator": Keys.make().public})
    with pytest.raises(Refused) as told:
        remote.submit(plan)
    assert told.value.findings[0].values["expected"] == "other_leader"
    assert here.services["seoul"].inbox.plans() == []
    with pytest.raises(FileFault):
        here.services["seoul"].inbox.plan(plan.digest)
