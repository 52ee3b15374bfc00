"""A run end to end: equal to the pooled fit, taken up after a stop, verified, and every edit of the record found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from gagyo.api import Finished
from gagyo.canonical import canonical
from gagyo.cli.plan import plan_text
from gagyo.coordinator.document import flow
from gagyo.coordinator.folder import finish, open_folder
from gagyo.coordinator.run import Run
from gagyo.coordinator.verify import verify
from gagyo.errors import GagyoError, Stopped, Tampered
from gagyo.exchange.enrolment import fingerprint
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation.line import Line
from gagyo.federation.secure_sum import pooled as pooled_sum
from gagyo.finding import Finding
from gagyo.protocol.study import Study
from gagyo.release.ledger import Entry, check_chain, read
from gagyo.result import Estimate, Result, Withheld, Words
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from gagyo.site.policy import Policy
from tests.conftest import MODEL
from tests.hospitals import PREDICTORS, STUDY, House, Rows, breast, house, pooled


def finished(folder: Path, one: House) -> dict[str, Any]:
    """Run a house and write its folder as `gagyo run` does."""
    open_folder(folder, one.plan)
    run = one.run()
    ledgers = {name: site.ledger.path for name, site in one.sites.items()}
    return finish(folder, run, "embedded", one.journal.answers, ledgers)


def audit(folder: Path) -> Journal:
    return Journal(folder / "journal.jsonl", Keys.make())


def test_logistic_equals_the_pooled_fit(small_house: House) -> None:
    result = small_house.run().results["model"]
    rows = pooled(breast())
    X = sm.add_constant(np.column_stack([rows[name] for name in PREDICTORS.split(" + ")]))
    reference = sm.Logit(rows["malignant"], X).fit(method="newton", tol=1e-14, disp=0)
    np.testing.assert_allclose([one.value for one in result.estimates], reference.params, rtol=1e-8)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], reference.bse, rtol=1e-8)
    assert result.people == 569
    assert result.sites == ("seoul", "busan", "beijing", "tianjin")


def test_a_finished_run_verifies(tmp_path: Path, small_house: House) -> None:
    finished(tmp_path, small_house)
    checked = verify(tmp_path, audit(tmp_path))
    assert checked.analyses == 1
    assert all(count > 0 for count in checked.ledgers.values())


def test_whoever_opens_a_sum_has_arrays_of_their_own(small_house: House) -> None:
    """It is worked out once for all who follow a run, and a method may write into what it is told."""
    run = small_house.run()
    record = next(opened.record for opened in run._history if opened.record and opened.record.shares)
    spoiled, kept = pooled_sum(record), pooled_sum(record)
    for part in (spoiled.values, spoiled.withheld):
        for array in part.values():
            array[...] = 1
    again = pooled_sum(record)
    assert canonical([again.values, again.withheld]) == canonical([kept.values, kept.withheld])
    assert canonical(again.values) != canonical(spoiled.values)
    assert canonical(again.withheld) != canonical(spoiled.withheld)


@pytest.mark.parametrize("what", ["estimate", "people", "egress"])
def test_an_edited_result_is_found(tmp_path: Path, small_house: House, what: str) -> None:
    record = finished(tmp_path, small_house)
    if what == "estimate":
        value = record["analyses"]["model"]["estimates"][1]["value"]
        record["analyses"]["model"]["estimates"][1]["value"] = np.nextafter(value, np.inf)
    elif what == "people":
        record["analyses"]["model"]["people"] += 1
    else:
        record["egress"]["tables"][0]["rows"][0][1] += 1
    (tmp_path / "results.json").write_text(json.dumps(record))
    with pytest.raises(Tampered):
        verify(tmp_path, audit(tmp_path))


def test_a_ledger_with_a_line_cut_swapped_or_changed_is_found(tmp_path: Path, small_house: House) -> None:
    finished(tmp_path, small_house)
    path = tmp_path / "ledgers" / "busan.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
    for edited in (lines[:-1], lines[1:], swapped, [*lines[:3], *lines[4:]], [*lines, lines[-1]]):
        path.write_bytes(b"".join(edited))
        with pytest.raises(Tampered):
            verify(tmp_path, audit(tmp_path))
    path.write_bytes(b"".join(lines))
    verify(tmp_path, audit(tmp_path))


def test_a_journal_cut_at_any_line_is_found(tmp_path: Path, small_house: House) -> None:
    finished(tmp_path, small_house)
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for keep in range(0, len(lines), 7):
        path.write_bytes(b"".join(lines[:keep]))
        with pytest.raises(GagyoError):
            verify(tmp_path, audit(tmp_path))


@pytest.mark.parametrize("file", ["journal.jsonl", "ledgers/busan.jsonl"])
def test_an_edited_record_is_named_by_its_file(tmp_path: Path, small_house: House, file: str) -> None:
    finished(tmp_path, small_house)
    path = tmp_path / file
    path.write_bytes(path.read_bytes().replace(b'"round":1', b'"round":2', 1))
    with pytest.raises(Tampered) as raised:
        verify(tmp_path, audit(tmp_path))
    assert [finding.place.file for finding in raised.value.findings] == [file]


def test_everyone_can_read_out_their_fingerprint_of_a_plan(small_house: House) -> None:
    told = plan_text(small_house.plan).splitlines()
    assert len(small_house.plan.keys) == 5, "the coordinator too"
    for name, keys in small_house.plan.keys.items():
        assert f"  {name}: {fingerprint(PublicKeys(**keys))}" in told


def test_a_plan_says_what_is_asked_and_of_whom(small_house: House) -> None:
    """What a custodian approves: the conditions of cohorts, the variables and formulas of analyses."""
    told = plan_text(small_house.plan)
    for name, analysis in small_house.plan.study.analyses.items():
        assert f"  {name}: {analysis.method}\n" in told
        for key, value in analysis.options.items():
            assert f"    {key}: {json.dumps(value, ensure_ascii=False)}" in told
        assert f"  {analysis.cohort}: {small_house.plan.study.cohorts[analysis.cohort].where or 'everyone'}" in told


def test_every_byte_of_a_small_ledger_counts(tmp_path: Path, small_house: House) -> None:
    site = small_house.sites["seoul"]
    small_house.run()
    lines = site.ledger.path.read_bytes().splitlines(keepends=True)[:3]
    path = tmp_path / "small.jsonl"
    content = b"".join(lines)
    unseen = []
    for position in range(len(content)):
        edited = bytearray(content)
        edited[position] ^= 1
        path.write_bytes(bytes(edited))
        try:
            check_chain(list(read(path)), site.keys.public)
            unseen.append(position)
        except Tampered:
            pass
    assert unseen == []


def test_a_line_that_says_the_same_in_other_bytes_is_found(tmp_path: Path, small_house: House) -> None:
    small_house.run()
    line = small_house.sites["seoul"].ledger.path.read_bytes().splitlines()[0]
    for other in (line + b" ", line.replace(b'":', b'": ', 1), b" " + line):
        with pytest.raises(Tampered):
            Entry.parse(other)
    Entry.parse(line)


def test_a_chain_must_end_where_the_other_party_saw_it_end(small_house: House) -> None:
    small_house.run()
    site = small_house.sites["seoul"]
    entries = site.ledger.entries
    check_chain(entries, site.keys.public, entries[-1].head)
    with pytest.raises(Tampered, match="ends at"):
        check_chain(entries[:-1], site.keys.public, entries[-1].head)


class Stopping:
    """A runtime that is interrupted after so many requests, as by Ctrl-C."""

    name = "embedded"

    def __init__(self, inner: Embedded, after: int) -> None:
        self.inner, self.left = inner, after

    def ask(self, requests: Any) -> Any:
        answers = []
        for request in requests:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            answers += self.inner.ask([request])
        return answers


def released(one: House) -> list[tuple[str, str]]:
    return [
        (site.name, entry.record["request"])
        for site in one.sites.values()
        for entry in site.ledger.entries
        if entry.record["outcome"] == "released"
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The model of a run that nothing stopped."""
    return house(tmp_path_factory.mktemp("whole"), STUDY + MODEL, breast()).run().results["model"]


