"""A disk that fills up at a hospital: nothing is lost, nothing is released twice, and the same run goes on."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from gagyo.cli import exits, main
from gagyo.coordinator.run import Run
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import Ledger, check_chain, read
from gagyo.runtime.embedded import Embedded
from gagyo.site.site import Site
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house

ROOM = 16 << 20


def fill(ballast: Path) -> None:
    """Use up what is left of a small file system, to the last byte."""
    with ballast.open("ab", buffering=0) as file:
        size = 1 << 16
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2


def run_through(folder: Path) -> None:
    """What the test below does on a file system of 16 MiB at `folder`, in a process of its own."""

    ballast = folder / "ballast"

    class Filling(Embedded):
        """Lets a question through, and fills the disk before each other one."""

        asked = 0

        def ask(self, requests: Sequence[Request]) -> list[Answer]:
            self.asked += bool(requests)
            if requests and self.asked % 2 == 0:
                fill(ballast)
            return super().ask(requests)

    def settled(where: Path, runtime: Callable[[Mapping[str, Site]], Embedded] = Embedded) -> House:
        """Four hospitals, of which Seoul keeps its folder on the small file system."""
        where.mkdir()
        (folder / where.name).mkdir()
        (where / "seoul").symlink_to(folder / where.name)
        return house(where, STUDY + MODEL, breast(), wrap=lambda inner: runtime(inner.sites))

    calm = settled(folder.parent / "calm").run().results["model"]
    one, stops = settled(folder.parent / "full", Filling), 0
    while stops < 100:
        run = Run(one.plan, one.journal)
        try:
            list(run)
            break
        except (OSError, sqlite3.Error):
            stops += 1
        finally:
            ballast.unlink(missing_ok=True)
    assert stops > 2, stops
    assert run.results["model"].estimates == calm.estimates
    entries = list(read(one.sites["seoul"].ledger.path))
    check_chain(entries, one.sites["seoul"].keys.public)
    released = [entry.record["request"] for entry in entries if entry.record["outcome"] == "released"]
    assert len(released) == len(set(released))
    given = {answer.receipt.head for answer in one.journal.answers if answer.site == "seoul" and answer.receipt}
    assert given <= {entry.head for entry in entries}, "what the coordinator holds is on the hospital's ledger"
    assert "fault" not in {entry.record["code"] for entry in entries}
    print("stopped", stops)


WAYS = ([], ["unshare", "--user", "--map-root-user", "--mount"])
"""How to be allowed to mount: as it is, or in namespaces of one's own."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[list[str]]:
    """The command's beginning that lets a process mount a file system of 16 MiB at `tmp_path`/small."""
    place = tmp_path / "small"
    place.mkdir()
    for way in WAYS:
        mount = [*way, "sh", "-c", f"mount -t tmpfs -o size={ROOM} tmpfs {place} && umount {place}"]
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            yield way
            return
    pytest.skip("mounting a file system is not permitted here, neither to this user nor in a user namespace")


def test_a_run_goes_on_after_the_disk_was_full(small: list[str], tmp_path: Path) -> None:
    place = tmp_path / "small"
    script = f"from pathlib import Path; from {__name__} import run_through; run_through(Path('{place}'))"
    mounted = f"mount -t tmpfs -o size={ROOM} tmpfs {place}"
    shell = f'{mounted} && {sys.executable} -c "{script}"; code=$?; umount -l {place}; exit $code'
    here = Path(__file__).parents[2]
    done = subprocess.run([*small, "sh", "-c", shell], capture_output=True, text=True, cwd=here, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "stopped" in done.stdout


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next link stands after the last whole one, also without a new start."""
    ledger = Ledger(tmp_path / "ledger.jsonl", lambda message: b"")
    ledger.record([{"plan": "a"}])
    before = ledger.path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        ledger.record([{"plan": "b"}])
    monkeypatch.undo()
    assert ledger.path.read_bytes() == before
    ledger.record([{"plan": "c"}])
    assert [entry.record["plan"] for entry in read(ledger.path)] == ["a", "c"]


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "x"), sqlite3.OperationalError("database or disk is full")])
def test_the_command_says_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, fault: Exception
) -> None:
    def raising(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("gagyo.protocol.study.Study.sketch", raising)
    for language, word in (("en", "full"), ("ko", "디스크"), ("zh", "磁盘")):
        with pytest.raises(SystemExit) as left:
            main(["--language", language, "check", str(tmp_path / "study.yaml")])
        assert left.value.code == exits.FAULT
        assert word in capsys.readouterr().err


def test_an_answer_that_could_not_be_put_on_record_is_put_there_before_the_next(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is kept, its receipt is not written, and there is room again: no other link takes its place."""
    seoul = small_house.sites["seoul"]
    asked = Request(small_house.plan.digest, "", "", 0, "seoul", "preflight")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        seoul.answer(asked)
    monkeypatch.undo()
    before = len(seoul.ledger.entries)
    stranger = seoul.answer(Request("sha256:" + "0" * 64, "", "", 0, "seoul", "preflight"))
    given = seoul.answer(asked)
    assert (stranger.outcome, given.outcome) == ("refused", "released")
    assert given.receipt
    assert stranger.receipt
    assert [entry.head for entry in seoul.ledger.entries[before:]] == [given.receipt.head, stranger.receipt.head]
    assert list(read(seoul.ledger.path)) == seoul.ledger.entries
