"""A whole study at hospitals' own machines: two hubs, four services, TLS; every round sealed, ruled and recorded."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from measure import Row, alone, serve


def _resident(process: subprocess.Popen[Any], what: str = "VmRSS") -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(what)).split()[1]) / 1024


def study(hubs: int = 2) -> dict[str, Any]:
    """The demo study: wall of all, wall and bytes of each round (one request to, one answer from each), memory."""
    from gagyo.api import run_remote
    from gagyo.demo import breast
    from gagyo.demo.hospitals import COUNTRIES, approve_all
    from gagyo.demo.world import World
    from gagyo.exchange.line import Line
    from gagyo.runtime.remote import Remote

    walls: list[float] = []
    carried: list[float] = []
    ask, call, sizes = Remote.ask, Line.call, [0]

    def counted(self: Line, method: str, path: str, query: Any = None, body: bytes = b"", **more: Any) -> Any:
        answer = call(self, method, path, query or {}, body, **more)
        sizes[0] += len(body) + len(answer.body)
        return answer

    def timed(self: Remote, requests: Any) -> Any:
        start, before = time.perf_counter(), sizes[0]
        answers = ask(self, requests)
        if len(requests) == 4:
            walls.append(time.perf_counter() - start)
            carried.append((sizes[0] - before) / 4)
        return answers

    Remote.ask, Line.call = timed, counted  # type: ignore[method-assign]
    countries = COUNTRIES if hubs == 2 else dict.fromkeys(COUNTRIES, "KR")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        file, hospitals = breast.prepare(Path(name))
        world = World(Path(name), {one: hospitals / f"{one}.yaml" for one in countries}, countries)
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
    sent = {"walls": walls, "carried": carried}
    return {**sent, "started": started, "run": spent, "idle": idle, "peak": peak}


WORKS = {"study": study, "one-hub": partial(study, 1)}


def rows() -> list[Row]:
    """The rows of the table."""
    found = alone("remote.py", "study")
    one = alone("remote.py", "one-hub")
    idle = max(size for name, size in found["idle"].items() if not name.startswith("hub"))
    peak = max(size for name, size in found["peak"].items() if not name.startswith("hub"))
    whole = found["started"] + found["run"]
    note = f"of it {found['started']:.1f} s starting and enrolling; {len(found['walls'])} rounds of four"
    return [
        Row("demo study over TLS, 2 hubs and 4 sites", "gagyo", whole, "s", None, 20, note),
        _round("one round of it, 4 sites at 2 hubs", found),
        _round("one round of it, 4 sites at 1 hub", one),
        Row("memory of a site service at rest", "gagyo", idle, "MB", None, 90, f"peak {peak:.0f} MB in a run"),
    ]


def _round(work: str, found: dict[str, Any]) -> Row:
    walls = sorted(1000 * wall for wall in found["walls"])
    late, size = walls[int(0.95 * len(walls))], statistics.median(found["carried"]) / 1000
    note = f"p95 {late:.3g} ms (limit 70 ms); {size:.0f} kB to and from each site"
    return Row(work, "gagyo", statistics.median(walls), "ms", None, 30, note)


if __name__ == "__main__":
    serve(WORKS, rows)
