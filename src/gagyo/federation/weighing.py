"""How an analysis weighs the people of a treatment: two whose weights differ for a few people tell of these alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gagyo.protocol.study import Analysis

UNWEIGHTED = frozenset(
    [
        "standardisation.groups",
        "standardisation.outcomes",
        "standardisation.propensities",
        "weighting.groups",
        "weighting.overlap",
        "weighting.propensity",
    ]
)
"""Steps of such analyses whose sums have no weights yet."""


@dataclass(frozen=True)
class Weighing:
    """What an analysis says of its weights. treatment, family: those of whom a difference may be a few people's.

    within: the bounds of propensities. kind: the estimand, and whether stabilised. largest: the greatest weight.
    times: of an emulated trial, the variables of which `within` are the ends of intervals.
    """

    treatment: str
    family: str
    within: tuple[float, ...]
    kind: tuple[str, bool] = ("ate", False)
    largest: float | None = None
    times: tuple[str, ...] = ()

    @classmethod
    def of(cls, one: Analysis) -> Weighing | None:
        """None of an analysis without weights."""
        said = one.options
        within = tuple(float(end) for end in said.get("propensity_within") or (0.0, 1.0))
        if one.method == "weighting":
            treatment, estimand = str(said.get("formula")).partition("~")[0].strip(), str(said.get("estimand"))
            family = "ato" if estimand == "ato" else "inverse"
            return cls(treatment, family, within, (estimand, bool(said.get("stabilised"))), said.get("largest_weight"))
        if one.method == "target_trial":
            ends = (said.get("grace"), said.get("horizon"), *(said.get("times") or ()))
            start, time = str(said.get("start")), str(said.get("time"))
            return cls(start, "trial", tuple(sorted(float(str(end)) for end in ends)), times=(start, time))
        if one.method == "standardisation" and said.get("estimator") == "aipw":
            # An augmented mean is a mean by inverse propensities, less what is known.
            return cls(str(said.get("treatment")), "inverse", within)
        return None

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Weighing:
        """Of a record that `plain` made; one of an earlier version has no `times`."""
        within, (estimand, stabilised) = plain["within"], plain["kind"]
        lists = {"within": tuple(float(end) for end in within), "kind": (str(estimand), bool(stabilised))}
        lists["times"] = tuple(plain.get("times", ()))
        return cls(**{**plain, **lists})

    @property
    def plain(self) -> dict[str, Any]:
        """As a record."""
        return asdict(self)

    def apart(self, other: Weighing) -> bool:
        """Whether sums under both may differ by a few people; of trials, by those between their ends of intervals."""
        if (self.treatment, self.family) != (other.treatment, other.family):
            return False
        if self.within != other.within:
            return True
        if self.times:
            return False
        bounded = self.largest is not None or other.largest is not None
        return bounded and (self.kind, self.largest) != (other.kind, other.largest)

    def between(self, other: Weighing) -> list[tuple[float, float]]:
        """From each end of an interval that one of two trials has, to the nearest ends of the other."""
        found = set()
        for mine, theirs in ((self.within, other.within), (other.within, self.within)):
            for end in set(mine) - set(theirs):
                under, over = [x for x in theirs if x < end], [x for x in theirs if x > end]
                found |= {(max(under), end)} if under else set()
                found |= {(end, min(over))} if over else set()
        return sorted(found)
