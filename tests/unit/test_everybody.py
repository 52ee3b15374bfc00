"""The number of everybody is `count` of all, also in its types: what travels must not tell which of the two made it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from gagyo.release.aggregate import Measure, count, everybody


@pytest.mark.parametrize("people", [0, 1, 1000])
def test_everybody_is_the_count_of_all(people: int) -> None:
    one, other = everybody(people), count(np.ones(people, bool))
    assert one.kind == other.kind
    for name in (field.name for field in fields(Measure) if field.name not in ("kind", "spread")):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype
