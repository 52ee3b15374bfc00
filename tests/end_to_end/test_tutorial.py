"""The tutorial, followed word for word: its commands print what it shows, and its figures are the results'."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def steps() -> Iterator[tuple[str, list[str]]]:
    """Each command that the page shows, with the lines that it prints."""
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *lines = step.rstrip("\n").split("\n")
            yield command, lines


def printed(command: str, folder: Path) -> list[str]:
    """What a command prints, from both of its streams."""
    words = [str(Path(sys.executable).parent / "gagyo"), *command.split()[1:]]
    environment = {**os.environ, "GAGYO_LANGUAGE": "en"}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    return (done.stderr + done.stdout).rstrip("\n").split("\n")


def is_shown(lines: list[str], told: list[str]) -> bool:
    """Whether the page's lines are the printed ones, where `...` leaves out any number of them."""
    pattern = "".join("(.*\n)*" if line == "..." else re.escape(line) + "\n" for line in lines)
    return re.fullmatch(DIGEST.sub("D", pattern), DIGEST.sub("D", "\n".join(told)) + "\n") is not None


def slip(folder: Path, done: int) -> None:
    """What the page asks the reader to change by hand before the command after so many, and to take back again."""
    study, ledger = folder / "study.yaml", folder / "results" / "ledgers" / "busan.jsonl"
    if done == 3:
        study.write_text(study.read_text(encoding="utf-8").replace("+ glucose +", "+ glucos +"), encoding="utf-8")
    if done == 4:
        study.write_text(study.read_text(encoding="utf-8").replace("+ glucos +", "+ glucose +"), encoding="utf-8")
    if done == 8:
        content = ledger.read_bytes()
        ledger.write_bytes(content[:60] + (b"x" if content[60:61] != b"x" else b"y") + content[61:])


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, list[str], list[str]]]]:
    """The reader's folder, and of each command what the page shows and what was printed."""
    folder, found = tmp_path_factory.mktemp("tutorial"), []
    for number, (command, lines) in enumerate(steps()):
        if command.startswith("cd "):
            folder = folder / command.split()[1]
            continue
        slip(folder, number)
        found.append((command, lines, printed(command, folder)))
    return folder, found


def test_every_command_prints_what_the_tutorial_shows(
    followed: tuple[Path, list[tuple[str, list[str], list[str]]]],
) -> None:
    _, found = followed
    assert len(found) == 9
    for command, lines, told in found:
        assert is_shown(lines, told), f"{command} printed:\n" + "\n".join(told)


def test_figures_of_the_tutorial_are_those_of_the_results(
    followed: tuple[Path, list[tuple[str, list[str], list[str]]]],
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = json.loads((followed[0] / "results" / "results.json").read_bytes())
    age = next(one for one in found["analyses"]["algorithm"]["estimates"] if one["name"] == "age")
    assert f"{age['value']:.4f} (95% CI {age['lower']:.4f} to {age['upper']:.4f})" in page
    rows = [row[1:3] for row in found["egress"]["tables"][0]["rows"]]
    assert all(row == rows[0] for row in rows)
    assert f"here {rows[0][0]} numbers that were opened only as sums over hospitals, and {rows[0][1]} of each" in page
