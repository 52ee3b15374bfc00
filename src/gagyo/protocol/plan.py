"""The plan: what custodians approve, word for word and number for number, under one digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gagyo.canonical import canonical, digest, plain
from gagyo.errors import FileFault
from gagyo.finding import Finding, Place
from gagyo.protocol.study import Study
from gagyo.protocol.written import read_text

WIRE = "1"


@dataclass(frozen=True)
class Plan:
    """A study made exact.

    text: the study file as it is written; the digest is of what it says, in all languages, not of its layout. keys:
    public keys of the coordinator and every hospital. methods: digest of the source of each method that the study uses.
    limits: of the gate. sends: by analysis, what each hospital would send, how many numbers, under secure sum or by
    hospital, and to whom.
    """

    text: str
    keys: Mapping[str, Mapping[str, str]]
    methods: Mapping[str, str]
    limits: Mapping[str, float]
    sends: Mapping[str, tuple[Mapping[str, Any], ...]]
    wire: str = WIRE

    @cached_property
    def written(self) -> Study:
        """The study as its file says it."""
        return Study.parse(self.text, "plan")

    @cached_property
    def study(self) -> Study:
        """The study that the plan makes exact, with the plan's minimum of people where rules set a larger one."""
        study = self.written
        least = int(self.limits.get("minimum_people", 0))
        return replace(study, release=replace(study.release, minimum_people=max(study.release.minimum_people, least)))

    @cached_property
    def digest(self) -> str:
        """What an approval names."""
        said = {**self.study.canonical(), "order": list(self.study.analyses)}
        return digest({**plain(self), "text": said})

    def to_bytes(self) -> bytes:
        """The plan as it is kept in a file."""
        return canonical(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Plan:
        """The plan of a file that `to_bytes` wrote."""
        fields = json.loads(raw)
        fields["sends"] = {name: tuple(entries) for name, entries in fields["sends"].items()}
        return cls(**fields)


def read_plan(path: Path) -> Plan:
    """The plan of a file: `plan.json` of a run's folder, or what `gagyo plan --json` prints.

    Raises:
        FileFault: there is no such file, or it does not hold a plan.
    """
    try:
        plan = Plan.from_bytes(read_text(path).encode())
        plan.digest  # noqa: B018 - a file of another kind has no digest
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise FileFault(Finding("plan_unreadable", place=Place(str(path)), values={"found": path.name})) from None
    return plan
