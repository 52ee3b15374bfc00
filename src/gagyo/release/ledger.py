"""The ledger: an append-only, signed chain of receipts, one canonical JSON line each; edits and cuts are found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import RawIOBase
from pathlib import Path
from typing import Any, Protocol

from gagyo.canonical import canonical, digest, joined
from gagyo.errors import Tampered

GENESIS = "sha256:" + "0" * 64

Signer = Callable[[bytes], bytes]
HANDED = "keys"
"""The channel of a link that hands the chain over to a new key."""
Verifier = Callable[[bytes, bytes], None]


@dataclass(frozen=True)
class Entry:
    """One link: what was recorded, the head before it, its own head, and the keeper's signature over that head."""

    sequence: int
    previous: str
    record: dict[str, Any]
    head: str
    signature: str

    @classmethod
    def make(cls, sequence: int, previous: str, record: dict[str, Any], sign: Signer, said: bytes = b"") -> Entry:
        """The next link of a chain. said: the record's canonical bytes, where they are known."""
        said = said or canonical(record)
        head = _head(sequence, previous, said)
        link = cls(sequence, previous, record, head, sign(head.encode()).hex())
        link.__dict__["_said"] = said
        return link

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """A link from its line; Tampered unless the line is exactly what was written."""
        try:
            fields = json.loads(line)
            entry = cls(**fields)
            exact = entry.line == line
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            exact = False
        if not exact:
            raise Tampered.of("bad_line")
        return entry

    @cached_property
    def _said(self) -> bytes:
        return canonical(self.record)

    @property
    def line(self) -> bytes:
        """The link's canonical bytes."""
        others = ("sequence", "previous", "head", "signature")
        return joined({"record": self._said} | {name: canonical(getattr(self, name)) for name in others})

    @cached_property
    def _computed_head(self) -> str:
        return _head(self.sequence, self.previous, self._said)

    def check(self, verify: Verifier) -> None:
        """Raise Tampered unless head and signature fit the record."""
        if self._computed_head != self.head:
            raise Tampered.of("bad_head", found=self.sequence)
        verify(_bytes(self.signature), self.head.encode())


def _head(sequence: int, previous: str, said: bytes) -> str:
    """The digest of [sequence, previous, record], of a record's canonical bytes."""
    return digest(b"[" + canonical(sequence) + b"," + canonical(previous) + b"," + said + b"]")


class Ledger:
    """A chain kept in a file; `append` returns only after the line is on disk.

    A file's lines are looked into when they are needed: a hospital's ledger of many years opens at once.
    """

    def __init__(self, path: Path, sign: Signer) -> None:
        self.path = path
        self._sign = sign
        _drop_unfinished(path)
        self._links: list[Entry | bytes] = [*(_lines(path) if path.exists() else ())]
        self._about: dict[str, list[Entry]] = {}
        self.head = self._at(len(self) - 1).head if self._links else GENESIS
        """The head of the last link."""

    def __len__(self) -> int:
        return len(self._links)

    @property
    def entries(self) -> list[Entry]:
        """All links. Tampered where a line is not exactly what was written."""
        return [self._at(number) for number in range(len(self))]

    def about(self, plan: str) -> Sequence[Entry]:
        """The links about one plan. Tampered where one of them is not exactly what was written."""
        if plan not in self._about:
            named = b'"plan":' + canonical(plan)
            found = (self._at(number) for number, one in enumerate(self._links) if _may_name(one, named))
            self._about[plan] = [link for link in found if link.record.get("plan") == plan]
        return self._about[plan]

    def after(self, number: int, *words: bytes) -> Iterator[Entry]:
        """The links from a place on, at the least those whose lines hold one of some words. Tampered as `about`."""
        for at in range(number, len(self)):
            link = self._links[at]
            if isinstance(link, Entry) or any(word in link for word in words):
                yield self._at(at)

    def holds(self, entry: Entry) -> bool:
        """Whether a link is one of this chain. Tampered as `about`."""
        return entry.sequence < len(self) and self._at(entry.sequence) == entry

    def _at(self, number: int) -> Entry:
        link = self._links[number]
        if isinstance(link, bytes):
            link = self._links[number] = Entry.parse(link)
        return link

    def _take(self, links: Iterable[Entry]) -> None:
        for link in links:
            self._links.append(link)
            self.head = link.head
            if (plan := link.record.get("plan")) in self._about:
                self._about[plan].append(link)

    def prepare(self, record: dict[str, Any]) -> Entry:
        """The link that `append` would write next."""
        return Entry.make(len(self), self.head, record, self._sign)

    def append(self, entry: Entry) -> Entry:
        """Write a prepared link, and flush it to disk before returning."""
        if entry.sequence != len(self) or entry.previous != self.head:
            raise Tampered.of("bad_order", found=entry.sequence, expected=len(self))
        self._write([entry])
        return entry

    def record(self, records: Iterable[dict[str, Any]]) -> None:
        """Link records on one after the other, and flush them to disk together before returning."""
        self.record_written((record, canonical(record)) for record in records)

    def record_written(self, records: Iterable[tuple[dict[str, Any], bytes]]) -> None:
        """As `record`, of records whose canonical bytes are known."""
        links: list[Entry] = []
        for record, said in records:
            number, head = len(self) + len(links), links[-1].head if links else self.head
            links.append(Entry.make(number, head, record, self._sign, said))
        self._write(links)

    def _write(self, links: list[Entry]) -> None:
        if not links:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                _write_whole(file, b"".join(link.line + b"\n" for link in links))
                os.fsync(file.fileno())
            except OSError:  # a full disk: what went in of these links is no part of the chain
                file.truncate(before)
                raise
        self._take(links)


