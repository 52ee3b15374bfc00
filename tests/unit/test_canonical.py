"""Canonical bytes are those of RFC 8785, on the fast way too."""

from __future__ import annotations

import numpy as np
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gagyo.canonical import canonical, digest, plain, restore

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text
records = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(records)
def test_bytes_are_rfc_8785(record: object) -> None:
    assert canonical(record) == rfc8785.dumps(record)


@given(st.lists(st.floats(allow_nan=True, width=64), max_size=8))
def test_arrays_come_back_bit_for_bit(values: list[float]) -> None:
    array = np.array(values, dtype=np.float64)
    assert restore(plain(array)).tobytes() == array.tobytes()


def test_bytes_and_shapes_come_back() -> None:
    record = {"a": np.arange(6, dtype=np.int64).reshape(2, 3), "b": b"\x00\xff", "c": [np.array([True])]}
    back = restore(plain(record))
    assert back["a"].shape == (2, 3)
    assert back["b"] == b"\x00\xff"
    assert back["c"][0].dtype == np.bool_


def test_other_kinds_of_arrays_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot travel"):
        canonical(np.array(["text"]))


def test_a_digest_says_its_algorithm() -> None:
    assert digest({}).startswith("sha256:")


@given(records, st.binary(max_size=8))
def test_what_stands_beside_arrays_and_bytes_is_rfc_8785_too(record: object, raw: bytes) -> None:
    whole = {"a": record, "b": np.arange(3.0), "c": (np.int64(2), raw)}
    assert canonical(whole) == rfc8785.dumps(plain(whole))
