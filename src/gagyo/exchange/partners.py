"""Two hubs tell each other their institutions and studies; each believes the other only about its own country."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange.access import STATES
from gagyo.exchange.envelope import PublicKeys
from gagyo.exchange.letter import DIGEST, is_name, is_study
from gagyo.exchange.mailbox import register
from gagyo.exchange.mailbox.port import Rows
from gagyo.exchange.mailbox.register import Enrolled, Study

MOST = 2000
"""Institutions, and studies, that a partner may tell."""


def check_study(rows: Rows, study: Study) -> None:
    """A coordinator may open only what is not another's, with institutions that are known here.

    Raises:
        ExchangeFault: `not_allowed`, `no_such_recipient`.
    """
    before = register.study(rows, study.study)
    if before is not None and (before.coordinator, before.home) != (study.coordinator, study.home):
        raise ExchangeFault.of("not_allowed", found=study.coordinator)
    for name in study.members if study.open else ():
        known = register.member(rows, name)
        if known is None or known.role == "hub" or known.state == "revoked":
            raise ExchangeFault.of("no_such_recipient", found=name)


def tell(rows: Rows, partner: str) -> dict[str, Any]:
    """Our own institutions, and our studies in which the partner's take part."""
    known = register.members(rows)
    theirs = {one.name for one in known if one.home == partner}
    studies = [one for one in register.studies(rows) if not one.home and theirs & set(one.members)]
    own = [one for one in known if not one.home and one.role != "hub" and one.state != "waiting"]
    return {"members": [one.to_json() for one in own], "studies": [one.to_json() for one in studies]}


def accept(rows: Rows, partner: Enrolled, told: Mapping[str, Any]) -> None:
    """Keep what a partner tells: institutions of its own country under names that are free, and their studies.

    Raises:
        ExchangeFault: `malformed`. An entry about another country, or under a name that is taken, is left out.
    """
    members = {one.name: one for one in _members(partner, told.get("members"))}
    before = {one.name: one for one in register.members(rows)}
    for name, one in before.items():
        if one.home == partner.name and name not in members:
            rows("DELETE FROM member WHERE name = ?", name)
    free = {name: one for name, one in members.items() if name not in before or before[name].home == partner.name}
    for name, one in free.items():
        if before.get(name) != one:
            register.put_member(rows, one)
    _accept_studies(rows, partner, set(free), told.get("studies"))


def _accept_studies(rows: Rows, partner: Enrolled, coordinators: set[str], told: Any) -> None:
    studies = {one.study: one for one in _studies(partner, told) if one.coordinator in coordinators}
    before = {one.study: one for one in register.studies(rows)}
    for name, one in before.items():
        if one.home == partner.name and name not in studies:
            rows("DELETE FROM study WHERE study = ?", name)
    for name, one in studies.items():
        if name not in before or (before[name].home == partner.name and before[name] != one):
            register.put_study(rows, one)


def _members(partner: Enrolled, told: Any) -> Iterator[Enrolled]:
    for record in _records(told, "members"):
        keys = record.get("keys")
        whole = (
            is_name(record.get("name"))
            and record.get("role") in ("site", "coordinator")
            and record.get("state") in STATES
            and isinstance(keys, dict)
            and all(isinstance(keys.get(key), str) and DIGEST.fullmatch(keys[key]) for key in ("signing", "sealing"))
            and all(_is_time(record.get(key)) for key in ("since", "until"))
        )
        if not whole or not isinstance(keys, dict):
            raise ExchangeFault.of("malformed", found="members")
        if record.get("country") != partner.country:
            continue
        public = PublicKeys(keys["signing"], keys["sealing"])
        yield Enrolled(
            *(record["name"], partner.country, record["role"], record["state"], public),
            *(record["since"], record["until"], partner.name),
        )


def _is_time(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def _studies(partner: Enrolled, told: Any) -> Iterator[Study]:
    for record in _records(told, "studies"):
        members = record.get("members")
        if not (is_study(record.get("study")) and is_name(record.get("coordinator")) and isinstance(members, list)):
            raise ExchangeFault.of("malformed", found="studies")
        if not all(is_name(name) for name in members) or type(record.get("open")) is not bool:
            raise ExchangeFault.of("malformed", found="studies")
        yield Study(record["study"], record["coordinator"], tuple(members), record["open"], partner.name)


def _records(told: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(told, list) or len(told) > MOST or not all(isinstance(one, dict) for one in told):
        raise ExchangeFault.of("malformed", found=name)
    return told


def told_digest(told: Mapping[str, Any]) -> str:
    """Changes when what would be told changes."""
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def note_line(rows: Rows, hub: str, state: str, now: int) -> None:
    """Note how the line to a partner is: `up`, or the code of what fails."""
    rows(
        "INSERT INTO line VALUES (?, ?, ?) ON CONFLICT (hub) DO UPDATE SET at = excluded.at, state = excluded.state",
        *(hub, now, state),
    )


def lines(rows: Rows) -> dict[str, dict[str, Any]]:
    """Every line that this hub dials, and when it was last tried."""
    return {hub: {"state": state, "at": at} for hub, at, state in rows("SELECT hub, at, state FROM line")}
