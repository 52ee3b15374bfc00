"""The one gate: every value that leaves a hospital was ruled on here; only the gate makes a Release."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.release import rules
from gagyo.release.case import Breach, Case, Rule
from gagyo.release.decision import Decision, Referral, Refusal, Release

OPEN_REASONS = frozenset({"precision"})
"""Rules that are no privacy matter: their name may be told outside."""


@dataclass(frozen=True)
class Gate:
    """Applies every rule to a case."""

    rules: tuple[Rule, ...] = rules.ALL

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("a gate without rules would let everything out")

    def rule(self, case: Case) -> Decision:
        """A Release of the entries that no rule forbids, or a Refusal, or a Referral of that Release to people.

        People may let out what the model rule alone keeps back; what any other rule forbids, nobody can.

        A share is released whole or not at all: a sum with a hole in one hospital would be wrong.
        """
        breaches = [breach for rule in self.rules for breach in rule(case)]
        codes = tuple(dict.fromkeys(breach.code for breach in breaches))
        decision = self._decided(case, [breach for breach in breaches if breach.code != "model"])
        return Referral(codes, decision) if "model" in codes and isinstance(decision, Release) else decision

    def _decided(self, case: Case, breaches: list[Breach]) -> Release | Refusal:
        codes = tuple(dict.fromkeys(breach.code for breach in breaches))
        if case.scope == "share" and breaches:
            return Refusal(codes)
        withheld = {name: _withheld(name, case, breaches) for name in case.aggregate}
        nothing = all(mask.all() for mask in withheld.values()) and bool(set(codes) - OPEN_REASONS)
        if any(breach.measure == "" for breach in breaches) or (nothing and case.scope == "pooled"):
            return Refusal(codes)
        values = {name: np.where(withheld[name], np.nan, measure.values) for name, measure in case.aggregate.items()}
        return Release(values, withheld, _reasons(case, breaches), codes)


def _withheld(name: str, case: Case, breaches: list[Breach]) -> NDArray[np.bool_]:
    mask = np.zeros(case.aggregate[name].values.shape, bool)
    for breach in breaches:
        if breach.measure == "":
            mask[...] = True
        elif breach.measure == name and breach.entries is not None:
            mask |= breach.entries
    return mask


def _reasons(case: Case, breaches: list[Breach]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for breach in breaches:
        for name in case.aggregate if breach.measure == "" else (breach.measure,):
            open_reason = breach.code if breach.code in OPEN_REASONS else "withheld"
            # A privacy reason covers an open one: a person should ask about the former first.
            if reasons.get(name) != "withheld":
                reasons[name] = open_reason
    return reasons
