"""What a method must offer: one file in `gagyo.methods`, found by its name, with a class `Method` of this shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from gagyo.errors import FileFault
from gagyo.federation.ask import Conversation, Sends
from gagyo.federation.local import method_module
from gagyo.finding import Finding
from gagyo.protocol.study import Analysis, Study
from gagyo.result import Result


class Method(Protocol):
    """A federated method. `complete`: the variables whose absence takes a person out of the cohort's analysis set."""

    name: ClassVar[str]
    lossless: ClassVar[bool]
    Options: ClassVar[type[BaseModel]]

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method as a study's analysis asks for it; FileFault with all that is wrong."""
        ...

    @property
    def complete(self) -> frozenset[str]: ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of analyses whose results this one starts from."""
        ...

    def sends(self) -> tuple[Sends, ...]:
        """For the plan: what would leave each hospital."""
        ...

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """The method as a conversation with the hospitals."""
        ...


def read_method(analysis: Analysis, study: Study) -> Method:
    """The installed method that an analysis names; FileFault with all that is wrong, and where."""
    method: Any = method_module(analysis.method).Method
    try:
        return method.read(analysis, study)  # type: ignore[no-any-return]
    except FileFault as fault:
        raise FileFault(*(_placed(one, analysis) for one in fault.findings)) from None


def _placed(finding: Finding, analysis: Analysis) -> Finding:
    """A finding at its place; what a formula alone is told has none."""
    return finding if finding.place.path else replace(finding, place=analysis.place("formula"))


def imputed_by(method: Method) -> tuple[str, ...]:
    """The variables whose missing values a method fills in: a person who lacks one is still of the cohort."""
    return tuple(getattr(method, "imputes", ()))


def patterned_by(method: Method) -> tuple[str, ...]:
    """The variables of which sums are opened by who has which: a person who lacks one is still of the cohort."""
    return tuple(getattr(method, "patterned", ()))


def folds_of(method: Method) -> int:
    """The number of folds that a method deals the people of its cohort out to; 0 of one without cross-validation."""
    return int(getattr(method, "folds", 0))


def within_of(method: Method) -> str:
    """The variable within whose classes a method deals people out to folds; empty where it deals out all together."""
    return str(getattr(method, "within", ""))


def resampled_by(method: Method) -> tuple[int, int, int]:
    """The folds of a method that fits to resampled people, how often they are dealt out, and bootstrap replicates."""
    folds, repeats, bootstrap = getattr(method, "resampled", (0, 0, 0))
    return int(folds), int(repeats), int(bootstrap)


def may_lack(method: Method) -> tuple[str, ...]:
    """The variables whose absence is an answer of its own: the time of a start or a change that never came."""
    return tuple(getattr(method, "may_lack", ()))
