"""A coordinator, a hub or a partner that does not keep to the rules, at the hospital's one door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.canonical import canonical
from gagyo.coordinator.run import Run
from gagyo.errors import GagyoError, Tampered
from gagyo.exchange.envelope import Keys, seal
from gagyo.federation.secure_sum import secure_sum
from gagyo.federation.wire import answer_from_bytes
from gagyo.protocol.request import Request, Summand
from gagyo.release import ring, sharing
from gagyo.release.decision import Answer
from gagyo.release.masks import mask_of, own_key, own_mask
from gagyo.result import Withheld
from gagyo.runtime.embedded import Embedded
from gagyo.site.policy import Policy
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house

SITES = ("seoul", "busan", "beijing", "tianjin")


class Stolen(Exception):
    """Ends a run at a request that an attack wants to change."""


class Wiretap:
    """A runtime that lets an attacker see, change and add requests."""

    name = "embedded"

    def __init__(self, inner: Embedded) -> None:
        self.inner = inner
        self.seen: list[Request] = []
        self.until = ""

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        self.seen += requests
        if self.until and requests[0].step == self.until:
            raise Stolen
        return self.inner.ask(requests)


def stopped_at(folder: Path, step: str, study: str = MODEL) -> tuple[House, list[Request]]:
    """A house whose run stands right before a step, and the honest requests for that step."""
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = step
        return tap[0]

    one = house(folder, STUDY + study, breast(), wrap=wrap)
    with pytest.raises(Stolen):
        one.run()
    asked = [request for request in tap[0].seen if request.step == step]
    return one, asked


def refused(site: Any, request: Request, code: str) -> None:
    answer = site.answer(request)
    assert (answer.outcome, answer.code) == ("refused", code)
    assert not answer.payload, "a refusal carries nothing but its code"


def test_nine_chosen_coefficients_that_isolate_a_person(tmp_path: Path) -> None:
    """Huge coefficients turn the score into a head count of a half-space; the arguments must be derived."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    rng = np.random.default_rng(0)
    for _ in range(9):
        beta = rng.normal(size=(1, 5)) * 1000
        chosen = replace(honest, arguments={**honest.arguments, "coefficients": beta})
        assert chosen.digest != honest.digest
        # Three privacy refusals go to a person; a refusal for arguments is told as what it is, every time.
        refused(one.sites["seoul"], chosen, "not_derived")
    assert one.sites["seoul"].answer(honest).outcome == "released"


