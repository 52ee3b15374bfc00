"""Carries requests to hospitals in this process: the same door, gate, ring, masks and records as on real machines.

Between hospitals in one process the masks protect nothing; results say "embedded".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.site.site import Site


class Embedded:
    """Hospitals by name."""

    name = "embedded"

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self.sites = dict(sites)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer a request, in their order."""
        return [self.sites[request.site].answer(request) for request in requests]
