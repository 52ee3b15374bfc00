"""Which weights of one treatment a study may ask for together: none that differ for a few people alone.

Bounds hold a weight of those few who lie beyond them. Two analyses that differ in their bounds have sums that differ by
these people, of whom one may be alone with a greater weight: her outcome and every covariate. An augmented mean (AIPW)
beside a weighted one is no other: her residuals of several outcomes with one weight. So a study brings the
propensities of a treatment within one pair of bounds; and where weights have a greatest one, it asks for one kind of
weights, since those of ATE and ATT are the same but for a constant in the untreated. Hospitals hold other plans to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.federation.weighing import Weighing
from gagyo.finding import Finding
from gagyo.protocol.study import Analysis, Study


def scheme_faults(analysis: Analysis, study: Study) -> Iterator[Finding]:
    """Other analyses of the study whose weights differ for a few people, whatever their formula and cohort.

    A formula can differ by a column that says nothing, and two conditions can select the same people.
    """
    mine = Weighing.of(analysis)
    for other in study.analyses.values():
        theirs = Weighing.of(other)
        if mine and theirs and mine.apart(theirs):
            said = [name for name in ("propensity_within", "largest_weight") if name in analysis.options]
            place = analysis.place(said[0] if said else "formula")
            yield Finding("weighting_one_scheme", place=place, values={"found": other.name})
