"""One message between the coordinator and a hospital: signed by who says it, then sealed to who may read it.

The signature covers everything that an intermediary could exchange: version, kind, both parties and the recipient's
key, study, plan, request, roster, attempt, expiry, and the digest of the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from gagyo.canonical import canonical, digest
from gagyo.errors import Tampered
from gagyo.exchange.envelope import Keys, PublicKeys, seal
from gagyo.federation.packing import pack, unpack

VERSION = "1"
KINDS = ("propose", "key", "plan", "state", "request", "answer", "behind")
LABEL = b"gagyo message 1"


@dataclass(frozen=True)
class Message:
    """`study` is the study's digest; `plan` and `request` are digests, empty where the message is about none.

    `expires` in seconds since 1970, by the hub's clock; `body` is a record that can be packed.
    """

    kind: str
    sender: str
    recipient: str
    study: str
    body: Mapping[str, Any]
    plan: str = ""
    request: str = ""
    roster: tuple[str, ...] = ()
    attempt: int = 0
    expires: int = 0


HEAD = tuple(field.name for field in fields(Message) if field.name != "body")


def write(message: Message, sender: Keys, to: PublicKeys) -> bytes:
    """The sealed bytes of a message."""
    body = pack(message.body)
    head = {name: getattr(message, name) for name in HEAD} | {"version": VERSION, "to": to.sealing}
    head |= {"roster": list(message.roster), "body": digest(body)}
    return seal(pack({"head": head, "signature": sender.sign(canonical(head)), "body": body}), to, LABEL)


def read(sealed: bytes, receivers: Sequence[Keys], sender: PublicKeys, now: float) -> Message:
    """The message of bytes sealed to one of `receivers` (the keys of a run, the lasting ones), signed by `sender`.

    Raises:
        Tampered: `bad_envelope` (sealed to another key, or altered), `bad_wire`, `other_wire`, `other_recipient_key`,
            `bad_signature`, `expired_message`.
    """
    opened, receiver = _unsealed(sealed, receivers)
    outer = unpack(opened)
    try:
        head, signature, raw = outer["head"], outer["signature"], outer["body"]
        signed = canonical(head)
        version, to, wanted = (head.pop(name) for name in ("version", "to", "body"))
    except (TypeError, KeyError, AttributeError):
        raise Tampered.of("bad_wire", found="message") from None
    if version != VERSION:
        raise Tampered.of("other_wire", found=str(version)[:20], expected=VERSION)
    if to != receiver.public.sealing:
        raise Tampered.of("other_recipient_key")
    if not isinstance(signature, bytes):
        raise Tampered.of("bad_wire", found="signature")
    sender.check_once(signature, signed)
    message = _message(head, raw, wanted)
    if message.expires < now:
        raise Tampered.of("expired_message", found=message.kind)
    return message


def _unsealed(sealed: bytes, receivers: Sequence[Keys]) -> tuple[bytes, Keys]:
    for keys in receivers:
        with suppress(Tampered, ValueError):
            return keys.unseal(sealed, LABEL), keys
    raise Tampered.of("bad_envelope")


def _message(head: Any, raw: Any, wanted: Any) -> Message:
    texts = all(isinstance(head.get(name), str) for name in ("kind", "sender", "recipient", "study", "plan", "request"))
    numbers = all(type(head.get(name)) is int for name in ("attempt", "expires"))
    roster = isinstance(head.get("roster"), list) and all(isinstance(one, str) for one in head["roster"])
    if set(head) != set(HEAD) or not (texts and numbers and roster) or head["kind"] not in KINDS:
        raise Tampered.of("bad_wire", found="head")
    if not isinstance(raw, bytes) or digest(raw) != wanted:
        raise Tampered.of("bad_signature")
    body = unpack(raw)
    if not isinstance(body, dict):
        raise Tampered.of("bad_wire", found="body")
    return Message(**{**head, "roster": tuple(head["roster"]), "body": body})
