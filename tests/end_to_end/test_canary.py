"""The canary: 10,000 planted identifiers and values in four hospitals' rows, and none of them outside these hospitals.

The study runs from real files with a fault and a refusal on the way. Then every file outside the hospitals' folders,
the hospitals' own ledgers and fault logs, and all that was printed is searched for each of them, in every form that a
program is likely to give it: UTF-8, CP949, GB18030, UTF-16, hexadecimal, base64, float64 bytes, decimal text.
"""

from __future__ import annotations

import base64
import logging
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.api import Finished, run_embedded, verify
from gagyo.cli import main
from gagyo.errors import DataFault, FileFault
from gagyo.methods import linear
from gagyo.protocol.study import Study
from gagyo.report import write
from gagyo.site.mapping.load import load
from gagyo.site.site_file import SiteFile
from tests.contract.data import HEAD, boolean, number

SITES = ("seoul", "busan", "beijing", "tianjin")
ENCODINGS = {"seoul": "cp949", "busan": "utf-8", "beijing": "gb18030", "tianjin": "utf-8-sig"}
WORDS = {"seoul": "환자", "busan": "등록", "beijing": "病人", "tianjin": "住院"}
EACH = 2_500
WINDOW = 8


@dataclass(frozen=True)
class Planted:
    """What one hospital's rows hold that must stay: a person's identifier and a value that no one else has."""

    persons: tuple[str, ...]
    values: tuple[str, ...]


def plant(site: str) -> Planted:
    """Identifiers of the kind hospitals use, with a word in their language, and glucose with nine digits."""
    random = np.random.default_rng(sorted(SITES).index(site))
    numbers = random.choice(10**8, EACH, replace=False)
    persons = tuple(f"{WORDS[site]}{number:08d}X" for number in numbers)
    return Planted(persons, tuple(f"{value:.9f}" for value in random.uniform(3, 12, EACH)))


ANALYSES = """\
  table: {method: describe, cohort: all, variables: [glucose, age], by: disease}
  model: {method: logistic, cohort: all, formula: "disease ~ glucose + age"}
  refused: {method: describe, cohort: few, variables: [glucose]}
  fault: {method: linear, cohort: all, formula: "glucose ~ age"}
"""


def write_study(folder: Path) -> Path:
    """A study whose third analysis is refused (a cohort of very few)."""
    variables = [number("glucose", 0, 60), number("age", 0, 120), boolean("disease")]
    text = HEAD % (10, "\n".join(variables), ANALYSES)
    text = text.replace("  all: {}", '  all: {}\n  few: {where: "age >= 89 and glucose > 11"}')
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def write_hospital(folder: Path, site: str, planted: Planted) -> None:
    """One hospital's site file and its rows."""
    random = np.random.default_rng(17 + sorted(SITES).index(site))
    age = random.integers(18, 91, EACH)
    chance = 1 / (1 + np.exp(7 - 0.6 * np.array(planted.values, float) - 0.04 * age))
    disease = random.random(EACH) < chance
    rows = zip(planted.persons, planted.values, age, disease, strict=True)
    lines = ["person,glucose,age,disease", *(f"{p},{v},{a},{'yes' if d else 'no'}" for p, v, a, d in rows)]
    (folder / f"{site}.csv").write_bytes("\n".join(lines).encode(ENCODINGS[site]))
    (folder / f"{site}.yaml").write_text(
        f"""
site: {site}
country: {"KR" if site in ("seoul", "busan") else "CN"}
data: {{connector: csv, path: {site}.csv, encoding: {ENCODINGS[site]}}}
person: person
variables:
  glucose: {{column: glucose}}
  age: {{column: age}}
  disease: {{column: disease, values: {{"yes": true, "no": false}}}}
""",
        encoding="utf-8",
    )


# Searching.


def forms(planted: Planted) -> Iterator[bytes]:
    """Every form of every planted thing, of at least eight bytes."""
    for person in planted.persons:
        for encoding in ("utf-8", "cp949", "gb18030", "utf-16-le"):
            yield from spelled(person.encode(encoding, "replace"))
        yield person[len(person) - 9 :].encode()  # the digits alone
        yield person.encode("unicode_escape")
    for value in planted.values:
        yield value.encode()
        yield repr(float(value)).encode()[:10]
        for order in "<>":
            yield from spelled(struct.pack(f"{order}d", float(value)))


def spelled(raw: bytes) -> Iterator[bytes]:
    """Bytes as they are, in hexadecimal, and in base64 at each of its three alignments."""
    yield raw
    yield raw.hex().encode()
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        # The characters at both ends also hold bits of the neighbours.
        yield text[(8 * shift + 5) // 6 : (8 * (shift + len(raw))) // 6]


def windows(raw: bytes) -> np.ndarray:
    """Every run of eight bytes as one number."""
    content = np.frombuffer(raw, np.uint8)
    if content.size < WINDOW:
        return np.zeros(0, np.uint64)
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(content, WINDOW)).view(np.uint64).ravel()


SLOT_BITS = 24


def slots(eights: np.ndarray) -> np.ndarray:
    """A slot for each run of eight bytes, by Fibonacci hashing."""
    return (eights * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - SLOT_BITS)


