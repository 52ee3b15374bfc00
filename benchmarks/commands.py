"""Wall time and peak memory of `gagyo --help` and `gagyo demo`, each a whole process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import Row, alone, serve

GAGYO = str(Path(sys.executable).with_name("gagyo"))


def _timed(arguments: list[str], folder: str, times: int) -> dict[str, Any]:
    walls = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([GAGYO, *arguments], cwd=folder, check=True, capture_output=True, env=os.environ)
        walls.append(time.perf_counter() - start)
    return {"seconds": min(walls), "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def help_text() -> dict[str, Any]:
    """The help; best of five, since the first reads the files from disk."""
    with tempfile.TemporaryDirectory() as folder:
        return _timed(["--help"], folder, 5)


def demo() -> dict[str, Any]:
    """The demo, once."""
    with tempfile.TemporaryDirectory() as folder:
        return _timed(["demo", "--out", "out"], folder, 1)


WORKS = {"help": help_text, "demo": demo}


def rows() -> list[Row]:
    """Both commands, with the issue's limits."""
    told, shown = alone("commands.py", "help"), alone("commands.py", "demo")
    return [
        Row("`gagyo --help`", "gagyo", told["seconds"], "s", None, 0.4, f"peak {told['peak']:.0f} MB"),
        Row("`gagyo demo`", "gagyo", shown["seconds"], "s", None, 12, f"peak {shown['peak']:.0f} MB (limit 600)"),
    ]


if __name__ == "__main__":
    serve(WORKS, rows)
