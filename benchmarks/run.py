"""Runs every benchmark, each in a process of its own on one thread, and writes benchmarks/results.md: `make bench`."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from measure import HERE, ONE_THREAD, machine

ALL = ("logistic.py", "auc.py", "commands.py", "exchange.py", "remote.py", "survival.py", "models.py")


def rows(script: str) -> list[dict[str, Any]]:
    """The rows of one benchmark file."""
    done = subprocess.run(
        [sys.executable, str(HERE / script)],
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr}")
    found: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def table(found: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    head = "| work | who | measured | ours / theirs | limit | | note |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(text.replace('|', '&#124;') for text in cells(one))} |\n" for one in found)


def cells(one: dict[str, Any]) -> Iterator[str]:
    """One row's texts: a limit holds for the ratio where there is one, else for what was measured."""
    ratio, limit = one["ratio"], one["limit"]
    yield from (one["work"], one["who"], f"{one['value']:.3g} {one['unit']}")
    yield "" if ratio is None else f"{ratio:.3g}"
    if limit is None:
        yield from ("", "")
    else:
        yield f"{limit:.3g}" if ratio is not None else f"{limit:.3g} {one['unit']}"
        yield "met" if (one["value"] if ratio is None else ratio) <= limit else "**not met**"
    yield one["note"]


def main() -> None:
    """Run, print and write."""
    found = []
    for script in sys.argv[1:] or ALL:
        print(f"{script} ...", file=sys.stderr, flush=True)
        found += rows(script)
    text = f"""# Benchmarks

Written by `make bench` on {datetime.date.today().isoformat()}: {machine()}.
One thread each; every row in a process of its own. CPU seconds are of the work alone, data in memory.
Earlier figures, on this machine and on others: [history](history.md).

{table(found)}"""
    print(text)
    if not sys.argv[1:]:
        (HERE / "results.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
