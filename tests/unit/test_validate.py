"""`validate` against references on pooled rows: the same folds and weights, by statsmodels, sklearn or by hand."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator
from functools import cache
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from gagyo.errors import FileFault
from gagyo.federation import in_memory
from gagyo.federation.local import find_step
from gagyo.federation.rows import Rows
from gagyo.methods import validate
from gagyo.methods._descent import halves_of
from gagyo.methods._validation import descent, left_out, splines
from gagyo.methods._validation.performance import Asked
from gagyo.methods._validation.scores import APPARENT, Layout, linear_predictor
from gagyo.protocol.study import Study
from gagyo.release.halves import shut_with_halves
from gagyo.result import Interval, Result, Withheld
from gagyo.site.policy import Policy
from gagyo.statistics import delong
from gagyo.text import LANGUAGES
from tests.contract.data import columns
from tests.hospitals import Rows as HospitalRows
from tests.hospitals import house
from tests.unit.validation_data import (
    FULL,
    HEART_FORMULA,
    HEART_STUDY,
    breast_study,
    heart_columns,
    heart_study,
    run,
    study,
)

FOLDS, REPEATS, BOOTS = 5, 2, 20
SMALL = f", folds: {FOLDS}, repeats: {REPEATS}, bootstrap: {BOOTS}, leave_out: site, joining: true, nonlinearity: true"
SMALL += ", subgroups: [size], threshold: {sensitivity: 0.9}}\n"


@cache
def small() -> tuple[Study, dict[str, Rows], Result]:
    one, hospitals = breast_study(SMALL)
    return one, hospitals, run(one, hospitals)


def test_people_of_equal_risk_are_equal_in_whatever_order_a_processor_adds() -> None:
    """Decimals meet often: 5 mg/dL of glucose are as much as 2.5 kg/m2 of body mass. Rounding must not rank them."""
    found = columns("pima")
    X = np.column_stack([np.ones(len(found["glu"])), found["glu"], found["bmi"], found["age"]])
    beta, cases = np.array([-9.0, 0.035, 0.07, 0.04]), found["diabetic"] == 1
    orders = [list(order) for order in itertools.permutations(range(4))]
    areas = {delong.delong(linear_predictor(X[:, order], beta[order]), cases).auc[0] for order in orders}
    raw = {delong.delong(np.sum(X[:, order] * beta[order], axis=1), cases).auc[0] for order in orders}
    assert len(raw) > 1
    whole = np.rint(X * [0, 1, 10, 1]) @ [0, 35, 7, 40]  # thousandths, exact
    assert [*areas] == pytest.approx([roc_auc_score(cases, whole)], abs=1e-14)


def matrices(one: Study, hospitals: dict[str, Rows]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pooled design, outcome and hospital number."""
    formula = validate.Method.read(one.analyses["check"], one).formula
    X = np.concatenate([rows.design(formula) for rows in hospitals.values()])
    y = np.concatenate([rows[formula.outcome] for rows in hospitals.values()])
    return X, y, np.concatenate([np.full(rows.n, i) for i, rows in enumerate(hospitals.values())])


