"""The demos: the main job on real data. Each module writes a study with its hospitals into a folder, ready to run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

NAMES = ("breast", "heart", "survival", "weights")


def prepare(name: str, folder: Path, **options: Any) -> tuple[Path, Path]:
    """Write a demo's study and hospitals into a folder; gives the study file and the folder of site files."""
    return import_module(f"gagyo.demo.{name}").prepare(folder, **options)  # type: ignore[no-any-return]


def copy_files(name: str, folder: Path) -> tuple[Path, Path]:
    """Copy a demo's study file and site files."""
    from importlib.resources import files

    source = files("gagyo.demo") / "files" / name
    hospitals = folder / "hospitals"
    hospitals.mkdir(parents=True, exist_ok=True)
    study = folder / "study.yaml"
    study.write_bytes((source / "study.yaml").read_bytes())
    for entry in (source / "sites").iterdir():
        (hospitals / entry.name).write_bytes(entry.read_bytes())
    return study, hospitals
