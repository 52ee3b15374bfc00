"""Canonical bytes and digests of records (RFC 8785 JSON, SHA-256); arrays as little-endian base64."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
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
    code = next((code for code, kind in KINDS.items() if array.dtype == kind), None)
    if code is None:
        raise TypeError(f"an array of {array.dtype} cannot travel; expected one of {', '.join(KINDS)}")
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": code, "shape": list(array.shape), "base64": base64.b64encode(little.tobytes()).decode()}


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
    """The RFC 8785 bytes of a record; integers beyond 2^53 must be written as text by the caller."""
    if type(value) is str:
        return encode_basestring(value).encode()  # most are digests, thousands a study
    record = plain(value)
    if _without_numbers_to_format(record):
        # The standard library writes such records to the same bytes (a test compares), twenty times as fast.
        return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return rfc8785.dumps(record)


def _without_numbers_to_format(record: Any) -> bool:
    """Whether a record has only texts (ASCII keys), whole numbers under 2^53, booleans and nothing."""
    if isinstance(record, str) or record is None or isinstance(record, bool):
        return True
    if isinstance(record, int):
        return -(2**53) < record < 2**53
    if isinstance(record, dict):
        return all(key.isascii() and _without_numbers_to_format(entry) for key, entry in record.items())
    return isinstance(record, list) and all(_without_numbers_to_format(entry) for entry in record)


def joined(parts: Mapping[str, bytes]) -> bytes:
    """The canonical bytes of a record from those of its entries, so that what was written once is not written again."""
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), parts[name]) for name in sorted(parts)) + b"}"


def digest(value: Any) -> str:
    """`sha256:<hex>` of a record's canonical bytes, or of bytes as they are."""
    raw = value if isinstance(value, bytes) else canonical(value)
    return "sha256:" + hashlib.sha256(raw).hexdigest()
