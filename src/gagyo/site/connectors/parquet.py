"""Reads a Parquet file; its columns keep their types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars

from gagyo.errors import DataFault
from gagyo.finding import Finding

if TYPE_CHECKING:
    from gagyo.site.site_file import SiteFile


def read(site_file: SiteFile, folder: Path) -> polars.DataFrame:
    """The file's rows.

    Raises:
        DataFault: no such file, or it is not Parquet; the library's own message is dropped.
    """
    path = folder / site_file.data.path
    if not path.is_file():
        raise DataFault(Finding("data_not_found", values={"found": site_file.data.path}))
    try:
        return polars.read_parquet(path)
    except (polars.exceptions.PolarsError, OSError):
        raise DataFault(Finding("data_unreadable", values={"found": "parquet"})) from None
