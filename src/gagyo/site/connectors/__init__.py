"""Connectors: one file each, found by its name in a site file; each reads a source into a data frame of columns."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from gagyo.errors import DataFault
from gagyo.finding import Place

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
    try:
        frame: polars.DataFrame = connector.read(site_file, site_file.folder)
    except DataFault as fault:
        raise _named(fault, site_file) from None
    return frame


def _named(fault: DataFault, site_file: SiteFile) -> DataFault:
    """A fault with the file of rows as its place; one that the file is not there names it already."""
    place = Place(site_file.data.path)
    return DataFault(*(one if "not_found" in one.code else replace(one, place=place) for one in fault.findings))
