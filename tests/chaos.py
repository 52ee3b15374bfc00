"""Chaos: runs of a study over two hubs, in each of which one process is killed, halted, or one line is cut, at random.

`python -m tests.chaos N [SEED]` does N runs from SEED on and prints one line each; the seed of a failure replays it.
After each run the results equal those of an undisturbed one, to the last bit; chains, signatures and receipts are
whole; no question was released twice; and it ended within the deadline.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from gagyo.api import run_embedded, run_key_file, verify
from gagyo.demo.hospitals import COUNTRIES, copy_ledgers, world_of
from gagyo.demo.world import GAGYO, World
from gagyo.protocol.study import Study
from gagyo.release.ledger import read
from gagyo.site.folder import state_folder
from gagyo.site.inbox import Inbox
from tests.faults import BadLine, line

DEADLINE_SECONDS = 120.0
DROPPED = re.compile(r"\n    (folds|bootstrap|joining|nonlinearity|likelihood_ratio|countries): .*")
EVENTS = ("kill", "kill", "kill", "halt", "cut")
TOGETHER = 50
"""Runs at the same hospitals, whose whole ledgers are verified after each; then others are founded."""


class Failed(Exception):
    """What was promised did not hold."""


@dataclass
class Place:
    """A world with a bad line before every hospital and the coordinator, and what an undisturbed run gives."""

    world: World
    study: str
    expected: dict[str, Any]
    lines: dict[str, BadLine] = field(default_factory=dict)
    usual: float = 0.0
    """Seconds of an undisturbed run: a disturbance comes within them."""
    run_keys: bytes = b""
    """The coordinator's keys of that run, which are gone at its end."""

    @property
    def key_file(self) -> Path:
        """Where the coordinator's keys of a run are while it lasts."""
        return run_key_file(Study.read(self.world.folder / "undisturbed.yaml"))

    def note_run_keys(self) -> None:
        """Remember the keys of the run that goes on."""
        if not self.run_keys and self.key_file.exists():
            self.run_keys = self.key_file.read_bytes()


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """Start everything once."""
    study_file, world = world_of(folder)
    study = DROPPED.sub("", study_file.read_text(encoding="utf-8"))
    study_file.write_text(study, encoding="utf-8")
    finished = run_embedded(study_file, world.sites["seoul"].parent, folder / "embedded")
    for name in COUNTRIES:  # the embedded run's keys are not those of the hospitals that join a hub
        _clear(state_folder(world.sites[name]))
    with ExitStack() as stack:
        stack.enter_context(world)
        world.open_hubs()
        world.enrol()
        found = Place(world, study, json.loads(json.dumps(finished.document["analyses"])))
        for name in ("coordinator", *COUNTRIES):
            home = world.coordinator if name == "coordinator" else state_folder(world.sites[name])
            found.lines[name] = stack.enter_context(line(_between(home)))
            _redirect(home, found.lines[name].port)
        world.start_sites()
        began = time.monotonic()
        _run(found, "undisturbed", lambda coordinator, spent: found.note_run_keys())
        found.usual = time.monotonic() - began
        yield found


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _between(home: Path) -> BadLine:
    hub = json.loads((home / "membership.json").read_text(encoding="utf-8"))["hub"]
    return BadLine(int(hub.rpartition(":")[2]))


def _redirect(home: Path, port: int) -> None:
    path = home / "membership.json"
    record = json.loads(path.read_text(encoding="utf-8")) | {"hub": f"https://127.0.0.1:{port}"}
    path.write_text(json.dumps(record), encoding="utf-8")


def run_one(at: Place, seed: int) -> str:
    """One run with one disturbance; what it was. Failed, with the reason, where a promise did not hold."""
    random = Random(seed)
    event = random.choice(EVENTS)
    victim = random.choice(["coordinator", *COUNTRIES, *(("hub-kr", "hub-cn") if event != "cut" else ())])
    when, pause = random.uniform(0.0, at.usual), random.uniform(0.0, 2.0)
    left = [when]

    def disturb(coordinator: _Coordinator, spent: float) -> None:
        if left and spent > when:
            left.clear()
            _disturb(at, coordinator, event, victim, pause)

    began = time.monotonic()
    told = f"{event} {victim} at {when:.2f} s for {pause:.2f} s"
    try:
        _run(at, str(seed), disturb)
    except Failed as why:
        raise Failed(f"{told}: {why}") from None
    shutil.rmtree(at.world.folder / f"run-{seed}")  # of two hundred runs the folders would fill the memory
    return f"{told}{' (the run had ended)' if left else ''}: {time.monotonic() - began:.1f} s"