@pytest.mark.parametrize("after", [0, 3, 6, 13, 29, 50])
def test_a_run_is_taken_up_where_it_stopped(tmp_path: Path, expected: Result, after: int) -> None:
    first = house(tmp_path / "cut", STUDY + MODEL, breast(), wrap=lambda inner: Stopping(inner, after))
    with pytest.raises(KeyboardInterrupt):
        first.run()
    for site in first.sites.values():
        site.close()
    again = house(tmp_path / "cut", STUDY + MODEL, breast())
    assert again.plan.digest == first.plan.digest
    result = again.run().results["model"]
    assert canonical(result.to_json()) == canonical(expected.to_json())
    given = released(again)
    assert len(given) == len(set(given)), "a hospital released the same answer twice"


def test_an_answer_kept_but_not_yet_in_the_ledger_is_entered_at_the_next_start(tmp_path: Path) -> None:
    one = house(tmp_path, STUDY + MODEL, breast())
    one.run()
    site = one.sites["seoul"]
    site.close()
    lines = site.ledger.path.read_bytes().splitlines(keepends=True)
    site.ledger.path.write_bytes(b"".join(lines[:-1]) + lines[-1][:10])
    again = house(tmp_path, STUDY + MODEL, breast()).sites["seoul"]
    assert again.ledger.path.read_bytes().splitlines(keepends=True) == lines


