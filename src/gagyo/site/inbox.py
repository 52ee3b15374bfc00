"""What waits for a person at the hospital: plans that came over the exchange, and what was decided on each.

One SQLite file in the hospital's folder. The service and the commands share it: a command that decides while the
service runs leaves a wish here, and the service, which alone holds the hospital's ledger then, fulfils it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.governance.approval import Statement, parse_statement
from gagyo.protocol.plan import Plan
from gagyo.result import Words

State = Literal["waiting", "approved", "refused", "withdrawn", "closed"]
Verb = Literal["approve", "refuse", "withdraw", "review"]

SCHEMA = """
create table if not exists studies (
  study text primary key, coordinator text not null, signing text not null, sealing text not null);
create table if not exists plans (
  plan text primary key, study text not null, coordinator text not null, body blob not null,
  state text not null, reason text not null, came real not null, changed real not null);
create table if not exists wishes (
  number integer primary key, plan text not null, verb text not null, reason text not null,
  done integer not null, fault text not null);
create table if not exists told (about text primary key, state text not null);
create table if not exists statements (plan text not null, body text not null, unique (plan, body));
"""


@dataclass(frozen=True)
class Proposed:
    """A plan as it stands at this hospital; times in seconds since 1970."""

    plan: str
    study: str
    coordinator: str
    body: bytes
    state: State
    reason: str
    came: float
    changed: float

    def read(self) -> Plan:
        """The plan itself."""
        return Plan.from_bytes(self.body)


@dataclass(frozen=True)
class Wish:
    """A decision of a person that the service is to carry out; `reason` holds the signed act of a `review`."""

    number: int
    plan: str
    verb: Verb
    reason: str


class Inbox:
    """Plans and decisions at one hospital."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._base.execute("pragma journal_mode=wal")
        self._base.execute("pragma synchronous=full")
        self._base.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    # Studies and plans.

    def keep_study(self, study: str, coordinator: str, keys: tuple[str, str]) -> None:
        """Remember who leads a study, and with which public keys it was first heard of."""
        self._base.execute("insert or ignore into studies values (?, ?, ?, ?)", (study, coordinator, *keys))

    def leader(self, study: str) -> tuple[str, str, str] | None:
        """The coordinator of a study and its public keys (name, signing, sealing)."""
        query = "select coordinator, signing, sealing from studies where study = ?"
        row = self._base.execute(query, (study,)).fetchone()
        return (str(row[0]), str(row[1]), str(row[2])) if row else None

    def keep_plan(self, plan: Plan, study: str, coordinator: str) -> None:
        """A plan came; again is the same."""
        now = time.time()
        row = (plan.digest, study, coordinator, plan.to_bytes(), "waiting", "", now, now)
        self._base.execute("insert or ignore into plans values (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def plans(self) -> list[Proposed]:
        """All plans, the latest first."""
        rows = self._base.execute("select * from plans order by came desc")
        return [Proposed(*row) for row in rows]

    def plan(self, digest: str) -> Proposed:
        """The plan whose digest begins so; FileFault where none, or more than one, does."""
        whole = digest if digest.startswith("sha256:") else f"sha256:{digest}"
        found = [one for one in self.plans() if one.plan.startswith(whole)]
        if len(found) != 1 or len(whole) < len("sha256:") + 8:
            known = ", ".join(one.plan for one in self.plans())
            if not known:
                raise FileFault(Finding("plan_none", values={"found": digest}))
            raise FileFault(Finding("plan_unknown", values={"found": digest, "expected": known}))
        return found[0]

    def known(self, digest: str) -> Proposed | None:
        """The plan of a whole digest, if it came."""
        row = self._base.execute("select * from plans where plan = ?", (digest,)).fetchone()
        return Proposed(*row) if row else None

    def set_state(self, plan: str, state: State, reason: str = "") -> None:
        """Where a plan stands now."""
        query = "update plans set state = ?, reason = ?, changed = ? where plan = ?"
        self._base.execute(query, (state, reason, time.time(), plan))

    def told(self, about: str) -> str:
        """The state of a plan or review that was last told to its coordinator by courier; empty for none."""
        row = self._base.execute("select state from told where about = ?", (about,)).fetchone()
        return str(row[0]) if row else ""

    def note_told(self, about: str, state: str) -> None:
        """Where a plan or review stands was told."""
        self._base.execute("insert or replace into told values (?, ?)", (about, state))

    # Signed statements on their way to the hospital's own memory.

    def bring(self, plan: str, statements: Sequence[Statement]) -> None:
        """Lay signed statements ready for the next decision on a plan."""
        rows = [(plan, one.to_bytes().decode()) for one in statements]
        self._base.executemany("insert or ignore into statements values (?, ?)", rows)

    def brought(self, plan: str) -> list[Statement]:
        """What lies ready for a plan."""
        rows = self._base.execute("select body from statements where plan = ? order by rowid", (plan,))
        return [parse_statement(str(row[0])) for row in rows]

    def clear(self, plan: str) -> None:
        """What lay ready was looked at."""
        self._base.execute("delete from statements where plan = ?", (plan,))

    # Wishes.

    def wish(self, plan: str, verb: Verb, reason: str = "") -> int:
        """Leave a decision for the service; its number."""
        query = "insert into wishes (plan, verb, reason, done, fault) values (?, ?, ?, 0, '')"
        return int(self._base.execute(query, (plan, verb, reason)).lastrowid or 0)

    def wishes(self) -> Sequence[Wish]:
        """Decisions that wait for the service."""
        rows = self._base.execute("select number, plan, verb, reason from wishes where done = 0 order by number")
        return [Wish(*row) for row in rows]

    def fulfil(self, number: int, faults: Sequence[Finding] = ()) -> None:
        """A decision was carried out, or could not be for these faults."""
        told = json.dumps(
            [{"code": one.code, "values": {k: _told(v) for k, v in one.values.items()}} for one in faults]
        )
        self._base.execute("update wishes set done = 1, fault = ? where number = ?", (told, number))

    def outcome(self, number: int) -> list[Finding] | None:
        """The faults of a decision that was carried out (none: it holds); None while it waits."""
        row = self._base.execute("select done, fault from wishes where number = ?", (number,)).fetchone()
        if row is None or not row[0]:
            return None
        return [
            Finding(one["code"], values={k: _heard(v) for k, v in one["values"].items()}) for one in json.loads(row[1])
        ]


def _told(value: object) -> object:
    return {"key": value.key, "values": value.values} if isinstance(value, Words) and value.key else str(value)


def _heard(told: Any) -> object:
    return Words(**told) if isinstance(told, dict) else told
