"""People are counted over the exchange: a hospital whose policy allows it answers by itself, another says no."""

from __future__ import annotations

from gagyo.coordinator.feasibility import feasibility
from gagyo.coordinator.planning import make_plan
from gagyo.coordinator.run import Run
from gagyo.federation.line import Line
from gagyo.protocol.counting import counting_of
from gagyo.release.ledger import read
from gagyo.runtime.journal import Journal
from gagyo.site.folder import state_folder
from tests.remote.conftest import Files
from tests.remote.post_office import Town

ALLOWING = ("seoul", "beijing", "tianjin")


def allow(here: Town) -> None:
    """Let three hospitals count, and start their services anew."""
    for name in ALLOWING:
        here.stop(name)
        text = here.files[name].read_text(encoding="utf-8")
        head, policy, rest = text.partition("policy: {")
        allowed = f"{head}{policy}feasibility: 20, {rest}" if policy else f"{text}\npolicy: {{feasibility: 20}}\n"
        here.files[name].write_text(allowed, encoding="utf-8")
        here.start(name)


def test_hospitals_count_by_their_policy_and_nobody_waits(here: Town, files: Files) -> None:
    allow(here)
    counting = counting_of(files.study, Line(files.study).complete)
    remote = here.remote(counting.study, patience=60)
    plan = make_plan(counting.study, remote.gather_keys(counting.study.source))
    remote.submit(plan)
    run = Run(plan, Journal(here.folder / "journal.jsonl", here.coordinator, remote))
    assert list(run) == []
    assert set(run.preflight) == set(ALLOWING)
    assert run.silent == {"busan"}
    assert remote.states["busan"].doing == "refused"
    found = feasibility(plan.study, files.study, counting, run.preflight, {}, {}, run.silent)
    counted = {site: one.analysed for site, one in found.counts["all"].items()}
    assert counted == {"seoul": 199, "busan": None, "beijing": 224, "tianjin": 69}
    notes = {
        name: next(one.record for one in read(state_folder(here.files[name]) / "ledger.jsonl")) for name in ALLOWING
    }
    assert {note["told"]["doing"] for note in notes.values()} == {"count"}
    remote.close()
