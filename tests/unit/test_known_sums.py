"""Sums that several analyses ask for alike leave the hospitals once, and each result is what it is by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.folder import finish, open_folder
from gagyo.coordinator.run import Run
from gagyo.coordinator.verify import verify
from gagyo.errors import Stopped
from gagyo.exchange.envelope import Keys
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.known import KnownSums
from gagyo.federation.line import Line
from gagyo.finding import Finding
from gagyo.methods.kaplan_meier import exits
from gagyo.methods.log_rank import within
from gagyo.protocol.study import Analysis, Study
from gagyo.release.ledger import read
from gagyo.result import Result
from gagyo.runtime.journal import Journal
from gagyo.text import LANGUAGES
from tests.hospitals import STUDY, breast, house

CURVE = """  curve:
    label: {en: Curve, ko: 곡선, zh: 曲线}
    method: kaplan_meier
    cohort: all
    time: texture
    event: malignant
"""
MEAN = "  mean: {method: restricted_mean, cohort: all, time: texture, event: malignant, tau: 24}\n"
INCIDENCE = "  incidence: {method: cumulative_incidence, cohort: all, time: texture, cause: size}\n"
MODELS = """  odds: {method: logistic, cohort: all, formula: "malignant ~ rcs(texture, 3) + smoothness"}
  slopes: {method: linear, cohort: all, formula: "radius ~ rcs(texture, 3) + smoothness"}
"""


def ran(folder: Path, text: str) -> tuple[Run, Counter[str], dict[str, int]]:
    """A run, how many rounds each analysis asked for, and the number of its first."""
    one = house(folder, text, breast())
    run = one.run()
    asked = _asked(one.sites["seoul"].ledger.path)
    first = {name: number for name, number in sorted(asked, reverse=True)}
    return run, Counter(name for name, _ in asked), first


def _asked(path: Path) -> set[tuple[str, int]]:
    records = [entry.record for entry in read(path)]
    return {(one["analysis"], one["round"]) for one in records if one.get("analysis")}


def without_notes(result: Result) -> dict[str, object]:
    told = result.to_json()
    return {name: value for name, value in told.items() if name not in ("notes", "rounds")}


def test_curves_and_means_stand_on_one_grid_that_is_asked_for_once(tmp_path: Path) -> None:
    run, asked, _ = ran(tmp_path / "both", STUDY + CURVE + MEAN)
    assert asked["curve"] > 3
    assert "mean" not in asked
    alone, own, _ = ran(tmp_path / "alone", STUDY + MEAN)
    assert own["mean"] == asked["curve"] == alone.results["mean"].rounds
    assert without_notes(run.results["mean"]) == without_notes(alone.results["mean"])
    assert run.results["mean"].rounds == 0
    notes = [note.to(language) for note in run.results["mean"].notes for language in LANGUAGES]
    assert [any(label in note for note in notes) for label in (": Curve.", ": 곡선.", "：曲线。")] == [True] * 3


def test_models_of_one_variable_stand_on_the_same_knots(tmp_path: Path) -> None:
    run, asked, first = ran(tmp_path / "both", STUDY + MODELS)
    alone, own, _ = ran(tmp_path / "alone", STUDY + MODELS.splitlines(keepends=True)[1])
    saved = own["slopes"] - asked["slopes"]
    assert saved > 3
    assert run.results["slopes"].rounds == alone.results["slopes"].rounds - saved
    assert first["slopes"] == 0, "the rules compare an analysis with earlier ones at the first sum that it asks for"
    assert without_notes(run.results["slopes"]) == without_notes(alone.results["slopes"])


def test_a_sum_is_known_to_other_analyses_of_the_same_people_who_ask_the_same() -> None:
    first, second, elsewhere = (
        Analysis(name, "kaplan_meier", cohort) for name, cohort in (("a", "all"), ("b", "all"), ("c", "part"))
    )
    edges = np.array([[0.0, 24.0, 60.0]])
    asked = Ask(exits, {"time": "texture", "event": "malignant", "by": [""], "edges": edges}, common=True)
    known, value = KnownSums(), Pooled({"exits": np.ones(2)}, {"exits": np.zeros(2, bool)})
    known.note(first, asked, value)
    value["exits"][0] = 7
    near = replace(asked, arguments={**asked.arguments, "edges": edges * (1 + 1e-12)})
    for _ in range(2):
        found = known.find(second, near)
        assert found is not None
        assert found.analysis == "a"
        assert found.value["exits"].tolist() == [1, 1], "whoever asked, or was given it, may write into its own"
        found.value["exits"][1] = 7
    unlike = [
        (elsewhere, asked),
        (first, asked),
        (second, replace(asked, common=False)),
        (second, replace(asked, arguments={**asked.arguments, "edges": edges + 1})),
        (second, replace(asked, arguments={**asked.arguments, "event": "other"})),
        (second, replace(asked, step=within)),
    ]
    assert [known.find(*one) for one in unlike] == [None] * len(unlike)


def test_other_events_are_another_question(tmp_path: Path) -> None:
    _, asked, _ = ran(tmp_path, STUDY + CURVE + INCIDENCE)
    assert asked["incidence"] > 3


def test_the_record_of_a_run_with_common_sums_verifies(tmp_path: Path) -> None:
    one = house(tmp_path, STUDY + CURVE + MEAN, breast())
    open_folder(tmp_path, one.plan)
    ledgers = {name: site.ledger.path for name, site in one.sites.items()}
    finish(tmp_path, one.run(), "embedded", one.journal.answers, ledgers)
    assert verify(tmp_path, Journal(tmp_path / "journal.jsonl", Keys.make())).analyses == 2


@pytest.mark.parametrize("lost", ["curve", "mean"])
def test_whoever_was_given_a_disputed_sum_has_no_result(lost: str) -> None:
    line = Line(Study.parse(STUDY + CURVE + MEAN))
    result = Result(method="any", lossless=True, people=10, sites=("seoul",), rounds=1)
    line.results.update(curve=result, mean=result)
    line.shared["mean"].add("curve")
    line.take_back(lost, Stopped(Finding("withheld_fit")))
    assert set(line.results) == ({"curve"} if lost == "mean" else set())
