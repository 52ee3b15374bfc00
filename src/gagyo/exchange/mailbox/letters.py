"""What is done with letters and chunks, each as one transaction on a mailbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gagyo.errors import ExchangeFault
from gagyo.exchange.letter import Letter, chunk_count, chunk_digest
from gagyo.exchange.mailbox.port import Rows


@dataclass(frozen=True)
class Limits:
    """What one institution may keep at a hub, and for how long."""

    letter_bytes: int = 256 << 20
    box_bytes: int = 1 << 30
    box_letters: int = 4096
    staged_bytes: int = 512 << 20
    """Chunks that no letter names yet, of one sender."""
    letter_days: float = 30
    """Letters that nobody took for so long vanish; their senders send again."""
    staged_hours: float = 24


def post(rows: Rows, box: str, letter: Letter, limits: Limits, now: int) -> tuple[str, ...]:
    """Put a letter into a box, once; its body, or the chunks that are still missing and keep it from being posted.

    Raises:
        ExchangeFault: `box_full`, `too_large`.
    """
    if rows("SELECT 1 FROM letter WHERE box = ? AND id = ?", box, letter.id):
        return ()
    _check_room(rows, box, letter, limits)
    if letter.body is None and (lacking := missing(rows, letter.sender, letter.chunks)):
        return lacking
    added = rows(
        "INSERT INTO letter (box, id, sender, recipient, study, size, posted, chunks, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (box, id) DO NOTHING RETURNING number",
        *(box, letter.id, letter.sender, letter.recipient, letter.study, letter.size, now),
        *(json.dumps(letter.chunks), letter.body),
    )
    if letter.body is None and added:
        _hold_chunks(rows, added[0][0], letter)
    return ()


def _check_room(rows: Rows, box: str, letter: Letter, limits: Limits) -> None:
    if letter.size > limits.letter_bytes:
        raise ExchangeFault.of("too_large", found=letter.size, expected=limits.letter_bytes)
    [(letters, held)] = rows("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM letter WHERE box = ?", box)
    if letters >= limits.box_letters or held + letter.size > limits.box_bytes:
        raise ExchangeFault.of("box_full", found=letter.recipient)


def _hold_chunks(rows: Rows, number: int, letter: Letter) -> None:
    # First held, then measured: where another process has just removed a chunk, the reference to it fails and the
    # transaction is done again.
    for place, digest in enumerate(letter.chunks):
        rows("INSERT INTO part VALUES (?, ?, ?, ?)", number, place, letter.sender, digest)
    [(held,)] = rows(
        "SELECT COALESCE(SUM(chunk.size), 0) FROM part JOIN chunk ON chunk.owner = part.owner"
        " AND chunk.digest = part.digest WHERE part.letter = ?",
        number,
    )
    if held != letter.size or len(letter.chunks) != chunk_count(letter.size):
        raise ExchangeFault.of("malformed", found="size")


def missing(rows: Rows, owner: str, chunks: Sequence[str]) -> tuple[str, ...]:
    """Those chunks that an institution has not sent yet, each once, in their order."""
    return tuple(
        digest
        for digest in dict.fromkeys(chunks)
        if not rows("SELECT 1 FROM chunk WHERE owner = ? AND digest = ?", owner, digest)
    )


def stage(rows: Rows, owner: str, chunk: bytes, limits: Limits, now: int) -> None:
    """Keep a chunk until a letter names it; `box_full` where its sender keeps too many."""
    [(held,)] = rows(
        "SELECT COALESCE(SUM(size), 0) FROM chunk WHERE owner = ? AND NOT EXISTS"
        " (SELECT 1 FROM part WHERE part.owner = chunk.owner AND part.digest = chunk.digest)",
        owner,
    )
    if held + len(chunk) > limits.staged_bytes:
        raise ExchangeFault.of("box_full", found=owner)
    rows(
        "INSERT INTO chunk VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner, digest) DO NOTHING",
        *(owner, chunk_digest(chunk), now, len(chunk), chunk),
    )


def waiting(rows: Rows, box: str, limit: int, inline: int) -> list[Letter]:
    """The oldest letters of a box, bodies of at most `inline` bytes together with them (one letter at least)."""
    found: list[Letter] = []
    carried = 0
    for row in rows(
        "SELECT id, sender, recipient, study, size, chunks, body FROM letter WHERE box = ? ORDER BY number LIMIT ?",
        *(box, limit),
    ):
        letter, sender, recipient, study, size, chunks, body = row
        carried += 0 if body is None else size
        if found and carried > inline:
            break
        whole = None if body is None else bytes(body)
        found.append(Letter(letter, sender, recipient, study, size, tuple(json.loads(chunks)), whole))
    return found


def chunk_of(rows: Rows, box: str, letter: str, place: int) -> bytes:
    """One chunk of a letter in a box; ExchangeFault `no_such_letter`."""
    found = rows(
        "SELECT chunk.body FROM letter JOIN part ON part.letter = letter.number"
        " JOIN chunk ON chunk.owner = part.owner AND chunk.digest = part.digest"
        " WHERE letter.box = ? AND letter.id = ? AND part.place = ?",
        *(box, letter, place),
    )
    if not found:
        raise ExchangeFault.of("no_such_letter", found=letter)
    return bytes(found[0][0])


def acknowledge(rows: Rows, box: str, letters: Sequence[str]) -> int:
    """Remove letters that their recipient has kept; how many there were."""
    return sum(
        _remove(rows, number, sender, whole)
        for letter in letters
        for number, sender, whole in rows(
            "SELECT number, sender, body IS NOT NULL FROM letter WHERE box = ? AND id = ?", box, letter
        )
    )


def _remove(rows: Rows, number: int, sender: str, whole: bool) -> int:
    rows("DELETE FROM letter WHERE number = ?", number)
    if not whole:
        # One after the other: two processes that each remove one of the last two references would each leave the chunk.
        rows("INSERT INTO turn VALUES (?, 0) ON CONFLICT (owner) DO UPDATE SET turns = turn.turns + 1", sender)
        digests = [digest for (digest,) in rows("DELETE FROM part WHERE letter = ? RETURNING digest", number)]
        for digest in dict.fromkeys(digests):
            rows(
                "DELETE FROM chunk WHERE owner = ? AND digest = ? AND NOT EXISTS"
                " (SELECT 1 FROM part WHERE part.owner = ? AND part.digest = ?)",
                *(sender, digest, sender, digest),
            )
    return 1


def expire(rows: Rows, limits: Limits, now: int) -> int:
    """Remove letters and chunks whose time is over; how many letters."""
    oldest = now - int(limits.letter_days * 86400)
    old = rows("SELECT number, sender, body IS NOT NULL FROM letter WHERE posted < ?", oldest)
    removed = sum(_remove(rows, *letter) for letter in old)
    rows(
        "DELETE FROM chunk WHERE stored < ? AND NOT EXISTS"
        " (SELECT 1 FROM part WHERE part.owner = chunk.owner AND part.digest = chunk.digest)",
        now - int(limits.staged_hours * 3600),
    )
    return removed


def boxes(rows: Rows) -> dict[str, tuple[int, int]]:
    """(letters, bytes) of every box that has any."""
    found = rows("SELECT box, COUNT(*), SUM(size) FROM letter GROUP BY box")
    return {box: (letters, int(size)) for box, letters, size in found}


def box(rows: Rows, name: str) -> tuple[int, int]:
    """(letters, bytes) of one box."""
    [(letters, size)] = rows("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM letter WHERE box = ?", name)
    return letters, int(size)


def saw(rows: Rows, name: str, now: int) -> None:
    """Note that an institution called."""
    rows("INSERT INTO seen VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at", name, now)


def last_seen(rows: Rows) -> dict[str, int]:
    """When each institution last called, in seconds since 1970."""
    return {name: at for name, at in rows("SELECT name, at FROM seen")}


@dataclass(frozen=True)
class Doing:
    """What an institution's service last said that it does (`access.DOING`), how many plans wait there, and when."""

    doing: str
    plans: int
    at: int


def note_doing(rows: Rows, name: str, said: Doing) -> None:
    """Keep what an institution's service says that it does."""
    rows(
        "INSERT INTO doing VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " doing = excluded.doing, plans = excluded.plans, at = excluded.at",
        *(name, said.doing, said.plans, said.at),
    )


def doings(rows: Rows) -> dict[str, Doing]:
    """What each institution's service last said."""
    return {name: Doing(*said) for name, *said in rows("SELECT name, doing, plans, at FROM doing")}