def test_a_small_change_of_the_arguments_is_refused_too(tmp_path: Path) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    beta = honest.arguments["coefficients"] + 1e-6
    refused(one.sites["seoul"], replace(honest, arguments={**honest.arguments, "coefficients": beta}), "not_derived")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"plan": "sha256:" + "0" * 64}, "not_approved"),
        ({"site": "busan"}, "not_here"),
        ({"analysis": "other"}, "not_derived"),
        ({"cohort": "other"}, "not_derived"),
        ({"round": 0}, "not_derived"),
        ({"round": 7}, "not_derived"),
        ({"step": "logistic.meat"}, "not_derived"),
        ({"step": "os.system"}, "not_derived"),
        ({"roster": ()}, "not_derived"),
        ({"roster": ("seoul", "busan")}, "bad_roster"),
        ({"roster": ("busan", "beijing", "tianjin")}, "bad_roster"),
        ({"roster": ("seoul", "seoul", "busan", "beijing")}, "bad_roster"),
        ({"roster": ("seoul", "busan", "invented")}, "bad_roster"),
        ({"receiver": "busan"}, "not_derived"),
        ({"arguments": {}}, "not_derived"),
    ],
)
def test_requests_that_the_approved_method_would_not_make(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    refused(one.sites["seoul"], replace(honest, **change), code)


def test_a_hub_that_invents_what_was_opened(tmp_path: Path) -> None:
    """The history must be signed by the hospitals: edited shares would steer the coefficients."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    opened = honest.relay["history"][0]
    share = opened.record.shares[1]
    values = share.payload["values"].copy()
    values[0, 1] += np.uint64(1)
    forged_share = Answer(
        share.request, share.site, share.outcome, payload={**share.payload, "values": values}, receipt=share.receipt
    )
    shares = (opened.record.shares[0], forged_share, *opened.record.shares[2:])
    forged = replace(opened, record=replace(opened.record, shares=shares))
    fresh = one.sites["seoul"]
    fresh.sessions.open(one.plan)
    refused(fresh, replace(honest, relay={"history": [forged]}), "bad_record")


def test_a_hospital_that_was_never_approved_cannot_sign_history(tmp_path: Path) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    opened = honest.relay["history"][0]
    answer = opened.record.values[0]
    stranger = Keys.make()
    assert answer.receipt is not None
    receipt = replace(answer.receipt, signature=stranger.sign(answer.receipt.head.encode()).hex())
    swapped = replace(opened.record, values=(replace(answer, receipt=receipt), *opened.record.values[1:]))
    fresh = one.sites["busan"]
    fresh.sessions.open(one.plan)
    refused(fresh, replace(honest, site="busan", relay={"history": [replace(opened, record=swapped)]}), "bad_record")


# The two phases of a sum.


def phases(one: House, honest: Request) -> tuple[list[Answer], list[Request]]:
    """The shares of a sum, and the requests of its second phase."""
    asking = secure_sum(honest)
    requests = next(asking)
    shares = [one.sites[request.site].answer(request) for request in requests]
    return shares, asking.send(shares)


def test_asking_again_with_another_roster_opens_nothing_new(tmp_path: Path) -> None:
    """Joint minus leave-one-out: the same statement over two rosters would give one hospital's values."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.outcome")
    shares, people = phases(one, honest)
    # An incomplete first phase is asked anew, with new masks ...
    again = [one.sites[site].answer(replace(honest, site=site, attempt=1)) for site in SITES]
    assert all(answer.outcome == "released" for answer in again)
    assert shares[0].payload["values"].tobytes() != again[0].payload["values"].tobytes()
    # ... and then only the last is ever opened.
    refused(one.sites["seoul"], people[0], "bad_roster")


def test_once_a_roster_is_opened_no_other_is_shared(tmp_path: Path) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    asking = secure_sum(honest)
    requests = next(asking)
    try:
        while True:
            requests = asking.send([one.sites[request.site].answer(request) for request in requests])
    except StopIteration:
        pass
    smaller = tuple(site for site in SITES if site != "tianjin")
    refused(one.sites["seoul"], replace(honest, site="seoul", roster=smaller, attempt=1), "bad_roster")
    # Nor is the same sum opened twice: an own mask is opened once ever for a statement.
    refused(one.sites["seoul"], replace(honest, site="seoul", attempt=1), "bad_roster")


def test_a_leave_one_out_sum_is_not_opened_to_the_coordinator(tmp_path: Path) -> None:
    """Joint minus leave-one-out: asked openly, in the name of the hospital that is left out."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    others = tuple(site for site in SITES if site != "busan")
    refused(one.sites["seoul"], replace(honest, roster=others, receiver="busan"), "not_derived")


def test_two_analyses_of_one_cohort_are_opened_over_one_roster(tmp_path: Path) -> None:
    """The same counts over all hospitals in one analysis, and over all but one in another, give that one's counts."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton", MODEL)
    fewer = tuple(site for site in SITES if site != "busan")
    # The outcome's counts were opened over all four; the next question is asked of three.
    refused(one.sites["seoul"], replace(honest, site="seoul", roster=fewer), "bad_roster")


def test_a_first_sum_over_two_hospitals_is_refused(tmp_path: Path) -> None:
    """Each of two could subtract itself: nothing was opened yet that another rule could compare with."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.outcome")
    refused(one.sites["seoul"], replace(honest, roster=("seoul", "busan")), "bad_roster")


@pytest.mark.parametrize("step", ["logistic.outcome", "logistic.newton"])
def test_values_are_not_opened_without_everyones_share(tmp_path: Path, step: str) -> None:
    one, (honest, *_) = stopped_at(tmp_path, step)
    shares, people = phases(one, honest)
    for relay in ({}, {"shares": shares[:3]}, {"shares": [*shares[:3], shares[0]]}):
        refused(one.sites["seoul"], replace(people[0], relay=relay), "bad_roster")


def test_the_first_sum_over_a_roster_has_three_turns(tmp_path: Path) -> None:
    """People's masks leave when a hospital has seen that all the others shared over this roster, and no other."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.outcome")
    shares, people = phases(one, honest)
    assert not any("boxes" in share.payload for share in shares)
    assert people[0].step == "open.people"
    skipped = replace(people[0], step="open.values", relay={"shares": shares})
    refused(one.sites["seoul"], skipped, "bad_roster")


def test_later_sums_over_it_have_two_and_are_asked_in_one_attempt(tmp_path: Path) -> None:
    """With its people's mask opened, a statement that is asked anew over other masks would be opened twice."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    shares, values = phases(one, honest)
    assert {request.step for request in values} == {"open.values"}
    refused(one.sites["seoul"], replace(honest, site="seoul", attempt=1), "bad_roster")
    # The recorded bytes again, and never others: a hospital that was asked twice adds nothing.
    assert one.sites["seoul"].answer(replace(honest, site="seoul")).written == shares[0].written
    # One share of four without its mask (its hospital opened another cohort) asks for all masks in a turn of their own.
    bare = replace(shares[1], payload={name: value for name, value in shares[1].payload.items() if name != "boxes"})
    asking = secure_sum(honest)
    next(asking)
    assert {request.step for request in asking.send([shares[0], bare, *shares[2:]])} == {"open.people"}
    # Leaving a mask out of a signed share is noticed.
    stripped = replace(values[0], relay={"shares": [shares[0], bare, *shares[2:]]})
    refused(one.sites["seoul"], stripped, "bad_record")


def test_a_share_says_nothing_alone(tmp_path: Path) -> None:
    """Under masks, equal values give unequal shares, and three of four shares sum to noise."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    shares, _ = phases(one, honest)
    bits = np.unpackbits(np.concatenate([share.payload["values"].view(np.uint8).ravel() for share in shares]))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / np.sqrt(bits.size)


def test_an_opened_share_is_still_hidden_by_its_partners(tmp_path: Path) -> None:
    """Once own masks are opened, a share less its own mask is noise: only the sum over the roster is not."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    asking = secure_sum(honest)
    requests = next(asking)
    try:
        while True:
            requests = asking.send([one.sites[request.site].answer(request) for request in requests])
    except StopIteration as end:
        record = end.value[1]
    share, opening = record.shares[0].payload, record.values[0].payload
    left = ring.subtract(share["values"][opening["opened"]], opening["mask"])
    values = ring.decode(left, share["header"]["scales"][opening["opened"]])
    assert np.median(np.abs(values)) > 2.0**50, "a clear share of this fit is a few hundred"


@pytest.mark.parametrize("block", ["people", "values"])
def test_a_share_whose_block_is_not_as_long_as_its_header_says_is_no_share(tmp_path: Path, block: str) -> None:
    """Of a short block the last head counts would be missing, and of one entry every other's would be that entry."""
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    shares = [one.sites[site].answer(replace(honest, site=site)) for site in SITES]
    sharing.check_same_header(shares)
    honest_block = shares[1].payload[block]
    for other in (honest_block[:1], honest_block[:-1], honest_block.astype(np.float64), "block", None):
        payload = {**shares[1].payload, block: other}
        with pytest.raises(Tampered, match="layout"):
            sharing.check_same_header([shares[0], replace(shares[1], payload=payload), *shares[2:]])


def test_people_counts_are_not_opened_to_the_coordinator(tmp_path: Path) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.outcome")
    _, people = phases(one, honest)
    alone = one.sites["seoul"].answer(people[0])
    assert set(alone.payload) == {"boxes"}
    one, (honest, *_) = stopped_at(tmp_path / "later", "logistic.newton")
    with_share = one.sites["seoul"].answer(replace(honest, site="seoul"))
    for answer, folder in ((alone, tmp_path), (with_share, tmp_path / "later")):
        assert set(answer.payload["boxes"]) == set(SITES) - {"seoul"}
        for box in answer.payload["boxes"].values():
            with pytest.raises(GagyoError):
                Keys.open(folder / "coordinator.keys").unseal(box, honest.statement.encode())


@pytest.mark.parametrize("box", [b"", bytes(31), bytes(16 * 4096)])
def test_a_hospital_that_seals_no_key_of_a_mask_is_found_out(tmp_path: Path, box: bytes) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    shares, values = phases(one, honest)
    busan, seoul = one.sites["busan"], one.sites["seoul"]
    boxes = {**shares[1].payload["boxes"], "seoul": seal(box, seoul.keys.public, honest.statement.encode())}
    other = Answer(shares[1].request, "busan", "released", payload={**shares[1].payload, "boxes": boxes})
    assert shares[1].receipt is not None
    signed = other.receipted(busan.ledger.prepare(shares[1].receipt.record | {"payload": other.payload_digest}))
    refused(
        seoul, replace(values[0], relay={**values[0].relay, "shares": [shares[0], signed, *shares[2:]]}), "bad_record"
    )
    assert seoul.answer(values[0]).outcome == "released"


def test_the_key_of_one_mask_opens_no_other() -> None:
    """What is sealed to the other hospitals is a key of 32 bytes, however many counts there are."""
    part = Summand("plan", "statement", SITES, 0, "seoul")
    people = mask_of(own_key(bytes(32), part, "people"), 8)
    assert np.array_equal(people, own_mask(bytes(32), part, "people", 8))
    others = [replace(part, attempt=1), replace(part, statement="other"), replace(part, roster=SITES[:3])]
    masks = [own_mask(bytes(32), part, "values", 8), *(own_mask(bytes(32), one, "people", 8) for one in others)]
    assert not any(np.any(people == one) for one in masks)


def test_the_same_request_again_gives_the_recorded_bytes(tmp_path: Path) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    site = one.sites["seoul"]
    first = site.answer(honest)
    entries = len(site.ledger.entries)
    assert site.answer(honest).written == first.written
    assert len(site.ledger.entries) == entries, "a replay is no second release"
    assert answer_from_bytes(first.written).written == first.written == canonical(first)


def test_the_strictest_hospitals_minimum_holds_for_all(tmp_path: Path) -> None:
    """One hospital asks for 60 people in a cell; nothing smaller is opened, though the others would."""
    study = "  table: {method: describe, cohort: all, variables: [size]}\n"
    hospitals = breast()
    for rows in hospitals.values():  # one in twelve is of the first level: some 47 people
        rows.columns["size"] = np.where(np.arange(len(rows)) % 12 == 0, 0.0, 1.0 + np.arange(len(rows)) % 2)

    def hidden(folder: Path, policies: dict[str, Policy]) -> int:
        table = house(folder, STUDY + study, hospitals, policies).run().results["table"].table("characteristics")
        return sum(isinstance(cell, Withheld) for row in table.rows for cell in row)

    assert hidden(tmp_path / "strict", {"busan": Policy(minimum_people=60)}) > hidden(tmp_path / "open", {})


def test_a_method_that_the_policy_refers_waits_for_a_person(tmp_path: Path) -> None:
    run = house(tmp_path, STUDY + MODEL, breast(), {"seoul": Policy(referral=("logistic",))}).run()
    assert "person" in str(run.stopped["model"])


def test_a_custodian_who_trusts_one_partner_only_takes_part_in_no_sum(tmp_path: Path) -> None:
    policy = {"seoul": Policy(independent_partners=("busan",))}
    run = house(tmp_path, STUDY + MODEL, breast(), policy).run()
    assert "seoul" in str(run.stopped["model"])


def few_of_a_size(formulas: Sequence[str], folder: Path) -> House:
    """Hospitals that each have one person of a size, and fits that would count them."""
    hospitals = breast()
    for rows in hospitals.values():
        rows.columns["size"] = np.where(np.arange(len(rows)) == 0, 2.0, rows.columns["size"] % 2)
    models = [f'  m{n}: {{method: logistic, cohort: all, formula: "{one}"}}\n' for n, one in enumerate(formulas)]
    return house(folder, STUDY + "".join(models), hospitals)


def test_three_privacy_refusals_go_to_a_person(tmp_path: Path) -> None:
    """Fits whose cells are too small, one after the other."""
    others = ("texture", "smoothness", "compactness", "symmetry")
    one = few_of_a_size([f"malignant ~ C(size) + {other}" for other in others], tmp_path)
    stopped = one.run().stopped
    codes = [stopped[f"m{n}"].findings[0].code for n in range(len(others))]
    assert codes == ["answer_withheld"] * 3 + ["answer_referred"]


def test_a_refused_question_that_is_asked_again_is_one_refusal(tmp_path: Path) -> None:
    """As when the answer was lost on the way: a bad line is no attack."""
    one = few_of_a_size(["malignant ~ C(size) + texture"], tmp_path)
    for _ in range(5):
        run = Run(one.plan, Embedded(one.sites))
        list(run)
        assert run.stopped["m0"].findings[0].code == "answer_withheld"
        for site in one.sites.values():
            site.sessions.open(one.plan)


def test_no_error_text_carries_a_value_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.newton")
    site = one.sites["seoul"]

    def broken(*args: object, **named: object) -> None:
        name, value = "JANG" + "SU", 9 + 0.8765432
        raise ValueError(f"the glucose of patient {name} is {value}")

    monkeypatch.setattr(site.steps, "compute", broken)
    answer = site.answer(honest)
    assert (answer.outcome, answer.code) == ("refused", "fault")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"JANGSU" not in kept
    assert b"9.8765432" not in kept
