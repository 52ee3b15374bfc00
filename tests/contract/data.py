"""The data sets on which R computed the references, divided over four hospitals, and studies of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gagyo.site.policy import Policy
from tests.contract.ended import Ended, ended
from tests.hospitals import SITES, Rows

GOLDEN = Path(__file__).parents[1] / "golden"
LEVELS = {
    "cause": ("alive", "able", "unable"),
    "ending": ("alive", "malignancy", "death"),
    "size": ("small", "middling", "large"),
    "tumour": ("small", "middling", "large"),
    "ecog": ("full", "restricted", "limited"),
    "race": ("white", "black", "other"),
    "ageband": ("young", "middle", "old"),
    "band": ("healthy", "over", "obese", "severe"),
}
HEAD = """
gagyo: "1"
study: contract
title: {en: Contract, ko: 계약, zh: 契约}
purpose: scientific_research
lead: {name: Kim, organisation: Hanbit, country: KR}
period: {from: 2026-11-01, until: 2027-10-31}
sites: [seoul, busan, beijing, tianjin]
release: {minimum_people: %d}
variables:
%s
cohorts:
  all: {}
analyses:
%s"""
NUMBERS = {
    "rotterdam": {
        "days": (0, 8000),
        "months": (0, 300),
        "until": (0, 8000),
        "age": (18, 100),
        "nodes": (0, 60),
    },
    "grafts": {"days": (0, 1000), "start": (0, 6000), "age": (18, 100)},
    "heart": {"days": (0, 2000), "start": (0, 2000), "age": (5, 70)},
    "lung": {"time": (0, 2000), "entry": (0, 2000), "age": (18, 100), "karno": (0, 100), "interval": (0, 6)},
    "transplants": {"days": (0, 2000), "waited": (0, 2000), "age": (-50, 50), "year": (0, 10)},
    "relapse": {
        "days": (0, 8000),
        "relapsing": (0, 8000),
        "came": (0, 8000),
        "age": (18, 100),
        "nodes": (0, 60),
    },
    "mgus": {"months": (0, 600), "decades": (2, 10), "hgb": (4, 20), "mspike": (0, 4)},
    "mgus_ages": {"until": (0, 120), "came": (0, 110), "hgb": (4, 20), "mspike": (0, 4)},
    "births": {"age": (10, 60), "lwt": (50, 300), "bwt": (500, 6000), "kilos": (20, 150)},
    "flowers": {"length": (4, 8), "width": (1, 5)},
    "pima": {
        "npreg": (0, 20),
        "glu": (0, 250),
        "bp": (0, 130),
        "skin": (0, 110),
        "bmi": (10, 80),
        "ped": (0, 3),
        "age": (18, 100),
    },
    "pima_bands": {
        "npreg": (0, 20),
        "glu": (0, 250),
        "bp": (0, 130),
        "skin": (0, 110),
        "ped": (0, 3),
        "age": (18, 100),
    },
}
CATEGORIES: dict[str, tuple[str, ...]] = {
    "flowers": (),
    "transplants": (),
    "relapse": (),
    "grafts": (),
    "heart": (),
    "lung": ("ecog", "cause"),
    "rotterdam": ("tumour",),
    "mgus": ("ending", "size"),
    "mgus_ages": (),
    "births": ("race",),
    "pima": ("ageband",),
    "pima_bands": ("band",),
}
BOOLEANS = {
    "flowers": ("setosa",),
    "transplants": ("died",),
    "relapse": ("died", "hormon"),
    "grafts": ("died", "severe"),
    "heart": ("died", "surgery"),
    "lung": ("died", "female"),
    "rotterdam": ("died", "relapsed", "hormon", "chemo", "grade3"),
    "mgus": ("female",),
    "mgus_ages": ("died", "female"),
    "births": ("low", "smoke"),
    "pima": ("diabetic",),
    "pima_bands": ("diabetic", "heavy"),
}


@cache
def reference() -> dict[str, Any]:
    """What R computed (tests/golden/r/regression.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "regression.json").read_text())
    return found


