"""A part of an analysis that hospitals withhold: nobody can claim it of them, and it tells no more than an analysis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gagyo.coordinator.run import Run
from gagyo.coordinator.verify import verify
from gagyo.errors import Tampered
from gagyo.federation.ask import Ask
from gagyo.federation.line import Cursor, Line
from gagyo.federation.once import Incoming, Outgoing
from gagyo.federation.opened import Opened, apply
from gagyo.federation.packing import pack, unpack
from gagyo.protocol.request import Request
from gagyo.release.ledger import Entry
from gagyo.result import Result
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house
from tests.unit.test_run_and_verify import audit, finished

PARTS = (
    MODEL
    + "  validation: {method: validate, model: model, folds: 3, leave_out: site, subgroups: [size], bootstrap: 3}\n"
    + "  table: {method: describe, cohort: all, variables: [radius]}\n"
)
# The dearest part by far, which no other stands on.
WITHOUT_LEFT_OUT = PARTS.replace("leave_out: site, ", "")
When = Callable[[Request], bool]


def refusing(one: House, when: When, sites: Sequence[str] = ("busan",), code: str = "withheld") -> None:
    """Hospitals whose gate refuses what `when` says, as a whole: signed and on the ledger, as any refusal."""
    for name in sites:
        site = one.sites[name]
        for phase in ("compute", "share", "answer_each", "open_values"):
            honest = getattr(site.steps, phase)

            def ruled(session: Any, request: Request, *more: Any, site: Any = site, honest: Any = honest) -> Any:
                if when(request):
                    return site._receipts.refuse(request, code, ("dominance",))
                return honest(session, request, *more)

            setattr(site.steps, phase, ruled)


def of_step(*names: str) -> When:
    """Requests for steps of the validation."""
    return lambda request: request.analysis == "validation" and request.step in names


def noted(result: Result) -> str:
    """What a result's notes and those of its tables say."""
    notes = [*result.notes, *(note for table in result.tables for note in table.notes)]
    return "\n".join(note.to("en") for note in notes)


