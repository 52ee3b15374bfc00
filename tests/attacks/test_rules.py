"""Each rule of the gate against the attack it is for, and beside it the ordinary release that must pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gagyo.release.aggregate import (
    Aggregate,
    bins,
    cells,
    count,
    crossed,
    exits,
    joint,
    scalar,
    spread_of,
    total,
)
from gagyo.release.case import Case, Overlap, Spending
from gagyo.release.decision import Referral, Refusal, Release
from gagyo.release.gate import Gate
from gagyo.release.limits import Limits
from gagyo.release.rules.table import complete
from gagyo.site.differencing import overlap

GATE = Gate()
LIMITS = Limits()


def case(scope: str, aggregate: Aggregate, people: int = 500, **more: object) -> Case:
    base = Case(scope, aggregate, people, 10, LIMITS, hospitals=4)  # type: ignore[arg-type]
    return replace(base, **more)  # type: ignore[arg-type]


def first(people: int, of: int) -> np.ndarray:
    return np.arange(of) < people


def withheld(scope: str, name: str, aggregate: Aggregate, people: int = 500, **more: object) -> bool:
    decision = GATE.rule(case(scope, aggregate, people, **more))
    return not isinstance(decision, Release) or bool(decision.withheld[name].all())


def broken(scope: str, aggregate: Aggregate, people: int = 500, **more: object) -> tuple[str, ...]:
    decision = GATE.rule(case(scope, aggregate, people, **more))
    return decision.rules if isinstance(decision, (Refusal, Referral)) else ()


# Minimum people.


@pytest.mark.parametrize("scope", ["each", "pooled"])
@pytest.mark.parametrize(("people", "stays"), [(3, True), (9, True), (10, False), (250, False)])
def test_a_count_of_a_few_stays(scope: str, people: int, stays: bool) -> None:
    assert withheld(scope, "n", {"n": count(first(people, 500))}) is stays


def test_a_hospital_with_four_people_shares_nothing() -> None:
    assert broken("share", {"n": count(first(4, 4))}, people=4) == ("minimum_people",)
    assert not broken("share", {"n": count(first(40, 40))}, people=40)


@pytest.mark.parametrize("scope", ["share", "each"])
@pytest.mark.parametrize(("ward", "stays"), [(0, False), (4, True), (9, True), (10, False)])
def test_a_ward_of_a_few_is_in_no_sum(scope: str, ward: int, stays: bool) -> None:
    """What a sum over hospitals would hide, equations in several rounds may give back."""
    everyone = count(first(500, 500))
    fit = joint(np.ones(3), 1.0, everyone, spread_of(np.ones((500, 1))), np.array([40, ward]))
    assert withheld(scope, "fit", {"fit": fit}) is stays


def test_no_study_lowers_the_minimum_under_the_floor() -> None:
    assert replace(LIMITS, minimum_people=1).stricter(2).minimum_people == 5
    assert LIMITS.stricter(20).minimum_people == 20


# Remainder.


@pytest.mark.parametrize(("people", "stays"), [(495, True), (491, True), (490, False), (500, False)])
def test_495_of_500_give_five_away(people: int, stays: bool) -> None:
    assert withheld("each", "n", {"n": count(first(people, 500))}) is stays
    assert withheld("pooled", "n", {"n": count(first(people, 500))}) is stays


# Tables.


def test_a_level_with_three_people_stays_and_so_does_the_cell_that_would_give_it_away() -> None:
    table = np.array([[3, 60], [97, 40], [100, 100]])
    decision = GATE.rule(case("pooled", {"t": cells(table, 400)}, people=400))
    assert isinstance(decision, Release)
    hidden = decision.withheld["t"]
    assert hidden[0, 0]
    # No line may hide a single cell: its total would give it back.
    assert all(line.sum() != 1 for line in [*hidden, *hidden.T])


def test_a_table_of_large_cells_passes_whole() -> None:
    table = np.array([[30, 60], [97, 40], [100, 100]])
    assert not withheld("pooled", "t", {"t": cells(table, 427)}, people=427)


def solutions(people: np.ndarray, hidden: np.ndarray, cell: tuple[int, int]) -> set[int]:
    """All values that a hidden cell can have, given the open cells and all margins."""
    from scipy.optimize import linprog

    free = np.argwhere(hidden)
    index = {tuple(at): number for number, at in enumerate(free)}
    equations, right = [], []
    for axis in (0, 1):
        for line in range(people.shape[1 - axis]):
            row = np.zeros(len(free))
            for at, number in index.items():
                row[number] = at[1 - axis] == line
            if row.any():
                equations.append(row)
                cells_of_line = people[:, line] if axis == 0 else people[line]
                hidden_of_line = hidden[:, line] if axis == 0 else hidden[line]
                right.append(cells_of_line[hidden_of_line].sum())
    objective = np.zeros(len(free))
    objective[index[cell]] = 1
    ends = [linprog(sign * objective, A_eq=equations, b_eq=right, bounds=(0, None), method="highs") for sign in (1, -1)]
    return {round(ends[0].fun), round(-ends[1].fun)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([[0, 0, 10], [0, 0, 10], [10, 10, 10]])  # one open cell, in no line of the cell that it gives away
@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=3, max_size=4))
def test_no_small_cell_follows_from_open_cells_and_margins(rows: list[list[int]]) -> None:
    people = np.array(rows)
    primary = people < 10
    hidden = complete(people, primary, 10)
    for row, column in np.argwhere(primary):
        small = solutions(people, hidden, (int(row), int(column)))
        # A line whose total is small is no line to publish: totals are ruled on as numbers of people themselves.
        small_total = min(people[row].sum(), people[:, column].sum()) < 10
        assert len(small) > 1 or small_total or hidden.all()


def test_a_cell_between_two_blocks_of_hidden_cells_follows_from_the_totals() -> None:
    """Every line hides two cells or more, and still the one that joins two blocks has a single possible value."""
    people = np.full((4, 4), 50)
    people[:2, :2] = people[2:, 2:] = 6
    people[0, 2] = 6
    primary = people < 10
    assert len(solutions(people, primary, (0, 2))) == 1, "the attack works on the first suppression"
    assert len(solutions(people, complete(people, primary, 10), (0, 2))) > 1


def test_indicator_columns_of_a_fit_are_a_table_too() -> None:
    rng = np.random.default_rng(0)
    outcome = (rng.random(500) < 0.4).astype(float)
    level = np.zeros(500)
    level[:3] = 1  # a level with three people
    cells_of_fit = crossed(np.column_stack([outcome, level]))
    fit = joint(np.zeros(5), 1.0, cells_of_fit, spread_of(np.ones((500, 2))))
    assert withheld("pooled", "fit", {"fit": fit})
    level[:200] = 1
    fit = joint(np.zeros(5), 1.0, crossed(np.column_stack([outcome, level])), spread_of(np.ones((500, 2))))
    assert not withheld("pooled", "fit", {"fit": fit})


# Dominance.


def test_one_persons_value_from_a_weighted_sum() -> None:
    """With weights that fade, a sum over 500 people is one person's value to many digits."""
    rng = np.random.default_rng(1)
    value = rng.normal(50, 10, 500)
    weights = np.full(500, 1e-9)
    weights[123] = 1.0
    attack = {"sum": total(value * weights, 100.0)}
    assert attack["sum"].values[0] == pytest.approx(value[123], rel=1e-6), "the attack works without the rule"
    assert "dominance" in broken("share", attack)
    assert withheld("each", "sum", attack)
    assert not broken("share", {"sum": total(value, 100.0)})


