"""A file that a command makes is a new one: what has its name already, such as a key, stays as it is."""

from __future__ import annotations

from pathlib import Path


def check_fresh(path: Path) -> None:
    """Raise FileFault `file_exists` where there is something already."""
    from gagyo.errors import FileFault

    if path.exists():
        raise FileFault.of("file_exists", found=path)