def ran(folder: Path, when: When, sites: Sequence[str] = ("busan",)) -> tuple[House, Run]:
    """A run at whose hospitals some questions are refused."""
    one = house(folder, STUDY + PARTS, breast())
    refusing(one, when, sites)
    return one, one.run()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The validation of which nothing is refused."""
    return house(tmp_path_factory.mktemp("whole"), STUDY + PARTS, breast()).run().results["validation"]


BOOTSTRAPPED = {"performance", "shrinkage"}


def test_a_refused_part_leaves_the_rest_as_it_is(tmp_path: Path, whole: Result) -> None:
    one, run = ran(tmp_path, of_step("validate.draws"))
    found = run.results["validation"]
    assert {table.name: table for table in found.tables if table.name not in BOOTSTRAPPED} == {
        table.name: table for table in whole.tables if table.name not in BOOTSTRAPPED
    }
    assert found.table("performance").rows[:-1] == whole.table("performance").rows[:-1]
    assert "Bootstrap (optimism and instability): withheld." in noted(found)
    assert [one.name for one in found.estimates if one.withheld] == ["auc_corrected"]
    assert "table" in run.results
    refusals = [entry for entry in one.sites["busan"].ledger.entries if entry.record["code"] == "withheld"]
    assert len(refusals) == 1


@pytest.mark.parametrize(
    ("step", "told", "lost"),
    [
        ("validate.own", "Performance at each hospital: withheld.", {"by_hospital"}),
        ("validate.subgroup", "Performance by subgroup: Size: withheld.", set()),
        ("validate.score_bins", "ROC curve, calibration curve, decision curve and thresholds: withheld.", set()),
        ("validate.smooth", "Calibration curve: withheld.", set()),
        ("validate.instability", "Instability of the predictions: withheld.", set()),
        ("validate.left_out", "each hospital left out in turn: withheld.", {"external"}),
    ],
)
def test_each_part_may_be_withheld(tmp_path: Path, whole: Result, step: str, told: str, lost: set[str]) -> None:
    steps, text = ("receive", step), STUDY + PARTS
    if step != "validate.left_out":
        steps, text = (step,), STUDY + WITHOUT_LEFT_OUT
        whole = replace(whole, tables=tuple(one for one in whole.tables if one.name != "external"))
    one = house(tmp_path, text, breast())
    refusing(one, of_step(*steps))
    found = one.run().results["validation"]
    assert told in noted(found)
    assert {table.name for table in whole.tables} - {table.name for table in found.tables} == lost
    assert found.table("performance").rows[0][1] == whole.table("performance").rows[0][1]


def test_without_folds_what_stands_on_them_is_told_as_apparent(tmp_path: Path) -> None:
    _, run = ran(tmp_path, lambda asked: of_step("validate.newton")(asked) and asked.receiver == "coordinator")
    found = run.results["validation"]
    assert "Cross-validation: withheld." in noted(found)
    assert "Bootstrap (optimism and instability): withheld." in noted(found)
    assert "apparent" in found.table("subgroups").notes[0].to("en")
    assert "external" in {table.name for table in found.tables}


def test_a_refusal_between_hospitals_ends_the_part_alone(tmp_path: Path) -> None:
    """Busan refuses its share to whichever hospital is left out: the coordinator sees the receipts, not the letters."""
    one, run = ran(tmp_path, lambda asked: asked.receiver not in ("coordinator", "busan"))
    assert "each hospital left out in turn: withheld." in noted(run.results["validation"])
    assert "table" in run.results
    refusals = [entry.record for entry in one.sites["busan"].ledger.entries if entry.record["outcome"] == "refused"]
    assert {record["receiver"] for record in refusals} == {"seoul", "beijing", "tianjin"}
    assert one.sites["busan"]._receipts._said.refusals(one.plan.digest) == 1, "one question, put by three"


def test_no_part_is_asked_for_after_two_and_the_next_analysis_is(tmp_path: Path) -> None:
    """Each refused question counts at its hospital as a refused analysis does; a third would wait for people."""
    refused = of_step("validate.own", "validate.subgroup", "validate.draws", "validate.newton")
    one, run = ran(tmp_path, lambda asked: refused(asked) and asked.receiver == "coordinator")
    assert "table" in run.results
    assert "not asked for" in noted(run.results["validation"])
    assert one.sites["busan"]._receipts._said.refusals(one.plan.digest) == 2


def test_what_is_no_part_stops_its_analysis(tmp_path: Path) -> None:
    _, run = ran(tmp_path, of_step("validate.performance"))
    assert "busan" in str(run.stopped["validation"])
    assert "table" in run.results


def test_what_is_refused_for_another_reason_stops_its_analysis(tmp_path: Path) -> None:
    one = house(tmp_path, STUDY + WITHOUT_LEFT_OUT, breast())
    refusing(one, of_step("validate.draws"))
    refusing(one, of_step("validate.draws"), ("tianjin",), "data_fault")
    run = one.run()
    assert "validation" in run.stopped
    assert "table" in run.results


@pytest.mark.parametrize(
    ("parts", "receivers"),
    [(WITHOUT_LEFT_OUT, ("coordinator",)), (PARTS, ("seoul", "beijing"))],
    ids=["not asked", "between hospitals"],
)
def test_a_run_with_refused_parts_is_derived_again_from_the_record(
    tmp_path: Path, parts: str, receivers: tuple[str, ...]
) -> None:
    """With a part that was not asked for after two, and with sums refused to hospitals that are left out."""
    one = house(tmp_path, STUDY + parts, breast())
    refused = of_step("validate.own", "validate.newton")
    refusing(one, lambda asked: refused(asked) and asked.receiver in receivers)
    finished(tmp_path / "out", one)
    (tmp_path / "journal.jsonl").rename(tmp_path / "out" / "journal.jsonl")
    checked = verify(tmp_path / "out", audit(tmp_path / "out"))
    assert checked.exact


# A coordinator that lies.


class Standing:
    """A run that stands at the question after a refused part, and all that its coordinator holds."""

    def __init__(self, folder: Path, step: str = "validate.draws") -> None:
        self.one = house(folder, STUDY + WITHOUT_LEFT_OUT, breast())
        refusing(self.one, of_step(step))
        run = self.one.run()
        self.history = run._history
        self.at = next(number for number, opened in enumerate(self.history) if opened.refused)

    def receipt(self) -> tuple[str, Entry]:
        return self.history[self.at].refused[0]

    def told(self, opened: Opened, before: int | None = None) -> str:
        """What Seoul says to the next honest request after such a history; its session begins anew."""
        history = [*self.history[: self.at if before is None else before], opened]
        line = Line(self.one.study)
        for each in history:
            apply(line, each)
        assert line.cursor
        assert line.question
        assert isinstance(line.question, Ask)
        asked = Request(
            self.one.plan.digest,
            line.cursor.analysis,
            "all",
            line.cursor.round,
            "seoul",
            line.question.step.name,
            line.question.arguments,
            roster=() if line.question.each else tuple(self.one.plan.study.sites),
            relay={"history": history},
        )
        seoul = self.one.sites["seoul"]
        seoul.leave(self.one.plan.digest)
        seoul.approve(self.one.plan)
        answer = seoul.answer(asked)
        return answer.code or answer.outcome


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Standing:
    return Standing(tmp_path_factory.mktemp("standing"))


def test_the_truth_is_followed(standing: Standing) -> None:
    assert standing.told(standing.history[standing.at]) == "released"


def test_refusals_travel_with_the_history(standing: Standing) -> None:
    asked = Request(standing.one.plan.digest, "table", "all", 0, "seoul", "describe.counts")
    sent = Outgoing().record(asked.relaying(history=standing.history))
    got = Incoming().request(unpack(pack(sent)))
    assert [one.refused for one in got.relay["history"]] == [one.refused for one in standing.history]
    sent["relay"]["history"]["opened"][standing.at]["refused"][0][1]["sequence"] = "0"
    with pytest.raises(Tampered):
        Incoming().request(unpack(pack(sent)))


def forged(receipt: Entry, **record: Any) -> Entry:
    return replace(receipt, record={**receipt.record, **record})


def test_a_part_is_not_withheld_on_the_coordinators_word(standing: Standing) -> None:
    """Nor by an edited receipt, one of another hospital, or none of a member."""
    site, receipt = standing.receipt()
    true = standing.history[standing.at]
    for claimed in (
        ((site, forged(receipt, code="withheld", round=receipt.record["round"] + 1)),),
        (("seoul", receipt),),
        (("nowhere", receipt),),
        ((site, replace(receipt, signature="00" * 64)),),
        ((site, receipt), ("tianjin", receipt)),
    ):
        assert standing.told(replace(true, refused=claimed)) == "bad_record"


def test_a_true_refusal_of_another_question_proves_nothing(standing: Standing) -> None:
    """Busan's own receipts of other questions, of what it released here, and of a refusal with another code."""
    true = standing.history[standing.at]
    busan = standing.one.sites["busan"]
    here = [one for one in busan.ledger.entries if one.record.get("round") == true.cursor.round]
    released = next(one for one in busan.ledger.entries if one.record["outcome"] == "released")
    wrong = busan.answer(
        Request(standing.one.plan.digest, "validation", "all", true.cursor.round, "busan", "validate.nothing")
    )
    assert wrong.code == "not_derived"
    assert wrong.receipt
    for receipt in (released, wrong.receipt):
        assert standing.told(replace(true, refused=(("busan", receipt),))) == "bad_record"
    assert here


