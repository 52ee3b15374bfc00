"""How an aggregate becomes a share of a secure sum, and how shares become pooled cells and pooled values.

A share has two blocks: `people`, whole numbers (the cohort's size, then the cells of each measure), four to an entry of
the ring, and `values`, in fixed point. A header, equal at all hospitals because it depends on the plan alone, says what
stands where.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Tampered
from gagyo.release import ring
from gagyo.release.aggregate import Aggregate, Counts, Floats, Measure
from gagyo.release.decision import Answer
from gagyo.release.ring import Limbs


@dataclass(frozen=True)
class Share:
    """An aggregate laid out in two blocks: `header`, `people` (whole numbers) and `values` with their `scales`."""

    header: dict[str, Any]
    people: Counts
    values: Floats
    scales: Floats


def lay_out(aggregate: Aggregate, cohort: int) -> Share:
    """Measures in the order of their names, flattened."""
    measures = [aggregate[name] for name in sorted(aggregate)]
    scales = [np.broadcast_to(measure.scale, measure.values.shape).ravel() for measure in measures]
    people = [np.array([cohort])] + [part.ravel() for one in measures for part in _cells(one)]
    header: dict[str, Any] = {
        "measures": [
            {"name": name, "kind": aggregate[name].kind, "shape": list(aggregate[name].values.shape)}
            | {"cells": list(_cell_shape(aggregate[name]))}
            for name in sorted(aggregate)
        ],
        "structural": np.concatenate([_structural(one).ravel() for one in measures]).astype(np.bool_),
        "scales": np.concatenate(scales),
    }
    values = np.concatenate([measure.values.ravel() for measure in measures])
    return Share(header, np.concatenate(people).astype(np.int64), values, header["scales"])


def _cell_shape(measure: Measure) -> tuple[int, ...]:
    return measure.people.shape if measure.kind in ("joint", "compared", "left") else measure.values.shape


def _cells(measure: Measure) -> tuple[Counts, Counts]:
    shape = _cell_shape(measure)
    return np.broadcast_to(measure.people, shape), np.broadcast_to(measure.others, shape)


def _structural(measure: Measure) -> NDArray[np.bool_]:
    return np.broadcast_to(measure.structural, _cell_shape(measure))


def check_same_header(answers: Iterable[Answer]) -> dict[str, Any]:
    """The header that all shares have; Tampered where one differs, or its blocks are not as long as it says."""
    shares = list(answers)
    if len({share.header_digest for share in shares}) != 1:
        raise Tampered.of("unlike_shares")
    header = dict(shares[0].payload["header"])
    sizes = {"people": ring.entries_of(heads(header)), "values": len(header["scales"])}
    if not all(ring.is_block(share.payload.get(block), size) for share in shares for block, size in sizes.items()):
        raise Tampered.of("unlike_shares")
    return header


def sum_of(blocks: Iterable[Limbs]) -> Limbs:
    """The sum of blocks in the ring."""
    total: Limbs | None = None
    for block in blocks:
        total = block if total is None else ring.add(total, block)
    if total is None:
        raise ValueError("nothing to sum")
    return total


def heads(header: Mapping[str, Any]) -> int:
    """How many head counts the people block of this header holds."""
    return 1 + 2 * sum(int(math.prod(entry["cells"])) for entry in header["measures"])


def pooled_cells(header: Mapping[str, Any], people: Counts) -> tuple[int, dict[str, Measure]]:
    """The pooled cohort's size and measures with pooled cells (their values still unknown), to be ruled on."""
    measures: dict[str, Measure] = {}
    at, flag = 1, 0
    for entry in header["measures"]:
        shape, cells = tuple(entry["shape"]), tuple(entry["cells"])
        size = math.prod(cells)
        behind, others = people[at : at + size], people[at + size : at + 2 * size]
        structural = header["structural"][flag : flag + size]
        at, flag = at + 2 * size, flag + size
        measures[entry["name"]] = Measure(
            entry["kind"],
            np.zeros(shape),
            np.ones(1),
            behind.reshape(cells),
            others.reshape(cells),
            structural.reshape(cells),
        )
    return int(people[0]), measures


def open_entries(header: Mapping[str, Any], withheld: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Which entries of the values block are opened, flat."""
    return np.concatenate([~withheld[entry["name"]].ravel() for entry in header["measures"]])


def pooled_values(
    header: Mapping[str, Any], masked: Limbs, openings: Sequence[tuple[NDArray[np.bool_], Limbs]]
) -> tuple[dict[str, Floats], dict[str, NDArray[np.bool_]]]:
    """The opened sums by measure (NaN where not opened), and what was withheld.

    openings: by hospital, which entries it opened and its own mask there. An entry is open where every hospital opened
    it: the strictest policy holds.
    """
    opened = np.all([entries for entries, _ in openings], axis=0)
    flat = np.full(opened.size, np.nan)
    masks = sum_of(mask[opened[entries]] for entries, mask in openings)
    flat[opened] = ring.decode(ring.subtract(masked[opened], masks), header["scales"][opened])
    values, withheld, at = {}, {}, 0
    for entry in header["measures"]:
        shape = tuple(entry["shape"])
        size = math.prod(shape)
        values[entry["name"]] = flat[at : at + size].reshape(shape)
        withheld[entry["name"]] = ~opened[at : at + size].reshape(shape)
        at += size
    return values, withheld
