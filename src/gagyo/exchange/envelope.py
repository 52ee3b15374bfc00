"""Keys and sealed envelopes between institutions: Ed25519 signatures, then X25519 + ChaCha20-Poly1305 sealing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gagyo.errors import Tampered


@dataclass(frozen=True)
class PublicKeys:
    """An institution's public keys as hexadecimal text, as custodians approve them."""

    signing: str
    sealing: str

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise Tampered unless `signature` is this institution's over `message`."""
        if not _signed(self.signing, signature, message):
            raise Tampered.of("bad_signature")

    def other(self, signing: str) -> PublicKeys:
        """The same institution with another signing key."""
        return PublicKeys(signing, self.sealing)

    def check_once(self, signature: bytes, message: bytes) -> None:
        """As `verify`, for messages that never come twice: nothing is remembered."""
        if not _signed.__wrapped__(self.signing, signature, message):
            raise Tampered.of("bad_signature")

    @cached_property
    def exchange(self) -> X25519PublicKey:
        """The key for masks and sealing."""
        return X25519PublicKey.from_public_bytes(bytes.fromhex(self.sealing))


@lru_cache(maxsize=8192)
def _signed(public: str, signature: bytes, message: bytes) -> bool:
    # Remembered: the same receipt is checked by several parties in one process, and once more in an audit.
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@dataclass(frozen=True)
class Keys:
    """An institution's private keys; they never travel."""

    signing: Ed25519PrivateKey
    sealing: X25519PrivateKey

    @classmethod
    def make(cls) -> Keys:
        """New random keys."""
        return cls(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def open(cls, path: Path) -> Keys:
        """The keys kept in a file, which is made (mode 0600) where there is none."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            made = cls.make()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(_raw(made.signing).hex() + "\n" + _raw(made.sealing).hex() + "\n")
        signing, sealing = (bytes.fromhex(line) for line in path.read_text().split())
        return cls(Ed25519PrivateKey.from_private_bytes(signing), X25519PrivateKey.from_private_bytes(sealing))

    def with_sealing(self, sealing: bytes) -> Keys:
        """The same institution with the sealing key of one run, given as its 32 private bytes."""
        return Keys(self.signing, X25519PrivateKey.from_private_bytes(sealing))

    @property
    def public(self) -> PublicKeys:
        """The public halves."""
        return PublicKeys(_public(self.signing).hex(), _public(self.sealing).hex())

    @cached_property
    def private(self) -> bytes:
        """The 32 private bytes of the sealing key."""
        return _raw(self.sealing)

    @cached_property
    def _shared(self) -> dict[str, bytes]:
        return {}

    def shared_with(self, other: PublicKeys) -> bytes:
        """The X25519 secret of this institution and another; worked out once, for each sum's masks come of it."""
        if other.sealing not in self._shared:
            self._shared[other.sealing] = self.sealing.exchange(other.exchange)
        return self._shared[other.sealing]

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature."""
        return self.signing.sign(message)

    def unseal(self, sealed: bytes, label: bytes) -> bytes:
        """The message of an envelope sealed to this institution; Tampered where it is not."""
        shared = self.sealing.exchange(X25519PublicKey.from_public_bytes(sealed[:32]))
        try:
            return ChaCha20Poly1305(_seal_key(shared, sealed[:32])).decrypt(bytes(12), sealed[32:], label)
        except InvalidTag:
            raise Tampered.of("bad_envelope") from None


def seal(message: bytes, to: PublicKeys, label: bytes) -> bytes:
    """`message` sealed to an institution under a fresh X25519 key; `label` is bound but not hidden."""
    fresh = X25519PrivateKey.generate()
    public = _public(fresh)
    # The key is fresh for each message, so a constant nonce is safe.
    return public + ChaCha20Poly1305(_seal_key(fresh.exchange(to.exchange), public)).encrypt(bytes(12), message, label)


def _seal_key(shared: bytes, public: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=public, info=b"gagyo seal 1").derive(shared)


def new_sealing() -> bytes:
    """The 32 private bytes of a new X25519 key."""
    return _raw(X25519PrivateKey.generate())


def _raw(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def _public(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
