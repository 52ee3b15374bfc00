"""Remembers whom each answered cohort held, and says how a new cohort overlaps with all before it.

People are known by a keyed tag (HMAC with a key that never leaves), so the memory names nobody and outlives a mapping.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from gagyo.release.case import Overlap
from gagyo.site.store import TAG, Store


class People:
    """The people of one data set, by their lasting places."""

    def __init__(self, store: Store, persons: Sequence[bytes], key: bytes) -> None:
        self._store = store
        self._seen: dict[tuple[str, int], Overlap] = {}
        self._held: dict[str, NDArray[np.uint8]] | None = None
        self._places = store.places([hmac.digest(key, person, hashlib.sha256)[:TAG] for person in numbered(persons)])
        self._width = int(self._places.max(initial=-1)) + 1

    def by_place(self, of_rows: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Numbers of this data set's rows by lasting place; 0 of people that it does not hold."""
        out = np.zeros(self._width, np.uint16)
        out[self._places] = of_rows
        return out

    def members(self, chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """A cohort's membership as packed bits over all places."""
        bits = np.zeros(self._width, np.uint8)
        bits[self._places[chosen]] = 1
        return np.packbits(bits)

    def rows_of(self, members: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which of this data set's rows (n,) a membership holds."""
        bits = np.unpackbits(members)
        return np.pad(bits, (0, max(0, self._width - len(bits))))[self._places].astype(bool)

    def overlap(self, key: str, members: NDArray[np.uint8]) -> Overlap:
        """How a cohort overlaps with the cohorts answered before; the same cohort again differs in nothing."""
        # Selections are compared with selections, and those analysed with those analysed: each were told apart.
        kind = key.partition(" ")[0] if " " in key else ""
        every = self._answered()
        cohorts = {
            name: bits for name, bits in every.items() if (name.partition(" ")[0] if " " in name else "") == kind
        }
        if (key, len(cohorts)) not in self._seen:
            before = [bits for name, bits in cohorts.items() if name != key]
            self._seen[key, len(cohorts)] = overlap(members, before)
        return self._seen[key, len(cohorts)]

    def overlap_with_parts(self, key: str, members: NDArray[np.uint8], parts: Sequence[NDArray[np.uint8]]) -> Overlap:
        """How a cohort, and the parts of it that sums are opened of, overlap with cohorts and parts answered before.

        A part is those who have a value that is imputed for the rest, or who missed just the same visits. That it
        differs from its own cohort by a few at this hospital is for the rule over all hospitals, which counts both;
        here the cohort and its parts must isolate nobody together with what was answered before.
        """
        every = {name: bits for name, bits in self._answered().items() if _is_plain(name) or _is_part(name)}
        if not parts and not any(_is_part(name) for name in every):
            return Overlap()
        asked = {key: members} | {_part_key(key, part): part for part in parts}
        place = (" ".join(asked), len(every))
        if place not in self._seen:
            self._seen[place] = family_overlap(asked, every)
        return self._seen[place]

    def remember(self, key: str, members: NDArray[np.uint8]) -> None:
        """An answer about this cohort leaves: it counts from now on."""
        if self._held is None:
            self._store.keep_cohort(key, members)
        else:
            self._held.setdefault(key, members)

    @contextmanager
    def held(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        """What is remembered inside counts at once, and stays only where nothing was raised: else nothing has left.

        It is given by key: whoever clears it tells nothing of it.
        """
        self._held = held = dict[str, NDArray[np.uint8]]()
        try:
            yield held
        finally:
            self._held = None
            self._seen.clear()
        for key, members in held.items():
            self._store.keep_cohort(key, members)

    def _answered(self) -> dict[str, NDArray[np.uint8]]:
        return {**self._store.cohorts(), **(self._held or {})}

    def remember_part(self, key: str, part: NDArray[np.uint8]) -> None:
        """Sums over a part of a cohort leave."""
        self._store.keep_cohort(_part_key(key, part), part)


def _part_key(cohort: str, part: NDArray[np.uint8]) -> str:
    return f"part {cohort} {hashlib.sha256(part.tobytes()).hexdigest()}"


def _is_plain(key: str) -> bool:
    return " " not in key


def _is_part(key: str) -> bool:
    return key.startswith("part ")


def _cohort_of(key: str) -> str:
    """The cohort that a part is of; a cohort's own key."""
    return key.split(" ")[1] if _is_part(key) else key


def numbered(persons: Sequence[bytes]) -> list[bytes]:
    """Identifiers made distinct: rows that share one (there is no identifier) are told apart by their order."""
    seen: dict[bytes, int] = {}
    out = []
    for person in persons:
        turn = seen[person] = seen.get(person, -1) + 1
        out.append(person + turn.to_bytes(4, "big"))
    return out


def overlap(members: NDArray[np.uint8], before: Sequence[NDArray[np.uint8]]) -> Overlap:
    """The smallest non-empty difference from an earlier cohort, and the smallest atom that sums of cohorts isolate."""
    if not before:
        return Overlap()
    width = max(len(members), *(len(bits) for bits in before))
    packed = np.zeros((len(before) + 1, width), np.uint8)
    for row, bits in zip(packed, [*before, members], strict=True):
        row[: len(bits)] = bits
    distinct = {row.tobytes(): row for row in packed[:-1]}
    packed = np.vstack([packed[-1:], *distinct.values()])
    differences = [int(np.bitwise_count(packed[0] ^ other).sum()) for other in packed[1:]]
    smallest = min((size for size in differences if size > 0), default=None)
    return Overlap(smallest, _smallest_atom(packed))


def family_overlap(asked: Mapping[str, NDArray[np.uint8]], before: Mapping[str, NDArray[np.uint8]]) -> Overlap:
    """Of a cohort and its parts (`asked`, by key), against those before: the smallest difference from another family's,
    and the smallest atom that is isolated now, and neither was before nor is by what is asked alone.

    What is asked alone isolates is for the rule over all hospitals, which counts it. Parts that were answered before,
    also of the same cohort, are not: two analyses of other variables tell of who has one and lacks the other.
    """
    width = max(len(bits) for bits in (*asked.values(), *before.values()))
    now, then = (
        {name: np.pad(bits, (0, width - len(bits))) for name, bits in sets.items()} for sets in (asked, before)
    )
    differences = [
        int(np.bitwise_count(one ^ other).sum())
        for name, one in now.items()
        for earlier, other in then.items()
        if _cohort_of(name) != _cohort_of(earlier)
    ]
    known = isolated(list(now.values())) | isolated(list(then.values()))
    fresh = [size for members, size in isolated([*now.values(), *then.values()]).items() if members not in known]
    return Overlap(min((size for size in differences if size > 0), default=None), min(fresh, default=None))


def isolated(sets: Sequence[NDArray[np.uint8]]) -> dict[bytes, int]:
    """The atoms that sums over sets of people (packed bits of one width) isolate: who is in each, and how many."""
    packed = np.vstack(list({one.tobytes(): one for one in sets}.values())) if sets else np.zeros((0, 0), np.uint8)
    bits = np.unpackbits(packed, axis=1)
    if not bits.any():
        return {}
    codes = _atom_of_each(bits)
    numbers, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    incidence = bits[:, first].T.astype(np.float64)
    alone = _in_span(incidence) & incidence.any(axis=1)
    return {
        np.packbits(codes == number).tobytes(): int(size)
        for number, size, found in zip(numbers, sizes, alone, strict=True)
        if found
    }


def _smallest_atom(packed: NDArray[np.uint8]) -> int | None:
    bits = np.unpackbits(packed, axis=1)
    codes = _atom_of_each(bits)
    _, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    incidence = bits[:, first].T.astype(np.float64)  # atoms x cohorts
    incidence, sizes = incidence[incidence.any(axis=1)], sizes[incidence.any(axis=1)]
    if not sizes.size:
        return None
    alone = _in_span(incidence)
    return int(sizes[alone].min()) if alone.any() else None


def _in_span(incidence: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which atoms (rows) have an indicator in the span of the cohorts' (columns): a combination of sums is theirs."""
    basis, singular, _ = np.linalg.svd(incidence, full_matrices=False)
    basis = basis[:, singular > 1e-9 * singular[0]]
    # It lies there where its projection keeps its full length.
    return np.asarray(np.sum(basis**2, axis=1) > 1 - 1e-9)


def _atom_of_each(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A number for each place, equal where the same cohorts hold it."""
    codes = np.zeros(bits.shape[1], np.int64)
    for row, membership in enumerate(bits):
        codes = codes * 2 + membership
        if row % 30 == 29:  # before the codes outgrow 63 bits
            codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return codes
