"""The planning part of a study file: what the study must be able to show, from which the people needed follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, log
from typing import Any, Protocol

from gagyo.canonical import plain
from gagyo.protocol.guards import listed, nearest, short
from gagyo.protocol.variables import Variable
from gagyo.protocol.written import Entry, Table
from gagyo.text import Text


class Whom(Protocol):
    """A cohort, by its name."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Bound:
    """A number's bounds; `closed` where the lower one is allowed itself. whole: only whole numbers."""

    low: float = -inf
    high: float = inf
    closed: bool = False
    whole: bool = False

    def __str__(self) -> str:
        low = "" if self.low == -inf else f"{'≥' if self.closed else '>'} {self.low:g}"
        high = "" if self.high == inf else f"< {self.high:g}"
        return ", ".join(part for part in (low, high) if part)

    def holds(self, value: float) -> bool:
        """Whether a number is within."""
        return (value >= self.low if self.closed else value > self.low) and value < self.high


SHARE, POSITIVE, ANY = Bound(0, 1), Bound(0), Bound()
FROM_ZERO = Bound(0, closed=True)
AIMS = ("superiority", "non_inferiority", "equivalence")

NUMBERS: dict[str, Bound] = {
    **{"difference": ANY, "sd": POSITIVE, "margin": POSITIVE, "alpha": Bound(0, 0.5), "power": SHARE},
    **{"ratio": POSITIVE, "sides": Bound(1, 3, closed=True, whole=True), "control": SHARE, "treated": SHARE},
    **{"hazard_ratio": POSITIVE, "hazard": POSITIVE, "median": POSITIVE, "accrual": FROM_ZERO},
    **{"follow_up": FROM_ZERO, "dropout": FROM_ZERO, "auc": SHARE, "null": SHARE, "half_width": Bound(0, 0.5)},
    **{"sensitivity": SHARE, "specificity": SHARE, "prevalence": SHARE, "level": Bound(0.5, 1), "r2": SHARE},
    **{"parameters": Bound(1, closed=True, whole=True), "loss": Bound(0, 1, closed=True)},
    **{"cluster_size": Bound(1, closed=True), "icc": Bound(0, 1, closed=True), "variation": FROM_ZERO},
    "fraction": SHARE,
}
"""Every number that a design may say, with its bounds."""

WORDS: dict[str, tuple[str, ...]] = {
    "aim": AIMS,
    "better": ("higher", "lower"),
    "interval": ("normal", "wilson", "exact"),
    "variance": ("hanley_mcneil", "obuchowski"),
    "formula": ("schoenfeld", "lachin_foulkes"),
}
"""Every choice, the first being the default."""


@dataclass(frozen=True)
class Shape:
    """What a kind of design must say and may say. parts: the variable that tells who is in which part of the people."""

    needs: tuple[str, ...]
    may: tuple[str, ...] = ()
    parts: str = ""


TEST = ("alpha", "sides", "aim", "margin", "ratio", "regions", "fraction")
COURSE = ("hazard", "median", "accrual", "follow_up", "dropout")
COMMON = ("cohort", "label", "loss", "cluster_size", "icc", "variation")
SHAPES: dict[str, Shape] = {
    "two_means": Shape(("difference", "sd", "power"), TEST, "group"),
    "two_proportions": Shape(("control", "treated", "power"), (*TEST, "better"), "group"),
    "survival": Shape(("hazard_ratio", "power"), (*TEST, *COURSE, "formula", "event"), "group"),
    "auc": Shape(
        ("auc",), ("power", "half_width", "null", "alpha", "sides", "ratio", "variance", "level"), "condition"
    ),
    "accuracy": Shape(("sensitivity", "specificity", "half_width", "prevalence"), ("interval", "level"), "condition"),
    "prediction": Shape(("r2", "parameters", "prevalence"), (), "condition"),
}
"""The designs, with the keys of each."""

REGION = r"[A-Za-z][A-Za-z0-9_-]*"
VARIABLES = ("group", "condition", "event")


