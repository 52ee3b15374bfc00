"""Where knots stand among people in cells: at the quantile where it is known, else at an end of its cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gagyo.protocol.formula import MOST_KNOTS
from gagyo.statistics.calibration import QUANTILES
from gagyo.statistics.knots import Knot, knot, tied, wanted
from gagyo.statistics.quantiles import Binned


def cells(ends: list[float], counts: list[int], whole: bool = False) -> Binned:
    """People in cells between neighbouring ends; of whole numbers, up to one before the next."""
    low, high = np.array(ends[:-1], float), np.array(ends[1:], float)
    return Binned(low, high - whole, np.array(counts, float), whole)


def test_percentiles_are_harrells_for_every_number_of_knots() -> None:
    assert list(QUANTILES) == list(range(3, MOST_KNOTS + 1))
    for number, shares in QUANTILES.items():
        assert len(shares) == number
        even = np.linspace(shares[0], shares[-1], number)
        np.testing.assert_allclose(shares, even, atol=1e-4)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.05, (10, 0, 10)),  # in the lowest cell: its inner end
        (0.30, (10, 10, 30)),  # a quarter of the way through a cell
        (0.50, (30, 10, 30)),  # three quarters
        (0.95, (30, 30, 90)),  # in the highest cell: its inner end
    ],
)
def test_a_knot_is_the_nearest_end_of_the_quantiles_cell(share: float, expected: tuple[float, ...]) -> None:
    found = knot(cells([0, 10, 30, 90], [20, 41, 40]), share)
    assert found == Knot(share, *(float(one) for one in expected))
    assert not found.exact


def test_whole_numbers_end_half_way_to_the_next() -> None:
    found = knot(cells([0, 10, 30, 90], [20, 41, 40], whole=True), 0.3)
    assert found == Knot(0.3, 9.5, 9.5, 29.5)


def test_cells_of_one_value_give_the_quantile_itself() -> None:
    one = cells([0, 3, 4, 5, 9], [20, 30, 31, 20], whole=True)
    x = np.repeat([1, 3, 4, 6], [20, 30, 31, 20])
    for share in (0.25, 0.495, 0.5, 0.6):
        found = knot(one, share)
        assert found is not None
        assert found.exact
        np.testing.assert_allclose(found.value, np.quantile(x, share), rtol=1e-14)


def test_a_very_narrow_cell_is_a_value_at_its_lower_end() -> None:
    found = knot(cells([0, 50, 50.001, 100], [30, 41, 30]), 0.6)
    assert found == Knot(0.6, 50, 50, 50.001)


def test_everyone_in_one_cell_has_no_knot() -> None:
    assert knot(cells([0, 10], [50]), 0.5) is None
    assert knot(cells([0, 10], [50], whole=True), 0.05) is None


@given(
    st.integers(0, 10_000), st.booleans(), st.sampled_from(sorted({one for some in QUANTILES.values() for one in some}))
)
def test_a_knot_and_the_quantile_lie_within_the_bounds_and_no_cell_is_divided(
    seed: int, whole: bool, share: float
) -> None:
    random = np.random.default_rng(seed)
    ends = np.unique(random.integers(0, 400, random.integers(3, 12))).tolist()
    counts = random.integers(1, 30, len(ends) - 1).tolist()
    draw = random.integers if whole else random.uniform
    x = np.concatenate([draw(low, high, n) for low, high, n in zip(ends[:-1], ends[1:], counts, strict=True)])
    found = knot(cells([float(end) for end in ends], counts, whole), share)
    if found is None:
        return
    assert found.lower - 1e-9 <= np.quantile(x, share) <= found.upper + 1e-9
    assert found.lower <= found.value <= found.upper
    below = {int(one) for one in np.cumsum(counts)}
    assert found.exact or int((x <= found.value).sum()) in below


@pytest.mark.parametrize(("share", "ranks"), [(0.5, (50, 51)), (0.05, (10,)), (0.95, (91,)), (0.1, (10, 11))])
def test_order_statistics_with_fewer_than_k_beyond_them_are_not_closed_in_on(
    share: float, ranks: tuple[int, ...]
) -> None:
    assert wanted(100, share, 10) == ranks
    assert wanted(19, share, 10) == ()


def test_knots_of_one_value_or_of_one_cell_are_tied() -> None:
    def at(*values: float) -> list[Knot]:
        return [Knot(0.5, one, one, one) for one in values]

    assert not tied(at(1, 2, 3))
    assert tied(at(1, 2, 2))
    assert tied(at(1, 1 + 1e-7, 2))
    assert tied([Knot(0.1, 1, 0, 1), Knot(0.4, 5, 5, 9), Knot(0.6, 9, 5, 9)])
    assert not tied([Knot(0.1, 1, 0, 1), Knot(0.4, 5, 5, 9), Knot(0.6, 9, 9, 12)])
