"""Records as bytes: what is packed comes back, one record has one form, and nothing else is accepted or crashes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.canonical import KINDS
from gagyo.errors import Tampered
from gagyo.federation.packing import MAGIC, pack, unpack


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    raw = draw(st.binary(min_size=8 * max(1, int(np.prod(shape))), max_size=8 * max(1, int(np.prod(shape)))))
    size = int(np.prod(shape))
    if kind == "b1":
        return (np.frombuffer(raw, np.uint8)[:size] % 2 == 1).reshape(shape)
    return np.frombuffer(raw, KINDS[kind])[:size].reshape(shape)


keys = st.text(max_size=8).filter(lambda key: key != "@")
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=20) | st.binary(max_size=40) | arrays()
records = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and (type(one) is type(other) or {type(one), type(other)} <= {int, float})


@given(records)
@settings(max_examples=300, deadline=None)
def test_what_is_packed_comes_back_and_has_one_form(record: Any) -> None:
    packed = pack(record)
    back = unpack(packed)
    assert same(record, back)
    assert pack(back) == packed


@given(records, st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_is_refused_or_gives_what_was_written(record: Any, data: st.DataObject) -> None:
    packed = bytearray(pack(record))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        back = unpack(bytes(packed))
    except Tampered:
        return
    assert pack(back) == bytes(packed), "what is accepted is exactly what pack writes"


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_noise_is_refused(noise: bytes) -> None:
    for one in (noise, MAGIC + noise, MAGIC + len(noise).to_bytes(4, "little") + noise):
        try:
            back = unpack(one)
        except Tampered:
            continue
        assert pack(back) == one


def header(value: Any, raw: bytes = b"") -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return MAGIC + len(text).to_bytes(4, "little") + text + raw


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        MAGIC,
        MAGIC + b"\xff\xff\xff\xff",
        header({"@": "bytes", "n": 4}, b"abc"),
        header({"@": "bytes", "n": 2}, b"abc"),
        header({"@": "bytes", "n": -1}),
        header({"@": "bytes", "n": True}, b"a"),
        header({"@": "f8", "n": 8, "shape": [2]}, bytes(8)),
        header({"@": "f8", "n": 8, "shape": [-1]}, bytes(8)),
        header({"@": "f8", "n": 0, "shape": [0, 1 << 60]}, bytes(8)),
        header({"@": "f8", "n": 8, "shape": "1"}, bytes(8)),
        header({"@": "O", "n": 8, "shape": [1]}, bytes(8)),
        header({"@": ["f8"], "n": 8, "shape": [1]}, bytes(8)),
        header({"@": "f8", "n": 8, "shape": [1], "more": 1}, bytes(8)),
        header({"@": "b1", "n": 1, "shape": [1]}, b"\x02"),
        header(b'{"b":1,"a":1}'),
        header(b'{"a":1,"a":1}'),
        header(b'{"a":1.0}'),
        header(b'{"a":NaN}'),
        header(b"[" * 100_000 + b"]" * 100_000),
        header([[[]]] * 2, b"x"),
    ],
)
def test_what_pack_would_not_write_is_refused(packed: bytes) -> None:
    with pytest.raises(Tampered) as told:
        unpack(packed)
    assert told.value.findings[0].code == "bad_wire"


def test_a_record_that_looks_like_an_array_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="no key @"):
        pack({"@": "f8"})
    with pytest.raises(TypeError):
        pack({"a": object()})