@cache
def columns(name: str) -> dict[str, np.ndarray]:
    """A data set's columns as numbers: a category as the index of its level."""
    with (GOLDEN / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {key: shared([_number(key, line[key]) for line in lines]) for key in lines[0]}


def shared(values: Sequence[float]) -> np.ndarray:
    """A column that tests share: whoever would change it in place is told so."""
    column = np.array(values)
    column.setflags(write=False)
    return column


def _number(key: str, text: str) -> float:
    if text == "NA":
        return float("nan")
    return float(LEVELS[key].index(text)) if key in LEVELS else float(text)


def divide(data: Mapping[str, np.ndarray], where: np.ndarray) -> dict[str, Rows]:
    """Four hospitals; `where` is the number of each person's."""
    return {
        site: Rows(
            {name: column[where == number] for name, column in data.items()},
            [f"p{person}".encode() for person in np.flatnonzero(where == number)],
        )
        for number, site in enumerate(SITES)
    }


def hospitals(name: str) -> dict[str, Rows]:
    """A data set over four unequal hospitals.

    Births are few, and dealt out in turn within race: a level that is one or two people's at a hospital is dominated.
    """
    data = columns(name)
    size = len(next(iter(data.values())))
    if name in ("grafts", "heart", "lung", "mgus", "mgus_ages", "pima_bands", "relapse", "rotterdam", "transplants"):
        return divide({key: column for key, column in data.items() if key != "hospital"}, data["hospital"])
    if name == "births":
        turn = np.empty(size, np.int64)
        turn[np.lexsort((data["smoke"], data["low"], data["race"]))] = np.arange(size) % 4
        return divide(data, turn)
    return divide(data, np.searchsorted([0.4, 0.6, 0.8], np.random.default_rng(7).random(size)))


def label(name: str) -> str:
    return f"{{en: {name}, ko: {name} 값, zh: {name} 值}}"


def number(name: str, low: float, high: float) -> str:
    return f"  {name}: {{type: number, range: [{low}, {high}], label: {label(name)}}}"


def category(name: str, levels: tuple[str, ...]) -> str:
    inside = ", ".join(f"{level}: {label(level)}" for level in levels)
    return f"  {name}: {{type: category, label: {label(name)}, levels: {{{inside}}}}}"


def boolean(name: str) -> str:
    return f"  {name}: {{type: boolean, label: {label(name)}}}"


def study(name: str, analyses: str, minimum: int = 5) -> str:
    """A study file of a data set."""
    lines = [number(key, *ends) for key, ends in NUMBERS[name].items()]
    lines += [category(key, LEVELS[key]) for key in CATEGORIES[name]]
    lines += [boolean(key) for key in BOOLEANS[name]]
    return HEAD % (minimum, "\n".join(lines), analyses)


def every_case(
    folder: Callable[[str], Path],
    cases: Mapping[str, Any],
    line: Callable[[str, dict[str, Any]], str],
    files: Mapping[str, str] | None = None,
) -> dict[str, Ended]:
    """By case, a run of it, each an analysis (or more) as `line` writes it; `folder` makes a folder.

    Cases of one data set (whose name `files` may change) and of like weights are one study, as a study asks for no
    others together.
    """
    kinds: dict[Any, list[str]] = {}
    for name, case in cases.items():
        likes = (case.get(key) for key in ("low", "high", "largest", "estimand", "stabilised", "estimator"))
        kinds.setdefault((case["data"], *likes), []).append(name)
    out = {}
    for number_, ((data, *_), names) in enumerate(kinds.items()):
        file = (files or {}).get(data, data)
        lines = [line(name, cases[name]) for name in names]
        # 189 births at four hospitals have cells of five at the least.
        own = dict.fromkeys(SITES, Policy(minimum_people=5))
        run = ended(folder(f"{data}{number_}"), study(file, "".join(lines)), hospitals(file), own)
        assert run.stopped == {}, [(name, str(why)[:60]) for name, why in run.stopped.items()]
        out |= dict.fromkeys(names, run)
    return out


def every_error(
    folder: Callable[[str], Path], cases: Mapping[str, Any], line: Callable[[str, dict[str, Any], str], str]
) -> dict[str, Ended]:
    """By data set, a run of its cases with each of their `errors`, as `line` writes them; `folder` makes a folder."""
    out = {}
    for data in dict.fromkeys(case["data"] for case in cases.values()):
        some = {name: case for name, case in cases.items() if case["data"] == data}
        lines = [line(name, case, robust) for name, case in some.items() for robust in case["errors"]]
        out[data] = ended(folder(data), study(data, "".join(lines)), hospitals(data))
        assert out[data].stopped == {}
    return out
