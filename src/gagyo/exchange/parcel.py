"""The file that a courier carries: sealed letters from one institution to another, and a signed list of them.

A ZIP file with `manifest.json`, `manifest.sig` (the sender's Ed25519 signature, hexadecimal, over "gagyo courier 1", a
newline and the manifest) and `letters/<id>` for each letter. The manifest says who sends to whom, with which keys,
which letters are inside (id, study, bytes, SHA-256 of each MiB), and which letters of the other side the sender has
kept. Letters are sealed to their recipient.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gagyo.errors import ExchangeFault, FileFault, Tampered
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.exchange.letter import Letter, Received, chunk_digest, divide, is_name, is_study, letter_id
from gagyo.zipped import NO_ZIP, part

MANIFEST, SIGNATURE, FOLDER = "manifest.json", "manifest.sig", "letters/"
VERSION = 1
LARGEST_MANIFEST = 16 << 20
LARGEST_LETTER = 1 << 30
LABEL = b"gagyo courier 1\n"


@dataclass(frozen=True)
class Card:
    """Who an institution says that it is; its keys are to be compared by another channel."""

    name: str
    country: str
    role: str
    keys: PublicKeys


@dataclass(frozen=True)
class Parcel:
    """The manifest of a courier's file. `letters` in their order, without bodies; `kept`: ids of letters received."""

    sender: Card
    recipient: str
    letters: tuple[Letter, ...]
    kept: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The size of all letters together."""
        return sum(letter.size for letter in self.letters)


def write(path: Path, parcel: Parcel, keys: Keys, body_of: Callable[[str], bytes]) -> None:
    """Write a courier's file, whole or not at all.

    Raises:
        ExchangeFault: `courier_exists` where there is one already, `courier_no_name` where its recipient can be none.
    """
    if path.exists():
        raise ExchangeFault.of("courier_exists", found=path)
    if not is_name(parcel.recipient) or parcel.recipient == parcel.sender.name:
        raise ExchangeFault.of("courier_no_name", found=parcel.recipient)
    manifest = json.dumps(_record(parcel), ensure_ascii=False, indent=1).encode()
    beside = path.with_name(path.name + ".new")
    try:
        with zipfile.ZipFile(beside, "w") as file:
            file.writestr(MANIFEST, manifest)
            file.writestr(SIGNATURE, keys.sign(LABEL + manifest).hex())
            for letter in parcel.letters:
                file.writestr(FOLDER + letter.id, body_of(letter.id))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)  # on a stick that is full it would take the room of the next file


def _record(parcel: Parcel) -> dict[str, Any]:
    sender = parcel.sender
    card: dict[str, Any] = {"name": sender.name, "country": sender.country, "role": sender.role}
    card |= {"keys": {"signing": sender.keys.signing, "sealing": sender.keys.sealing}}
    letters = [
        {"id": one.id, "study": one.study, "size": one.size, "chunks": list(one.chunks)} for one in parcel.letters
    ]
    record = {"gagyo_courier": VERSION, "sender": card, "recipient": parcel.recipient}
    return record | {"letters": letters, "kept": list(parcel.kept)}


def read(path: Path) -> Parcel:
    """The manifest of a courier's file, signed by the keys on its own card; whether to trust those is the caller's.

    Raises:
        ExchangeFault: `courier_unreadable` where the file is none, `courier_forged` where it was changed.
        FileFault: `courier_missing`, there is no file.
    """
    if not path.is_file():
        raise FileFault.of("courier_missing", found=path)
    try:
        with zipfile.ZipFile(path) as file:
            manifest = part(file, MANIFEST, LARGEST_MANIFEST)
            signature = bytes.fromhex(part(file, SIGNATURE, 1024).decode("ascii"))
        record = json.loads(manifest)
        if record["gagyo_courier"] != VERSION:
            raise ExchangeFault.of("other_version", found=record["gagyo_courier"], expected=VERSION)
        parcel = _parcel(record)
    except (*NO_ZIP, TypeError, AttributeError, RecursionError):
        raise ExchangeFault.of("courier_unreadable", found=path) from None
    try:
        parcel.sender.keys.check_once(signature, LABEL + manifest)
    except (Tampered, ValueError):
        raise ExchangeFault.of("courier_forged", found=path) from None
    return parcel


def _parcel(record: Mapping[str, Any]) -> Parcel:
    card = record["sender"]
    keys = PublicKeys(str(card["keys"]["signing"]), str(card["keys"]["sealing"]))
    sender = Card(str(card["name"]), str(card["country"]), str(card["role"]), keys)
    recipient = str(record["recipient"])
    letters = tuple(_letter(one, sender.name, recipient) for one in record["letters"])
    kept = tuple(str(one) for one in record["kept"])
    names = is_name(sender.name) and is_name(recipient) and sender.role in ("site", "coordinator")
    if not names or len(bytes.fromhex(keys.signing)) != 32 or len(bytes.fromhex(keys.sealing)) != 32:
        raise ValueError("card")
    return Parcel(sender, recipient, letters, kept)


def _letter(one: Mapping[str, Any], sender: str, recipient: str) -> Letter:
    study, size, chunks = one["study"], one["size"], tuple(str(name) for name in one["chunks"])
    if not is_study(study) or type(size) is not int or not 0 <= size <= LARGEST_LETTER:
        raise ValueError("letter")
    if one["id"] != letter_id(sender, recipient, study, chunks):
        raise ValueError("letter")
    return Letter(one["id"], sender, recipient, study, size, chunks)


def bodies(path: Path, parcel: Parcel) -> list[Received]:
    """The letters of a courier's file, each exactly as its sender signed it; ExchangeFault `courier_forged`."""
    found = []
    try:
        with zipfile.ZipFile(path) as file:
            for one in parcel.letters:
                body = part(file, FOLDER + one.id, one.size)
                if tuple(chunk_digest(chunk) for chunk in divide(body)) != one.chunks:
                    raise ValueError(one.id)
                found.append(Received(one.id, one.sender, one.study, body))
    except NO_ZIP:
        raise ExchangeFault.of("courier_forged", found=path) from None
    return found
