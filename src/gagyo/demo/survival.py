"""Survival: 228 real patients of 18 American institutions, grouped into four teaching sites with files of their own.

The NCCTG lung cancer data (Loprinzi et al. 1994, J Clin Oncol 12:601) ship with lifelines (MIT licence). Its file is
read where the package is installed; the package itself is not imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import polars as pl

from gagyo.demo import copy_files
from gagyo.errors import FileFault

SITES = ("seoul", "busan", "beijing", "tianjin")
NONE = 0
INSTITUTIONS = {
    "seoul": (1, 2, 3, 4),
    "busan": (5, 6, 7, 10, 11),
    "beijing": (12, 13, 15, 16),
    "tianjin": (21, 22, 26, 32, 33, NONE),
}
"""Which institutions each site stands for; one patient has NONE."""

KOREAN = ("환자번호", "관찰일수", "사망여부", "나이", "성별", "ECOG", "KPS")
CHINESE = ("患者编号", "随访天数", "结局", "年龄", "性别", "ECOG", "KPS")


def prepare(folder: Path) -> tuple[Path, Path]:
    """Write the study, four site files and four data files."""
    study, hospitals = copy_files("survival", folder)
    seoul, busan, beijing, tianjin = (rows for _, rows in divided())
    _csv(hospitals / "seoul.csv", _coded(seoul, ("생존", "사망"), ("남", "여")), KOREAN, "cp949", ",")
    _csv(hospitals / "busan.csv", _coded(busan, ("1", "2"), ("M", "F")), KOREAN, "utf-8", ";")
    _csv(hospitals / "beijing.csv", _coded(beijing, ("存活", "死亡"), ("男", "女")), CHINESE, "gb18030", ",")
    codes = tianjin.with_columns(pl.col("female").cast(pl.Int64) + 1, pl.col("died").cast(pl.Int64))
    codes.rename(dict(zip(codes.columns, CHINESE, strict=True))).write_parquet(hospitals / "tianjin.parquet")
    return study, hospitals


def divided() -> list[tuple[str, pl.DataFrame]]:
    """Each site's people: person, time in days, died, age, female, ecog (0 to 3), karnofsky."""
    rows = (
        _lung()
        .with_row_index("number")
        .select(
            (pl.lit("L") + pl.col("number").cast(pl.String).str.zfill(4)).alias("person"),
            pl.col("time").cast(pl.Int64),
            (pl.col("status") == 1).alias("died"),
            pl.col("age").cast(pl.Int64),
            (pl.col("sex") == 2).alias("female"),
            pl.col("ph.ecog").cast(pl.Int64).alias("ecog"),
            pl.col("ph.karno").cast(pl.Int64).alias("karnofsky"),
            pl.col("inst").cast(pl.Int64).fill_null(NONE),
        )
    )
    return [
        (site, rows.filter(pl.col("inst").is_in(INSTITUTIONS[site], nulls_equal=True)).drop("inst")) for site in SITES
    ]


def _lung() -> pl.DataFrame:
    found = find_spec("lifelines")
    if found is None or found.origin is None:
        raise FileFault.of("demo_needs_lifelines")
    path = Path(found.origin).parent / "datasets" / "lung.csv"
    return pl.read_csv(path, null_values=["", "NA"], schema_overrides={"inst": pl.Float64}, infer_schema_length=None)


def _coded(rows: pl.DataFrame, died: tuple[str, str], female: tuple[str, str]) -> pl.DataFrame:
    """Outcome and sex as a hospital writes them."""
    codes = {"died": died, "female": female}
    return rows.with_columns(
        pl.col(name).replace_strict({False: no, True: yes}, return_dtype=pl.String) for name, (no, yes) in codes.items()
    )


def _csv(path: Path, rows: pl.DataFrame, header: tuple[str, ...], encoding: str, delimiter: str) -> None:
    text = rows.rename(dict(zip(rows.columns, header, strict=True)))
    path.write_bytes(text.write_csv(separator=delimiter).encode(encoding))