def test_withdrawal_takes_effect_at_the_next_request(small_house: House) -> None:
    run = Run(small_house.plan, small_house.journal)
    steps = iter(run)
    small_house.sites["busan"].decided.withdraw(small_house.plan.digest)
    with pytest.raises(GagyoError, match="withdrew"):
        list(steps)


def test_a_withdrawn_plan_answers_nothing_it_answered_before(small_house: House) -> None:
    run = small_house.run()
    asked = next(one for one in run.answers if one.site == "busan" and one.receipt and one.outcome == "released")
    small_house.sites["busan"].decided.withdraw(small_house.plan.digest)
    again = Run(small_house.plan, Embedded(small_house.sites))
    with pytest.raises(GagyoError, match="withdrew"):
        list(again)
    assert asked.receipt is not None


def small_hospital() -> dict[str, Rows]:
    """Four people at one hospital; everyone else where they were."""
    hospitals = breast()
    tianjin = hospitals["tianjin"]
    hospitals["tianjin"] = Rows({name: column[:4] for name, column in tianjin.columns.items()}, tianjin.persons[:4])
    return hospitals


MEANS = "  table: {method: describe, cohort: all, variables: [texture, radius]}\n"


def test_a_hospital_with_four_people_stops_the_study(tmp_path: Path) -> None:
    run = house(tmp_path, STUDY + MEANS, small_hospital()).run()
    assert "tianjin" in str(run.stopped["table"])
    assert run.results == {}


def test_a_notebook_shows_every_analysis_or_why_it_stopped(tmp_path: Path) -> None:
    again = MEANS.replace("table:", "again:")
    one = house(tmp_path, STUDY + MODEL + again, breast())
    run = one.run()
    stopped = {"again": Stopped(Finding("outcome_constant", values={"found": "<malignant>"}))}
    shown = Finished(tmp_path, one.plan, {"model": run.results["model"]}, stopped, {})._repr_html_()
    assert shown.index("<h4>model</h4>") < shown.index("<td>texture</td>") < shown.index("<h4>again</h4>")
    assert "&lt;malignant&gt;" in shown
    assert "<td>&lt;0.001</td>" in shown
    assert "e-" not in shown.split("<h4>again")[0]
    few = replace(
        run.results["model"], estimates=(Estimate("auc", Words(), None, withheld=Withheld("below_minimum", 10)),)
    )
    assert "<td>&lt; 10</td>" in few._repr_html_()


def test_a_plan_that_was_changed_after_the_run_is_named(tmp_path: Path, small_house: House) -> None:
    finished(tmp_path, small_house)
    path = tmp_path / "plan.json"
    record = json.loads(path.read_text())
    record["limits"]["minimum_people"] = 5
    path.write_text(json.dumps(record))
    with pytest.raises(Tampered) as told:
        verify(tmp_path, audit(tmp_path))
    assert told.value.findings[0].code == "other_plan_answered"
    assert told.value.findings[0].values["expected"] == small_house.plan.digest


