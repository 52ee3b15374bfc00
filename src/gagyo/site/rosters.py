"""Over which hospitals one receiver is opened sums: sums over two rosters differ by a hospital."""

from __future__ import annotations

from gagyo.protocol.request import Request
from gagyo.site.admission import NotAdmitted
from gagyo.site.session import Session
from gagyo.site.store import Store


class Rosters:
    """The one roster of each receiver, remembered for the life of the hospital's memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _keys(self, session: Session, request: Request) -> tuple[str, str]:
        """Within a plan all sums that a receiver sees have one roster; about the same people, over all plans too."""
        if request.receiver not in session.publics:
            raise NotAdmitted("bad_roster")
        receiver = session.publics[request.receiver].signing
        return (f"{request.plan} {receiver}", f"{session.cohorts[request.cohort].key} {receiver}")

    def is_fixed(self, session: Session, request: Request) -> bool:
        """Whether this receiver was opened this roster before, and so will never be opened another."""
        return all(self._store.roster(key) == request.roster for key in self._keys(session, request))

    def check(self, session: Session, request: Request) -> None:
        """One receiver is opened one roster; NotAdmitted where it was opened another."""
        for key in self._keys(session, request):
            if self._store.roster(key) not in ((), request.roster):
                raise NotAdmitted("bad_roster")

    def keep(self, session: Session, request: Request) -> None:
        """From now on this receiver is opened no other."""
        for key in self._keys(session, request):
            self._store.keep_roster(key, request.roster)