class Seen:
    """Ledgers as others see them, a receipt here and there: each number has one link, and neighbours are linked."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, int], Entry] = {}

    def __len__(self) -> int:
        return len(self._links)

    def note(self, site: str, receipt: Entry) -> None:
        """Take in a receipt whose signature was checked, or is checked before it is used.

        Raises:
            Tampered: `forked_ledger`, where the hospital signed another link of this number, or after it or before it.
        """
        at = receipt.sequence
        before, same, after = (self._links.get((site, number)) for number in (at - 1, at, at + 1))
        linked = (before is None or before.head == receipt.previous) and (
            after is None or after.previous == receipt.head
        )
        if not linked or same not in (None, receipt):
            raise Tampered.of("forked_ledger", found=site, expected=at)
        self._links[site, at] = receipt


def _write_whole(file: RawIOBase, content: bytes) -> None:
    while content:
        content = content[file.write(content) or 0 :]


def _drop_unfinished(path: Path) -> None:
    # A line that a crash cut short was never answered with: a receipt is sent only after its line is on disk.
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def _may_name(link: Entry | bytes, named: bytes) -> bool:
    return isinstance(link, Entry) or named in link


def _lines(path: Path) -> list[bytes]:
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        raise Tampered.of("cut_line", found=path.name)
    return content.split(b"\n")[:-1]


def read(path: Path) -> Iterator[Entry]:
    """The links of a file, each exactly as written; Tampered where a line is not."""
    return map(Entry.parse, _lines(path))


class Public(Protocol):
    """An institution's public key, and the like one of another signing key."""

    @property
    def signing(self) -> str:
        """The key, as hexadecimal digits."""

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise Tampered unless `signature` is this key's over `message`."""

    def other(self, signing: str) -> Public:
        """The institution with another signing key."""


def handing_over(old: str, new: str, previous: str) -> bytes:
    """What a new key signs when it takes over a chain after `previous`; the link itself is the old key's."""
    return b"gagyo keys 1\n" + canonical({"from": old, "to": new, "previous": previous})


def check_chain(entries: list[Entry], public: Public, head: str | None = None) -> None:
    """Raise Tampered unless the links follow each other, are signed, and end at `head` (the other party's copy).

    public: the key that is trusted; where the chain was handed over from key to key, it is one of those.
    """
    signing = _first_key(entries, public.signing)
    previous = GENESIS
    for number, entry in enumerate(entries):
        if entry.sequence != number or entry.previous != previous:
            raise Tampered.of("bad_order", found=entry.sequence, expected=number)
        holder = public.other(signing)
        entry.check(holder.verify)
        if entry.record.get("channel") == HANDED:
            signing = _handed_over(entry, holder)
        previous = entry.head
    if head is not None and previous != head:
        raise Tampered.of("bad_tail", found=previous, expected=head)


def _first_key(entries: list[Entry], trusted: str) -> str:
    """The key that signs the first link: where the chain was handed over, one of its keys is the trusted one."""
    told = [entry.record["told"] for entry in entries if entry.record.get("channel") == HANDED]
    keys = [*(one.get("from") for one in told), *(one.get("to") for one in told[-1:])]
    if told and trusted not in keys:
        raise Tampered.of("bad_signature")
    return str(keys[0]) if told else trusted


def _handed_over(entry: Entry, holder: Public) -> str:
    """The key that signs from here on. Both keys said so: whoever trusts one can trust the other."""
    told = entry.record["told"]
    old, new = str(told.get("from")), str(told.get("to"))
    if old != holder.signing:
        raise Tampered.of("bad_signature")
    holder.other(new).verify(_bytes(told.get("proof")), handing_over(old, new, entry.previous))
    return new


def _bytes(text: object) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        raise Tampered.of("bad_signature") from None
