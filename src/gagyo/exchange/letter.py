"""A letter from one institution to another: its limits, its chunks, and the address that its content gives it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

CHUNK = 1 << 20
"""Bytes of a chunk; only the last of a letter may be shorter."""
SMALL = 512 << 10
"""Letters up to this many bytes travel in one call: a cut costs less than the chunk in flight of a larger one."""
CARRIED = 600 << 10
"""Bytes of letters that travel with the call in which their sender waits for the next."""
TOGETHER = 64
"""Letters that travel with one such call."""
STUDY = 100
"""Characters of a study's name."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Letter:
    """A letter at a hub. `body` is None where it lies there as chunks, named by their SHA-256."""

    id: str
    sender: str
    recipient: str
    study: str
    size: int
    chunks: tuple[str, ...]
    body: bytes | None = None


@dataclass(frozen=True)
class Received:
    """A letter as its recipient reads it."""

    id: str
    sender: str
    study: str
    body: bytes


@dataclass(frozen=True)
class Sending:
    """A letter as its sender hands it over."""

    recipient: str
    study: str
    body: bytes

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body)


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=_Sized)


def carried(letters: Iterable[S]) -> tuple[list[S], list[S]]:
    """The letters that travel together with one call, the first that fit; and those that are sent by themselves."""
    along: list[S] = []
    apart: list[S] = []
    room = CARRIED
    for one in letters:
        fits = one.size <= room and len(along) < TOGETHER
        (along if fits else apart).append(one)
        room -= one.size if fits else 0
    return along, apart


def divide(body: bytes) -> list[memoryview]:
    """The body in chunks of 1 MiB; an empty body is one empty chunk."""
    view = memoryview(body)
    return [view[start : start + CHUNK] for start in range(0, max(len(body), 1), CHUNK)]


def chunk_digest(chunk: bytes | memoryview) -> str:
    """A chunk's SHA-256 in hexadecimal."""
    return hashlib.sha256(chunk).hexdigest()


def letter_id(sender: str, recipient: str, study: str, chunks: Sequence[str]) -> str:
    """The letter's address: SHA-256 over the JSON list of sender, recipient, study and the digests of its chunks."""
    named = json.dumps([sender, recipient, study, *chunks], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(named.encode()).hexdigest()


def chunk_count(size: int) -> int:
    """How many chunks a body of `size` bytes has."""
    return max(1, -(-size // CHUNK))


def is_name(text: object) -> bool:
    """Whether a text may name an institution: Latin letters, digits and `_ . -`, at most 63."""
    return isinstance(text, str) and NAME.fullmatch(text) is not None


def is_study(text: object) -> bool:
    """Whether a text may name a study: 1 to 100 characters, none of them a control character."""
    return isinstance(text, str) and 0 < len(text) <= STUDY and text.isprintable()
