"""What the exit code of every `gagyo` command means."""

from __future__ import annotations

from gagyo.errors import GagyoError, Refused, SiteSilent, Stopped, Tampered

OK = 0
FAULT = 1  # a study file, a site file or a hospital's rows have faults
USAGE = 2  # the command line itself
REFUSED = 3  # a hospital refused
SILENT = 4  # a hospital did not answer
TAMPERED = 5  # a record does not agree with its other copy
STOPPED = 6  # an analysis stopped
NOT_YET = 7  # a rule keeps something from leaving, or a document or fact is missing

CODES: dict[type[GagyoError], int] = {
    Refused: REFUSED,
    SiteSilent: SILENT,
    Tampered: TAMPERED,
    Stopped: STOPPED,
}


def code_of(error: GagyoError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), FAULT)
