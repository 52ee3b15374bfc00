"""A hospital's own policy: it can only tighten what a study asks."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Policy:
    """minimum_people: the hospital's own k. methods: which may run; None for all that are installed.

    independent_partners: whom the custodian considers independent; None for all. A secure sum needs two of them.
    """

    minimum_people: int = 10
    methods: frozenset[str] | None = None
    referral: frozenset[str] = field(default_factory=frozenset)
    independent_partners: frozenset[str] | None = None