def test_two_people_that_make_up_a_sum_are_as_bad() -> None:
    weights = np.full(500, 1e-6)
    weights[[3, 4]] = 1.0
    assert "dominance" in broken("share", {"sum": total(weights * 50, 100.0)})


def test_scores_that_sum_to_zero_pass() -> None:
    rng = np.random.default_rng(2)
    score = rng.normal(size=500)
    assert not broken("share", {"sum": total(score - score.mean(), 10.0)})


# Saturation.


def test_a_saturated_model_stays() -> None:
    fit = joint(np.zeros(5), 1.0, count(np.ones(100, bool)), spread_of(np.ones((100, 1))))
    assert "saturation" in broken("pooled", {"fit": fit}, people=100, fit="m", parameters=34)
    assert not broken("pooled", {"fit": fit}, people=100, fit="m", parameters=33)
    assert not broken("pooled", {"fit": fit}, people=100, fit="m", parameters=330, fits_at_once=10)


def test_a_study_cannot_open_as_many_numbers_as_it_has_data() -> None:
    sums = {"n": count(np.ones((500, 40), bool))}
    assert "saturation" in broken("pooled", sums, spending=Spending(pooled=500 * 10 - 39))
    assert not broken("pooled", sums, spending=Spending(pooled=500 * 10 - 40))
    assert "saturation" in broken("each", sums, spending=Spending(each=500 * 10 // 2 - 39))


def test_iterates_of_one_fit_count_once() -> None:
    fit = joint(np.zeros(5), 1.0, count(np.ones(100, bool)), spread_of(np.ones((100, 1))))
    again = case("pooled", {"fit": fit}, fit="m", parameters=5, spending=Spending(fits=frozenset({"m"})))
    assert again.numbers == 0
    assert replace(again, spending=Spending()).numbers == 5


# Differencing.


def members(*people: int, of: int = 500) -> np.ndarray:
    bits = np.zeros(of, np.uint8)
    bits[list(people)] = 1
    return np.packbits(bits)


def everyone_but(*people: int, of: int = 500) -> np.ndarray:
    return members(*(set(range(of)) - set(people)), of=of)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([everyone_but()], everyone_but(7)),  # one person fewer
        ([everyone_but(1)], everyone_but(2)),  # one swapped for another
        ([everyone_but()], everyone_but(1, 2, 3)),  # three missing
        # A tracker: all, men, and men without one; the span isolates the one.
        ([everyone_but(), members(*range(250))], members(*range(250, 500), 3)),
    ],
)
def test_two_cohorts_that_differ_by_a_few(before: list[np.ndarray], now: np.ndarray) -> None:
    found = overlap(now, before)
    assert "differencing" in broken("share", {"n": count(np.ones(400, bool))}, overlap=found)


