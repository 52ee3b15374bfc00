"""Rounds through a hub: four sites, and fifty, in processes of their own, TLS, signed calls, the mailbox on disk."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measure import Row, alone, serve

SITES = ("seoul", "busan", "beijing", "tianjin")
FIFTY = tuple(f"site{number:02d}" for number in range(50))
SMALL, LARGE = 11_000, 10_000_000
SITE = """
import sys
from pathlib import Path
from gagyo.exchange.client import Client
from gagyo.exchange.letter import SMALL, Sending
from gagyo.exchange.membership import Membership
with Client(Membership.open(Path(sys.argv[1]))) as client:
    done, answers = [], []
    while True:
        letters = client.receive(25, acknowledged=done, sending=answers)
        done = [one.id for one in letters]
        answers = [Sending(one.sender, one.study, one.body[::-1]) for one in letters if len(one.body) <= SMALL]
        for one in letters:
            if len(one.body) > SMALL:
                client.send(one.sender, one.study, one.body[::-1])
"""


def _enrol(hub: Any, folder: Path, name: str, role: str) -> None:
    from gagyo.exchange.envelope import Keys
    from gagyo.exchange.mailbox import register
    from gagyo.exchange.mailbox.register import Enrolled
    from gagyo.exchange.membership import Membership

    folder.mkdir()
    keys, now = Keys.open(folder / "keys"), int(time.time())
    known = Enrolled(name, "KR", role, "active", keys.public, now, now + 10**6)  # type: ignore[arg-type]
    hub.operate(lambda rows: register.put_member(rows, known))
    Membership(name, "KR", role, hub.url, hub.name, hub.keys.public, keys, hub.ca).save(folder)


def _resident(process: subprocess.Popen[Any], what: str = "VmRSS") -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(what)).split()[1]) / 1024


def _round(client: Any, pool: ThreadPoolExecutor, names: Sequence[str], size: int, done: list[str]) -> list[str]:
    from gagyo.exchange.letter import Sending, carried

    body = os.urandom(size)
    along, apart = carried([Sending(site, "s", body) for site in names])
    list(pool.map(lambda one: client.send(one.recipient, one.study, one.body), apart))
    taken: list[str] = []
    while len(taken) < len(names):
        letters = client.receive(25, acknowledged=done, enough=len(names) - len(taken), sending=along)
        along = []
        assert all(one.body == body[::-1] for one in letters)
        done = [one.id for one in letters]
        taken += done
    return done


def _rounds(
    size: int, count: int, warm: int, names: Sequence[str] = SITES, marks: Sequence[int] = ()
) -> dict[str, Any]:
    """Rounds through a hub; `marks` are rounds after which its memory (MB) and disk (kB) are looked at."""
    from gagyo.exchange.client import Client
    from gagyo.exchange.hub_folder import make_hub
    from gagyo.exchange.membership import Membership

    with tempfile.TemporaryDirectory() as text:
        folder, port = Path(text), 18443
        hub = make_hub(folder / "hub", "KR", url=f"https://127.0.0.1:{port}")
        for name in ("lead", *names):
            _enrol(hub, folder / name, name, "coordinator" if name == "lead" else "site")
        command = [sys.executable, "-c", "from gagyo.cli import main; main()", "hub", "start", str(hub.folder)]
        serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert serving.stdout is not None
        serving.stdout.readline()
        idle = _resident(serving)
        sites = [subprocess.Popen([sys.executable, "-c", SITE, str(folder / site)]) for site in names]
        try:
            with Client(Membership.open(folder / "lead")) as client, ThreadPoolExecutor(min(len(names), 16)) as pool:
                client.open_study("s", names)
                done: list[str] = []
                walls, seen = [], []
                for number in range(1, warm + count + 1):
                    start = time.perf_counter()
                    done = _round(client, pool, names, size, done)
                    walls.append(time.perf_counter() - start)
                    if number in marks:
                        seen.append((_resident(serving), _on_disk(hub.folder)))
            peak = max(_resident(one, "VmHWM") for one in sites)
            whole = {"walls": walls[warm:], "idle": idle, "hub": _resident(serving, "VmHWM"), "site": peak}
            return whole | {"seen": seen}
        finally:
            for one in (*sites, serving):
                one.terminate()
                one.wait()


def _on_disk(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1000


def level() -> dict[str, Any]:
    """10,000 rounds of 11 KB each way with one site: what the hub holds after a tenth of them, and after all."""
    return _rounds(SMALL, 10_000, 0, SITES[:1], (1_000, 10_000))


def small() -> dict[str, Any]:
    """300 rounds of 11 KB each way."""
    return _rounds(SMALL, 300, 20)


def large() -> dict[str, Any]:
    """Three rounds of 10 MB each way."""
    return _rounds(LARGE, 3, 1)


def fifty() -> dict[str, Any]:
    """100 rounds of 11 KB each way, fifty sites."""
    return _rounds(SMALL, 100, 3, FIFTY)


WORKS = {"small": small, "large": large, "fifty": fifty, "level": level}


def rows() -> list[Row]:
    """The rows of the table."""
    one, other, crowd = (alone("exchange.py", name) for name in ("small", "large", "fifty"))
    crowded = sorted(crowd["walls"])
    early_seen, late_seen = alone("exchange.py", "level")["seen"]
    walls = sorted(1000 * wall for wall in one["walls"])
    work, many = "one round, 4 sites, 11 KB each way", "one round, 4 sites, 10 MB each way"
    late = walls[int(0.95 * len(walls))]
    rest, site = f"peak {other['hub']:.0f} MB at 10 MB", f"a site's peak {other['site']:.0f} MB"
    return [
        Row(work, "exchange", statistics.median(walls), "ms", None, 30, f"p95 {late:.3g} ms (limit 70 ms)"),
        Row(many, "exchange", statistics.median(other["walls"]), "s", None, 2, site),
        Row(
            "one round, 50 sites, 11 KB each way",
            "exchange",
            statistics.median(crowded),
            "s",
            None,
            0.5,
            f"100 rounds, p95 {crowded[94]:.3g} s",
        ),
        Row("memory of a hub at rest", "exchange", one["idle"], "MB", None, 120, rest),
        Row(
            "growth of a hub's memory from round 1,000 to round 10,000",
            "exchange",
            late_seen[0] - early_seen[0],
            "MB",
            note=f"on disk {early_seen[1]:.0f} kB, then {late_seen[1]:.0f} kB",
        ),
    ]


if __name__ == "__main__":
    serve(WORKS, rows)
