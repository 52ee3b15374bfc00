"""What the gate decides, and what a hospital answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gagyo.canonical import canonical, digest, joined
from gagyo.release.aggregate import Floats
from gagyo.release.ledger import Entry


@dataclass(frozen=True)
class Release:
    """Values that may leave, NaN where withheld, and by measure why. Only the gate makes it.

    rules: which withheld something; they stay inside the hospital.
    """

    values: Mapping[str, Floats]
    withheld: Mapping[str, NDArray[np.bool_]]
    reasons: Mapping[str, str]
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Nothing leaves. `rules` stay inside the hospital; outside the code is `withheld`."""

    rules: tuple[str, ...]


@dataclass(frozen=True)
class Referral:
    """People at the hospital have to decide. `output` is what may leave if they say yes: every other rule holds."""

    rules: tuple[str, ...]
    output: Release


Decision = Release | Referral | Refusal

Outcome = Literal["released", "referred", "refused", "relay", "behind", "silent"]


@dataclass(frozen=True)
class Answer:
    """What a hospital says to a request (by its digest).

    released: `payload` holds what left and `receipt` the ledger's entry for it. refused, referred: `code` says why.
    relay: sealed requests to others (a hospital that is left out asks them). behind: the hospital lost its place.
    silent: the coordinator notes that none came; `code` and `payload` (since) say how, and there is no receipt.
    """

    request: str
    site: str
    outcome: Outcome
    code: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    receipt: Entry | None = None

    @cached_property
    def header_digest(self) -> str:
        """The digest of a share's header, which is the same at all hospitals."""
        return digest(self.payload["header"])

    @cached_property
    def _said(self) -> bytes:
        return canonical(self.payload)

    @cached_property
    def payload_digest(self) -> str:
        """The digest of the bytes that left; empty where nothing did."""
        return digest(self._said) if self.payload else ""

    @property
    def parts(self) -> dict[str, bytes]:
        """The canonical bytes of each field."""
        others = {name: canonical(getattr(self, name)) for name in ("request", "site", "outcome", "code")}
        receipt = self.receipt.line if self.receipt else canonical(None)
        return others | {"payload": self._said, "receipt": receipt}

    @property
    def written(self) -> bytes:
        """The answer's canonical bytes."""
        return joined(self.parts)

    def receipted(self, receipt: Entry) -> Answer:
        """The same answer with its receipt."""
        answer = replace(self, receipt=receipt)
        answer.__dict__.update(_said=self._said, payload_digest=self.payload_digest)
        return answer
