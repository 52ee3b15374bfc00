"""A whole study at hospitals' own machines: two hubs, four services, TLS; every round sealed, ruled and recorded."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from measure import Row, alone, serve


def _resident(process: subprocess.Popen[Any], what: str = "VmRSS") -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(what)).split()[1]) / 1024


def study() -> dict[str, Any]:
    """The demo study: wall of all, wall of each round (one request to, and one answer from, each hospital), memory."""
    from gagyo.api import run_remote
    from gagyo.demo.hospitals import approve_all, world_of
    from gagyo.runtime.remote import Remote

    walls: list[float] = []
    ask = Remote.ask

    def timed(self: Remote, requests: Any) -> Any:
        start = time.perf_counter()
        answers = ask(self, requests)
        if len(requests) == 4:
            walls.append(time.perf_counter() - start)
        return answers

    Remote.ask = timed  # type: ignore[method-assign]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        file, world = world_of(Path(name))
        with world:
            world.open_hubs()
            world.enrol()
            world.start_sites()
            started = time.perf_counter() - start
            time.sleep(2)
            idle = {one: _resident(process) for one, process in world.processes.items()}
            threading.Thread(target=approve_all, args=(world,), daemon=True).start()
            began = time.perf_counter()
            run_remote(file, world.coordinator, Path(name) / "run")
            spent = time.perf_counter() - began
            peak = {one: _resident(process, "VmHWM") for one, process in world.processes.items()}
    return {"walls": walls, "started": started, "run": spent, "idle": idle, "peak": peak}


WORKS = {"study": study}


def rows() -> list[Row]:
    """The rows of the table."""
    found = alone("remote.py", "study")
    walls = sorted(1000 * wall for wall in found["walls"])
    late, middle = walls[int(0.95 * len(walls))], statistics.median(walls)
    idle = max(size for name, size in found["idle"].items() if not name.startswith("hub"))
    peak = max(size for name, size in found["peak"].items() if not name.startswith("hub"))
    whole = found["started"] + found["run"]
    note = f"of it {found['started']:.1f} s starting and enrolling; {len(walls)} rounds of four"
    return [
        Row("demo study over TLS, 2 hubs and 4 sites", "gagyo", whole, "s", "limit 20 s", note),
        Row("one round of it, 4 sites", "gagyo", middle, "ms", "limit 30 ms", f"p95 {late:.3g} ms (limit 70 ms)"),
        Row("memory of a site service at rest", "gagyo", idle, "MB", "limit 90 MB", f"peak {peak:.0f} MB in a run"),
    ]


if __name__ == "__main__":
    serve(WORKS, rows)
