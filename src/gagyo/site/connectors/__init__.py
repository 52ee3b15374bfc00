"""Connectors: one file each, found by its name in a site file; each reads a source into a data frame of columns."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars

    from gagyo.site.site_file import SiteFile


def names() -> tuple[str, ...]:
    """The installed connectors."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def read_rows(site_file: SiteFile) -> polars.DataFrame:
    """The rows that a site file points to, one column a file column.

    Raises:
        DataFault: the source cannot be read as declared; the message never holds a value from it.
    """
    connector = import_module(f"{__name__}.{site_file.data.connector}")
    frame: polars.DataFrame = connector.read(site_file, site_file.folder)
    return frame
