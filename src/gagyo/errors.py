"""The error tree: every error carries findings, so that it can be shown in three languages.

GagyoError
├── FileFault          a file that a person wrote has faults (all of them are listed)
├── DataFault          a hospital's data cannot be read as the site file says
├── Refused            a hospital refused; the code says why, never with a value from a row
├── SiteSilent         a hospital did not answer
├── Stopped            an analysis cannot go on (separation, collinearity, too few hospitals)
├── Tampered           a ledger, journal or envelope does not match its other copy
└── ExchangeFault      the exchange between institutions refused, failed or was out of reach
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from gagyo.finding import Finding, Place
from gagyo.text import Language


class GagyoError(Exception):
    """Base of all errors that a user may see."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(finding.text("en") for finding in findings))
        self.findings = findings

    @classmethod
    def of(cls, code: str, **values: object) -> Self:
        """An error with a single finding."""
        return cls(Finding(code, values=values))

    def text(self, language: Language) -> str:
        """The message in a language."""
        return "\n".join(finding.text(language) for finding in self.findings)


class FileFault(GagyoError):
    """A study or site file has faults; all are listed."""


class DataFault(GagyoError):
    """A hospital's data cannot be read as its site file declares."""


class Refused(GagyoError):
    """A hospital refused a request."""


class SiteSilent(GagyoError):
    """A hospital did not answer."""


class Stopped(GagyoError):
    """An analysis stopped for a reason that its result states."""


class Tampered(GagyoError):
    """A record does not agree with its other copy."""


class ExchangeFault(GagyoError):
    """The exchange between institutions refused a call, failed, or could not be reached."""

    @property
    def code(self) -> str:
        """The first finding's code, as the hub says it."""
        return self.findings[0].code


def is_full(error: BaseException) -> bool:
    """Whether a disk is full, or a quota used up."""
    import sqlite3

    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or (isinstance(error, sqlite3.OperationalError) and "full" in str(error))


def is_closed(error: BaseException) -> bool:
    """Whether a database's file may not be opened or written by this user."""
    import sqlite3

    why = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.OperationalError) and why.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))


@contextmanager
def found_in(file: str) -> Iterator[None]:
    """Errors that arise here say in which file, unless they do so already."""
    try:
        yield
    except GagyoError as fault:
        told = (one if one.place.file else replace(one, place=Place(file)) for one in fault.findings)
        raise type(fault)(*told) from fault


def check_none(findings: Iterable[Finding], error: type[GagyoError] = FileFault) -> None:
    """Raise `error` with every finding of severity error, if there is one."""
    faults = [finding for finding in findings if finding.severity == "error"]
    if faults:
        raise error(*faults)
