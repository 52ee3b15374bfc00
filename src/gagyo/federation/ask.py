"""What a method says to the hospitals and hears from them: a method is a generator of these questions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.local import LocalStep
from gagyo.release.aggregate import Floats
from gagyo.result import Result


@dataclass(frozen=True)
class Numerals:
    """What was opened of one answer or of one sum: arrays by name, NaN where an entry was withheld.

    `reasons`: by name, "precision" (too few of a class to say anything useful) or "withheld" (a privacy rule).
    """

    values: Mapping[str, Floats]
    withheld: Mapping[str, NDArray[np.bool_]]
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Floats:
        return self.values[name]

    def whole(self, name: str) -> bool:
        """Whether nothing of `name` was withheld."""
        return not bool(np.any(self.withheld[name]))


@dataclass(frozen=True)
class Pooled(Numerals):
    """The secure sum over `sites`."""

    sites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """A question to every hospital of the roster.

    The answer is a `Pooled` secure sum, or with `each` a `dict[str, Numerals]`, one per hospital. `parameters`: how
    many free parameters the opened numbers estimate, where that is what they are spent on (a fit's iterates count once,
    under the name `fit`, and as no fewer than the numbers of one fit); None counts the numbers themselves.
    `fits_at_once`: how many fits share those parameters. `every_round`: count the numbers of every round all the same,
    as its arguments are not derived. `doing` is a key `progress.<doing>` of the catalogue. `dispensable`: it is of a
    part that hospitals may withhold while the analysis goes on, see `dispensable.py`. `common`: other analyses of the
    cohort may ask for the same sum, see `known.py`; the rules look at what it opens whichever of them asked.
    """

    step: LocalStep
    arguments: dict[str, Any] = field(default_factory=dict)
    each: bool = False
    fit: str = ""
    parameters: int | None = None
    fits_at_once: int = 1
    every_round: bool = False
    doing: str = "summing"
    dispensable: bool = False
    common: bool = False


@dataclass(frozen=True)
class Near:
    """Where some columns of an argument lie that the hospitals asked cannot derive: near what all hospitals found.

    Row i of the columns, x, keeps (x - centre[i])' information[i] (x - centre[i]) under the limit of the plan a person;
    entries that are `fixed` are those of the centre. centre and fixed (rows, q), information (rows, q, q).
    """

    centre: Floats
    information: Floats
    fixed: NDArray[np.bool_]


@dataclass(frozen=True)
class Allowed:
    """A question that the fit of the others may put: as `ask` has it, but for the arguments that lie `near`.

    Of each such argument (rows, columns) the pieces, side by side, are all columns.
    """

    ask: Ask
    near: Mapping[str, tuple[Near, ...]]


@dataclass(frozen=True)
class LeaveOut:
    """A question received by each hospital, of all the others: leave one hospital out.

    `fit(site)` is run inside the hospital that is left out; its asks go to the others and are opened to that hospital
    alone. The arrays that it returns join `arguments` of `step`, which the hospital runs on its own people; only what
    its own gate lets out of that step comes back: `dict[str, Numerals]`, one per hospital. `allows(site)` is what the
    others answer of it (privacy: what they cannot derive lies within an ellipsoid around what all found, of whom there
    are `people`). `fits`: how many fits come one after the other, each of so many rounds as a plan lets a fit have.
    """

    fit: Callable[[str], Generator[Ask, Pooled, dict[str, Any]]]
    step: LocalStep
    arguments: dict[str, Any]
    allows: Callable[[str], Sequence[Allowed]]
    people: int
    fits: int = 1
    doing: str = "leaving_out"
    dispensable: bool = False


Question = Ask | LeaveOut
Conversation = Generator[Question, Any, Result]
"""A method's `combine`: no I/O, no randomness, no clock; the same answers in give the same result out."""


@dataclass(frozen=True)
class Sends:
    """For the plan: what a method will send. `numbers` a round, `rounds` at most; `to` coordinator or left_out."""

    step: str
    numbers: int
    rounds: int
    each: bool = False
    to: str = "coordinator"
