"""The ring adds exactly and in any order."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gagyo.release import ring

reasonable = st.floats(min_value=-(2.0**58), max_value=2.0**58, allow_nan=False, width=64)


@given(st.lists(reasonable, min_size=1, max_size=20))
def test_sums_are_exact_to_the_resolution(values: list[float]) -> None:
    scale = np.ones(1)
    total = ring.encode(np.array(values[:1]), scale)
    for value in values[1:]:
        total = ring.add(total, ring.encode(np.array([value]), scale))
    exact = sum((Fraction(value) for value in values), Fraction(0))
    got = Fraction(float(ring.decode(total, scale)[0]))
    # Each value is rounded to 2^-65 at most, and the sum once more to a float64.
    assert abs(got - exact) <= len(values) * Fraction(1, 2**65) + abs(exact) * Fraction(1, 2**52)


@given(st.lists(reasonable, min_size=2, max_size=8), st.randoms())
def test_the_order_does_not_matter(values: list[float], random: object) -> None:
    limbs = [ring.encode(np.array([value]), np.ones(1)) for value in values]

    def total(parts: list[ring.Limbs]) -> bytes:
        out = parts[0]
        for part in parts[1:]:
            out = ring.add(out, part)
        return out.tobytes()

    shuffled = list(limbs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert total(limbs) == total(shuffled)


@given(reasonable)
def test_a_value_comes_back(value: float) -> None:
    got = float(ring.decode(ring.encode(np.array([value]), np.ones(1)), np.ones(1))[0])
    assert abs(got - value) <= 2.0**-65


@given(st.binary(min_size=16, max_size=16), reasonable)
def test_a_mask_cancels_to_the_last_bit(mask: bytes, value: float) -> None:
    clear = ring.encode(np.array([value]), np.ones(1))
    limbs = ring.from_bytes(mask)
    assert np.array_equal(ring.subtract(ring.add(clear, limbs), limbs), clear)


def test_small_negative_values_keep_their_bits() -> None:
    value = -(2.0**-60)
    assert ring.decode(ring.encode(np.array([value]), np.ones(1)), np.ones(1))[0] == value


def test_values_that_could_overflow_do_not_fit() -> None:
    scale = np.ones(3)
    assert ring.fits(np.array([2.0**59, 2.0**61, np.nan]), scale, 4).tolist() == [True, False, False]


heads = st.integers(min_value=1 - 2**31 // 7, max_value=2**31 // 7 - 1)


@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(heads, min_size=n, max_size=n), min_size=7, max_size=7)))
def test_head_counts_of_seven_hospitals_add_up_side_by_side(hospitals: list[list[int]]) -> None:
    """A hospital's part may be below zero: of how many people a sum is over that follows from others."""
    counts = [np.array(one, np.int64) for one in hospitals]
    assert all(ring.heads_fit(one, 7) for one in counts)
    total = ring.encode_heads(counts[0], 7)
    for one in counts[1:]:
        total = ring.add(total, ring.encode_heads(one, 7))
    assert total.shape == (ring.entries_of(len(counts[0])), 2)
    assert ring.decode_heads(total, len(counts[0]), 7).tolist() == np.sum(counts, axis=0).tolist()


def test_head_counts_that_could_reach_into_the_next_do_not_fit() -> None:
    most = 2**31 // 4 - 1
    assert ring.heads_fit(np.array([-most, 0, most]), 4)
    assert not ring.heads_fit(np.array([0, most + 1]), 4)
    assert not ring.heads_fit(np.array([-most - 1, 5]), 4)
    assert ring.heads_fit(np.zeros(0, np.int64), 4)
