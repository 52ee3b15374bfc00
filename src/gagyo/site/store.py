"""What a hospital keeps beside its ledger: answers, approvals, reviews, and which people each cohort held.

One SQLite file, flushed to disk at every commit; it stays at the hospital.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.wire import answer_from_bytes
from gagyo.governance.approval import Statement, parse_statement
from gagyo.governance.review import Act, Review, parse_act
from gagyo.protocol.plan import Plan
from gagyo.release.decision import Answer
from gagyo.release.ledger import Entry

SCHEMA = """
create table if not exists answers (request text primary key, body blob not null);
create table if not exists approvals (plan text primary key, body blob not null, state text not null);
create table if not exists people (first integer primary key, tags blob not null);
create table if not exists rosters (key text primary key, roster text not null);
create table if not exists cohorts (key text primary key, members blob not null);
create table if not exists asked (
  plan text not null, analysis text not null, people text not null, body text not null, primary key (plan, analysis));
create table if not exists ends (
  number integer primary key, plan text not null, people text not null, kind text not null, of text not null,
  bits text not null, cuts blob not null, unique (plan, people, kind, of, bits, cuts));
create table if not exists fingerprints (digest text primary key, body blob not null);
create table if not exists statements (digest text primary key, plan text not null, body text not null);
create table if not exists reviews (
  review text primary key, plan text not null, kind text not null, analysis text not null, content text not null,
  shown blob not null);
create table if not exists acts (
  number integer primary key, digest text not null unique, review text not null, body text not null,
  receipt blob not null);
create table if not exists plans (plan text primary key, study text not null, body blob not null);
create table if not exists secrets (purpose text primary key, secret blob not null);
create table if not exists run_keys (study text primary key, sealing blob not null);
create table if not exists arrived (number integer primary key, plan text not null, body blob not null);
"""

TAG = 16
"""Bytes of a person's tag."""


