"""Runs every benchmark, each in a process of its own on one thread, and writes benchmarks/results.md: `make bench`."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
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
    head = "| work | who | measured | ours / theirs, or limit | note |\n|---|---|---|---|---|\n"
    lines = (
        f"| {one['work']} | {one['who']} | {one['value']:.3g} {one['unit']} | {one['must']} | {one['note']} |"
        for one in found
    )
    return head + "\n".join(lines) + "\n"


def main() -> None:
    """Run, print and write."""
    found = []
    for script in sys.argv[1:] or ALL:
        print(f"{script} ...", file=sys.stderr, flush=True)
        found += rows(script)
    text = f"""# Benchmarks

Written by `make bench` on {datetime.date.today().isoformat()}: {machine()}.
One thread each; every row in a process of its own. CPU seconds are of the work alone, data in memory.

{table(found)}"""
    print(text)
    if not sys.argv[1:]:
        (HERE / "results.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
