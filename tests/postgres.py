"""A PostgreSQL cluster of the tests' own: in a folder of its own, on a free port, ended by its own process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.exchange.hubs import free_port


def programs() -> Path | None:
    """Where `initdb` and `postgres` are; None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    which = shutil.which("initdb")
    return found[-1].parent if found else Path(which).resolve().parent if which else None


@dataclass
class Cluster:
    """A database that can be killed and started again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls) -> Cluster:
        """A new cluster, started."""
        folder = Path(tempfile.mkdtemp(prefix="gagyo-pg-"))
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        cluster = cls(folder, free_port())
        # Durable against kill -9 of the database; the machine itself does not fail in a test.
        command = ["initdb", "-D", str(folder / "cluster"), "-A", "trust", "-U", "gagyo", "--no-sync"]
        cluster._run(command).wait(60)
        cluster.start()
        return cluster

    @property
    def url(self) -> str:
        """Of its only database."""
        return f"postgresql://gagyo@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = ["postgres", "-D", str(self.folder / "cluster"), "-p", str(self.port), "-k", str(self.folder)]
        self.process = self._run([*command, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60"])
        until = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < until, "the database does not start"
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9 of the database; its children end by themselves, and until then answer whoever asks."""
        assert self.process is not None
        first = self.process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        self._end(signal.SIGKILL)
        until = time.monotonic() + 30
        while any(Path("/proc", child).exists() for child in children):
            assert time.monotonic() < until, "a child of the database does not end"
            time.sleep(0.02)

    def remove(self) -> None:
        """Stop and remove."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self) -> None:
        """Drop all that is in it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def _end(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)

    def _run(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        bin_folder = programs()
        assert bin_folder is not None
        who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            [str(bin_folder / command[0]), *command[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **who,
        )
