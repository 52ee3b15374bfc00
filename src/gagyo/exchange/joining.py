"""An institution joins a hub with its startup file, and later replaces its keys; private keys stay in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from gagyo.errors import ExchangeFault
from gagyo.exchange.enrolment import Startup, proofs
from gagyo.exchange.envelope import Keys
from gagyo.exchange.line import Line
from gagyo.exchange.membership import FILE, KEYS, NEXT_KEYS, Membership

PATIENCE = 30.0
SHUT_OUT = frozenset({"revoked", "not_enrolled", "bad_signature_call"})
"""How a hub refuses whom it revoked, does not know, or knows by other keys."""


def join(
    startup: bytes, pin: str, folder: Path, *, proxy: str = "", extra_ca: str = "", patience: float = PATIENCE
) -> Membership:
    """Make keys in `folder`, bring their public halves to the hub, and keep the membership there.

    The same command again, after a cut, goes on. The hub's operator then confirms the fingerprint. Whoever was revoked
    there, or is not known to a hub that was restored from a copy, and is invited again joins with the keys that the
    folder holds, since its ledger is signed by them.

    Raises:
        ExchangeFault: `bad_startup_file`, `bad_pin`, `already_joined`, `bad_invitation`, or what `Line.call` raises.
    """
    opened = Startup.unlock(startup, pin)
    if (folder / FILE).exists() and not _shut_out(folder, opened, patience):
        raise ExchangeFault.of("already_joined", found=folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    membership = Membership(
        *(opened.name, opened.country, opened.role, opened.hub, opened.hub_name, opened.hub_keys),
        *(Keys.open(folder / KEYS), opened.ca, extra_ca, proxy),
    )
    body = proofs(opened.name, membership.keys, opened.hub_keys, opened.secret)
    line = Line(membership, patience=patience)
    try:
        key = {"key": membership.keys.public.signing}
        line.call("POST", "/v1/enrol", key, json.dumps(body).encode())
    finally:
        line.close()
    membership.save(folder)
    return membership


def _shut_out(folder: Path, opened: Startup, patience: float) -> bool:
    """Whether the folder's institution is the invited one, and its hub does not let it in with its keys."""
    known = Membership.open(folder)
    if (known.name, known.hub_keys) != (opened.name, opened.hub_keys):
        return False
    line = Line(known, patience=patience)
    try:
        line.call("GET", "/v1/status")
    except ExchangeFault as fault:
        return fault.code in SHUT_OUT
    finally:
        line.close()
    return False


def rotate(
    folder: Path, *, patience: float = PATIENCE, hand_over: Callable[[Keys, Keys], None] = lambda old, new: None
) -> Membership:
    """Replace this institution's keys; the old ones sign for the new ones. After a cut, the same command goes on.

    hand_over: what else has to pass from the old keys to the new ones, once the hub has them, before the old are gone.

    Raises:
        ExchangeFault: what `Membership.open` and `Line.call` raise.
    """
    membership = Membership.open(folder)
    fresh = Keys.open(folder / NEXT_KEYS)
    body = json.dumps(proofs(membership.name, fresh, membership.hub_keys, "")).encode()
    line = Line(membership, patience=patience)
    try:
        line.call("POST", "/v1/rotate", body=body)
    except ExchangeFault as fault:
        if fault.code != "bad_signature_call" or not _knows(folder, membership, fresh, patience):
            raise
    finally:
        line.close()
    hand_over(membership.keys, fresh)
    (folder / NEXT_KEYS).replace(folder / KEYS)
    return Membership.open(folder)


def _knows(folder: Path, membership: Membership, fresh: Keys, patience: float) -> bool:
    """Whether the hub has the new keys already: its answer to an earlier try was lost."""
    renewed = Membership(
        *(membership.name, membership.country, membership.role, membership.hub, membership.hub_name),
        *(membership.hub_keys, fresh, membership.ca, membership.extra_ca, membership.proxy),
    )
    line = Line(renewed, patience=patience)
    try:
        line.call("GET", "/v1/status")
    except ExchangeFault:
        return False
    finally:
        line.close()
    return True
