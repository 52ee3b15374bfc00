"""Hospitals that serve from threads at a hub in memory, with a study that an embedded run has done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gagyo.api import run_embedded
from gagyo.demo import prepare
from gagyo.protocol.study import Study
from gagyo.runtime import remote as runtime
from tests.remote.post_office import Town, town


class Files(NamedTuple):
    """The study, the hospitals' files, and the analyses of an embedded run as JSON."""

    folder: Path
    study: Study
    sites: dict[str, Path]
    expected: str


SITES = ("seoul", "busan", "beijing", "tianjin")
ANALYSES = """analyses:
  characteristics: {method: describe, cohort: all, variables: [radius, texture], by: malignant}
  algorithm: {method: logistic, cohort: all, formula: "malignant ~ texture + smoothness"}
  checked: {method: validate, model: algorithm, leave_out: site}
"""


def study_of(path: Path) -> Study:
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("analyses:")] + ANALYSES, encoding="utf-8")
    return Study.read(path)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Only read: `here` copies the hospitals' files."""
    folder = tmp_path_factory.mktemp("files")
    path, hospitals = prepare("breast", folder)
    study = study_of(path)
    finished = run_embedded(study, hospitals, folder / "embedded")
    return Files(folder, study, {name: hospitals / f"{name}.yaml" for name in SITES}, analyses(finished.document))


def analyses(document: object) -> str:
    return json.dumps(dict(document)["analyses"])  # type: ignore[call-overload]


@pytest.fixture
def here(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(runtime, "FIRST_AGAIN", 0.4)
    monkeypatch.setattr(runtime, "LAST_AGAIN", 0.4)
    copied = {}
    for name, file in files.sites.items():
        for one in file.parent.glob(f"{name}.*"):
            shutil.copy(one, tmp_path / one.name)
        copied[name] = tmp_path / file.name
    with town(tmp_path, copied) as built:
        yield built
