"""What the benchmarks share: CPU time and memory of one piece of work, a process of its own, what machine it is."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ONE_THREAD = {
    name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
}


@dataclass(frozen=True)
class Row:
    """One line of the results: what was done, by whom, how long or large, and what that is held against.

    ratio: ours to theirs. limit: the most that the ratio may be, or the value itself where there is none.
    """

    work: str
    who: str
    value: float
    unit: str
    ratio: float | None = None
    limit: float | None = None
    note: str = ""


@contextmanager
def cpu() -> Iterator[list[float]]:
    """CPU seconds of the block, in the list afterwards."""
    spent: list[float] = []
    start = time.process_time()
    yield spent
    spent.append(time.process_time() - start)


def peak_mb() -> float:
    """The greatest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_mb() -> float:
    """The resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def alone(script: str, *arguments: str) -> dict[str, Any]:
    """Run one piece of work in a process of its own, on one thread; its last line is JSON."""
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def serve(works: dict[str, Callable[[], dict[str, Any]]], rows: Callable[[], list[Row]]) -> None:
    """The main program of a benchmark file: a named piece of work, or all of them as rows."""
    if len(sys.argv) > 1:
        print(json.dumps(works[sys.argv[1]]()))
    else:
        print(json.dumps([asdict(row) for row in rows()]))


def machine() -> str:
    """CPU, cores and memory, without names."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"
