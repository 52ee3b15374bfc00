"""The files of deploy/ start commands that exist, with options that they have."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gagyo.cli import main

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]


def unit(name: str) -> dict[str, str]:
    lines = (DEPLOY / f"gagyo-{name}.service").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def started_by_unit(name: str) -> list[str]:
    program, *typed = shlex.split(unit(name)["ExecStart"])
    assert Path(program).name == "gagyo"
    return typed


def started_by_compose(name: str) -> list[str]:
    return list(COMPOSE[name]["command"])


@pytest.mark.parametrize("started", [started_by_unit, started_by_compose])
@pytest.mark.parametrize("name", ["site", "hub"])
def test_the_command_is_there_with_its_options(name: str, started: object, capsys: pytest.CaptureFixture[str]) -> None:
    typed = started(name)  # type: ignore[operator]
    assert typed[:2] == [name, "start"]
    with pytest.raises(SystemExit) as left:
        main([*typed[:2], "--help"])
    assert left.value.code == 0
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {word for word in typed if word.startswith("--")} <= offered


@pytest.mark.parametrize(("name", "kept"), [("site", "/srv/hospital"), ("hub", "/srv/gagyo")])
def test_what_it_writes_may_be_written(name: str, kept: str) -> None:
    assert unit(name)["ReadWritePaths"].startswith(kept)
    assert [volume.partition(":")[2] for volume in COMPOSE[name]["volumes"]] == [kept]
    assert any(word.startswith(kept) for word in started_by_unit(name))
    assert any(word.startswith(kept) for word in started_by_compose(name))


def test_the_image_is_of_what_is_in_the_checkout() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert all((DEPLOY.parent / word).exists() for word in copied)
    assert all((DEPLOY / one["build"]["context"]).resolve() == DEPLOY.parent for one in COMPOSE.values())
