"""Where hospitals' site files and folders are, and who holds a folder: one process at a time writes its ledger."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gagyo.errors import FileFault

FILE = "service.lock"


def state_folder(file: Path) -> Path:
    """Where a hospital keeps keys, membership, ledger, memory and inbox: `state/<name of the site file>` beside it."""
    return file.absolute().parent / "state" / file.stem


def site_files(folder: Path) -> list[Path]:
    """The site files that lie in a folder, beside which a study file may lie.

    Raises:
        FileFault: `no_folder` where there is none.
    """
    if not folder.is_dir():
        raise FileFault.of("no_folder", found=str(folder))
    written = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    return [one for one in written if not _of_study(one.read_bytes())]


def _of_study(text: bytes) -> bool:
    keys = set(re.findall(rb"^(study|site)[ \t]*:", text, re.MULTILINE))
    return keys == {b"study"}


@contextmanager
def held(folder: Path, name: str = FILE) -> Iterator[bool]:
    """Whether this process holds the folder now (or what in it has this name); it is let go at the end, and when the
    process dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