@pytest.mark.parametrize("about", [{"plan": "sha256:" + "0" * 64}, {"analysis": "another"}, {"round": 0}])
def test_a_true_refusal_elsewhere_proves_nothing(standing: Standing, about: dict[str, Any]) -> None:
    """As Busan signs it where it refuses under another plan, in another analysis or round."""
    _, receipt = standing.receipt()
    signed = standing.one.sites["busan"].ledger.prepare({**receipt.record, **about})
    true = standing.history[standing.at]
    assert standing.told(replace(true, refused=(("busan", signed),))) == "bad_record"


def test_a_refusal_of_one_part_is_no_refusal_of_another(standing: Standing) -> None:
    """The receipt of the bootstrap's refusal, shown where the folds were asked for."""
    number, early = next(
        (number, one)
        for number, one in enumerate(standing.history)
        if one.cursor == Cursor("validation", 3) and one.record
    )
    assert standing.told(replace(early, record=None, refused=(standing.receipt(),)), before=number) == "bad_record"


def test_nothing_but_parts_can_be_left_out(tmp_path: Path) -> None:
    """Busan truly refuses the apparent performance, and the coordinator would go on as if it were a part."""
    one, run = ran(tmp_path, of_step("validate.performance"))
    stop = next(number for number, opened in enumerate(run._history) if opened.stopped == "answer_withheld")
    receipt = next(entry for entry in one.sites["busan"].ledger.entries if entry.record["code"] == "withheld")
    line = Line(one.study)
    for each in run._history[:stop]:
        apply(line, each)
    assert line.question
    assert not line.question.dispensable
    history = [*run._history[:stop], Opened(run._history[stop].cursor, None, refused=(("busan", receipt),))]
    seoul = one.sites["seoul"]
    seoul.leave(one.plan.digest)
    seoul.approve(one.plan)
    asked = Request(one.plan.digest, "table", "all", 0, "seoul", "describe.table", relay={"history": history})
    assert seoul.answer(asked).code == "bad_record"
