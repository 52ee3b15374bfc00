"""`gagyo new`: a study to start from, with four small hospitals whose files are as different as real ones."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    import numpy as np

SITES = ("seoul", "busan", "beijing", "tianjin")
PEOPLE = 240


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("new", help=say("new.help"))(new)


def new(folder: Annotated[Path, typer.Argument(help=say("new.folder"))]) -> None:
    """Write a study, four site files and their made-up patients into a folder that is new or empty."""
    folder = Path(os.path.normpath(folder))  # `a/..` is here, whether there is an `a` or not
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(say("new.not_empty", folder=folder), param_hint="FOLDER")
    write(folder)
    typer.echo(say("new.done", folder=folder))


def write(folder: Path) -> None:
    """Write the start of a study; always the same bytes."""
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    for page in ("study.yaml", "README.md", *(f"sites/{site}.yaml" for site in SITES)):
        text = (files("gagyo.cli") / "start" / page).read_text(encoding="utf-8")
        (folder / page).write_text(text, encoding="utf-8")
    for seed, site in enumerate(SITES, 1):
        text = _korean(seed, site) if site in ("seoul", "busan") else _chinese(seed, site)
        encoding = "cp949" if site in ("seoul", "busan") else "gb18030"
        (folder / "sites" / f"{site}.csv").write_bytes(text.encode(encoding))


def _people(seed: int) -> dict[str, np.ndarray]:
    """Made-up people: age in years, glucose in mmol/L, smoking as an index, disease."""
    import numpy as np

    random = np.random.default_rng(seed)
    age = random.integers(30, 85, PEOPLE)
    glucose = np.clip(random.normal(5.6, 1.3, PEOPLE), 3.0, 20.0)
    smoking = random.choice(3, PEOPLE, p=[0.5, 0.3, 0.2])
    score = -6.0 + 0.05 * age + 0.4 * glucose + 0.3 * smoking
    disease = random.random(PEOPLE) < 1 / (1 + np.exp(-score))
    return {"age": age, "glucose": glucose, "smoking": smoking, "disease": disease.astype(int)}


def _korean(seed: int, site: str) -> str:
    """Korean column names, glucose in mg/dL, `-` where it was not measured."""
    people = _people(seed)
    smoking, disease = ("비흡연", "과거흡연", "현재흡연"), ("아니오", "예")
    rows = ["환자번호,나이,혈당,흡연,질환"]
    for i in range(PEOPLE):
        glucose = "-" if i % 20 == 7 else f"{people['glucose'][i] * 18.0156:.0f}"
        words = smoking[people["smoking"][i]], disease[people["disease"][i]]
        rows.append(f"{site[0].upper()}{i + 1:04d},{people['age'][i]},{glucose},{words[0]},{words[1]}")
    return "\r\n".join(rows) + "\r\n"


def _chinese(seed: int, site: str) -> str:
    """Chinese column names, glucose in mmol/L, 999 where it was not measured, smoking as a code."""
    people = _people(seed)
    rows = ["病案号;年龄;血糖;吸烟;患病"]
    for i in range(PEOPLE):
        glucose = "999" if i % 16 == 5 else f"{people['glucose'][i]:.1f}"
        disease = ("否", "是")[people["disease"][i]]
        rows.append(f"{site[0].upper()}{i + 1:04d};{people['age'][i]};{glucose};{people['smoking'][i]};{disease}")
    return "\n".join(rows) + "\n"