class Search:
    """Finds any of many needles in bytes: first by their first eight bytes, then whole."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self.needles = sorted({needle for needle in needles if len(needle) >= WINDOW})
        self.heads = np.unique(np.frombuffer(b"".join(needle[:WINDOW] for needle in self.needles), np.uint64))
        self._slots = np.zeros(1 << SLOT_BITS, bool)
        self._slots[slots(self.heads)] = True
        self.by_head: dict[bytes, list[bytes]] = {}
        for needle in self.needles:
            self.by_head.setdefault(needle[:WINDOW], []).append(needle)

    def found(self, raw: bytes) -> set[bytes]:
        """The needles that stand in some bytes."""
        every = windows(raw)
        likely = np.flatnonzero(self._slots[slots(every)])  # most windows share no slot with any needle
        hits = likely[np.isin(every[likely], self.heads)]
        return {
            needle
            for at in hits
            for needle in self.by_head.get(raw[at : at + WINDOW], ())
            if raw.startswith(needle, int(at))
        }


# The run.


@dataclass(frozen=True)
class Ran:
    """A finished run, all that was printed, and what must not be found."""

    root: Path
    finished: Finished
    printed: bytes
    search: Search


def fault_with_a_row(rows: Any, *_: Any, **__: Any) -> Any:
    """A local step as a careless programmer would write it: its error text holds a person's row."""
    raise ValueError(f"cannot use {rows['glucose'][0]} of {rows._persons[0]!r}")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    from _pytest.capture import MultiCapture, SysCapture

    root = tmp_path_factory.mktemp("canary")
    hospitals = root / "hospitals"
    hospitals.mkdir()
    planted = {site: plant(site) for site in SITES}
    for site in SITES:
        write_hospital(hospitals, site, planted[site])
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    capture = MultiCapture(in_=None, out=SysCapture(1), err=SysCapture(2))
    capture.start_capturing()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(linear.means.__dict__, "function", fault_with_a_row)
            finished = run_embedded(write_study(root), hospitals, root / "out", tell=print, ended=print)
            write(finished.document, root / "out")
            verify(root / "out")
            for verb in (["check", str(root / "study.yaml")], ["verify", str(root / "out")]):
                with suppress(SystemExit):
                    main(verb)
        out, err = capture.readouterr()
    finally:
        capture.stop_capturing()
        logging.getLogger().removeHandler(handler)
    logged = "\n".join(record.getMessage() for record in records)
    search = Search(form for one in planted.values() for form in forms(one))
    return Ran(root, finished, (out + err + logged).encode(), search)


def test_the_run_had_results_a_refusal_and_a_fault(ran: Ran) -> None:
    assert set(ran.finished.results) == {"table", "model"}
    assert set(ran.finished.stopped) == {"refused", "fault"}
    assert ran.finished.results["model"].people == 4 * EACH
    faults = ran.root / "hospitals" / "state" / "seoul" / "faults.log"
    assert "ValueError" in faults.read_text(), "the engineer is told where it happened"
    assert ran.printed


def test_the_search_finds_every_one_where_it_is(ran: Ran) -> None:
    for site in SITES:
        found = ran.search.found((ran.root / "hospitals" / f"{site}.csv").read_bytes())
        assert len(found) >= 3 * EACH, site
    one = plant("seoul")
    leaks = [
        one.persons[7].encode(),
        base64.b64encode(b"x" + one.persons[7].encode("cp949")),
        base64.b64encode(np.array([1.0, float(one.values[9])]).tobytes()),
        np.array([float(one.values[9])]).tobytes(),
        f'"value": {float(one.values[9])}'.encode(),
    ]
    assert all(ran.search.found(b"before " + leak + b" after") for leak in leaks)


def outside(root: Path) -> list[Path]:
    """Every file outside the hospitals' folder."""
    return [path for path in root.rglob("*") if path.is_file() and root / "hospitals" not in path.parents]


def test_nothing_that_was_planted_left(ran: Ran) -> None:
    files = outside(ran.root)
    assert {"journal.jsonl", "results.json", "plan.json", "report.ko.html"} <= {path.name for path in files}
    leaked = {str(path): sorted(found)[:3] for path in files if (found := ran.search.found(path.read_bytes()))}
    assert leaked == {}


def test_nothing_is_printed_or_logged(ran: Ran) -> None:
    assert ran.search.found(ran.printed) == set()


def test_nothing_is_in_the_hospitals_own_ledgers_and_fault_logs(ran: Ran) -> None:
    state = ran.root / "hospitals" / "state"
    kept = [path for path in state.rglob("*") if path.suffix in (".jsonl", ".log")]
    assert {path.parent.name for path in kept} == set(SITES)
    assert {path.name: ran.search.found(path.read_bytes()) for path in kept if path.stat().st_size} == {
        path.name: set() for path in kept if path.stat().st_size
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [("no\n", "maybe 환자11112222X\n"), (",", ",,"), ("yes", "환자11112222X"), ("3.", "-99999999."), ("\n", "\n\n,\n")],
)
def test_a_file_that_cannot_be_read_says_so_without_a_value(tmp_path: Path, before: str, after: str) -> None:
    planted = plant("seoul")
    write_hospital(tmp_path, "seoul", planted)
    path = tmp_path / "seoul.csv"
    text = path.read_bytes().decode("cp949")
    head, rest = text[:200], text[200:]
    path.write_bytes((head + rest.replace(before, after, 5)).encode("cp949"))
    study = Study.read(write_study(tmp_path))
    with pytest.raises((DataFault, FileFault)) as fault:
        load(SiteFile.read(tmp_path / "seoul.yaml"), study)
    search = Search([*forms(planted), "환자11112222X".encode(), b"-99999999"])
    said = "\n".join([str(fault.value), *(fault.value.text(language) for language in ("ko", "zh"))])
    assert search.found(said.encode()) == set()


def test_the_canary_would_be_heard() -> None:
    """The careless step above really has the row in its message: it is the door that keeps it in."""
    from gagyo.federation.rows import Rows

    rows = Rows("seoul", {}, {"glucose": np.array([5.5])}, [b"W0001"])
    with pytest.raises(ValueError, match="W0001"):
        fault_with_a_row(rows)
