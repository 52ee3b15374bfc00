"""Tells coordinators where their plans stand at a hospital, and again where the hub took no letter of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gagyo.governance.review import Review, parse_act
from gagyo.site.inbox import Inbox, Proposed, Wish
from gagyo.site.post import Post

AGAIN = 12
"""How often a hospital says where its plans of a study stand that its hub does not know, or not any more."""


class Telling:
    """What coordinators hear of their plans and of reviews, but for the answers themselves."""

    def __init__(self, post: Post, inbox: Inbox, log: Callable[[dict[str, Any]], None]) -> None:
        self._post, self._inbox, self._log = post, inbox, log
        self._shut: dict[str, int] = {}
        """By study, how often the hub took no letter of it: it is closed there, or the partner hub has yet to tell."""
        self._untold: set[str] = set()

    def tell(self, proposed: Proposed, request: str = "") -> None:
        """Say where a plan stands: waiting, approved, refused, withdrawn, closed."""
        body = {"state": proposed.state, "reason": proposed.reason if proposed.state == "refused" else ""}
        self._post.reply(proposed.study, "state", body, proposed, request)

    def tell_open(self) -> None:
        """Say where each plan stands: that may have changed while the hub was away."""
        for proposed in self._inbox.plans():
            if proposed.state != "closed" and self._shut.get(proposed.study, 0) < AGAIN:
                self.tell(proposed)

    def tell_changes(self) -> None:
        """Say where plans stand, where that was not told before."""
        for proposed in self._inbox.plans():
            if self._inbox.told(proposed.plan) != proposed.state:
                self.tell(proposed)
                self._inbox.note_told(proposed.plan, proposed.state)

    def tell_reviews(self, reviews: Iterable[Review]) -> None:
        """Say that reviews are decided, where that was not told before."""
        for review in reviews:
            proposed_of = self._inbox.known(review.plan)
            decided = review.state in ("approved", "rejected", "withdrawn")
            if decided and proposed_of is not None and self._inbox.told(review.review) != review.state:
                self._post.reply(proposed_of.study, "state", {"state": "reviewed"}, proposed_of)
                self._inbox.note_told(review.review, review.state)

    def tell_decided(self, wish: Wish) -> None:
        """Say where a plan stands now; of a review only that it is time to ask again, once it is decided."""
        proposed = self._inbox.known(wish.plan)
        if proposed is None:
            return
        if wish.verb != "review":
            self.tell(proposed)
        elif parse_act(wish.reason).doing in ("approve", "reject", "withdraw"):
            self._post.reply(proposed.study, "state", {"state": "reviewed"}, proposed)

    def note_shut(self, found: str) -> None:
        """Count a refusal of the letters of a study, or of all studies of a coordinator."""
        for study in {one.study for one in self._inbox.plans() if found in (one.study, one.coordinator)} or {found}:
            self._shut[study] = self._shut.get(study, 0) + 1
            if self._shut[study] < AGAIN:
                self._untold.add(study)
            elif self._shut[study] == AGAIN:
                self._log({"event": "not_told", "study": study[:12], "hub": found[:12]})

    def tell_again(self) -> None:
        """Say where plans stand of which the hub took no letter: a study of the other country may be known by now."""
        again, self._untold = self._untold, set()
        for proposed in self._inbox.plans() if again else ():
            if proposed.study in again and proposed.state != "closed":
                self.tell(proposed)

    def heard_of(self, study: str) -> None:
        """A letter of a study came: the hub knows it."""
        self._shut.pop(study, None)
