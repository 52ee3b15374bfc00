"""The limits that the gate holds: of the study, of the hospital's policy and of rule packs, the strictest of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

FLOOR = 5
"""No study or policy can lower the minimum number of people under this."""


@dataclass(frozen=True)
class Limits:
    """minimum_people: k of all rules. precision_people: under this a hospital's own accuracy says nothing useful.

    dominance: what the others must contribute, as a share of the largest. parameters_per_person: of one fit.
    numbers_each, numbers_sum: numbers opened over a study's life as a share of people x columns, by hospital and under
    a secure sum. rounds: of one fit. ellipsoid: how far a leave-one-out fit may move from the joint fit,
    (change)' H (change) per person.
    """

    minimum_people: int = 10
    precision_people: int = 10
    dominance: float = 0.2
    parameters_per_person: float = 0.33
    numbers_each: float = 0.5
    numbers_sum: float = 1.0
    rounds: int = 30
    ellipsoid: float = 1.0
    hospitals: int = 3

    def strictest(self, other: Limits) -> Limits:
        """Of each limit the stricter one."""
        most = {
            name: max(getattr(self, name), getattr(other, name))
            for name in ("precision_people", "dominance", "hospitals")
        }
        names = ("parameters_per_person", "numbers_each", "numbers_sum", "rounds", "ellipsoid")
        return replace(self, **most, **{name: min(getattr(self, name), getattr(other, name)) for name in names})

    def stricter(self, minimum_people: int) -> Limits:
        """These limits with the larger minimum of people, and never under the floor."""
        return replace(self, minimum_people=max(self.minimum_people, minimum_people, FLOOR))
