"""How a refusal travels: its HTTP status, its JSON body, and the error that a client raises from it."""

from __future__ import annotations

import json
from typing import Any

from gagyo.errors import ExchangeFault

STATUS = {
    "malformed": 400,
    "other_version": 400,
    "bad_signature_call": 401,
    "stale_signature": 401,
    "replayed": 401,
    "not_enrolled": 403,
    "revoked": 403,
    "keys_expired": 403,
    "not_allowed": 403,
    "not_a_member": 403,
    "study_not_open": 403,
    "bad_invitation": 403,
    "name_taken": 403,
    "no_such_recipient": 404,
    "no_such_letter": 404,
    "no_such_call": 404,
    "too_large": 413,
    "too_many": 429,
    "hub_fault": 500,
    "hub_storage": 503,
    "box_full": 507,
}
TEMPORARY = frozenset({"too_many", "hub_fault", "hub_storage", "box_full"})
"""Refusals after which the same call may succeed later."""


def to_json(fault: ExchangeFault) -> tuple[int, bytes]:
    """The status and the body of a refusal."""
    finding = fault.findings[0]
    values = {name: str(value) for name, value in finding.values.items()}
    return STATUS.get(finding.code, 400), json.dumps({"code": finding.code, "values": values}).encode()


def from_json(status: int, record: Any) -> ExchangeFault:
    """The error that a refusal says; `hub_fault` where the hub is newer and says something unknown here."""
    code = record.get("code") if isinstance(record, dict) else None
    if code not in STATUS:
        return ExchangeFault.of("hub_fault", found=f"{status} {code or ''}".strip())
    values = record.get("values")
    known = {"found": "", "expected": ""}
    given = {str(key): str(value)[:200] for key, value in values.items()} if isinstance(values, dict) else {}
    return ExchangeFault.of(code, **(known | given))
