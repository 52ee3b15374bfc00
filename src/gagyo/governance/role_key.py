"""The key of one who signs in a role: an Ed25519 key in a file under a passphrase; only its public half is told."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import scrypt
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gagyo.canonical import canonical
from gagyo.errors import FileFault
from gagyo.finding import Finding, Place
from gagyo.governance.roles import ROLES, Role
from gagyo.protocol.written import read_text

SHORTEST = 12
"""Characters of a passphrase."""
SCRYPT = {"n": 1 << 17, "r": 8, "p": 1, "maxmem": 1 << 28}
"""A guess of the passphrase costs 128 MiB and about half a second (RFC 7914)."""
VERSION = "1"
KEYS = {"gagyo_role_key", "role", "name", "public", "salt", "sealed"}


@dataclass(frozen=True)
class RoleKey:
    """A role, the person who holds it, and that person's private key, which never travels."""

    role: Role
    name: str
    private: Ed25519PrivateKey

    @classmethod
    def make(cls, role: Role, name: str) -> RoleKey:
        """A new random key."""
        return cls(role, name, Ed25519PrivateKey.generate())

    @property
    def public(self) -> str:
        """The public half (64 hexadecimal digits), as a hospital's policy names it."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def write(self, path: Path, passphrase: str) -> None:
        """Write a new file of mode 0600.

        Raises:
            FileFault: the passphrase has fewer than 12 characters, or there is such a file already.
        """
        if len(passphrase) < SHORTEST:
            raise FileFault.of("passphrase_short", found=len(passphrase), expected=SHORTEST)
        salt = os.urandom(16)
        told = _told(self.role, self.name, self.public)
        raw = self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        # The key is derived with a fresh salt and used once, so a constant nonce is safe.
        sealed = ChaCha20Poly1305(_derive(passphrase, salt)).encrypt(bytes(12), raw, canonical(told))
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise FileFault.of("key_exists", found=str(path)) from None
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({**told, "salt": salt.hex(), "sealed": sealed.hex()}, file, ensure_ascii=False, indent=1)

    @classmethod
    def read(cls, path: Path, passphrase: str) -> RoleKey:
        """The key of a file.

        Raises:
            FileFault: it is no such file, or the passphrase does not open it.
        """
        fields = _fields(path)
        told = _told(fields["role"], fields["name"], fields["public"])
        try:
            salt, sealed = bytes.fromhex(fields["salt"]), bytes.fromhex(fields["sealed"])
            raw = ChaCha20Poly1305(_derive(passphrase, salt)).decrypt(bytes(12), sealed, canonical(told))
        except (InvalidTag, ValueError):
            raise _fault("passphrase_wrong", path) from None
        key = cls(fields["role"], fields["name"], Ed25519PrivateKey.from_private_bytes(raw))
        if key.public != fields["public"]:
            raise _fault("key_unreadable", path)
        return key


def _told(role: str, name: str, public: str) -> dict[str, str]:
    return {"gagyo_role_key": VERSION, "role": role, "name": name, "public": public}


def _derive(passphrase: str, salt: bytes) -> bytes:
    return scrypt(passphrase.encode(), salt=salt, dklen=32, **SCRYPT)


def _fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError):
        raise _fault("key_unreadable", path) from None
    whole = isinstance(fields, dict) and set(fields) == KEYS and all(isinstance(one, str) for one in fields.values())
    if not whole or fields["gagyo_role_key"] != VERSION or fields["role"] not in ROLES:
        raise _fault("key_unreadable", path)
    return dict(fields)


def _fault(code: str, path: Path) -> FileFault:
    return FileFault(Finding(code, place=Place(str(path)), values={"found": path.name}))
