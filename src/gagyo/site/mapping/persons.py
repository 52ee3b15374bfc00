"""Whom each row is about: identifiers, and in a file that identifies nobody the rows that repeat another."""

from __future__ import annotations

import numpy as np
import polars
from numpy.typing import NDArray

from gagyo.finding import Finding
from gagyo.site.mapping.reading import as_text
from gagyo.site.site_file import SiteFile

Bools = NDArray[np.bool_]


def persons_of(frame: polars.DataFrame, site_file: SiteFile) -> tuple[list[bytes], Bools, list[Finding]]:
    """Identifiers, the rows that repeat another in a file that identifies nobody, and what is wrong with either."""
    if site_file.person not in frame.columns:
        return _unidentified(frame, site_file)
    text = as_text(frame[site_file.person])
    findings = []
    unnamed = int((text.is_null() | (text == "")).sum())
    repeated = len(text) - text.n_unique() if not unnamed else len(text) - unnamed - text.filter(text != "").n_unique()
    place = site_file.place("person")
    if unnamed:
        findings.append(Finding("person_missing", place=place, values={"found": unnamed}))
    if repeated:
        findings.append(Finding("person_repeated", place=place, values={"found": repeated}))
    persons = [identifier.encode() for identifier in text.fill_null("")]
    return persons, np.zeros(frame.height, dtype=bool), findings


def _unidentified(frame: polars.DataFrame, site_file: SiteFile) -> tuple[list[bytes], Bools, list[Finding]]:
    duplicates = np.zeros(frame.height, dtype=bool)
    if frame.width and frame.height:
        duplicates = ~frame.to_struct("row").is_first_distinct().to_numpy()
    findings = []
    if duplicates.any():
        values = {"found": int(duplicates.sum())}
        findings.append(Finding("identical_rows", "warning", site_file.place("data"), values))
    return [str(position).encode() for position in range(frame.height)], duplicates, findings
