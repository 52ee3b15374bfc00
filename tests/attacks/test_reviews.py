"""What the gate refers to people: it waits, leaves exactly as reviewed, or never; the record gives no hint."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gagyo.canonical import plain
from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.governance import review as reviewing
from gagyo.governance.approval import Terms
from gagyo.governance.review import Act, Review
from gagyo.governance.role_key import RoleKey
from gagyo.governance.roles import Role
from gagyo.release.ledger import check_chain, read
from gagyo.runtime.embedded import Embedded
from gagyo.site.policy import Policy
from gagyo.site.site import Site
from tests.attacks.test_door import few_of_a_size
from tests.attacks.test_left_out import at_the_others, send
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house

META = '  own: {method: meta, cohort: all, formula: "malignant ~ texture", terms: [texture]}\n'
PEOPLE: dict[str, tuple[Role, str]] = {
    "engineer": ("site_engineer", "Han"),
    "first": ("reviewer", "Choi"),
    "second": ("reviewer", "Wang"),
    "custodian": ("custodian", "Park"),
}
KEYS = {name: RoleKey.make(*who) for name, who in PEOPLE.items()}
TERMS = Terms(
    (),
    {
        "site_engineer": (KEYS["engineer"].public,),
        "reviewer": (KEYS["first"].public, KEYS["second"].public),
        "custodian": (KEYS["custodian"].public,),
    },
)
REFERS = Policy(referral=("meta", "logistic"), approvals=TERMS)
AT = datetime(2026, 11, 28, 9, tzinfo=UTC)


def does(site: Site, who: str, doing: str, verdict: str = "", reason: str = "", note: str = "") -> Review:
    """What one person does in the hospital's only, or latest, review."""
    one = site.reviews.all()[-1]
    draft = Act(one.site, one.plan, one.review, doing, one.version, one.content)  # type: ignore[arg-type]
    said = replace(draft, verdict=verdict, reason=reason, note=note)
    at = AT + timedelta(seconds=len(one.acts))
    return site.reviews.take(reviewing.sign(said, KEYS[who], at))


def goes_through(site: Site, decision: str = "approve", reason: str = "") -> Review:
    """A whole review of the hospital's latest referral."""
    does(site, "engineer", "submit", note="as planned")
    for who in ("first", "second"):
        does(site, who, "view")
        does(site, who, "vote", decision, reason)
    does(site, "custodian", "view")
    return does(site, "custodian", decision, reason=reason)


def again(one: House) -> Run:
    """The same command again: hospitals are opened anew, and what was answered comes from the journal."""
    for site in one.sites.values():
        site.leave(one.plan.digest)
        site.approve(one.plan)
    run = Run(one.plan, one.journal)
    list(run)
    return run


@pytest.fixture
def own(tmp_path: Path) -> House:
    return house(tmp_path, STUDY + META, breast(), {"seoul": REFERS})


def test_numbers_of_a_hospital_wait_and_leave_as_they_were_reviewed(own: House, tmp_path: Path) -> None:
    seoul = own.sites["seoul"]
    stopped = own.run().stopped
    assert stopped["own"].findings[0].code == "answer_referred"
    assert [(one.kind, one.state) for one in seoul.reviews.all()] == [("output", "pending")]
    shown = json.loads(seoul._store.shown(seoul.reviews.all()[0].review))
    assert goes_through(seoul).state == "approved"
    run = again(own)
    assert not run.stopped
    answer = next(one for one in run.answers if one.site == "seoul" and "coefficients" in one.payload.get("values", {}))
    assert plain(answer.payload["values"]) == shown["values"], "exactly what people saw left"
    assert seoul.reviews.all()[0].state == "released"
    open_house = house(tmp_path / "plain", STUDY + META, breast()).run().results["own"]
    assert run.results["own"] == open_house, "the same result as without a review"


def test_a_rejected_output_is_a_refusal_with_its_reason_and_stays_one(own: House) -> None:
    seoul = own.sites["seoul"]
    own.run()
    assert goes_through(seoul, "reject", "disclosive").state == "rejected"
    for _ in range(2):
        assert again(own).stopped["own"].findings[0].code == "answer_review_disclosive"
    codes = [one.record["code"] for one in seoul.ledger.entries if one.record["outcome"] == "refused"]
    assert set(codes) == {"review_disclosive"}


def test_a_returned_output_is_submitted_again(own: House) -> None:
    seoul = own.sites["seoul"]
    own.run()
    assert goes_through(seoul, "return", "unclear").state == "returned"
    assert again(own).stopped["own"].findings[0].code == "answer_referred"
    assert goes_through(seoul).state == "approved"
    assert not again(own).stopped


def test_sums_of_a_referred_method_are_asked_about_before_anything_is_computed(tmp_path: Path) -> None:
    one = house(tmp_path, STUDY + MODEL, breast(), {"seoul": REFERS})
    seoul = one.sites["seoul"]
    assert one.run().stopped["model"].findings[0].code == "answer_referred"
    assert [(review.kind, review.analysis) for review in seoul.reviews.all()] == [("analysis", "model")]
    assert not any(entry.record["channel"].startswith("masked") for entry in seoul.ledger.entries)
    goes_through(seoul)
    run = again(one)
    assert not run.stopped
    open_house = house(tmp_path / "plain", STUDY + MODEL, breast()).run()
    assert run.results["model"] == open_house.results["model"]
    assert len(seoul.reviews.all()) == 1, "one review for all rounds"