class Store:
    """The hospital's own memory."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._base.execute("pragma journal_mode=wal")
        self._base.execute("pragma synchronous=full")
        self._base.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def answered(self, request: str) -> Answer | None:
        """The answer given to a request, if there is one."""
        row = self._base.execute("select body from answers where request = ?", (request,)).fetchone()
        return answer_from_bytes(row[0]) if row else None

    def keep(self, answer: Answer) -> None:
        """Keep an answer before it is sent."""
        self._base.execute("insert or ignore into answers values (?, ?)", (answer.request, answer.written))

    def forget_answers(self, requests: Collection[str]) -> None:
        """Let go of answers that nobody can ask for again; the space is used for the next ones."""
        with self._base:  # all or none
            self._base.execute("begin immediate")
            self._base.executemany("delete from answers where request = ?", [(one,) for one in requests])

    def unwritten(self, links: int) -> list[Entry]:
        """The receipts of kept answers and acts of reviews from this place of the ledger on, in their order.

        They are what was kept last: a hospital of many studies does not look through all of them.
        """
        answers = self._base.execute("select body from answers order by rowid desc")
        acts = self._base.execute("select receipt from acts order by number desc")
        given = (answer_from_bytes(body).receipt for (body,) in answers)
        found = [one for one in takewhile(lambda one: one is None or one.sequence >= links, given) if one is not None]
        found += takewhile(lambda one: one.sequence >= links, (Entry.parse(bytes(body)) for (body,) in acts))
        return sorted(reversed(found), key=lambda entry: entry.sequence)

    def set_approval(self, plan: str, body: bytes, state: str) -> None:
        """Record whether a plan is approved, and on which data (their keyed digest), or withdrawn."""
        self._base.execute("insert or replace into approvals values (?, ?, ?)", (plan, body, state))

    def approval(self, plan: str) -> str:
        """`approved`, `withdrawn`, or empty where nobody decided."""
        row = self._base.execute("select state from approvals where plan = ?", (plan,)).fetchone()
        return str(row[0]) if row else ""

    def approved_data(self, plan: str) -> str:
        """The keyed digest of the data that a plan was approved on; empty where it was not."""
        row = self._base.execute("select body from approvals where plan = ?", (plan,)).fetchone()
        return bytes(row[0]).decode() if row else ""

    def keep_plan(self, plan: Plan) -> None:
        """Keep a plan that people here approved."""
        row = (plan.digest, plan.study.study, plan.to_bytes())
        self._base.execute("insert or ignore into plans values (?, ?, ?)", row)

    def earlier_plans(self, plan: Plan) -> list[Plan]:
        """Other plans of the same study whose approval stands."""
        query = "select plans.body from plans join approvals using (plan) where study = ? and state = 'approved'"
        found = [Plan.from_bytes(row[0]) for row in self._base.execute(query, (plan.study.study,))]
        return [one for one in found if one.digest != plan.digest]

    def keep_statement(self, plan: str, one: Statement) -> None:
        """Keep a signed statement that was taken in for a plan; none is ever removed."""
        row = (one.digest, plan, one.to_bytes().decode())
        self._base.execute("insert or ignore into statements values (?, ?, ?)", row)

    def statements(self, plan: str) -> list[Statement]:
        """The signed statements kept for a plan."""
        rows = self._base.execute("select body from statements where plan = ? order by digest", (plan,))
        return [parse_statement(str(row[0])) for row in rows]

    def secret(self, purpose: str, make: Callable[[], bytes]) -> bytes:
        """A key for keyed digests; made once, it outlasts the hospital's keys, as what was digested with it must."""
        row = (purpose, make())
        self._base.execute("insert or ignore into secrets values (?, ?)", row)
        return bytes(self._base.execute("select secret from secrets where purpose = ?", (purpose,)).fetchone()[0])

    def keep_review(self, review: Review, shown: bytes) -> None:
        """Keep what was referred, and what its reviewers are shown; again is the newer content of the same."""
        row = (review.review, review.plan, review.kind, review.analysis, review.content, shown)
        self._base.execute("insert or replace into reviews values (?, ?, ?, ?, ?, ?)", row)

    def keep_act(self, act: Act, receipt: Entry) -> None:
        """Keep what was done in a review, with its receipt, before that is written to the ledger."""
        row = (act.digest, act.review, act.to_bytes().decode(), receipt.line)
        self._base.execute("insert into acts (digest, review, body, receipt) values (?, ?, ?, ?)", row)

    def reviews(self, site: str) -> list[Review]:
        """Everything that was referred at this hospital, in order, with what was done about it."""
        rows = self._base.execute("select review, plan, kind, analysis, content from reviews order by rowid")
        return [
            Review(name, site, plan, kind, analysis, content, self._acts(name))
            for name, plan, kind, analysis, content in rows
        ]

    def _acts(self, review: str) -> tuple[Act, ...]:
        rows = self._base.execute("select body from acts where review = ? order by number", (review,))
        return tuple(parse_act(str(row[0])) for row in rows)

    def shown(self, review: str) -> bytes:
        """What the reviewers of something are shown."""
        row = self._base.execute("select shown from reviews where review = ?", (review,)).fetchone()
        return bytes(row[0])

    def run_key(self, study: str) -> bytes:
        """The private sealing key of a study's run; empty where there is none, or no longer."""
        row = self._base.execute("select sealing from run_keys where study = ?", (study,)).fetchone()
        return bytes(row[0]) if row else b""

    def keep_run_key(self, study: str, sealing: bytes) -> None:
        """Keep the private sealing key of a study's run."""
        self._base.execute("insert or ignore into run_keys values (?, ?)", (study, sealing))

    def destroy_run_key(self, study: str) -> None:
        """Overwrite and remove the key: from now on nobody can open what was sealed to it."""
        self._destroy("run_keys", "study", study)

    def arrived(self, plan: str) -> list[bytes]:
        """What came with a plan's requests, in its order."""
        rows = self._base.execute("select body from arrived where plan = ? order by number", (plan,))
        return [bytes(row[0]) for row in rows]

    def keep_arrived(self, plan: str, body: bytes) -> None:
        """Keep what came with a request, for later ones name it."""
        self._base.execute("insert into arrived (plan, body) values (?, ?)", (plan, body))

    def destroy_arrived(self, plan: str) -> None:
        """Overwrite and remove what came with a plan's requests, of which others' envelopes were opened."""
        self._destroy("arrived", "plan", plan)

    def _destroy(self, table: str, key: str, value: str) -> None:
        self._base.execute("pragma secure_delete=on")
        self._base.execute(f"delete from {table} where {key} = ?", (value,))
        self._base.execute("pragma wal_checkpoint(truncate)")

    def places(self, tags: Sequence[bytes]) -> NDArray[np.int64]:
        """The lasting place of each person's tag among all people ever answered about."""
        # All that came at one time are one row, one tag after the other: a row each takes many times as long.
        kept = b"".join(part for (part,) in self._base.execute("select tags from people order by first"))
        known = {kept[at : at + TAG]: at // TAG for at in range(0, len(kept), TAG)}
        fresh = [tag for tag in dict.fromkeys(tags) if tag not in known]
        if fresh:
            self._base.execute("insert into people values (?, ?)", (len(known), b"".join(fresh)))
            known.update(zip(fresh, range(len(known), len(known) + len(fresh)), strict=True))
        return np.fromiter((known[tag] for tag in tags), np.int64, len(tags))

    def roster(self, key: str) -> tuple[str, ...]:
        """The hospitals over which sums were opened under a key; empty where none was."""
        row = self._base.execute("select roster from rosters where key = ?", (key,)).fetchone()
        return tuple(json.loads(row[0])) if row else ()

    def keep_roster(self, key: str, roster: Sequence[str]) -> None:
        """Remember over which hospitals sums are opened under a key."""
        self._base.execute("insert or ignore into rosters values (?, ?)", (key, json.dumps(list(roster))))

    def cohorts(self) -> dict[str, NDArray[np.uint8]]:
        """The packed membership bits of every answered cohort."""
        rows = self._base.execute("select key, members from cohorts")
        return {key: np.frombuffer(members, np.uint8) for key, members in rows}

    def keep_cohort(self, key: str, members: NDArray[np.uint8]) -> None:
        """Remember whom an answered cohort held."""
        self._base.execute("insert or ignore into cohorts values (?, ?)", (key, members.tobytes()))

    def members(self, key: str) -> NDArray[np.uint8]:
        """The packed membership bits of an answered cohort."""
        row = self._base.execute("select members from cohorts where key = ?", (key,)).fetchone()
        return np.frombuffer(row[0] if row else b"", np.uint8)

    def keep_asked(self, plan: str, analysis: str, people: str, body: str) -> None:
        """Remember which people an analysis of a plan is about, by their cohort's key, and what it asks of them."""
        self._base.execute("insert or ignore into asked values (?, ?, ?, ?)", (plan, analysis, people, body))

    def asked(self) -> list[tuple[str, str, str, str]]:
        """What analyses asked of whom: plan, analysis, the people's key, and the rest."""
        rows = self._base.execute("select plan, analysis, people, body from asked order by rowid")
        return [(str(plan), str(analysis), str(people), str(body)) for plan, analysis, people, body in rows]

    def keep_ends(self, ends: Iterable[tuple[str, str, str, str, str, bytes]]) -> None:
        """Remember where plans divided people: plan, people, kind, of what, its bits, and the cuts (float64)."""
        query = "insert or ignore into ends (plan, people, kind, of, bits, cuts) values (?, ?, ?, ?, ?, ?)"
        with self._base:  # all or none
            self._base.execute("begin immediate")
            self._base.executemany(query, ends)

    def ends(self, after: int) -> list[tuple[Any, ...]]:
        """What was kept of ends after a number: that of each, and the rest."""
        query = "select number, plan, people, kind, of, bits, cuts from ends where number > ? order by number"
        return list(self._base.execute(query, (after,)))

    def keep_fingerprints(self, columns: Iterable[tuple[str, bytes]]) -> None:
        """Remember what the values of columns were, as keyed bits by lasting place, with their digests."""
        with self._base:  # all or none
            self._base.execute("begin immediate")
            self._base.executemany("insert or ignore into fingerprints values (?, ?)", columns)

    def fingerprints(self, digest: str) -> NDArray[np.uint16]:
        """The keyed bits that were kept."""
        row = self._base.execute("select body from fingerprints where digest = ?", (digest,)).fetchone()
        return np.frombuffer(row[0] if row else b"", np.uint16)
