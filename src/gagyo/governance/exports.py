"""The yearly count of persons whose data an exporter sent abroad: zero for what the platform itself sends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gagyo.governance.derive import ROWS, SUMMARIES, Subject


@dataclass(frozen=True)
class Exported:
    """Persons of one exporter since 1 January. `platform`: by what the plan sends; `beside`: declared rows, if known.

    platform is None where the plan sends something that is not known to be an aggregate.
    """

    site: str
    platform: int | None
    beside: int | None


def exported(site: str, found: Iterable[Subject]) -> Exported:
    """The count of one exporter. An aggregate holds no person's record, so it adds nobody."""
    own = [one for one in found if one.site == site]
    planned = [one.thing for one in own if one.planned]
    rows = [one.people for one in own if not one.planned and one.thing in ROWS and _abroad(one)]
    return Exported(
        site,
        0 if all(thing in SUMMARIES for thing in planned) else None,
        None if None in rows else sum(people for people in rows if people is not None),
    )


def _abroad(one: Subject) -> bool:
    return one.facts.get("egress.leaves_country") != "none"