def _run(at: Place, name: str, disturb: Callable[[_Coordinator, float], None]) -> None:
    """One run to its end, and everything that must hold then."""
    study = at.world.folder / f"{name}.yaml"
    # Another plan each time, of the same study: its name is the key of the folds.
    study.write_text(re.sub(r"lead: {name: [^,]*", f"lead: {{name: {name}", at.study), encoding="utf-8")
    out, began = at.world.folder / f"run-{name}", time.monotonic()
    coordinator = _Coordinator(at.world, study, out)
    coordinator.start()
    while (code := coordinator.process.poll()) is None or code < 0:
        disturb(coordinator, time.monotonic() - began)
        if time.monotonic() - began > DEADLINE_SECONDS:
            coordinator.process.kill()
            raise Failed(f"still running after {DEADLINE_SECONDS:.0f} s; {_states(out)}")
        _approve(at.world)
        time.sleep(0.1)
    if code:
        raise Failed(f"the run ended with {code}: {coordinator.said()}")
    _check(at, out)


class _Coordinator:
    """`gagyo run`, again and again the same command."""

    def __init__(self, world: World, study: Path, out: Path) -> None:
        self._typed = [*GAGYO, "run", str(study), "--hub", str(world.coordinator), "--out", str(out)]
        self._log = out.with_suffix(".log")

    def start(self) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self._typed, stdout=log, stderr=log)

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")[-500:]


def _disturb(at: Place, coordinator: _Coordinator, event: str, victim: str, pause: float) -> None:
    if event == "cut":
        at.lines[victim].down = True
        at.lines[victim].cut()
        time.sleep(pause)
        at.lines[victim].down = False
        return
    process = coordinator.process if victim == "coordinator" else at.world.processes[victim]
    if event == "halt":
        process.send_signal(signal.SIGSTOP)
        time.sleep(pause)
        process.send_signal(signal.SIGCONT)
    elif victim == "coordinator":
        process.kill()
        process.wait()
        time.sleep(pause)
        coordinator.start()
    else:
        at.world.kill(victim)
        time.sleep(pause)
        at.world.start(victim)


def _approve(world: World) -> None:
    """A custodian who approves whatever comes, through the hospital's own inbox."""
    for file in world.sites.values():
        path = state_folder(file) / "inbox.sqlite"
        if path.exists():
            inbox = Inbox(path)
            asked = {wish.plan for wish in inbox.wishes()}
            for one in inbox.plans():
                if one.state == "waiting" and one.plan not in asked:
                    inbox.wish(one.plan, "approve")
            inbox.close()


def _states(out: Path) -> str:
    path = out / "progress.json"
    return path.read_text(encoding="utf-8") if path.exists() else "no hospital was heard of"


def _check(at: Place, out: Path) -> None:
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))["analyses"]
    if found != at.expected:
        raise Failed("other results")
    copy_ledgers(at.world, out)
    verify(out)
    for path in sorted((out / "ledgers").iterdir()):
        released = [entry.record["request"] for entry in read(path) if entry.record["outcome"] == "released"]
        if len(set(released)) != len(released):
            raise Failed(f"{path.stem} released twice")


def _together(seeds: range) -> list[int]:
    """The runs at hospitals of their own; the seeds of those that failed."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="gagyo-chaos-") as name, place(Path(name)) as at:
        for one in seeds:
            try:
                print(one, run_one(at, one), flush=True)
            except Exception as fault:  # each failure is told, and the next run goes on
                failed.append(one)
                print(f"{one} FAILED {type(fault).__name__}: {fault}", flush=True)
    return failed


def main() -> None:
    """Do the runs, and leave with 1 where one failed."""
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    seeds = range(seed, seed + count)
    failed = [one for at in range(0, count, TOGETHER) for one in _together(seeds[at : at + TOGETHER])]
    print(f"{count} runs, {len(failed)} failed" + (f": seeds {failed}" if failed else ""))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