@dataclass(frozen=True)
class Design:
    """One question of planning. numbers, words: as written, with the defaults of choices; variables: of which parts.

    regions: the share of the people that each region will have, where their consistency is asked about.
    """

    name: str
    design: str
    cohort: str = ""
    label: Text = field(default_factory=lambda: Text(""))
    numbers: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, float] = field(default_factory=dict)

    def get(self, name: str, default: float) -> float:
        """A number, or what holds where it is not written."""
        return self.numbers.get(name, default)

    @property
    def sides(self) -> int:
        """Sides of the test: of superiority two where nothing else is written, of the others one."""
        return int(self.get("sides", 2)) if self.words.get("aim", "superiority") == "superiority" else 1

    @property
    def alpha(self) -> float:
        """The test's level: 0.05 where nothing is written, 0.025 for non-inferiority."""
        return self.get("alpha", 0.025 if self.words.get("aim") == "non_inferiority" else 0.05)

    def canonical(self) -> dict[str, Any]:
        """The design as plain data that digests are made of."""
        said = {"design": self.design, "cohort": self.cohort, "label": plain(self.label)}
        regions = {"regions": plain(self.regions)} if self.regions else {}
        return {**said, **plain(self.numbers), **self.words, **self.variables, **regions}


def read_designs(entry: Entry, cohorts: Mapping[str, Whom], variables: Mapping[str, Variable]) -> dict[str, Design]:
    """The designs of a planning part; every fault is noted at its line."""
    return {name: _design(name, one, cohorts, variables) for name, one in entry.named().items()}


def _design(name: str, entry: Entry, cohorts: Mapping[str, Whom], variables: Mapping[str, Variable]) -> Design:
    kind = _kind(entry)
    if not kind:
        return Design(name, "")
    shape = SHAPES[kind]
    others = (*shape.may, *COMMON, shape.parts)
    keys = entry.table(("design", *shape.needs), others)
    numbers = {key: value for key in keys if key in NUMBERS and (value := _number(keys[key], NUMBERS[key])) is not None}
    words = {key: _word(keys, key) for key in (*shape.needs, *others) if key in WORDS}
    found = Design(
        name,
        kind,
        _cohort(keys, cohorts),
        keys["label"].label() if "label" in keys else Text(""),
        numbers,
        words,
        {key: _variable(keys[key], key, variables) for key in VARIABLES if key in keys},
        _regions(keys["regions"]) if "regions" in keys else {},
    )
    for key, code, values in _faults(found):
        keys.get(key, entry).fault(code, **values)
    return found


def _kind(entry: Entry) -> str:
    if not isinstance(entry.value, dict):
        entry.wrong("table")
        return ""
    if "design" not in entry.value:
        entry.fault("missing_key", found=listed(entry.value), expected="design")
        return ""
    return entry.value["design"].one_of(SHAPES) or ""


def _number(entry: Entry, bound: Bound) -> float | None:
    value = entry.number()
    if value is None:
        return None
    if bound.whole and value != int(value):
        entry.wrong("integer")
        return None
    if not bound.holds(value):
        entry.fault("out_of_bounds", found=f"{value:g}", expected=str(bound))
        return None
    return value


def _regions(entry: Entry) -> dict[str, float]:
    """Shares that add to one."""
    inner = entry.named(REGION)
    found = {name: share for name, one in inner.items() if (share := _number(one, SHARE)) is not None}
    if len(found) == len(inner) and (len(found) < 2 or abs(sum(found.values()) - 1) > 1e-6):
        entry.fault("planning_regions", found=f"{sum(found.values()):g}")
    return found


def _word(keys: Table, key: str) -> str:
    return (keys[key].one_of(WORDS[key]) if key in keys else None) or WORDS[key][0]


def _cohort(keys: Table, cohorts: Mapping[str, Whom]) -> str:
    if "cohort" not in keys:
        return next(iter(cohorts)) if len(cohorts) == 1 else ""
    found = keys["cohort"].text() or ""
    if found and found not in cohorts:
        keys["cohort"].fault(
            "unknown_cohort", found=short(found), expected=listed(cohorts), hint=nearest(found, cohorts)
        )
    return found


def _variable(entry: Entry, key: str, variables: Mapping[str, Variable]) -> str:
    """A boolean; a group may also be a category of two levels."""
    name = entry.text() or ""
    if name and name not in variables:
        entry.fault("unknown_variable", found=short(name), expected=listed(variables), hint=nearest(name, variables))
    elif name:
        one = variables[name]
        if not (one.type == "boolean" or (key == "group" and one.type == "category" and len(one.levels) == 2)):
            entry.fault("planning_variable", found=name, role=key, type=one.type)
    return name


