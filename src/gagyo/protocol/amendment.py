"""What an amended plan changes: every difference, what each hospital would now send, and which analyses are touched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from gagyo.canonical import plain
from gagyo.protocol.plan import Plan

Touch = Literal[
    "new", "definition", "cohort", "people", "variables", "method", "sends", "hospitals", "limits", "follows"
]
"""Why an analysis has to be looked at again: it is new; it is written otherwise; its cohort is; other variables decide
who counts as complete; a variable is declared otherwise; its method's source changed; it sends something else; other
hospitals take part; the gate's limits changed; it starts from an analysis that is touched."""
OPEN_TO_AMEND = ("analyses", "cohorts", "variables", "title", "order")
"""Parts of a study whose changes show as touched analyses, or touch nobody; a change of any other is of the study."""
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Change:
    """One difference: where it is in the plan, and what stood and stands there; None where nothing does."""

    path: tuple[str, ...]
    before: Any
    after: Any


@dataclass(frozen=True)
class Sending:
    """What one hospital would send in a step of an analysis, as a plan's `sends` tells it, before and after."""

    site: str
    analysis: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True)
class Amendment:
    """The difference between two plans."""

    old: Plan
    new: Plan

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Every difference in what the digest covers; empty exactly where both plans have one digest."""
        return tuple(_changes(_said(self.old), _said(self.new)))

    @cached_property
    def sendings(self) -> tuple[Sending, ...]:
        """By hospital, what it would now send and did not, or no longer, or otherwise."""
        sites = dict.fromkeys((*self.new.study.sites, *self.old.study.sites))
        return tuple(one for site in sites for one in _sendings(site, self.old, self.new))

    @cached_property
    def touched(self) -> dict[str, tuple[Touch, ...]]:
        """By analysis of the new plan, why it has to be looked at again; nothing where it is as it was."""
        found = {name: tuple(_touches(name, self.old, self.new)) for name in self.new.study.analyses}
        for _ in found:  # as often as one analysis can start from another
            for name, why in found.items():
                if not why and any(found.get(other) for other in _words(_analysis(self.new, name)) - {name}):
                    found[name] = ("follows",)
        return found

    @cached_property
    def untouched(self) -> frozenset[str]:
        """Analyses for which a yes to the old plan says as much of the new one; none where the study itself changed.

        "" is among them, for what belongs to no analysis, where no cohort is new. Sealing keys of a run are left out:
        whoever looks at keys has to look again.
        """
        if not all(_of_analyses(one.path) for one in self.changes):
            return frozenset()
        before, after = (plan.study.canonical()["cohorts"] for plan in (self.old, self.new))
        known = all(before.get(name) == one for name, one in after.items())
        return frozenset(name for name, why in self.touched.items() if not why) | ({""} if known else frozenset())

    def to_json(self) -> dict[str, Any]:
        """The difference as plain data."""
        return {
            "old": self.old.digest,
            "new": self.new.digest,
            "changes": plain(self.changes),
            "sends": plain(self.sendings),
            "analyses": plain(self.touched),
        }


def _said(plan: Plan) -> dict[str, Any]:
    """What a plan's digest covers."""
    said: dict[str, Any] = plain(plan)
    del said["text"]
    return {**said, "study": {**plan.study.canonical(), "order": list(plan.study.analyses)}}


def _changes(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _changes(before.get(key), after.get(key), (*path, key))
    elif plain(before) != plain(after):
        yield Change(path, plain(before), plain(after))


def _of_analyses(path: tuple[str, ...]) -> bool:
    """Whether a difference is one of analyses, or of the keys of a run, and not of the study."""
    if path[0] == "study":
        return path[1] in OPEN_TO_AMEND
    return path[0] in ("methods", "sends") or (path[0] == "keys" and path[-1] == "sealing")


def _sendings(site: str, old: Plan, new: Plan) -> Iterator[Sending]:
    for analysis in dict.fromkeys((*new.sends, *old.sends)):
        before = list(old.sends.get(analysis, ())) if site in old.study.sites else []
        after = list(new.sends.get(analysis, ())) if site in new.study.sites else []
        same = [one for one in after if one in before]
        gone = {one["step"]: one for one in before if one not in same}
        for one in (one for one in after if one not in same):
            yield Sending(site, analysis, gone.pop(one["step"], None), one)
        yield from (Sending(site, analysis, one, None) for one in gone.values())


# ── which analyses are touched ────────────────────────────────────────────────────────────────────────────────────


def _touches(name: str, old: Plan, new: Plan) -> Iterator[Touch]:
    if name not in old.study.analyses:
        yield "new"
        return
    one = new.study.analyses[name]
    if _analysis(old, name) != _analysis(new, name):
        yield "definition"
    if _cohort(old, one.cohort) != _cohort(new, one.cohort):
        yield "cohort"
    before, after = _used(old, old.study.analyses[name].cohort), _used(new, one.cohort)
    if set(before) != set(after):
        yield "people"
    elif before != after:
        yield "variables"
    if old.methods.get(one.method) != new.methods.get(one.method):
        yield "method"
    if old.sends.get(name) != new.sends.get(name):
        yield "sends"
    if set(old.study.sites) != set(new.study.sites):
        yield "hospitals"
    if plain(old.limits) != plain(new.limits):
        yield "limits"


def _analysis(plan: Plan, name: str) -> Any:
    return plan.study.canonical()["analyses"][name]


def _cohort(plan: Plan, name: str) -> Any:
    return plan.study.canonical()["cohorts"].get(name)


def _used(plan: Plan, cohort: str) -> dict[str, Any]:
    """Variables, with their declarations, of all analyses of a cohort: together they decide who has complete values."""
    analyses = {name: _analysis(plan, name) for name, one in plan.study.analyses.items() if one.cohort == cohort}
    words = _words([analyses, _cohort(plan, cohort)])
    return {name: plain(one) for name, one in plan.study.variables.items() if name in words}


def _words(value: Any) -> set[str]:
    """Every name that stands anywhere in a record."""
    if isinstance(value, dict):
        return {word for entry in value.items() for word in _words(list(entry))}
    if isinstance(value, list):
        return {word for entry in value for word in _words(entry)}
    return set(WORD.findall(value)) if isinstance(value, str) else set()
