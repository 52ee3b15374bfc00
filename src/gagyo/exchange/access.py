"""Who may write to whom: one table, asked for every letter at every hub."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Role = Literal["site", "coordinator", "hub"]
State = Literal["waiting", "active", "revoked"]

Doing = Literal["serving", "waiting", "computing", "disk_full", "stopped"]
"""What a hospital's service does: nothing at the moment, wait for a person's decision, compute, wait for room on its
disk; or it was ended."""

DOING: tuple[Doing, ...] = ("serving", "waiting", "computing", "disk_full", "stopped")
ROLES: tuple[Role, ...] = ("site", "coordinator", "hub")
STATES: tuple[State, ...] = ("waiting", "active", "revoked")


@dataclass(frozen=True)
class Standing:
    """What an institution is at a hub; `current` is false where its keys have expired."""

    name: str
    role: Role
    state: State
    current: bool = True


@dataclass(frozen=True)
class Openness:
    """A study as far as the carrier knows it: who coordinates it, who takes part, and whether it is open."""

    coordinator: str
    members: Collection[str]
    open: bool


def refusal(sender: Standing | None, recipient: Standing | None, study: Openness | None) -> str | None:
    """Why a letter may not be carried, as a code; None where it may.

    Within an open study the coordinator writes to members and members to the coordinator; nobody else to anybody.
    """
    if (reason := _standing(sender)) is not None:
        return reason
    if recipient is None or recipient.state != "active" or recipient.role == "hub":
        return "no_such_recipient"
    if study is None or not study.open:
        return "study_not_open"
    if sender is not None and _outside(sender, recipient, study):
        return "not_a_member"
    return None if sender and _between(sender, recipient, study) else "not_allowed"


def _standing(sender: Standing | None) -> str | None:
    if sender is None or sender.state == "waiting":
        return "not_enrolled"
    if sender.state == "revoked":
        return "revoked"
    if not sender.current:
        return "keys_expired"
    return "not_allowed" if sender.role == "hub" else None


def _outside(sender: Standing, recipient: Standing, study: Openness) -> bool:
    """Whether its coordinator and a site that is not, or not any more, a member of the study write to each other."""
    names, site = {sender.name, recipient.name}, recipient if sender.name == study.coordinator else sender
    return study.coordinator in names and site.role == "site" and site.name not in study.members


def _between(sender: Standing, recipient: Standing, study: Openness) -> bool:
    if sender.name == recipient.name:
        return False
    if sender.name == study.coordinator:
        return sender.role == "coordinator" and recipient.name in study.members
    return recipient.name == study.coordinator and recipient.role == "coordinator" and sender.name in study.members
