"""How many people each design of a study's planning part needs, and what a given number of people would reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log
from typing import Any, Literal, cast

from gagyo.errors import FileFault, check_none
from gagyo.finding import Finding, Place
from gagyo.protocol.designs import Design
from gagyo.protocol.study import Study
from gagyo.result import Words
from gagyo.statistics import riley
from gagyo.statistics.consistency import all_positive, fraction_kept, least_share
from gagyo.statistics.distributions import normal_quantile
from gagyo.statistics.sizes import accuracy, times
from gagyo.statistics.sizes.clusters import design_effect
from gagyo.statistics.sizes.least import Unreachable, whole
from gagyo.statistics.sizes.means import Aim, TwoMeans
from gagyo.statistics.sizes.proportions import TwoProportions

Part = Literal["control", "treated", "people", "events", "cases", "others"]
"""Whom a number counts; `others` are people without the condition."""


@dataclass(frozen=True)
class Need:
    """So many people (or events): `number` in the end, `bare` before the design effect and losses, not rounded."""

    part: Part
    number: int
    bare: float


@dataclass(frozen=True)
class Regions:
    """Consistency at planning. kept: method 1 by region; same_direction: method 2; least_share: for 0.8 by method 1."""

    kept: Mapping[str, float]
    same_direction: float
    least_share: float


@dataclass(frozen=True)
class Required:
    """What a design needs. formula: the key of its formula's text, with its source; effect: of clusters."""

    design: Design
    needs: tuple[Need, ...]
    formula: str
    effect: float = 1.0

    @property
    def inflation(self) -> float:
        """How many times more people, by clusters and losses. What is lost is people, not events."""
        return self.effect / (1 - self.design.get("loss", 0))

    @property
    def people(self) -> int | None:
        """People in all; None where only events are planned."""
        if any(need.part == "people" for need in self.needs):
            return next(need.number for need in self.needs if need.part == "people")
        counted = [need.number for need in self.needs if need.part != "events"]
        return sum(counted) if counted else None

    @property
    def regions(self) -> Regions | None:
        """How consistent regions with these shares would be; None where the design names none."""
        one = self.design
        if not one.regions:
            return None
        power, fraction = one.numbers["power"], one.get("fraction", 0.5)
        asked = (power, one.alpha, one.sides)
        kept = {name: fraction_kept(share, *asked, fraction) for name, share in one.regions.items()}
        same = all_positive(tuple(one.regions.values()), *asked)
        return Regions(kept, same, least_share(*asked, fraction))

    def reached(self, counts: Mapping[str, float]) -> float | None:
        """The power, or the half width, that so many people by part reach; None where the parts are not known."""
        bare = {part: number / (self.effect if part == "events" else self.inflation) for part, number in counts.items()}
        return _reached(self.design, bare)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        needs = {need.part: {"number": need.number, "before_inflation": need.bare} for need in self.needs}
        said = {"design": self.design.design, "cohort": self.design.cohort, "needs": needs, "people": self.people}
        regions = {"consistency": asdict(self.regions)} if self.regions else {}
        return {
            **said,
            **regions,
            "inflation": self.inflation,
            "formula": self.formula,
            "numbers": dict(self.design.numbers),
        }


def required(study: Study) -> dict[str, Required]:
    """What every design of a study needs.

    Raises:
        FileFault: the study has no planning part, or no number of people is enough.
    """
    if not study.planning:
        raise FileFault.of("no_planning", found=study.file)
    found: dict[str, Required] = {}
    faults = []
    for name, design in study.planning.items():
        try:
            found[name] = required_by(design)
        except Unreachable:
            place = Place(study.file, None, f"planning.{name}")
            faults.append(Finding("planning_unreachable", place=place, values={"found": name}))
    check_none(faults)
    return found


def required_by(design: Design) -> Required:
    """What a design needs.

    Raises:
        Unreachable: no number of people is enough.
    """
    effect = design_effect(design.get("cluster_size", 1), design.get("icc", 0), design.get("variation", 0))
    bare, formula = NEEDS[design.design](design)
    people = effect / (1 - design.get("loss", 0))
    needs = tuple(
        Need(part, whole(number * (effect if part == "events" else people)), number) for part, number in bare.items()
    )
    return Required(design, needs, formula, effect)


# ── by kind of design: the parts with their numbers, and the formula's key ────────────────────────────────────────

Bare = tuple[dict[Part, float], str]


def _test(design: Design) -> TwoMeans | TwoProportions:
    aim = cast(Aim, design.words["aim"])
    margin, numbers = design.get("margin", 0), design.numbers
    if design.design == "two_means":
        return TwoMeans(numbers["difference"], numbers["sd"], aim, margin, design.alpha, design.sides)
    better = design.words["better"]
    return TwoProportions(numbers["control"], numbers["treated"], aim, margin, design.alpha, design.sides, better)


