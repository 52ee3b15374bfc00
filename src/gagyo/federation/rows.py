"""The people of one cohort at one hospital, as columns of numbers: what a local step sees."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.protocol.formula import Formula, parse
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats
from gagyo.statistics.draws import bits_of, normals, uniform_of

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Rows:
    """Columns by variable (float64, missing NaN; see protocol/variables.py) of `n` people.

    persons: identifier bytes, used only for keyed hashing (folds, replicate weights) and never shown. seed: public,
    from the study, so that folds are the same in every run and can be rebuilt for a pooled reference. secret: of the
    hospital, for what is drawn to impute; it stays there, and lasts. who: a digest of who these people are, where there
    is one: to make it anew takes as long as a pass over two columns for each of a million.
    """

    def __init__(
        self,
        site: str,
        variables: Mapping[str, Variable],
        columns: Mapping[str, Floats],
        persons: Sequence[bytes],
        seed: str = "",
        secret: bytes = b"",
        who: bytes = b"",
    ) -> None:
        self.site = site
        self.variables = variables
        self.n = len(persons)
        self._columns = columns
        self._persons = persons
        self._seed = seed
        self._secret = secret
        self._known_who = who
        self._cache: dict[Any, Any] = {}
        self._drawn: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None

    def __getitem__(self, name: str) -> Floats:
        return self._columns[name]

    def present(self, name: str) -> NDArray[np.bool_]:
        """Whose value of a variable is not missing."""
        return ~np.isnan(self._columns[name])

    def formula(self, text: str) -> Formula:
        """A formula of the study, parsed; kept for the next round."""
        parsed: Formula = self.kept(("formula", text), lambda: parse(text, self.variables))
        return parsed

    def design(self, formula: Formula) -> Floats:
        """The design matrix (n, p) of a parsed formula, Fortran order; kept for the next round."""
        matrix: Floats = self.kept(("design", formula.text), lambda: formula.design(self._columns))
        return matrix

    def slices(self, size: int, part: int = 1, label: str = "") -> list[slice]:
        """The rows in blocks of `size`; of each block only a `part`-th, so that a part is from all over.

        label: what the part is for. For something else it is other rows, and which only this hospital can know: else
        what two fits have of one part would differ by the few people there by whom two variables differ.
        """
        width = -(-size // part)
        first = self._place(label, max(min(size, self.n) - width, 0))
        return [slice(start, min(start + width, self.n)) for start in range(first, self.n, size)]

    def window(self, part: int, label: str) -> Rows:
        """One row in `part` of these, from a place as that of `slices`; kept for the next round."""

        def make() -> Rows:
            size = self.n // part
            first = self._place(label, self.n - size)
            chosen = slice(first, first + size)
            columns = {name: self._columns[name][chosen] for name in self._columns}
            return Rows(self.site, self.variables, columns, self._persons[chosen], self._seed, self._secret)

        found: Rows = self if part == 1 else self.kept(("window", part, label), make)
        return found

    def _place(self, label: str, room: int) -> int:
        """A number from 0 to `room`, for a label and these people, that only this hospital can make."""
        key = f"gagyo part {self._secret_text}{self._seed} {self.site}".encode()
        raw = hmac.digest(key, self._who + label.encode(), hashlib.sha256) if room else b""
        return int.from_bytes(raw[:8], "big") % (room + 1)

    @cached_property
    def _who(self) -> bytes:
        """A digest of who these people are."""
        return self._known_who or hashlib.sha256(b"\0".join(self._persons)).digest()

    def blocks(
        self, formula: Formula, size: int, part: int = 1, outcome: bool = False
    ) -> Iterator[tuple[slice, Floats]]:
        """The design of the rows of `slices`, a slice at a time, in a buffer that each block uses again.

        outcome: it comes as a last column.
        """
        names = formula.predictors or (formula.outcome,)
        columns = {name: self._columns[name] for name in names}
        buffer = np.empty((min(-(-size // part), self.n), formula.width + outcome), order="F")
        for rows in self.slices(size, part, formula.text):
            block = buffer[: rows.stop - rows.start]
            formula.fill({name: column[rows] for name, column in columns.items()}, block)
            if outcome:
                block[:, -1] = self._columns[formula.outcome][rows]
            yield rows, block

    def kept(self, key: Any, make: Any) -> Any:
        """`make()`, remembered while these rows are open: for what every round of a fit needs again."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def keep_folds(self, whole: Rows, inside: NDArray[np.bool_]) -> None:
        """The folds that were kept for all of whom these are some: inside (whole.n,) says who."""
        for key, fold in whole._cache.items():
            if key[0] == "folds" and key not in self._cache:
                self._cache[key] = fold[inside]

    @cached_property
    def _hashes(self) -> NDArray[np.uint64]:
        return self._drawn[0] if self._drawn else self._keyed("")

    @cached_property
    def _hidden(self) -> NDArray[np.uint64]:
        """As the hashes, and known at this hospital alone."""
        return self._drawn[1] if self._drawn else self._keyed(self._secret_text)

    @property
    def _secret_text(self) -> str:
        return f"{self._secret.hex()} " if self._secret else ""

    def _keyed(self, hidden: str) -> NDArray[np.uint64]:
        key = f"gagyo people {hidden}{self._seed} {self.site}".encode()
        # Persons that share an identifier (rows without one) are told apart by how often they came before.
        seen: dict[bytes, int] = {}
        out = np.empty(self.n, np.uint64)
        for index, person in enumerate(self._persons):
            turn = seen.get(person, 0)
            seen[person] = turn + 1
            raw = hmac.digest(key, person + turn.to_bytes(4, "big"), hashlib.sha256)
            out[index] = int.from_bytes(raw[:8], "big")
        return out

    @cached_property
    def _together(self) -> int:
        """A number of all these people, in whatever order."""
        return int(self._hashes.sum(dtype=np.uint64))

    def _stream(self, counter: int, hashes: NDArray[np.uint64] | None = None) -> NDArray[np.uint64]:
        """One 64-bit number a person and counter (SplitMix64 of the person's keyed hash)."""
        z = (self._hashes if hashes is None else hashes) + np.uint64(int(GOLDEN) * (counter + 1) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def folds(self, number: int, repeat: int = 0, strata: Floats | None = None) -> NDArray[np.int64]:
        """The fold 0..number-1 of each person: ranks of the keyed hash within strata, dealt out in turn."""
        order = np.lexsort((self._stream(1_000_000 + repeat), np.zeros(self.n) if strata is None else strata))
        fold = np.empty(self.n, np.int64)
        # Hospitals start dealing at different folds, so that small hospitals do not all fill fold 0.
        start = int.from_bytes(hashlib.sha256(f"{self._seed} {self.site}".encode()).digest()[:4], "big")
        fold[order] = (np.arange(self.n) + start) % number
        return fold

    def completed(self, variables: Mapping[str, Variable], columns: Mapping[str, Floats]) -> Rows:
        """The same people with other columns in place of some, declared as `variables` say: imputed values."""
        return Rows(self.site, variables, {**self._columns, **columns}, self._persons, self._seed, self._secret)

    def part(self, inside: NDArray[np.bool_]) -> Rows:
        """Some of these people, inside (n,) says who, with the numbers that are drawn for them among all of these."""
        columns = {name: self._columns[name][inside] for name in self._columns}
        persons = [person for person, here in zip(self._persons, inside, strict=True) if here]
        found = Rows(self.site, self.variables, columns, persons, self._seed, self._secret)
        found._drawn = (self._hashes[inside], self._hidden[inside])
        return found

    def uniforms(self, label: str) -> NDArray[np.float64]:
        """A number between 0 and 1 for each person (n,), of a hash that only this hospital can make, and a label.

        Whoever knew them would have, of completed data, as many sums over those who lack a value as there are chains.
        """
        return uniform_of(self._stream(bits_of(label), self._hidden))

    def own_normals(self, label: str, number: int) -> NDArray[np.float64]:
        """Standard normals (number,) of this hospital's own, which only it can make, for a label."""
        return normals(f"gagyo hospital {self._secret_text}{self._seed} {self.site} {label}", number)

    def poisson(self, replicate: int) -> NDArray[np.float64]:
        """Bootstrap weights of one replicate: Poisson(1) by inversion of the person's keyed hash.

        Of other people they are other draws, also for those who are among both: else everyone's sums less most people's
        would be the others', once for each replicate.
        """
        uniform = (self._stream(replicate + self._together) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.searchsorted(POISSON_CDF, uniform, side="right").astype(np.float64)


def _poisson_cdf() -> Floats:
    mass = [np.exp(-1.0)]
    for count in range(1, 19):
        mass.append(mass[-1] / count)
    return np.cumsum(mass)


POISSON_CDF = _poisson_cdf()
