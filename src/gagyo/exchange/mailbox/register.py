"""The register of a hub: its members, its invitations and the studies that say who may write to whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from gagyo.exchange.access import Openness, Role, Standing, State
from gagyo.exchange.envelope import PublicKeys
from gagyo.exchange.mailbox.port import Rows


@dataclass(frozen=True)
class Enrolled:
    """An institution in the register; times in seconds since 1970, `home` the partner hub it belongs to, or empty."""

    name: str
    country: str
    role: Role
    state: State
    keys: PublicKeys
    since: int
    until: int
    home: str = ""

    def standing(self, now: int) -> Standing:
        """What it is when asked whether it may write."""
        return Standing(self.name, self.role, self.state, now < self.until)

    @property
    def box(self) -> str:
        """Where its letters wait: its own box, or that of the hub that it belongs to."""
        return self.home or self.name

    def to_json(self) -> dict[str, Any]:
        """As the directory shows it."""
        keys = {"signing": self.keys.signing, "sealing": self.keys.sealing}
        return {
            "name": self.name,
            "country": self.country,
            "role": self.role,
            "state": self.state,
            "keys": keys,
            "since": self.since,
            "until": self.until,
        }


@dataclass(frozen=True)
class Invitation:
    """A place that is kept for an institution; the secret is known by its SHA-256 only."""

    name: str
    country: str
    role: Role
    secret: str
    until: int


@dataclass(frozen=True)
class Study:
    """A study at a hub."""

    study: str
    coordinator: str
    members: tuple[str, ...]
    open: bool
    home: str = ""

    @property
    def openness(self) -> Openness:
        """What the table of access asks."""
        return Openness(self.coordinator, self.members, self.open)

    def to_json(self) -> dict[str, Any]:
        """As hubs tell each other."""
        return {
            "study": self.study,
            "coordinator": self.coordinator,
            "members": list(self.members),
            "open": self.open,
        }


_MEMBER = "name, country, role, state, signing, sealing, since, until, home"


def _enrolled(row: Sequence[Any]) -> Enrolled:
    name, country, role, state, signing, sealing, since, until, home = row
    return Enrolled(name, country, role, state, PublicKeys(signing, sealing), since, until, home)


def member(rows: Rows, name: str) -> Enrolled | None:
    """An institution by name."""
    found = rows(f"SELECT {_MEMBER} FROM member WHERE name = ?", name)
    return _enrolled(found[0]) if found else None


def members(rows: Rows) -> list[Enrolled]:
    """All institutions, by name."""
    return [_enrolled(row) for row in rows(f"SELECT {_MEMBER} FROM member ORDER BY name")]


def put_member(rows: Rows, one: Enrolled) -> None:
    """Add an institution, or replace what was known of it."""
    rows("DELETE FROM member WHERE name = ?", one.name)
    rows(
        f"INSERT INTO member ({_MEMBER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(one.name, one.country, one.role, one.state, one.keys.signing, one.keys.sealing),
        *(one.since, one.until, one.home),
    )


def invitation(rows: Rows, name: str) -> Invitation | None:
    """The open invitation of an institution."""
    found = rows("SELECT name, country, role, secret, until FROM invitation WHERE name = ?", name)
    return Invitation(*found[0]) if found else None


def put_invitation(rows: Rows, one: Invitation) -> None:
    """Invite; an earlier invitation of the same name is void."""
    drop_invitation(rows, one.name)
    rows("INSERT INTO invitation VALUES (?, ?, ?, ?, ?)", one.name, one.country, one.role, one.secret, one.until)


def drop_invitation(rows: Rows, name: str) -> None:
    """An invitation was used, or is taken back."""
    rows("DELETE FROM invitation WHERE name = ?", name)


def invitations(rows: Rows) -> list[Invitation]:
    """All open invitations."""
    return [Invitation(*row) for row in rows("SELECT name, country, role, secret, until FROM invitation ORDER BY name")]


def study(rows: Rows, name: str) -> Study | None:
    """A study by name."""
    found = rows("SELECT study, coordinator, members, state, home FROM study WHERE study = ?", name)
    return _study(found[0]) if found else None


def studies(rows: Rows) -> list[Study]:
    """All studies."""
    return [_study(row) for row in rows("SELECT study, coordinator, members, state, home FROM study ORDER BY study")]


def put_study(rows: Rows, one: Study) -> None:
    """Open, change or close a study."""
    rows("DELETE FROM study WHERE study = ?", one.study)
    state = "open" if one.open else "closed"
    rows(
        "INSERT INTO study VALUES (?, ?, ?, ?, ?)",
        *(one.study, one.coordinator, json.dumps(one.members), state, one.home),
    )


def _study(row: Sequence[Any]) -> Study:
    name, coordinator, members, state, home = row
    return Study(name, coordinator, tuple(cast("list[str]", json.loads(members))), state == "open", home)