def _faults(one: Design) -> Iterator[tuple[str, str, dict[str, object]]]:
    """What does not fit together: the key where it stands, the code, and its values."""
    aim = one.words.get("aim", "superiority")
    if aim != "superiority" and "margin" not in one.numbers:
        yield "aim", "planning_margin", {"found": aim}
    if aim == "superiority" and "margin" in one.numbers:
        yield "margin", "planning_no_margin", {"found": f"{one.numbers['margin']:g}"}
    if "sides" in one.numbers and aim != "superiority":
        yield "sides", "planning_sides", {"found": aim}
    if one.design == "auc" and ("power" in one.numbers) == ("half_width" in one.numbers):
        yield "auc", "planning_goal", {}
    if one.words.get("variance") == "obuchowski" and (one.get("null", 0.5) != 0.5 or "half_width" in one.numbers):
        yield "variance", "planning_obuchowski", {"found": f"{one.get('null', 0.5):g}"}
    if one.regions and aim != "superiority":
        yield "regions", "planning_regions_aim", {"found": aim}
    yield from _course_faults(one)
    if {"icc", "variation"} & set(one.numbers) and "cluster_size" not in one.numbers:
        yield "icc", "missing_key", {"found": listed(one.numbers), "expected": "cluster_size"}
    if "cluster_size" in one.numbers and "icc" not in one.numbers:
        yield "cluster_size", "missing_key", {"found": listed(one.numbers), "expected": "icc"}
    yield from _effect_faults(one, aim)


def _course_faults(one: Design) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Of a course either all is said or nothing; its rate once."""
    if one.design != "survival":
        return
    said = {key for key in COURSE if key in one.numbers}
    rates = said & {"hazard", "median"}
    wanted = bool(said) or one.words.get("formula") == "lachin_foulkes"
    if one.numbers.get("margin", inf) <= 1:
        yield "margin", "out_of_bounds", {"found": f"{one.numbers['margin']:g}", "expected": "> 1"}
    if wanted and (len(rates) != 1 or not {"accrual", "follow_up"} <= said):
        expected = "accrual, follow_up, hazard / median"
        yield "design", "planning_course", {"found": listed(sorted(said)) or "0", "expected": expected}
    elif said and one.numbers["accrual"] + one.numbers["follow_up"] == 0:
        yield "accrual", "out_of_bounds", {"found": "0", "expected": "accrual + follow_up > 0"}
    if one.words.get("formula") == "lachin_foulkes" and one.words.get("aim") != "superiority":
        yield "formula", "planning_lachin", {"found": one.words.get("aim", "")}


def _effect_faults(one: Design, aim: str) -> Iterator[tuple[str, str, dict[str, object]]]:
    """An effect that is none, or lies beyond its margin: no number of people would be enough."""
    effect = _effect(one)
    if effect is None:
        return
    key, value, margin = effect
    beyond = {
        "superiority": value == 0,
        "non_inferiority": margin is not None and value <= -margin,
        "equivalence": margin is not None and abs(value) >= margin,
    }[aim]
    if beyond:
        yield key, "planning_no_effect", {"found": f"{one.numbers[key]:g}", "aim": aim}


def _effect(one: Design) -> tuple[str, float, float | None] | None:
    """The key of a design's effect, its size on the scale of the test (positive is better), and the margin there."""
    numbers, margin = one.numbers, one.numbers.get("margin")
    if one.design == "two_means" and "difference" in numbers:
        return "difference", numbers["difference"], margin
    if one.design == "two_proportions" and {"control", "treated"} <= set(numbers):
        difference = numbers["treated"] - numbers["control"]
        return "treated", -difference if one.words.get("better") == "lower" else difference, margin
    if one.design == "survival" and "hazard_ratio" in numbers:
        return "hazard_ratio", -log(numbers["hazard_ratio"]), None if margin is None else log(margin)
    if one.design == "auc" and "power" in numbers and "auc" in numbers:
        return "auc", numbers["auc"] - one.get("null", 0.5), None
    return None