def pooled_fit(X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    scale = np.abs(X).max(axis=0)
    model = sm.GLM(y, X / scale, sm.families.Binomial(), freq_weights=weights)
    return model.fit(tol=1e-14, maxiter=100).params / scale


def within(scores: np.ndarray, y: np.ndarray, cell: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Concordant over all pairs, pair by pair, inside cells."""
    w = np.ones(len(y)) if weights is None else weights
    won = total = 0.0
    for c in np.unique(cell):
        a, b = (cell == c) & (y == 1), (cell == c) & (y == 0)
        ahead = scores[a][:, None] - scores[b][None, :]
        pair = w[a][:, None] * w[b][None, :]
        won += float(((ahead > 0) + 0.5 * (ahead == 0)).ravel() @ pair.ravel())
        total += float(pair.sum())
    return won / total


def out_of_fold(repeat: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Reference out-of-fold linear predictors, outcome, hospital, fold."""
    one, hospitals, _ = small()
    X, y, site = matrices(one, hospitals)
    fold = np.concatenate([rows.folds(FOLDS, repeat, rows["malignant"]) for rows in hospitals.values()])
    lp = np.empty(len(y))
    for k in range(FOLDS):
        lp[fold == k] = X[fold == k] @ pooled_fit(X[fold != k], y[fold != k])
    return lp, y, site, fold


def row(result: Result, table: str, at: int) -> dict[str, Any]:
    found = result.table(table)
    return dict(zip([column.name for column in found.columns], found.rows[at], strict=True))


def value(cell: Any) -> float:
    return cell.value if isinstance(cell, Interval) else cell


def close(found: Any, wanted: Any, tolerance: float = 1e-8) -> None:
    np.testing.assert_allclose(found, wanted, rtol=tolerance)


def talk(conversation: Generator[Any, Any, Any], hospitals: dict[str, Rows]) -> Any:
    """The value of a part of the method, asked in memory."""
    answer = None
    while True:
        try:
            question = conversation.send(answer)
        except StopIteration as end:
            return end.value
        answer = in_memory._ask(question, hospitals)


def test_apparent_performance_is_that_of_pooled_rows() -> None:
    one, hospitals, result = small()
    X, y, site = matrices(one, hospitals)
    lp = X @ pooled_fit(X, y)
    found = row(result, "performance", 0)
    close(value(found["auc_within"]), within(lp, y, site))
    close([found["brier"], found["log_loss"]], [brier_score_loss(y, expit(lp)), log_loss(y, expit(lp))])
    close([value(found["slope"]), value(found["oe"])], [1.0, 1.0])


def test_cross_validation_equals_refits_on_pooled_rows() -> None:
    found = row(small()[2], "performance", 1)
    parts = []
    for repeat in range(REPEATS):
        lp, y, site, fold = out_of_fold(repeat)
        line = sm.Logit(y, sm.add_constant(lp)).fit(disp=0, method="newton", tol=1e-14)
        large = sm.GLM(y, np.ones(len(y)), sm.families.Binomial(), offset=lp).fit(tol=1e-14)
        parts.append(
            [
                within(lp, y, site * FOLDS + fold),
                brier_score_loss(y, expit(lp)),
                log_loss(y, expit(lp)),
                line.params[1],
                large.params[0],
                y.sum() / expit(lp).sum(),
            ]
        )
    names = ("auc_within", "brier", "log_loss", "slope", "citl", "oe")
    close([value(found[name]) for name in names], np.mean(parts, axis=0))


def test_bootstrap_optimism_equals_weighted_refits_on_pooled_rows() -> None:
    one, hospitals, result = small()
    X, y, site = matrices(one, hospitals)
    apparent, corrected = row(result, "performance", 0), row(result, "performance", 2)
    auc, brier, loss, slope = [], [], [], []
    for b in range(BOOTS):
        w = np.concatenate([rows.poisson(b) for rows in hospitals.values()])
        lp = X @ pooled_fit(X, y, w)
        p = expit(lp)
        auc.append(within(lp, y, site, w) - within(lp, y, site))
        brier.append(brier_score_loss(y, p, sample_weight=w) - brier_score_loss(y, p))
        loss.append(log_loss(y, p, sample_weight=w) - log_loss(y, p))
        slope.append(sm.Logit(y, sm.add_constant(lp)).fit(disp=0, method="newton", tol=1e-14).params[1])
    close(corrected["auc_within"], value(apparent["auc_within"]) - np.mean(auc))
    close(corrected["brier"], apparent["brier"] - np.mean(brier))
    close(corrected["log_loss"], apparent["log_loss"] - np.mean(loss))
    close(corrected["slope"], np.mean(slope))


def test_each_hospital_and_leaving_it_out() -> None:
    one, hospitals, result = small()
    X, y, site = matrices(one, hospitals)
    joint = X @ pooled_fit(X, y)
    for number in range(4):
        here = site == number
        close(value(row(result, "by_hospital", number)["auc"]), roc_auc_score(y[here], joint[here]), 1e-12)
        lp = X[here] @ pooled_fit(X[~here], y[~here])
        found = row(result, "external", number)
        close(value(found["auc"]), roc_auc_score(y[here], lp), 1e-12)
        close(value(found["oe"]), y[here].sum() / expit(lp).sum())
        line = sm.Logit(y[here], sm.add_constant(lp)).fit(disp=0, method="newton", tol=1e-14)
        close(value(found["slope"]), line.params[1])
        variance = delong.delong(lp, y[here] == 1).covariance[0, 0]
        close([found["auc"].lower, found["auc"].upper], delong.logit_interval(roc_auc_score(y[here], lp), variance))


def test_joining_equals_refits_at_each_hospital() -> None:
    result = small()[2]
    one, hospitals, _ = small()
    X, y, site = matrices(one, hospitals)
    joint, _, _, fold = out_of_fold(0)
    for number in range(4):
        here = site == number
        own = np.empty(here.sum())
        for k in range(FOLDS):
            train = here & (fold != k)
            own[fold[here] == k] = X[here & (fold == k)] @ pooled_fit(X[train], y[train])
        found = row(result, "joining", number)
        close(found["auc_own"], within(own, y[here], fold[here]))
        close(found["auc_joint"], within(joint[here], y[here], fold[here]))
        losses = [np.logaddexp(0, lp) - y[here] * lp for lp in (joint[here], own)]
        close(value(found["log_loss_difference"]), (losses[0] - losses[1]).mean(), 1e-6)
        half = 1.959963984540054 * (losses[0] - losses[1]).std(ddof=1) / np.sqrt(here.sum())
        close(found["log_loss_difference"].upper - value(found["log_loss_difference"]), half, 1e-6)


def test_paired_difference_of_one_fold_is_delongs() -> None:
    _, hospitals, _ = small()
    a, b, malignant = (
        np.concatenate([rows[name] for rows in hospitals.values()]) for name in ("radius", "texture", "malignant")
    )
    y = malignant == 1
    found = left_out.compare({"joint": a, "own": b}, y, np.zeros(len(y), np.int64))
    numbers = dict(zip(left_out.NAMES, found, strict=True))
    difference, error = delong.difference(delong.delong(np.array([a, b]), y))
    close(numbers["joint-own.auc"], difference, 1e-12)
    close(numbers["joint-own.auc_error"], error, 5e-3)  # DeLong divides by n - 1


def test_subgroups_cover_hospital_fold_and_group() -> None:
    _, hospitals, result = small()
    lp, y, site, fold = out_of_fold(0)
    size = np.concatenate([rows["size"] for rows in hospitals.values()])
    for at in (1, 2):
        found = row(result, "subgroups", at)
        added = [n for n in range(4) if ((site == n) & (size == at)).sum() >= 5]
        here = (size == at) & np.isin(site, added)
        if found["people"] == here.sum():
            close(value(found["auc_within"]), within(lp[here], y[here], (site * FOLDS + fold)[here]))
            close(value(found["oe"]), y[here].sum() / expit(lp[here]).sum())
        else:
            assert found["people"] < here.sum()


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rehearsal in which sibling bins of 1 to 9 people stay shut, as at the gate."""
    opened = in_memory._opened

    def shut(answers: Any) -> Any:
        found = opened(answers)
        if answers[0].get("bins") is not None and answers[0]["bins"].kind == "bins":
            table = found.values["bins"]
            people = table.sum(axis=2)
            shut = shut_with_halves(((people > 0) & (people < 10))[..., None])
            values = {**found.values, "bins": np.where(shut[..., None], np.nan, table)}
            return type(found)(values, {**found.withheld, "bins": np.isnan(values["bins"])})
        return found

    monkeypatch.setattr(in_memory, "_opened", shut)


@pytest.mark.usefixtures("gated")
def test_bins_hold_the_minimum_and_equal_a_histogram_of_pooled_rows() -> None:
    one, hospitals, _ = small()
    X, y, _ = matrices(one, hospitals)
    beta = pooled_fit(X, y)
    lp = X @ beta
    formula = validate.Method.read(one.analyses["check"], one).formula
    asked = Asked(formula.text, beta[None, :], Layout())
    tree = descent.Tree(-descent.EDGE, descent.EDGE, lp.mean(), lp.std(), cuts=(float(logit(0.3)),))
    (grown,) = talk(descent.score_trees(asked, [APPARENT], [tree], 10), hospitals)
    edges = np.concatenate([[-np.inf], grown.edges, [np.inf]])
    for label in (0, 1):
        np.testing.assert_array_equal(grown.counts[:, label], np.histogram(lp[y == label], edges)[0])
    people = grown.counts.sum(axis=1)
    assert people[people > 0].min() >= 10
    assert len(people) > 20
    number = np.digitize(lp, grown.edges)
    from gagyo.statistics import roc

    found = roc.binned_roc(grown.counts)
    close(found.auc, roc_auc_score(y, number), 1e-12)
    assert abs(found.auc - roc_auc_score(y, lp)) <= found.bound
    close(grown.below(float(logit(0.3))), [((lp < logit(0.3)) & (y == k)).sum() for k in (0, 1)])
    assert abs(grown.quantile(0.5) - np.median(lp)) < 0.2


def test_rare_outcomes_fill_bins_too() -> None:
    tree = descent.Tree(-descent.EDGE, descent.EDGE, -5.0, 0.6)
    lp = np.sort(np.random.default_rng(1).normal(-5.0, 0.6, 2000))

    def ask(which: Any, edges: Any) -> Any:
        return edges

    grower: Any = descent.descend([descent.Grown.of(tree)], 10, ask)
    grown: Any = None
    answer: Any = None
    while grown is None:
        try:
            edges = grower.send(answer)
        except StopIteration as end:
            grown = end.value
            break
        table = halves_of(lambda _: [lp], np.zeros(len(edges)), edges)
        shut = shut_with_halves((table > 0) & (table < 10))
        answer = {"bins": np.where(shut[..., None], np.nan, table)}
    assert len(grown[0].leaves) > 80


def test_threshold_keeps_its_sensitivity_where_it_was_chosen() -> None:
    found = row(small()[2], "thresholds", 0)
    assert found["sensitivity"].value > 0.8
    assert 0 < found["threshold"] < 0.5
    assert found["sensitivity"].lower < found["sensitivity"].value < found["sensitivity"].upper


def test_nonlinearity_is_the_likelihood_ratio_test_of_pooled_rows() -> None:
    one, hospitals, result = small()
    X, y, _ = matrices(one, hospitals)
    beta = pooled_fit(X, y)
    formula = validate.Method.read(one.analyses["check"], one).formula
    base = -log_loss(y, expit(X @ beta), normalize=False)
    knots = np.array([[13.0, 17.3, 20.5, 27.2]])
    bends = talk(splines._bends(formula, ["texture"], knots, beta, base, "t"), hospitals)
    texture = np.concatenate([rows["texture"] for rows in hospitals.values()])
    added = splines.calibration.spline_basis(texture, knots[0])[:, 1:]
    more = sm.GLM(y, np.column_stack([X, added]), sm.families.Binomial()).fit(tol=1e-14)
    close(bends["texture"].chi_square, 2 * (more.llf - base), 1e-7)
    assert result.table("nonlinearity").rows[0][3] == 2


def test_a_given_equation_is_validated_as_it_is() -> None:
    one, hospitals, _ = small()
    terms = ("Intercept", "texture", "smoothness", "compactness", "symmetry")
    numbers = (-12.0, 0.2, 40.0, 20.0, 8.0)
    given = ", ".join(f"{term}: {number}" for term, number in zip(terms, numbers, strict=True))
    formula = str(one.analyses["model"].options["formula"])
    more = (
        ", subgroups: [size], threshold: {value: 0.4}, countries: {seoul: KR, busan: KR, beijing: KR, tianjin: CN}}\n"
    )
    text = f'equation: {{outcome: malignant, formula: "{formula}", coefficients: {{{given}}}}}'
    from tests.hospitals import STUDY

    fixed = study(STUDY, formula.split("~ ")[0] + "~ " + formula.split("~ ")[1], more, method=text)
    result = in_memory.converse(validate.Method.read(fixed.analyses["check"], fixed).combine({}), hospitals)
    X, y, site = matrices(one, hospitals)
    lp = np.round(X @ np.array(numbers), 10)
    close(value(row(result, "performance", 0)["auc_within"]), within(lp, y, site))
    found = result.table("external")
    assert [getattr(r[0], "key", "") for r in found.rows[4:]] == [
        "validate.summary_country",  # of three hospitals; none of one
        "validate.summary",
    ]
    over = row(result, "thresholds", 0)
    close(over["sensitivity"].value, (expit(lp)[y == 1] >= 0.4).mean())
    assert not any(table.name in ("sample_size", "joining", "shrinkage") for table in result.tables)
    told = [one.label.to(language) for one in result.estimates for language in LANGUAGES]
    told += [note.to(language) for curve in result.curves for note in curve.notes for language in LANGUAGES]
    assert told
    assert not [text for text in told if any(word in text for word in ("pparent", "겉보기", "表观", "fold", "折"))]


@pytest.mark.parametrize(
    "more",
    [
        ", joining: true}\n",
        ", folds: 1}\n",
        ", folds: 0, threshold: {sensitivity: 0.9}}\n",
        ", threshold: {sensitivity: 0.9, value: 0.2}}\n",
        ", bootstrap: 501}\n",
        ", unknown: 1}\n",
    ],
)
def test_options_that_do_not_fit_are_refused(more: str) -> None:
    one, _ = breast_study(more)
    with pytest.raises(ValueError, match="validation error"):
        validate.Method.read(one.analyses["check"], one)


@pytest.mark.parametrize("more", [", subgroups: [nobody]}\n", ", subgroups: [radius]}\n"])
def test_subgroups_that_do_not_fit_are_named(more: str) -> None:
    one, _ = breast_study(more)
    with pytest.raises(FileFault, match=r"nobody|radius"):
        validate.Method.read(one.analyses["check"], one)


def test_fewer_than_four_hospitals_are_not_left_out() -> None:
    one, hospitals = breast_study(", folds: 0, leave_out: site}\n")
    three = {site: hospitals[site] for site in ("seoul", "busan", "beijing")}
    result = run(one, three)
    assert any(note.key == "validate.too_few_to_leave_out" for note in result.notes)
    assert not any(table.name == "external" for table in result.tables)


def test_steps_are_found_by_their_names() -> None:
    for step in validate.STEPS:
        assert find_step(step.name) is step


def test_every_text_is_in_three_languages_and_the_result_survives_json() -> None:
    result = small()[2]
    assert Result.from_json(result.to_json()) == result
    for table in result.tables:
        for words in (table.title, *table.notes, *(column.label for column in table.columns)):
            assert all(words.to(language) for language in LANGUAGES)
    for words in (*result.methods_text, *result.notes, *(estimate.label for estimate in result.estimates)):
        assert all(words.to(language) for language in LANGUAGES)


def test_the_whole_validation_is_quick_and_deterministic() -> None:
    one, hospitals = breast_study(FULL)
    start = time.process_time()
    first = run(one, hospitals)
    assert time.process_time() - start < 3.0
    again, others = breast_study(FULL)
    assert run(again, others) == first


def test_heart_shows_what_the_issue_says(tmp_path: Any) -> None:
    """Leave one hospital out at the real gate: Switzerland has too few without disease for an area, but an O/E."""
    columns = heart_columns()
    assert [len(one["age"]) for one in columns.values()] == [303, 293, 117, 144]
    data = {
        site: HospitalRows(one, [f"{site}{i}".encode() for i in range(len(one["age"]))])
        for site, one in columns.items()
    }
    text = f'{HEART_STUDY}  model: {{method: logistic, cohort: all, formula: "{HEART_FORMULA}"}}\n'
    text += f"  check: {{method: validate, cohort: all, model: model{FULL}"
    done = house(tmp_path, text, data, {site: Policy(minimum_people=5) for site in data}).run()
    result = done.results["check"]
    rows_by_name = [row(result, "external", at) for at in range(4)]
    areas = [one["auc"] for one in rows_by_name]
    assert [round(areas[at].value, 3) for at in (0, 1, 3)] == [0.887, 0.881, 0.729]
    assert areas[2] == Withheld("fewer_than", 10)
    assert [round(one["oe"].value, 2) for one in rows_by_name] == [0.88, 0.75, 1.48, 0.97]
    one, hospitals = heart_study()
    X, y, site = matrices(one, hospitals)
    errors = []
    for number in (0, 1, 3):
        here = site == number
        found = delong.delong(X[here] @ pooled_fit(X[~here], y[~here]), y[here] == 1)
        errors.append(round(float(np.sqrt(found.covariance[0, 0])), 3))
    assert errors == [0.019, 0.022, 0.051]
