"""Records as bytes on the wire: a canonical JSON header, then the raw arrays that it names (docs/reference/wire.md).

    magic    8 bytes   "GAGYO" 0x00 0x01 0x0A
    size     4 bytes   length of the header, little-endian
    header   size      RFC 8785 JSON; each array or byte string stands as {"@": kind, "n": bytes, "shape": [...]}
    raw      the rest  arrays (little-endian, C order) and byte strings, in the order in which the header names them

The order is that of the canonical header, so one record has one form. Nothing in it is a program or a class name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from gagyo.canonical import KINDS, canonical
from gagyo.errors import Tampered

MAGIC = b"GAGYO\x00\x01\n"
MOST_HEADER = 64 << 20
DEEPEST = 64
MARK = "@"
BYTES = "bytes"


def pack(record: Any) -> bytes:
    """A record's bytes. Records, mappings with text keys, lists, texts, numbers, booleans, None, arrays and bytes."""
    raw: list[bytes] = []
    header = canonical(_lifted(record, raw))
    return b"".join([MAGIC, len(header).to_bytes(4, "little"), header, *raw])


def unpack(packed: bytes) -> Any:
    """The record of its bytes; arrays are read-only views of them.

    Raises:
        Tampered: `bad_wire` for anything that `pack` would not have written.
    """
    view = memoryview(packed)
    size = int.from_bytes(view[8:12], "little")
    if bytes(view[:8]) != MAGIC or size > min(MOST_HEADER, len(view) - 12):
        raise Tampered.of("bad_wire", found="header")
    written = bytes(view[12 : 12 + size])
    try:
        header = json.loads(written, parse_int=_number)
        exact = _depth(header) <= DEEPEST and canonical(header) == written
    except (ValueError, RecursionError, TypeError):
        exact = False
    if not exact:
        raise Tampered.of("bad_wire", found="header")
    rest = _Rest(view[12 + size :])
    record = _put_back(header, rest)
    if rest.view:
        raise Tampered.of("bad_wire", found="length")
    return record


def _number(text: str) -> int | float:
    # RFC 8785 writes a number as a double's shortest form: a whole one beyond 2^53 was a float.
    return int(text) if len(text) < 16 or abs(int(text)) < 2**53 else float(text)


def _lifted(value: Any, raw: list[bytes]) -> Any:
    """`value` as JSON-able data; arrays and bytes go to `raw`, in the order of sorted keys."""
    if value is None or type(value) in (str, int, bool, float):
        return value
    if isinstance(value, np.ndarray):
        return _lift_array(value, raw)
    if isinstance(value, (bytes, bytearray)):
        raw.append(bytes(value))
        return {MARK: BYTES, "n": len(value)}
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if hasattr(value, "items"):
        named = {str(key): entry for key, entry in value.items()}
        if MARK in named:
            raise ValueError(f"a record that travels has no key {MARK}")
        return {key: _lifted(named[key], raw) for key in sorted(named, key=_order)}
    if isinstance(value, (list, tuple)):
        return [_lifted(entry, raw) for entry in value]
    raise TypeError(f"{type(value).__name__} cannot travel")


def _order(key: str) -> bytes:
    return key.encode("utf-16-be")  # RFC 8785 sorts keys by UTF-16 code units


def _lift_array(array: np.ndarray[Any, Any], raw: list[bytes]) -> dict[str, Any]:
    code = next((code for code, kind in KINDS.items() if array.dtype == kind), None)
    if code is None:
        raise TypeError(f"an array of {array.dtype} cannot travel; expected one of {', '.join(KINDS)}")
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    raw.append(little)
    return {MARK: code, "n": len(little), "shape": list(array.shape)}


class _Rest:
    """What is left of the raw part."""

    def __init__(self, view: memoryview) -> None:
        self.view = view

    def take(self, size: object) -> memoryview:
        if type(size) is not int or not 0 <= size <= len(self.view):
            raise Tampered.of("bad_wire", found="length")
        taken, self.view = self.view[:size], self.view[size:]
        return taken


def _put_back(value: Any, rest: _Rest) -> Any:
    if isinstance(value, dict):
        if MARK in value:
            return _raw(value, rest)
        return {key: _put_back(value[key], rest) for key in sorted(value, key=_order)}
    if isinstance(value, list):
        return [_put_back(entry, rest) for entry in value]
    return value


def _raw(mark: dict[str, Any], rest: _Rest) -> Any:
    if mark[MARK] == BYTES and set(mark) == {MARK, "n"}:
        return bytes(rest.take(mark["n"]))
    kind = KINDS.get(mark[MARK]) if isinstance(mark[MARK], str) else None
    shape = mark.get("shape")
    if kind is None or set(mark) != {MARK, "n", "shape"} or not isinstance(shape, list) or len(shape) > 8:
        raise Tampered.of("bad_wire", found=MARK)
    if any(type(length) is not int or length < 0 for length in shape):
        raise Tampered.of("bad_wire", found="shape")
    dtype = np.dtype(kind).newbyteorder("<")
    if math.prod(shape) * dtype.itemsize != mark["n"]:
        raise Tampered.of("bad_wire", found="shape")
    taken = rest.take(mark["n"])
    if kind is np.bool_ and any(byte > 1 for byte in bytes(taken)):
        raise Tampered.of("bad_wire", found="b1")
    return np.frombuffer(taken, dtype).reshape(shape).astype(kind, copy=False)


def _depth(value: Any) -> int:
    """How deep a JSON value is nested, without recursion."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [inner for one in level for inner in _inside(one)]
    return deepest


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
