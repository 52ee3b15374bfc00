"""Model: parameters trained on one hospital's people alone go to a person at that hospital, not out by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case


def model(case: Case) -> Iterator[Breach]:
    """Refer a fit's numbers that would leave by hospital instead of under a secure sum."""
    if case.scope == "each" and case.fit:
        yield Breach("model")
