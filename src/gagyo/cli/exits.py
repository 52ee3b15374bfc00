"""What the exit code of every `gagyo` command means."""

from __future__ import annotations

from gagyo.errors import ExchangeFault, GagyoError, Refused, SiteSilent, Stopped, Tampered

OK = 0
FAULT = 1  # a study file, a site file or a hospital's rows have faults
USAGE = 2  # the command line itself
REFUSED = 3  # a hospital refused
SILENT = 4  # a hospital did not answer
TAMPERED = 5  # a record does not agree with its other copy
STOPPED = 6  # an analysis stopped
EXCHANGE = 7  # the exchange between institutions refused, or could not be reached
NOT_YET = 8  # a rule keeps something from leaving, or a document or fact is missing

CODES: dict[type[GagyoError], int] = {
    Refused: REFUSED,
    SiteSilent: SILENT,
    Tampered: TAMPERED,
    Stopped: STOPPED,
    ExchangeFault: EXCHANGE,
}


def code_of(error: GagyoError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), FAULT)
