"""Output review at a hospital on its own machine: the run waits while people decide, and then goes on by itself."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gagyo.governance import review as reviewing
from gagyo.governance.review import Act, Review
from gagyo.protocol.request import Request
from gagyo.site import decisions
from gagyo.site.folder import state_folder
from tests.attacks.test_reviews import KEYS
from tests.remote.conftest import Files
from tests.remote.post_office import Town

STEPS = (("engineer", "submit"), ("first", "vote"), ("second", "vote"), ("custodian", "approve"))


def refers(file: Path) -> None:
    """Give a hospital a policy that refers describe to people."""
    one = {name: key.public for name, key in KEYS.items()}
    roles = f"site_engineer: [{one['engineer']}], reviewer: [{one['first']}, {one['second']}], "
    roles += f"custodian: [{one['custodian']}]"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("policy:")]
    lines.append(f"policy: {{referral: [describe], approvals: {{roles: {{{roles}}}}}}}")
    file.write_text("\n".join(lines) + "\n")


def latest(here: Town) -> Review | None:
    site = here.services["busan"]._opened
    found = site.reviews.all() if site is not None else []
    return found[-1] if found else None


def acts(here: Town, decision: str = "approve") -> None:
    """People at Busan act as soon as something is referred, while the service holds the hospital's folder."""
    give_up = time.monotonic() + 30
    while (one := latest(here)) is None and time.monotonic() < give_up:
        time.sleep(0.05)
    assert one is not None
    for who, step in STEPS:
        for doing in ("view", decision if step == "approve" else step):
            one = latest(here)
            assert one is not None
            draft = Act(one.site, one.plan, one.review, doing, one.version, one.content)  # type: ignore[arg-type]
            said = replace(draft, verdict=decision if doing == "vote" else "", reason="out_of_scope")
            signed = reviewing.sign(said, KEYS[who], datetime.now(UTC))
            decisions.review(here.files["busan"], state_folder(here.files["busan"]), signed)


@pytest.fixture
def busan(here: Town) -> Town:
    here.stop("busan")
    refers(here.files["busan"])
    here.start("busan")
    return here


@pytest.mark.parametrize(("decision", "stopped"), [("approve", []), ("reject", ["characteristics"])])
def test_a_run_waits_for_the_review_and_goes_on(busan: Town, files: Files, decision: str, stopped: list[str]) -> None:
    people = threading.Thread(target=acts, args=(busan, decision), daemon=True)
    people.start()
    finished = busan.run(files.study)
    people.join(5)
    assert not people.is_alive()
    assert list(finished.stopped) == stopped
    for why in finished.stopped.values():
        assert why.findings[0].code == "answer_review_out_of_scope"
    assert {"algorithm", "checked"} <= set(finished.results)


def test_patience_ends_with_what_it_waited_for(busan: Town, files: Files) -> None:
    remote = busan.remote(files.study, patience=30)
    plan = busan.plan(files.study, remote)
    remote._patience = 1.5
    analysis = next(iter(plan.study.analyses))
    preflight = [Request(plan.digest, "", "", 0, site, "preflight") for site in plan.study.sites]
    remote.ask(preflight)
    cohort = plan.study.analyses[analysis].cohort
    asked = Request(plan.digest, analysis, cohort, 0, "busan", "describe.first", roster=plan.study.sites)
    (answer,) = remote.ask([asked])
    assert (answer.outcome, answer.code) == ("silent", "unreviewed")
    assert remote.states["busan"].doing == "reviewing"
