"""Canonical bytes and digests of records (RFC 8785 JSON, SHA-256); arrays as little-endian base64."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import rfc8785

KINDS = {"f8": np.float64, "i8": np.int64, "u8": np.uint64, "u1": np.uint8, "b1": np.bool_}


def plain(value: Any) -> Any:
    """`value` as JSON-able data; arrays become `{"dtype", "shape", "base64"}`."""
    if value is None or type(value) in (str, int, bool, float):
        return value
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (bytes, bytearray)):
        return {"base64": base64.b64encode(value).decode()}
    return value


def _plain_array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    code, raw = _coded(array)
    return {"dtype": code, "shape": list(array.shape), "base64": base64.b64encode(raw).decode()}


def _coded(array: np.ndarray[Any, Any]) -> tuple[str, bytes]:
    """The name of an array's kind, and its little-endian bytes in C order."""
    code = next((code for code, kind in KINDS.items() if array.dtype == kind), None)
    if code is None:
        raise TypeError(f"an array of {array.dtype} cannot travel; expected one of {', '.join(KINDS)}")
    return code, np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def restore(value: Any) -> Any:
    """The inverse of `plain` for arrays and bytes; other records stay dictionaries and lists."""
    if isinstance(value, dict):
        if set(value) == {"dtype", "shape", "base64"}:
            kind = np.dtype(KINDS[value["dtype"]]).newbyteorder("<")
            flat = np.frombuffer(base64.b64decode(value["base64"], validate=True), dtype=kind)
            return flat.reshape(value["shape"]).astype(KINDS[value["dtype"]])
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"], validate=True)
        return {key: restore(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [restore(entry) for entry in value]
    return value


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a record; integers beyond 2^53 must be written as text by the caller.

    Written here but for numbers with an exponent, of which the standard's library knows the form (a test compares):
    records are mostly digests and arrays, thousands a study, and an array's text needs no look at each letter.
    """
    return WRITERS.get(type(value), _canonical_other)(value)


def _canonical_other(value: Any) -> bytes:
    """Of a kind that is not among the writers: a record, or another's child."""
    kind: Any = type(value)
    if isinstance(value, str):
        return _canonical_text(value)
    if isinstance(value, np.ndarray):
        return _canonical_array(value)
    if isinstance(value, np.generic):
        return canonical(value.item())
    if is_dataclass(value):
        return joined({name: canonical(getattr(value, name)) for name in _names(kind)})
    if hasattr(value, "items"):
        return _canonical_table(value)
    if isinstance(value, (list, tuple)):
        return _canonical_list(value)
    return rfc8785.dumps(value)


@cache
def _names(record: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _canonical_text(text: str) -> bytes:
    return encode_basestring(text).encode()


def _canonical_whole(number: int) -> bytes:
    return b"%d" % number if -(2**53) < number < 2**53 else rfc8785.dumps(number)


def _canonical_number(number: float) -> bytes:
    """Python writes the same shortest digits as RFC 8785, 3.2.2.3, and differs only in how an exponent looks."""
    text = repr(number)
    if number == 0 or "e" in text or "n" in text:  # an exponent, "inf" or "nan"; and zero has no sign
        return rfc8785.dumps(number)
    return text.removesuffix(".0").encode()


def _canonical_table(table: Mapping[Any, Any]) -> bytes:
    return joined({str(key): canonical(entry) for key, entry in table.items()})


def _canonical_list(entries: Sequence[Any]) -> bytes:
    return b"[" + b",".join([canonical(entry) for entry in entries]) + b"]"


def _canonical_raw(raw: bytes | bytearray) -> bytes:
    return joined({"base64": _text(raw)})


def _text(raw: bytes | bytearray) -> bytes:
    return b'"%s"' % base64.b64encode(raw)


def _canonical_array(array: np.ndarray[Any, Any]) -> bytes:
    code, raw = _coded(array)
    return joined({"dtype": canonical(code), "shape": _canonical_list(array.shape), "base64": _text(raw)})


WRITERS: dict[type, Callable[[Any], bytes]] = {
    str: _canonical_text,
    int: _canonical_whole,
    float: _canonical_number,
    bool: lambda value: b"true" if value else b"false",
    type(None): lambda _: b"null",
    dict: _canonical_table,
    list: _canonical_list,
    tuple: _canonical_list,
    np.ndarray: _canonical_array,
    bytes: _canonical_raw,
    bytearray: _canonical_raw,
}
"""By kind, found at once: a study's records are of these for the most part."""


def joined(parts: Mapping[str, bytes]) -> bytes:
    """The canonical bytes of a record from those of its entries, so that what was written once is not written again."""
    return b"{" + b",".join([said + parts[name] for name, said in _in_order(tuple(parts))]) + b"}"


@lru_cache(maxsize=4096)
def _in_order(names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Names in their order, each with what is written of it: records have the same ones, over and over."""
    ordered = sorted(names, key=None if all(map(str.isascii, names)) else _utf_16)
    return [(name, _canonical_text(name) + b":") for name in ordered]


def _utf_16(name: str) -> bytes:
    """RFC 8785, 3.2.3: names stand in the order of their UTF-16 code units."""
    return name.encode("utf-16-be")


def digest(value: Any) -> str:
    """`sha256:<hex>` of a record's canonical bytes, or of bytes as they are."""
    raw = value if isinstance(value, bytes) else canonical(value)
    return "sha256:" + hashlib.sha256(raw).hexdigest()
