"""Which weights of one treatment a study may ask for together: none that differ for a few people alone.

Bounds hold a weight of those few who lie beyond them. Two analyses that differ in their bounds have sums that differ by
these people, of whom one may be alone with a greater weight: her outcome and every covariate. An augmented mean (AIPW)
beside a weighted one is no other: her residuals of several outcomes with one weight. So a study brings the
propensities of a treatment within one pair of bounds; and where weights have a greatest one, it asks for one kind of
weights, since those of ATE and ATT are the same but for a constant in the untreated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gagyo.finding import Finding
from gagyo.protocol.study import Analysis, Study


@dataclass(frozen=True)
class _Weights:
    """What an analysis says of its weights. family: those of whom a difference may be a few people's."""

    family: tuple[str, str]
    within: tuple[float, ...]
    kind: tuple[str, bool]
    largest: float | None

    @classmethod
    def of(cls, one: Analysis) -> _Weights | None:
        """None of an analysis without weights."""
        said = one.options
        within = tuple(float(end) for end in said.get("propensity_within") or (0.0, 1.0))
        if one.method == "weighting":
            treatment, estimand = str(said.get("formula")).partition("~")[0].strip(), str(said.get("estimand"))
            family = (treatment, "ato" if estimand == "ato" else "inverse")
            return cls(family, within, (estimand, bool(said.get("stabilised"))), said.get("largest_weight"))
        if one.method == "standardisation" and said.get("estimator") == "aipw":
            # An augmented mean is a mean by inverse propensities, less what is known.
            return cls((str(said.get("treatment")), "inverse"), within, ("ate", False), None)
        return None

    def apart(self, other: _Weights) -> bool:
        """Whether sums under both may differ by a few people."""
        if self.family != other.family:
            return False
        if self.within != other.within:
            return True
        bounded = self.largest is not None or other.largest is not None
        return bounded and (self.kind, self.largest) != (other.kind, other.largest)


def scheme_faults(analysis: Analysis, study: Study) -> Iterator[Finding]:
    """Other analyses of the study whose weights differ for a few people, whatever their formula and cohort.

    A formula can differ by a column that says nothing, and two conditions can select the same people.
    """
    mine = _Weights.of(analysis)
    for other in study.analyses.values():
        theirs = _Weights.of(other)
        if mine and theirs and mine.apart(theirs):
            said = [name for name in ("propensity_within", "largest_weight") if name in analysis.options]
            place = analysis.place(said[0] if said else "formula")
            yield Finding("weighting_one_scheme", place=place, values={"found": other.name})
