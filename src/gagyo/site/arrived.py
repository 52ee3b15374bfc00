"""What came to a hospital of the requests of its runs: each names what came before instead of bringing it again.

Over a hub it is held in memory: a service that was started anew says that it is behind, and all comes once more. By
courier that would be another walk, and every file starts a new process: there it is kept on disk until the run ends.
"""

from __future__ import annotations

from gagyo.exchange.carrier import Carrier
from gagyo.federation.message import Message
from gagyo.federation.once import Incoming
from gagyo.federation.packing import pack, unpack
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.site.store import Store


class Arrived:
    """The requests of all runs of one hospital, by plan."""

    def __init__(self, store: Store, client: Carrier) -> None:
        self._store, self._client = store, client
        self._incoming: dict[str, Incoming] = {}

    def request(self, message: Message) -> Request:
        """The request of a message.

        Raises:
            Behind, Tampered: as `Incoming.request`.
        """
        request = self._of(message.plan).request(message.body)
        if self._client.by_courier(message.sender):
            self._store.keep_arrived(message.plan, pack(message.body))
        return request

    def gave(self, plan: str, answer: Answer) -> None:
        """This hospital gives an answer, which will not be brought back to it."""
        self._of(plan).gave(answer)

    def close(self, plan: str) -> None:
        """The run is over."""
        self._incoming.pop(plan, None)
        self._store.destroy_arrived(plan)

    def clear(self) -> None:
        """Read again what is on disk, where there is anything."""
        self._incoming.clear()

    def _of(self, plan: str) -> Incoming:
        if plan not in self._incoming:
            self._incoming[plan] = self._kept(plan)
        return self._incoming[plan]

    def _kept(self, plan: str) -> Incoming:
        incoming = Incoming()
        for body in self._store.arrived(plan):
            answer = self._store.answered(incoming.request(unpack(body)).digest)
            if answer is not None:
                incoming.gave(answer)
        return incoming
