"""What counted people say of a study: numbers by hospital, what each design lacks, and which hospital would supply it.

Numbers that a hospital withheld count as nobody, so that what is called feasible is so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Literal

import numpy as np

from gagyo.canonical import plain
from gagyo.coordinator.sizes import Required
from gagyo.finding import Finding
from gagyo.protocol.counting import Counting
from gagyo.protocol.study import Study
from gagyo.release.decision import Answer
from gagyo.text import Text

State = Literal["counted", "withheld", "refused", "silent"]


@dataclass(frozen=True)
class Count:
    """A cohort at a hospital. None is a number that was withheld; missing: by variable, among those selected."""

    state: State
    analysed: int | None = None
    not_selected: int | None = None
    incomplete: int | None = None
    missing: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Hospital:
    """A hospital as it named itself, or by its name in the study. why: what keeps it from answering, where known."""

    name: str
    state: State
    country: str = ""
    label: Text = field(default_factory=lambda: Text(""))
    why: Finding | None = None


@dataclass(frozen=True)
class Verdict:
    """One design against what was counted.

    have, need: by part that was counted; none where the design names no cohort. reached: the power (or half width) that
    the counted people give. indispensable: hospitals without which it would not be feasible. another: hospitals, or
    countries, of which one more of the size would make it so. times: by hospital, how many more of its size would be
    needed, where one is not enough. unheard: hospitals that told no number, and so might bring what is missing; none
    where what they told of wider groups says that they cannot.
    """

    required: Required
    have: Mapping[str, int] = field(default_factory=dict)
    need: Mapping[str, int] = field(default_factory=dict)
    reached: float | None = None
    indispensable: tuple[str, ...] = ()
    another: tuple[str, ...] = ()
    another_country: tuple[str, ...] = ()
    times: Mapping[str, int] = field(default_factory=dict)
    unheard: tuple[str, ...] = ()

    @property
    def short(self) -> dict[str, int]:
        """By part, how many are missing; nothing where none are."""
        return {part: self.need[part] - self.have[part] for part in self.need if self.have[part] < self.need[part]}

    @property
    def feasible(self) -> bool | None:
        """Whether there are enough; None where nothing was counted for the design."""
        return not self.short if self.need else None


@dataclass(frozen=True)
class Feasibility:
    """counts: by cohort and hospital. steps: by cohort, each condition with the people who meet it and all before."""

    study: Study
    hospitals: Mapping[str, Hospital]
    counts: Mapping[str, Mapping[str, Count]]
    steps: Mapping[str, tuple[tuple[str, Mapping[str, int | None]], ...]]
    verdicts: Mapping[str, Verdict]

    def total(self, cohort: str) -> int:
        """People of a cohort at the hospitals that told their number."""
        return sum(one.analysed or 0 for one in self.counts[cohort].values())

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "study": self.study.study,
            "minimum_people": self.study.release.minimum_people,
            "hospitals": {name: _hospital(one) for name, one in self.hospitals.items()},
            "cohorts": {
                name: {
                    "people": self.total(name),
                    "hospitals": plain(by_site),
                    "steps": [{"condition": text, "people": dict(met)} for text, met in self.steps[name]],
                }
                for name, by_site in self.counts.items()
            },
            "designs": {name: _verdict(one) for name, one in self.verdicts.items()},
        }


def _hospital(one: Hospital) -> dict[str, Any]:
    return {"state": one.state, "country": one.country, "why": one.why.code if one.why else None}


def _verdict(one: Verdict) -> dict[str, Any]:
    return {
        **one.required.to_json(),
        "feasible": one.feasible,
        "have": dict(one.have),
        "need": dict(one.need),
        "short": one.short,
        "reached": one.reached,
        "indispensable": list(one.indispensable),
        "one_more_like": list(one.another),
        "one_more_country_like": list(one.another_country),
        "more_like": dict(one.times),
        "unheard": list(one.unheard),
    }


def feasibility(
    ruled: Study,
    study: Study,
    counting: Counting,
    answers: Mapping[str, Answer],
    needs: Mapping[str, Required],
    why: Mapping[str, Finding],
    silent: Collection[str] = (),
) -> Feasibility:
    """What the preflights of a counting study say.

    ruled: that study with the minimum of people that its plan sets. why: by hospital, what kept it from answering.
    """
    hospitals = {site: _told_by(site, answers.get(site), why.get(site), site in silent) for site in study.sites}
    counts = {
        cohort: {site: _count(one, answers.get(site), cohort, study) for site, one in hospitals.items()}
        for cohort in counting.study.cohorts
    }
    steps = {
        cohort: tuple(
            (text, {site: _met(one, name == cohort) for site, one in counts[name].items()}) for text, name in met
        )
        for cohort, met in counting.steps.items()
    }
    verdicts = {}
    for name, one in needs.items():
        wider = steps.get(study.planning[name].cohort, ())
        most = {
            site: min((some for _, met in wider if (some := met[site]) is not None), default=None) for site in hospitals
        }
        verdicts[name] = _judged(one, counting.parts[name], counts, hospitals, most)
    return Feasibility(
        replace(study, release=ruled.release),
        hospitals,
        {name: counts[name] for name in study.cohorts},
        steps,
        verdicts,
    )


def _told_by(site: str, answer: Answer | None, why: Finding | None, silent: bool) -> Hospital:
    if answer is None:
        return Hospital(site, "silent" if silent else "refused", label=Text(site), why=why)
    about = answer.payload["about"]
    return Hospital(site, "counted", about.get("country", ""), Text(**(about.get("label") or {"en": site})))


def _count(hospital: Hospital, answer: Answer | None, cohort: str, study: Study) -> Count:
    if answer is None:
        return Count(hospital.state)
    if answer.payload["cohorts"][cohort] != "ready":
        return Count("withheld")
    values = answer.payload["values"]
    analysed, not_selected, incomplete = (_whole(one) for one in np.asarray(values[f"{cohort}.flow"]))
    missing = [_whole(one) for one in np.asarray(values[f"{cohort}.missing"])]
    return Count("counted", analysed, not_selected, incomplete, dict(zip(study.variables, missing, strict=True)))


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _met(one: Count, whole: bool) -> int | None:
    """Those who meet all conditions: of the cohort itself also those who lack a value."""
    if not whole:
        return one.analysed
    return None if one.analysed is None or one.incomplete is None else one.analysed + one.incomplete


# ── designs against counts ────────────────────────────────────────────────────────────────────────────────────────

Parts = Mapping[str, int]


def _judged(
    required: Required,
    parts: Mapping[str, str],
    counts: Mapping[str, Mapping[str, Count]],
    hospitals: Mapping[str, Hospital],
    most: Mapping[str, int | None],
) -> Verdict:
    """most: by hospital, how many people of the design's cohort it has at the most, where it told of wider groups."""
    needed = {need.part: need.number for need in required.needs}
    if required.people is not None:
        needed.setdefault("people", required.people)
    need: dict[str, int] = {part: needed[part] for part in parts if part in needed}
    if not need:
        return Verdict(required)
    brings = {site: {part: counts[parts[part]][site].analysed or 0 for part in need} for site in hospitals}
    have = _sum(brings.values(), need)
    countries = _by_country(brings, hospitals, need)
    told = {site: one for site, one in brings.items() if all(one.values())}
    return Verdict(
        required,
        have,
        need,
        required.reached(have),
        tuple(site for site, one in brings.items() if _enough(have, need) and not _enough(_less(have, one), need)),
        tuple(site for site, one in told.items() if _made_so(have, one, need)),
        tuple(country for country, one in countries.items() if _made_so(have, one, need)),
        {site: times for site, one in told.items() if (times := _times(have, one, need)) > 1},
        _might_bring({site: most[site] for site, one in brings.items() if not all(one.values())}, have, need),
    )


