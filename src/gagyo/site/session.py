"""An approved plan at one hospital, opened: where it stands, and what it may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation.line import Line
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from gagyo.release.limits import Limits
from gagyo.site.cohorts import Cohorts, Dataset
from gagyo.site.history import History
from gagyo.site.receiving import Receiving
from gagyo.site.ruled import Bound, Ruling


@dataclass
class Session:
    """One approved plan at this hospital: where its line of analyses stands, and the cohorts that it may look at."""

    plan: Plan
    limits: Limits
    line: Line
    history: History
    cohorts: Cohorts
    data: Dataset
    publics: Mapping[str, PublicKeys]
    keys: Keys
    bound: Bound
    receiving: dict[tuple[str, int], Receiving] = field(default_factory=dict)
    ruling: Ruling | None = None

    @property
    def study(self) -> Study:
        """The plan's study."""
        return self.plan.study