def test_three_privacy_refusals_are_reviewed_and_three_more_again(tmp_path: Path) -> None:
    others = ("texture", "smoothness", "compactness", "symmetry", "texture + smoothness", "texture + symmetry")
    one = few_of_a_size([f"malignant ~ C(size) + {other}" for other in (*others, "compactness + symmetry")], tmp_path)
    for site in one.sites.values():
        site.reviews._terms = TERMS
    codes = [why.findings[0].code for why in one.run().stopped.values()]
    assert codes == ["answer_withheld"] * 3 + ["answer_referred"] * 4
    for site in one.sites.values():
        goes_through(site)
    codes = [why.findings[0].code for why in again(one).stopped.values()]
    assert codes == ["answer_withheld"] * 6 + ["answer_referred"], (
        "people let it ask on; the gate is as strict as before"
    )


def test_a_review_cannot_let_out_what_another_rule_withholds(tmp_path: Path) -> None:
    """All of Seoul's malignant tumours but three become benign: too few stand behind the coefficient."""
    hospitals = breast()
    ill = hospitals["seoul"].columns["malignant"]
    ill[np.flatnonzero(ill)[3:]] = 0
    one = house(tmp_path, STUDY + META, hospitals, {"seoul": REFERS})
    one.run()
    seoul = one.sites["seoul"]
    shown = json.loads(seoul._store.shown(seoul.reviews.all()[0].review))
    goes_through(seoul)
    run = again(one)
    answer = next(a for a in run.answers if a.site == "seoul" and "coefficients" in a.payload.get("values", {}))
    assert np.isnan(answer.payload["values"]["coefficients"]).all()
    assert plain(answer.payload["withheld"]) == shown["withheld"]


def test_asking_again_and_again_changes_nothing_and_fills_no_ledger(own: House) -> None:
    own.run()
    seoul = own.sites["seoul"]
    links = len(seoul.ledger.entries)
    asked = Run(own.plan, Embedded(own.sites))
    list(asked)
    more = [one.record["outcome"] for one in seoul.ledger.entries[links:]]
    assert "referred" not in more
    assert len(seoul.reviews.all()) == 1


def test_votes_are_hidden_in_the_record_until_both_are_in_and_notes_never_leave(own: House) -> None:
    own.run()
    seoul = own.sites["seoul"]
    does(seoul, "engineer", "submit", note="the oldest is 97")
    does(seoul, "first", "view")
    does(seoul, "first", "vote", "reject", "unclear", note="97 again")
    told = seoul.ledger.entries[-1].record["told"]
    assert set(told) == {"review", "doing", "digest", "state"}, "nothing of whose vote, or which"
    first = seoul.reviews.all()[0].votes[0]
    for verdict in ("approve", "reject", "return"):  # and nobody finds it by trying: it covers the signature
        assert replace(first, verdict=verdict, signature="").digest != told["digest"]
    does(seoul, "second", "view")
    does(seoul, "second", "vote", "approve")
    opened = seoul.ledger.entries[-1].record["told"]["acts"]
    assert [one["verdict"] for one in opened] == ["reject", "approve"]
    whole = seoul.ledger.path.read_bytes()
    assert b"the oldest" not in whole
    assert b"97 again" not in whole
    assert [one.record["told"]["doing"] for one in seoul.ledger.entries if one.record["channel"] == "review"] == [
        *("refer", "submit", "view", "vote", "view", "vote"),
    ], "views are on record too"
    check_chain(list(read(seoul.ledger.path)), seoul.keys.public)


def test_a_guess_of_what_waits_cannot_be_checked_against_the_record(own: House, tmp_path: Path) -> None:
    """Few numbers could be guessed: the digest on record is keyed, and another hospital's key gives another one."""
    own.run()
    other = house(tmp_path / "other", STUDY + META, breast(), {"seoul": REFERS})
    other.run()
    one, two = (each.sites["seoul"] for each in (own, other))
    assert json.loads(one._store.shown(one.reviews.all()[0].review)) == json.loads(
        two._store.shown(two.reviews.all()[0].review)
    )
    assert one.reviews.all()[0].content != two.reviews.all()[0].content


def test_a_coordinator_cannot_hide_a_referred_analysis_inside_another(tmp_path: Path) -> None:
    """A hospital that is left out writes inside a request: the inner analysis is referred, whatever the outer says."""
    one, outer, inner = at_the_others(tmp_path)
    method = one.plan.study.analyses[inner.analysis].method
    one.sites[outer.site].referrals.policy = Policy(referral=(method,), approvals=TERMS)
    hidden = replace(outer, analysis="another")
    assert send(one, hidden, inner).code == "referred"


def test_a_hospital_that_is_started_anew_goes_on_where_it_was(own: House, tmp_path: Path) -> None:
    own.run()
    seoul = own.sites["seoul"]
    does(seoul, "engineer", "submit")
    # As after a crash between memory and ledger: the last link is written again from memory.
    lines = seoul.ledger.path.read_bytes().splitlines(keepends=True)
    seoul.ledger.path.write_bytes(b"".join(lines[:-1]))
    seoul.close()
    opened = Site("seoul", tmp_path / "seoul", seoul.sessions._load, REFERS)
    assert opened.reviews.all()[0].state == "submitted"
    assert opened.ledger.path.read_bytes() == b"".join(lines)
    opened.close()


def test_nobody_acts_on_what_is_not_there(own: House) -> None:
    own.run()
    seoul = own.sites["seoul"]
    one = seoul.reviews.all()[0]
    draft = Act("seoul", one.plan, "another", "submit", 0, one.content)
    with pytest.raises(FileFault) as told:
        seoul.reviews.take(reviewing.sign(draft, KEYS["engineer"], AT))
    assert told.value.findings[0].code == "review_unknown"
    done = does(seoul, "engineer", "submit")
    assert seoul.reviews.take(done.acts[-1]).acts == done.acts, "the same act again changes nothing"