def test_subgroups_folds_and_the_same_cohort_again_pass() -> None:
    everyone = everyone_but()
    folds = [members(*range(start, 500, 10)) for start in range(10)]
    for number, fold in enumerate(folds):
        found = overlap(fold, [everyone, *folds[:number]])
        assert not broken("share", {"n": count(np.ones(50, bool))}, people=50, overlap=found)
    again = overlap(everyone, [everyone])
    assert again == Overlap(None, 500)


def test_many_cohorts_of_many_people_take_milliseconds() -> None:
    rng = np.random.default_rng(3)
    before = [np.packbits(rng.random(20_000) < 0.5) for _ in range(40)]
    assert overlap(np.packbits(np.ones(20_000, np.uint8)), before).difference is not None


# Order statistics.


def test_bins_by_hospital_stay() -> None:
    assert withheld("each", "b", {"b": bins(np.full((2, 2, 2), 60), 480)}, people=480)


def test_a_descent_stops_before_a_bin_gets_small() -> None:
    table = np.array([[[50, 60], [5, 4]], [[30, 40], [40, 30]], [[0, 0], [120, 121]]])
    decision = GATE.rule(case("pooled", {"b": bins(table, 500)}))
    assert isinstance(decision, Release)
    # Sibling bins stand or fall together; an empty one beside a large one is open.
    assert decision.withheld["b"][..., 0].tolist() == [[True, True], [False, False], [False, False]]


def test_halves_of_what_stays_shut_stay_shut_with_it() -> None:
    """Nobody is few among the halves of 100: but their sum is what the 4 beside them were withheld with."""
    tree = [[4], [100], [0], [4], [50], [50]]  # both halves; those of the first; those of the second
    well = [[40], [100], [4], [36], [50], [50]]
    decision = GATE.rule(case("pooled", {"b": bins(np.array([tree, well]), 500)}))
    assert isinstance(decision, Release)
    assert decision.withheld["b"][..., 0].tolist() == [[True] * 6, [False, False, True, True, False, False]]


def test_bins_of_two_hospitals_stay() -> None:
    assert withheld("pooled", "b", {"b": bins(np.full((2, 2, 2), 60), 480)}, people=480, hospitals=2)


# Event times.