def _groups(design: Design) -> Bare:
    control, treated = _test(design).people(design.numbers["power"], design.get("ratio", 1))
    return {"control": control, "treated": treated}, f"{design.design}_{design.words['aim']}"


def _hazards(design: Design) -> times.HazardRatio:
    aim = cast(Aim, design.words["aim"])
    return times.HazardRatio(design.numbers["hazard_ratio"], aim, design.get("margin", 1), design.alpha, design.sides)


def _course(design: Design) -> times.Course | None:
    numbers = design.numbers
    if "accrual" not in numbers:
        return None
    hazard = numbers["hazard"] if "hazard" in numbers else log(2) / numbers["median"]
    return times.Course(hazard, numbers["accrual"], numbers["follow_up"], design.get("dropout", 0))


def _times(design: Design) -> Bare:
    ratio, power, course = design.get("ratio", 1), design.numbers["power"], _course(design)
    hazard_ratio = design.numbers["hazard_ratio"]
    if course is None:
        return {"events": _hazards(design).events(power, ratio)}, "survival_schoenfeld"
    chance = course.chance_of_either(hazard_ratio, ratio)
    if design.words["formula"] == "lachin_foulkes":
        people = times.lachin_foulkes(course, hazard_ratio, power, design.alpha, design.sides, ratio)
        events = people * chance
    else:
        events = _hazards(design).events(power, ratio)
        people = events / chance
    control = people / (1 + ratio)
    return {"events": events, "control": control, "treated": people - control}, f"survival_{design.words['formula']}"


def _area(design: Design) -> accuracy.Area:
    variance = cast(Literal["hanley_mcneil", "obuchowski"], design.words["variance"])
    return accuracy.Area(design.numbers["auc"], design.get("null", 0.5), design.alpha, design.sides, variance)


def _areas(design: Design) -> Bare:
    ratio = design.get("ratio", 1)
    if "half_width" in design.numbers:
        level = design.get("level", 0.95)
        cases, others = accuracy.for_area(design.numbers["auc"], design.numbers["half_width"], ratio, level)
        return {"cases": cases, "others": others}, "auc_width"
    cases, others = _area(design).people(design.numbers["power"], ratio)
    return {"cases": cases, "others": others}, f"auc_{design.words['variance']}"


def _interval(design: Design) -> tuple[accuracy.Interval, float]:
    return cast(accuracy.Interval, design.words["interval"]), design.get("level", 0.95)


def _accuracy(design: Design) -> Bare:
    numbers, (interval, level) = design.numbers, _interval(design)
    cases = accuracy.for_proportion(numbers["sensitivity"], numbers["half_width"], interval, level)
    others = accuracy.for_proportion(numbers["specificity"], numbers["half_width"], interval, level)
    people = max(cases / numbers["prevalence"], others / (1 - numbers["prevalence"]))
    return {"cases": cases, "others": others, "people": people}, f"accuracy_{interval}"


def _prediction(design: Design) -> Bare:
    numbers = design.numbers
    found = riley.required(numbers["r2"], int(numbers["parameters"]), numbers["prevalence"])
    return {"people": float(found.people)}, "prediction"


NEEDS = {
    "two_means": _groups,
    "two_proportions": _groups,
    "survival": _times,
    "auc": _areas,
    "accuracy": _accuracy,
    "prediction": _prediction,
}


def _reached(design: Design, counts: Mapping[str, float]) -> float | None:
    if design.design in ("two_means", "two_proportions"):
        if min(counts.get("control", 0), counts.get("treated", 0)) < 2:
            return None
        return _test(design).power(counts["control"], counts["treated"])
    if design.design == "survival":
        return _hazards(design).power(counts["events"], design.get("ratio", 1)) if counts.get("events") else None
    if min(counts.get("cases", 0), counts.get("others", 0)) < 1:
        return None
    if design.design == "auc":
        return _area_reached(design, counts["cases"], counts["others"])
    if design.design == "accuracy":
        numbers, (interval, level) = design.numbers, _interval(design)
        return max(
            accuracy.half_width(numbers["sensitivity"], counts["cases"], interval, level),
            accuracy.half_width(numbers["specificity"], counts["others"], interval, level),
        )
    return None


def _area_reached(design: Design, cases: float, others: float) -> float:
    if "half_width" in design.numbers:
        z = float(normal_quantile(0.5 + design.get("level", 0.95) / 2))
        return z * float(accuracy.hanley_mcneil(design.numbers["auc"], cases, others) ** 0.5)
    return _area(design).power(cases, others)


def formula_text(found: Required) -> Words:
    """The formula with its source."""
    return Words(f"planning.formula.{found.formula}")
