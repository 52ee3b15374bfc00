"""An institution's side of the exchange: send letters, take them from the own box, open studies, see the directory."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange.access import Doing
from gagyo.exchange.envelope import PublicKeys
from gagyo.exchange.letter import (
    DIGEST,
    SMALL,
    Received,
    Sending,
    carried,
    chunk_count,
    chunk_digest,
    divide,
    is_study,
    letter_id,
)
from gagyo.exchange.line import Line
from gagyo.exchange.membership import Membership
from gagyo.exchange.records import as_agreed

Tell = Callable[[str, int, int], None]
"""Told a letter's id, the bytes of it that the hub has, and its whole size."""


LOST_AGAIN = 8
"""Times that a hub may lose chunks of one letter that it was given."""
TELL_SECONDS = 5.0
"""How long it is tried to say what a service does: later it does something else."""
TAKEN = 64 << 20
"""Bytes of bodies after which `receive` takes no further letter: what a process holds is bounded."""


@dataclass(frozen=True)
class Member:
    """An institution in the directory; `until` (its keys expire) and `last_seen` in seconds since 1970."""

    name: str
    country: str
    keys: PublicKeys
    role: str
    state: str
    until: int
    last_seen: int | None


class Client:
    """Calls to the hub of a membership. Thread safe; connections are kept.

    Every method raises ExchangeFault: a refusal of the hub at once, a fault that may pass (no connection, a hub that
    restarts, too many calls, a full box) after it was tried again for `patience` seconds.
    """

    def __init__(self, membership: Membership, *, tell: Tell | None = None, patience: float = 120.0) -> None:
        self.membership = membership
        self._line = Line(membership, patience=patience)
        self._tell = tell or (lambda letter, sent, whole: None)
        self._parts: tuple[str, dict[str, bytes]] = ("", {})
        self._fetching = threading.Lock()

    @property
    def proxy(self) -> str:
        """Host and port of the proxy that calls go through; empty where there is none."""
        return self._line.proxy

    @property
    def clock_offset(self) -> float:
        """Seconds that the hub's clock is ahead of this machine's; learned with every answer."""
        return self._line.clock_offset

    @property
    def trouble(self) -> str:
        """Why the hub has not answered for some seconds, as a code; empty while it does."""
        return self._line.trouble

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Letters.

    def send(self, recipient: str, study: str, body: bytes) -> str:
        """Post a letter and give its id: the same letter has the same id and is posted once.

        Bodies over 512 KiB go in chunks of 1 MiB; those that the hub already has (after a cut, or a restart of this
        process) are not sent again.
        """
        if not is_study(study):
            raise ExchangeFault.of("malformed", found="study")
        query = {"recipient": recipient, "study": study}
        if len(body) > SMALL:
            return self._send_large(query, body)
        name = letter_id(self.membership.name, recipient, study, [chunk_digest(body)])
        self._line.call("POST", "/v1/letters", query, body)
        self._tell(name, len(body), len(body))
        return name

    def _send_large(self, query: Mapping[str, str], body: bytes) -> str:
        chunks = {chunk_digest(chunk): chunk for chunk in divide(body)}
        names = [chunk_digest(chunk) for chunk in divide(body)]
        name = letter_id(self.membership.name, query["recipient"], query["study"], names)
        manifest = json.dumps({"size": len(body), "chunks": names}).encode()
        for _ in range(LOST_AGAIN):
            if not (missing := self._missing(query, manifest, chunks)):
                break
            left = sum(len(chunks[one]) for one in missing)
            for one in missing:
                self._tell(name, len(body) - left, len(body))
                self._line.call("PUT", f"/v1/chunks/{one}", body=bytes(chunks[one]))
                left -= len(chunks[one])
        else:
            raise ExchangeFault.of("hub_fault", found="chunks")
        self._tell(name, len(body), len(body))
        return name

    def _missing(self, query: Mapping[str, str], manifest: bytes, chunks: Mapping[str, memoryview]) -> list[str]:
        record = self._line.call("POST", "/v1/parcels", query, manifest).record()
        with as_agreed("missing"):
            return [one for one in record.get("missing", []) if one in chunks]

    def receive(
        self,
        wait: float = 25.0,
        limit: int = 64,
        acknowledged: Sequence[str] = (),
        enough: int = 1,
        sending: Sequence[Sending] = (),
    ) -> list[Received]:
        """Letters of the own box, the oldest first; up to `wait` seconds of waiting where there is none.

        Where there are fewer than `enough` the hub waits a moment for the others, so that answers to one question
        come together. The letters of `sending` are posted first, small ones in the same call.

        A letter comes again until it is acknowledged, here with `acknowledged` or by `acknowledge`. Once the bodies
        together exceed 64 MiB the others are left for the next call.
        """
        along, apart = carried(sending)
        for one in apart:
            self.send(one.recipient, one.study, one.body)
        asked = {"wait": wait, "limit": limit, "enough": enough, "acknowledged": list(acknowledged)}
        asked |= {"letters": [_as_record(one) for one in along]} if along else {}
        with_wait = min(wait, 60.0)
        record = self._line.call("POST", "/v1/box", body=json.dumps(asked).encode(), wait=with_wait).record()
        with as_agreed("refused"):
            refused = [along[place] for place in record.get("refused", [])]
        for one in refused:  # again by itself: it is told why, and tried again where that may pass
            self.send(one.recipient, one.study, one.body)
        taken: list[Received] = []
        with as_agreed("letters"):
            for one in list(record["letters"]):
                taken.append(self._received(one))
                if sum(len(letter.body) for letter in taken) >= TAKEN:
                    break
        return taken

    def _received(self, record: Mapping[str, Any]) -> Received:
        letter, sender, study = str(record["id"]), str(record["sender"]), str(record["study"])
        body = base64.b64decode(record["body"], validate=True) if "body" in record else self._fetch(letter, record)
        named = letter_id(sender, self.membership.name, study, [chunk_digest(chunk) for chunk in divide(body)])
        if named != letter:
            raise ExchangeFault.of("hub_forged", found=letter)
        return Received(letter, sender, study, body)

    def _fetch(self, letter: str, record: Mapping[str, Any]) -> bytes:
        """The chunks of a large letter; those that came before a cut are kept for the next try."""
        names, size = record["chunks"], int(record["size"])
        if len(names) != chunk_count(size) or not all(DIGEST.fullmatch(one) for one in names):
            raise ExchangeFault.of("hub_forged", found=letter)
        with self._fetching:
            parts = self._parts[1] if self._parts[0] == letter else {}
            self._parts = (letter, parts)
            for place, name in enumerate(names):
                if name not in parts:
                    parts[name] = self._chunk(letter, place, name)
            self._parts = ("", {})
        return b"".join(parts[name] for name in names)

    def _chunk(self, letter: str, place: int, name: str) -> bytes:
        part = self._line.call("GET", f"/v1/letters/{letter}/{place}").body
        if chunk_digest(part) != name:
            raise ExchangeFault.of("hub_forged", found=letter)
        return part

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Tell the hub that these letters are kept here: it removes them."""
        if ids:
            asked = {"wait": 0, "limit": 0, "acknowledged": list(ids)}
            self._line.call("POST", "/v1/box", body=json.dumps(asked).encode())

    # Studies and institutions.

    def open_study(self, study: str, members: Sequence[str]) -> None:
        """Let this coordinator and `members` write to each other under a study; again, to change the members."""
        self._put_study(study, members, True)

    def close_study(self, study: str) -> None:
        """From now on no letter of this study is accepted."""
        self._put_study(study, (), False)

    def _put_study(self, study: str, members: Sequence[str], is_open: bool) -> None:
        record = {"study": study, "members": list(members), "open": is_open}
        self._line.call("PUT", "/v1/studies", body=json.dumps(record, ensure_ascii=False).encode())

    def directory(self) -> dict[str, Member]:
        """All institutions of this hub and of its partner, by name."""
        record = self._line.call("GET", "/v1/directory").record()
        with as_agreed("members"):
            return {one["name"]: _member(one) for one in record["members"]}

    def tell_doing(self, doing: Doing, plans: int) -> None:
        """Say what this hospital's service does, and how many plans wait for a person, for the hub's operator."""
        body = json.dumps({"doing": doing, "plans": plans}).encode()
        self._line.call("PUT", "/v1/doing", body=body, patience=TELL_SECONDS)

    def by_courier(self, name: str) -> bool:
        """Nobody: a hub's line leads to all."""
        return False

    def status(self, patience: float | None = None) -> dict[str, Any]:
        """The hub's `version` and `time`, this institution's `state` and `box`, and the state of `partners`."""
        return self._line.call("GET", "/v1/status", patience=patience).record()


def _as_record(one: Sending) -> dict[str, str]:
    return {"recipient": one.recipient, "study": one.study, "body": base64.b64encode(one.body).decode()}


def _member(record: Mapping[str, Any]) -> Member:
    keys = PublicKeys(str(record["keys"]["signing"]), str(record["keys"]["sealing"]))
    texts = (str(record["name"]), str(record["country"]), keys, str(record["role"]), str(record["state"]))
    seen = record["seen"]
    return Member(*texts, int(record["until"]), None if seen is None else int(seen))
