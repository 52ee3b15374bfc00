"""JSON objects as they come over the line: read strictly, refused as `malformed`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gagyo.errors import ExchangeFault


def record_of(body: bytes) -> dict[str, Any]:
    """A JSON object; ExchangeFault `malformed` for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise ExchangeFault.of("malformed", found="JSON") from None
    if not isinstance(value, dict):
        raise ExchangeFault.of("malformed", found="JSON")
    return value


@contextmanager
def as_agreed(found: str) -> Iterator[None]:
    """ExchangeFault `hub_forged` where the block finds an answer of another shape than agreed."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise ExchangeFault.of("hub_forged", found=found) from None


def texts(record: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    """A list of at most `most` texts in a record."""
    value = record.get(name, [])
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, str) for one in value):
        raise ExchangeFault.of("malformed", found=name)
    return tuple(value)
