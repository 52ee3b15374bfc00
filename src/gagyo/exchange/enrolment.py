"""How an institution comes to a hub: an invitation under a PIN, keys with proof of possession, confirmation."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import scrypt, sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gagyo.errors import ExchangeFault, Tampered
from gagyo.exchange.access import Role
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.exchange.letter import DIGEST, is_name
from gagyo.exchange.mailbox import register
from gagyo.exchange.mailbox.port import Rows
from gagyo.exchange.mailbox.register import Enrolled, Invitation

KEY_DAYS = 730
"""Days that an institution's keys hold."""
INVITATION_DAYS = 14
SCRYPT = {"n": 1 << 15, "r": 8, "p": 1, "maxmem": 1 << 26}
"""A guess of the PIN costs 32 MiB and a tenth of a second; of 10^12 equally likely PINs that is enough (RFC 7914)."""


@dataclass(frozen=True)
class Startup:
    """What an invited institution needs to join; `ca` is PEM, empty where the machine's own trust is to be used."""

    name: str
    country: str
    role: Role
    hub: str
    hub_name: str
    hub_country: str
    hub_keys: PublicKeys
    ca: str
    secret: str

    def locked(self, pin: str) -> bytes:
        """The startup file: readable about whom it is for, the rest under the PIN."""
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        sealed = ChaCha20Poly1305(_pin_key(pin, salt)).encrypt(nonce, json.dumps(asdict(self)).encode(), _LABEL)
        record = {"gagyo_startup": 2, "for": self.name, "hub": self.hub}
        record |= {"salt": _text(salt), "nonce": _text(nonce), "sealed": _text(sealed)}
        return json.dumps(record, indent=1).encode() + b"\n"

    @classmethod
    def unlock(cls, file: bytes, pin: str) -> Startup:
        """The content of a startup file; ExchangeFault `bad_startup_file` or `bad_pin`."""
        try:
            record = json.loads(file)
            salt, nonce, sealed = (base64.b64decode(record[key], validate=True) for key in ("salt", "nonce", "sealed"))
            if record["gagyo_startup"] != 2 or len(nonce) != 12:
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ExchangeFault.of("bad_startup_file") from None
        try:
            plain = json.loads(ChaCha20Poly1305(_pin_key(pin, salt)).decrypt(nonce, sealed, _LABEL))
        except (InvalidTag, ValueError):
            raise ExchangeFault.of("bad_pin") from None
        return cls(**{**plain, "hub_keys": PublicKeys(**plain["hub_keys"])})


_LABEL = b"gagyo startup 2"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _pin_key(pin: str, salt: bytes) -> bytes:
    # OpenSSL's own by hashlib: it lets other threads work meanwhile.
    return scrypt(re.sub(r"[\s-]", "", pin).encode(), salt=salt, dklen=32, **SCRYPT)


def new_pin() -> str:
    """Twelve digits in groups of four: they can be said in any language."""
    return "-".join(f"{secrets.randbelow(10**4):04d}" for _ in range(3))


def fingerprint(keys: PublicKeys) -> str:
    """The first 128 bits of SHA-256 over both public keys, as eight groups of five digits to compare by telephone."""
    raw = sha256(bytes.fromhex(keys.signing) + bytes.fromhex(keys.sealing)).digest()
    return " ".join(f"{int.from_bytes(raw[place : place + 2], 'big'):05d}" for place in range(0, 16, 2))


def same_fingerprint(said: str, keys: PublicKeys) -> bool:
    """Whether somebody said the fingerprint of these keys, however it was grouped."""
    digits = "".join(one for one in said if one.isdigit())
    return hmac.compare_digest(digits, fingerprint(keys).replace(" ", ""))


# Proof that an institution has the private halves of the keys that it brings.


def possession(own: X25519PrivateKey, theirs: X25519PublicKey, name: str, keys: PublicKeys, secret: str) -> str:
    """HMAC-SHA256 under a key that only the owner of the sealing key and the hub can make; hexadecimal."""
    shared = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"gagyo possession 1").derive(
        own.exchange(theirs)
    )
    said = json.dumps([name, keys.signing, keys.sealing, secret], separators=(",", ":"))
    return hmac.new(shared, said.encode(), sha256).hexdigest()


def statement(name: str, keys: PublicKeys) -> bytes:
    """What new keys sign when they take the place of others."""
    return json.dumps(["gagyo keys 1", name, keys.signing, keys.sealing], separators=(",", ":")).encode()


