"""Weights: 2,139 real people of the ACTG 175 trial, divided by lot into four teaching sites with files of their own.

AIDS Clinical Trials Group Study 175 (Hammer et al. 1996, N Engl J Med 335:1081) ships with lifelines (MIT licence).
Its file is read where the package is installed; the package itself is not imported. Whether people had been treated
before was not randomised, so that it is an observational question. Division is by a hash of each person's number.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import polars as pl

from gagyo.demo import copy_files
from gagyo.errors import FileFault

SHARES = {"seoul": 0.34, "busan": 0.2, "beijing": 0.3, "tianjin": 0.16}
"""How likely a person goes to each site."""

KOREAN = (
    "환자번호",
    "치료경험",
    "나이",
    "체중",
    "성별",
    "백인",
    "주사약물",
    "KPS",
    "증상",
    "배정군",
    "CD4",
    "CD8",
    "CD4_20주",
    "CD4감소",
    "진행사망",
    "관찰일수",
)
CHINESE = (
    "患者编号",
    "既往治疗",
    "年龄",
    "体重",
    "性别",
    "白人",
    "注射吸毒史",
    "KPS",
    "症状",
    "组别",
    "CD4",
    "CD8",
    "CD4_20周",
    "CD4下降",
    "进展死亡",
    "观察天数",
)
YES_NO = ("experienced", "white", "injected", "symptoms", "fell", "progressed")
ARMS = ("zidovudine", "zidovudine_didanosine", "zidovudine_zalcitabine", "didanosine")


def prepare(folder: Path) -> tuple[Path, Path]:
    """Write the study, four site files and four data files."""
    study, hospitals = copy_files("weights", folder)
    seoul, busan, beijing, tianjin = (rows for _, rows in divided())
    _csv(hospitals / "seoul.csv", _coded(seoul, ("아니오", "예"), ("남", "여")), KOREAN, "cp949", ",")
    _csv(hospitals / "busan.csv", _coded(busan, ("N", "Y"), ("M", "F")), KOREAN, "utf-8", ";")
    counts = [pl.col(name) / 1000 for name in ("cd4", "cd8", "cd4_later")]  # as Beijing's laboratory tells them
    _csv(
        hospitals / "beijing.csv",
        _coded(beijing, ("否", "是"), ("男", "女")).with_columns(counts),
        CHINESE,
        "gb18030",
        ",",
    )
    codes = _coded(tianjin, ("0", "1"), ("1", "2"))
    codes.rename(dict(zip(codes.columns, CHINESE, strict=True))).write_parquet(hospitals / "tianjin.parquet")
    return study, hospitals


def divided() -> list[tuple[str, pl.DataFrame]]:
    """Each site's people, with the columns of the study in the order of KOREAN and CHINESE."""
    rows = _trial().select(
        (pl.lit("A") + pl.col("pidnum").cast(pl.String)).alias("person"),
        (pl.col("str2") == 1).alias("experienced"),
        pl.col("age").cast(pl.Int64),
        pl.col("wtkg").alias("weight"),
        (pl.col("gender") == 0).alias("female"),
        (pl.col("race") == 0).alias("white"),
        (pl.col("drugs") == 1).alias("injected"),
        pl.col("karnof").cast(pl.Int64).alias("karnofsky"),
        (pl.col("symptom") == 1).alias("symptoms"),
        pl.col("arms").cast(pl.Int64).replace_strict(dict(enumerate(ARMS)), return_dtype=pl.String).alias("arm"),
        pl.col("cd40").cast(pl.Float64).alias("cd4"),
        pl.col("cd80").cast(pl.Float64).alias("cd8"),
        pl.col("cd420").cast(pl.Float64).alias("cd4_later"),
        (pl.col("cd420") < pl.col("cd40")).alias("fell"),
        (pl.col("cens") == 1).alias("progressed"),
        pl.col("days").cast(pl.Int64),
    )
    where = pl.Series("site", [_lot(person) for person in rows["person"]])
    return [(site, rows.filter(where == site)) for site in SHARES]


def _lot(person: str) -> str:
    """Where a person goes: the site in whose part of the unit interval their hash lies."""
    draw = int(hashlib.sha256(f"gagyo-weights-{person}".encode()).hexdigest()[:12], 16) / 16**12
    return next(site for site, end in zip(SHARES, accumulate(SHARES.values()), strict=True) if draw < end + 1e-9)


def _trial() -> pl.DataFrame:
    found = find_spec("lifelines")
    if found is None or found.origin is None:
        raise FileFault.of("demo_needs_lifelines")
    path = Path(found.origin).parent / "datasets" / "ACTG175.csv"
    return pl.read_csv(path, null_values=["", "NA"], infer_schema_length=None)


def _coded(rows: pl.DataFrame, answers: tuple[str, str], sexes: tuple[str, str]) -> pl.DataFrame:
    """Answers and sex as a hospital writes them."""
    codes = dict.fromkeys(YES_NO, answers) | {"female": sexes}
    return rows.with_columns(
        pl.col(name).replace_strict({False: no, True: yes}, return_dtype=pl.String) for name, (no, yes) in codes.items()
    )


def _csv(path: Path, rows: pl.DataFrame, header: tuple[str, ...], encoding: str, delimiter: str) -> None:
    text = rows.rename(dict(zip(rows.columns, header, strict=True)))
    path.write_bytes(text.write_csv(separator=delimiter).encode(encoding))
