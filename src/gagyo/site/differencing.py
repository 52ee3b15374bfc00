"""Remembers whom each answered cohort held, and says how a new cohort overlaps with all before it.

People are known by a keyed tag (HMAC with a key that never leaves), so the memory names nobody and outlives a mapping.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gagyo.release.case import Overlap
from gagyo.site.store import Store


class People:
    """The people of one data set, by their lasting places."""

    def __init__(self, store: Store, persons: Sequence[bytes], key: bytes) -> None:
        self._store = store
        self._seen: dict[tuple[str, int], Overlap] = {}
        self._places = store.places([hmac.digest(key, person, hashlib.sha256)[:16] for person in numbered(persons)])

    def members(self, chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """A cohort's membership as packed bits over all places."""
        bits = np.zeros(int(self._places.max(initial=-1)) + 1, np.uint8)
        bits[self._places[chosen]] = 1
        return np.packbits(bits)

    def overlap(self, key: str, members: NDArray[np.uint8]) -> Overlap:
        """How a cohort overlaps with the cohorts answered before; the same cohort again differs in nothing."""
        # Selections are compared with selections, and those analysed with those analysed: each were told apart.
        kind = key.partition(" ")[0] if " " in key else ""
        every = self._store.cohorts()
        cohorts = {
            name: bits for name, bits in every.items() if (name.partition(" ")[0] if " " in name else "") == kind
        }
        if (key, len(cohorts)) not in self._seen:
            before = [bits for name, bits in cohorts.items() if name != key]
            self._seen[key, len(cohorts)] = overlap(members, before)
        return self._seen[key, len(cohorts)]

    def remember(self, key: str, members: NDArray[np.uint8]) -> None:
        """An answer about this cohort leaves: it counts from now on."""
        self._store.keep_cohort(key, members)


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


def _smallest_atom(packed: NDArray[np.uint8]) -> int | None:
    codes = _atom_of_each(np.unpackbits(packed, axis=1))
    bits = np.unpackbits(packed, axis=1)
    _, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    incidence = bits[:, first].T.astype(np.float64)  # atoms x cohorts
    incidence, sizes = incidence[incidence.any(axis=1)], sizes[incidence.any(axis=1)]
    if not sizes.size:
        return None
    basis, singular, _ = np.linalg.svd(incidence, full_matrices=False)
    basis = basis[:, singular > 1e-9 * singular[0]]
    # An atom's indicator lies in the span of the cohorts' indicators where its projection keeps its full length.
    isolated = np.sum(basis**2, axis=1) > 1 - 1e-9
    return int(sizes[isolated].min()) if isolated.any() else None


def _atom_of_each(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A number for each place, equal where the same cohorts hold it."""
    codes = np.zeros(bits.shape[1], np.int64)
    for row, membership in enumerate(bits):
        codes = codes * 2 + membership
        if row % 30 == 29:  # before the codes outgrow 63 bits
            codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return codes