@dataclass(frozen=True)
class Asked:
    """Keys that an institution brings, with their proofs."""

    name: str
    keys: PublicKeys
    secret: str
    possession: str
    signature: bytes

    @classmethod
    def read(cls, name: str, signing: str, record: Mapping[str, Any]) -> Asked:
        """From a call's body; ExchangeFault `malformed`."""
        sealing, secret, proof = (str(record.get(key, "")) for key in ("sealing", "secret", "possession"))
        if (
            not all(DIGEST.fullmatch(one) for one in (signing, sealing, proof))
            or not is_name(name)
            or len(secret) > 100
        ):
            raise ExchangeFault.of("malformed", found="keys")
        try:
            signature = bytes.fromhex(str(record.get("signature", "")))
        except ValueError:
            raise ExchangeFault.of("malformed", found="signature") from None
        return cls(name, PublicKeys(signing, sealing), secret, proof, signature)

    def check(self, hub: Keys) -> None:
        """Raise ExchangeFault `bad_signature_call` unless the private halves are there."""
        try:
            expected = possession(hub.sealing, self.keys.exchange, self.name, self.keys, self.secret)
            self.keys.verify(self.signature, statement(self.name, self.keys))
        except (Tampered, ValueError):
            raise ExchangeFault.of("bad_signature_call", found=self.name) from None
        if not hmac.compare_digest(expected, self.possession):
            raise ExchangeFault.of("bad_signature_call", found=self.name)


def proofs(name: str, keys: Keys, hub: PublicKeys, secret: str) -> dict[str, str]:
    """The body with which an institution brings its keys."""
    public = keys.public
    return {
        "signing": public.signing,
        "sealing": public.sealing,
        "secret": secret,
        "possession": possession(keys.sealing, hub.exchange, name, public, secret),
        "signature": keys.sign(statement(name, public)).hex(),
    }


# At the hub.


def invite(rows: Rows, name: str, country: str, role: Role, now: int) -> str:
    """Keep a place for an institution; the secret of its invitation. ExchangeFault `name_taken`, `bad_institution`."""
    if not is_name(name):
        raise ExchangeFault.of("bad_institution", found=name)
    known = register.member(rows, name)
    if known is not None and known.state != "revoked":
        raise ExchangeFault.of("name_taken", found=name)
    secret = secrets.token_urlsafe(32)
    until = now + INVITATION_DAYS * 86400
    register.put_invitation(rows, Invitation(name, country, role, _hidden(secret), until))
    return secret


def _hidden(secret: str) -> str:
    return sha256(secret.encode(errors="replace")).hexdigest()


def enrol(rows: Rows, asked: Asked, hub: Keys, now: int) -> Enrolled:
    """Use an invitation, once; the institution then waits for the operator's confirmation.

    The same keys again (an answer was lost on the way) are answered as before.

    Raises:
        ExchangeFault: `bad_invitation`, `bad_signature_call`.
    """
    asked.check(hub)
    known, place = register.member(rows, asked.name), register.invitation(rows, asked.name)
    if place is None and known is not None and known.keys == asked.keys and known.state != "revoked":
        return known
    if place is None or now > place.until or not hmac.compare_digest(place.secret, _hidden(asked.secret)):
        raise ExchangeFault.of("bad_invitation", found=asked.name)
    register.drop_invitation(rows, asked.name)
    until = now + KEY_DAYS * 86400
    enrolled = Enrolled(asked.name, place.country, place.role, "waiting", asked.keys, now, until)
    register.put_member(rows, enrolled)
    return enrolled


def confirm(rows: Rows, name: str, said: str) -> Enrolled:
    """The operator compared fingerprints. ExchangeFault `no_such_institution`, `other_fingerprint`, `revoked`."""
    known = own_member(rows, name)
    if known.state == "revoked":
        raise ExchangeFault.of("revoked", found=name)
    if not same_fingerprint(said, known.keys):
        raise ExchangeFault.of("other_fingerprint", found=said, expected=name)
    confirmed = replace(known, state="active")
    register.put_member(rows, confirmed)
    return confirmed


def revoke(rows: Rows, name: str) -> Enrolled | None:
    """From the next call on, this institution is refused. None where it had not come: its invitation alone is void.

    Raises:
        ExchangeFault: `no_such_institution`, where it was not invited either.
    """
    known, invited = register.member(rows, name), register.invitation(rows, name)
    register.drop_invitation(rows, name)
    if invited and (known is None or known.state == "revoked"):
        return None
    revoked = replace(own_member(rows, name), state="revoked")
    register.put_member(rows, revoked)
    return revoked


def own_member(rows: Rows, name: str) -> Enrolled:
    """An institution of this hub; ExchangeFault `no_such_institution`."""
    known = register.member(rows, name)
    if known is None or known.home:
        raise ExchangeFault.of("no_such_institution", found=name)
    return known


def rotate(rows: Rows, asked: Asked, hub: Keys, now: int) -> None:
    """Replace an institution's keys; everything else of it stays."""
    asked.check(hub)
    known = own_member(rows, asked.name)
    register.put_member(rows, replace(known, keys=asked.keys, since=now, until=now + KEY_DAYS * 86400))