def test_a_ledger_that_is_empty_is_told_so_in_words(tmp_path: Path, small_house: House) -> None:
    finished(tmp_path, small_house)
    (tmp_path / "ledgers" / "busan.jsonl").write_text("")
    with pytest.raises(Tampered) as told:
        verify(tmp_path, audit(tmp_path))
    assert told.value.findings[0].values["found"] == "–"


def test_a_study_may_go_on_without_a_small_hospital_and_says_so(tmp_path: Path) -> None:
    study = (STUDY + MEANS).replace("variables:\n", "may_go_on_without: 1\nvariables:\n", 1)
    run = house(tmp_path, study, small_hospital()).run()
    result = run.results["table"]
    assert result.sites == ("seoul", "busan", "beijing")
    others = pooled({name: rows for name, rows in breast().items() if name != "tianjin"})
    assert result.people == len(others["texture"])
    np.testing.assert_allclose(result.estimate("texture.mean.0").value, others["texture"].mean(), rtol=1e-12)
    preflight = run.preflight["tianjin"].payload
    assert preflight["cohorts"] == {"all": "withheld"}
    assert preflight["values"] == {}, "nothing of four people leaves"


def test_the_flow_says_of_no_number_that_it_is_small_without_knowing(tmp_path: Path) -> None:
    """Of two numbers withheld one is small; and who has too few people looks like who repeats another cohort."""
    hospitals = small_hospital()
    out = hospitals["seoul"].columns["radius"] <= 12
    hospitals["seoul"].columns["texture"][np.flatnonzero(~out)[:3]] = np.nan
    text = (STUDY + MEANS).replace("variables:\n", "may_go_on_without: 1\nvariables:\n", 1)
    text = text.replace("  all: {}", '  all: {where: "radius > 12", complete: [texture]}', 1)
    table = flow(house(tmp_path, text, hospitals).run()).tables[0]
    seoul, *_, tianjin = table.rows
    assert out.sum() >= 10
    assert seoul[1:4] == (Withheld("withheld"),) * 3
    assert isinstance(seoul[4], int)
    assert tianjin[1:] == (None, None, None, Withheld("withheld"))
    assert table.notes == (Words("flow.withheld_note", {"number": 10}),)


def test_a_method_that_the_policy_forbids_is_refused_when_the_plan_is_approved(tmp_path: Path) -> None:
    with pytest.raises(GagyoError, match="policy does not allow"):
        house(tmp_path, STUDY + MODEL, breast(), {"seoul": Policy(methods=("describe",))})


def test_data_that_change_under_a_plan_are_found(tmp_path: Path) -> None:
    one = house(tmp_path, STUDY + MODEL, breast())
    one.run()
    for site in one.sites.values():
        site.close()
    changed = breast()
    changed["busan"].columns["texture"][0] += 0.1
    with pytest.raises(GagyoError, match="not those that this plan was approved on"):
        house(tmp_path, STUDY + MODEL, changed)


def test_links_do_not_fit_another_chain(small_house: House) -> None:
    small_house.run()
    seoul, busan = (small_house.sites[name] for name in ("seoul", "busan"))
    mixed = [*seoul.ledger.entries[:1], *busan.ledger.entries[1:2]]
    with pytest.raises(Tampered):
        check_chain(mixed, seoul.keys.public)


def test_a_line_of_another_layout_is_refused() -> None:
    with pytest.raises(Tampered):
        Entry.parse(b'{"sequence": 0}')


def test_what_stands_on_a_result_that_is_taken_back_goes_with_it() -> None:
    text = STUDY + MODEL + "  own: {method: validate, model: model, folds: 0}\n" + TABLE
    line = Line(Study.parse(text))
    result = Result(method="any", lossless=True, people=10, sites=("seoul",), rounds=1)
    line.results.update(model=result, own=result, table=result)
    line.take_back("model", Stopped(Finding("withheld_fit")))
    assert set(line.results) == {"table"}
    assert [line.stopped[name].findings[0].code for name in ("model", "own")] == ["withheld_fit", "needs_result"]


TABLE = "  table: {method: describe, cohort: all, variables: [radius]}\n"