def risk_sets(time: np.ndarray, X: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """What a pooled Cox fit asks of a hospital at no effect: people at risk after each edge, and sums of columns."""
    return np.array([[float((time > edge).sum()), *X[time > edge].sum(axis=0)] for edge in edges])


def recovered(sums: np.ndarray, X: np.ndarray) -> int:
    """How many patients' whole rows stand among the differences of successive risk sets (Brink et al. 2022)."""
    one = sums[:-1] - sums[1:]
    alone = one[one[:, 0] == 1, 1:]
    return sum(bool(np.any(np.all(np.isclose(alone, row, atol=1e-9), axis=1))) for row in X)


def exits_between(time: np.ndarray, event: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """One interval, its parts between edges, one group, without and with the event."""
    where = np.searchsorted(edges[1:], time, side="left")
    table = np.zeros((1, len(edges) - 1, 1, 2), np.int64)
    np.add.at(table, (0, where, 0, event.astype(int)), 1)
    return table


def test_daily_risk_sets_give_patients_away_and_stay() -> None:
    """Without the rule daily risk sets give back many whole rows; no release holds an interval that gives back one."""
    rng = np.random.default_rng(4)
    X, time, event = rng.normal(size=(200, 20)), np.ceil(rng.exponential(300, 200)), rng.random(200) < 0.7
    days = np.arange(0, time.max() + 1)
    assert recovered(risk_sets(time, X, days), X) > 60, "the attack works on days"
    daily = exits(exits_between(time, event, days), 200)
    for scope, hospitals in (("each", 4), ("pooled", 2), ("pooled", 4)):
        assert "event_times" in broken(scope, {"t": daily}, people=200, hospitals=hospitals)
        # Whatever is asked along with the times of one hospital stays too.
        if scope == "each":
            assert withheld(scope, "n", {"t": daily, "n": count(np.ones(200, bool))}, people=200)
    coarse = np.quantile(time, np.linspace(0, 1, 15))
    coarse[0] = 0
    table = exits(exits_between(time, event, coarse), 200)
    assert not withheld("pooled", "t", {"t": table}, people=200)
    assert broken("pooled", {"t": table}, people=200, hospitals=2) == ("event_times",)
    assert broken("each", {"t": table}, people=200) == ("event_times",)
    assert recovered(risk_sets(time, X, coarse), X) == 0


def test_one_small_part_shuts_its_siblings_but_no_other_interval() -> None:
    table = np.full((3, 2, 2, 2), 20)
    table[1, 0, 1] = [4, 5]
    decision = GATE.rule(case("pooled", {"t": exits(table, 500)}))
    assert isinstance(decision, Release)
    assert decision.withheld["t"].all(axis=(1, 2, 3)).tolist() == [False, True, False]
    assert not decision.withheld["t"][[0, 2]].any()


def test_exits_by_interval_of_three_hospitals_pass() -> None:
    """Of ten exits all may be events, and a part may be empty: that is what a curve shows."""
    table = np.array([[[[0, 10]], [[30, 40]]], [[[0, 0]], [[12, 0]]]])
    decision = GATE.rule(case("pooled", {"t": exits(table, 500)}, hospitals=3))
    assert isinstance(decision, Release)
    assert not decision.withheld["t"].any()
    assert not broken("share", {"t": exits(table, 155)}, people=155)


# Own scalars and precision.


def test_a_hospitals_own_auc_needs_ten_of_each_class_and_says_so() -> None:
    decision = GATE.rule(
        case("each", {"auc": scalar(0.8, 8), "oe": scalar(1.1, 40)}, limits=replace(LIMITS, minimum_people=5))
    )
    assert isinstance(decision, Release)
    assert decision.reasons == {"auc": "precision"}
    assert np.isnan(decision.values["auc"]).all()
    assert decision.values["oe"][0] == 1.1


def test_under_the_minimum_the_reason_is_privacy() -> None:
    decision = GATE.rule(case("each", {"auc": scalar(0.8, 3), "oe": scalar(1.1, 40)}))
    assert isinstance(decision, Release)
    assert decision.reasons == {"auc": "withheld"}


# Models and range.


def test_a_model_of_one_hospital_goes_to_a_person() -> None:
    assert isinstance(GATE.rule(case("each", {"c": scalar([1.0, 2.0], 100)}, fit="own", parameters=2)), Referral)


@pytest.mark.parametrize("value", [np.inf, np.nan, 2.0**62])
def test_values_that_overflow_the_ring_stay(value: float) -> None:
    measure = replace(total(np.ones(500), 1.0), values=np.array([value]))
    assert "range" in broken("share", {"sum": measure})


@pytest.mark.parametrize("heads", [-(2**31), 2**31])
@pytest.mark.parametrize("cells", ["people", "others"])
def test_head_counts_that_overflow_the_ring_stay(cells: str, heads: int) -> None:
    measure = replace(total(np.ones(500), 1.0), **{cells: np.array([heads])})
    assert "range" in broken("share", {"sum": measure})


def test_a_cohort_whose_size_overflows_the_ring_stays() -> None:
    assert "range" in broken("share", {"sum": total(np.ones(500), 1.0)}, people=2**31)


def test_a_gate_without_rules_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="without rules"):
        Gate(())