def _might_bring(most: Mapping[str, int | None], have: Parts, need: Parts) -> tuple[str, ...]:
    """Hospitals that told no number, where all together may have whoever is missing. most: of each, where known."""
    short = max((need[part] - have[part] for part in need), default=0)
    limits = [one for one in most.values() if one is not None]
    return () if len(limits) == len(most) and sum(limits) < short else tuple(most)


def _sum(brings: Iterable[Parts], need: Parts) -> dict[str, int]:
    every = list(brings)
    return {part: sum(one[part] for one in every) for part in need}


def _by_country(
    brings: Mapping[str, Parts], hospitals: Mapping[str, Hospital], need: Parts
) -> dict[str, dict[str, int]]:
    named = dict.fromkeys(hospitals[site].country for site in brings if hospitals[site].country)
    of = {country: [one for site, one in brings.items() if hospitals[site].country == country] for country in named}
    return {country: _sum(some, need) for country, some in of.items()}


def _enough(have: Parts, need: Parts) -> bool:
    return all(have[part] >= need[part] for part in need)


def _less(have: Parts, one: Parts) -> dict[str, int]:
    return {part: have[part] - one[part] for part in have}


def _made_so(have: Parts, one: Parts, need: Parts) -> bool:
    """Whether what is not feasible would be with as many again."""
    return not _enough(have, need) and _enough({part: have[part] + one[part] for part in have}, need)


def _times(have: Parts, one: Parts, need: Parts) -> int:
    """How many hospitals of a size would supply what is missing."""
    return max(ceil(max(need[part] - have[part], 0) / one[part]) for part in need)
