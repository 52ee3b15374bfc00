"""Output reviews at one hospital: what was referred and waits, what people did about it, and what they let through.

An act is kept, then written to the ledger, before anything follows from it. What reviewers are shown never leaves; the
ledger, which partners may read, holds a keyed digest of it, and of a first vote only a digest that nobody can guess.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gagyo.canonical import canonical, digest, plain
from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.governance.approval import Terms
from gagyo.governance.review import FINAL, REVIEWERS, Act, Doing, Review, lacks
from gagyo.release.ledger import Ledger
from gagyo.site.admission import NotAdmitted
from gagyo.site.noting import note
from gagyo.site.store import Store

REJECTED = {"disclosive": "review_disclosive", "out_of_scope": "review_out_of_scope", "unclear": "review_unclear"}
"""What the outside hears of a rejection, by its reason."""


@dataclass(frozen=True)
class Subject:
    """What is referred: numbers of a request, an analysis, or a study after privacy refusals (`about` says which)."""

    plan: str
    kind: str
    analysis: str
    about: str

    @property
    def review(self) -> str:
        """The name of its review."""
        return digest([self.plan, self.kind, self.analysis, self.about]).removeprefix("sha256:")[:12]


class Reviews:
    """A hospital's reviews. `secret` keys the digests of what is shown, so that small numbers cannot be guessed."""

    def __init__(self, store: Store, ledger: Ledger, terms: Terms, site: str, secret: bytes) -> None:
        self._store, self._ledger, self._terms, self._site, self._secret = store, ledger, terms, site, secret

    @property
    def possible(self) -> bool:
        """Whether the policy names keys of everybody that a review needs."""
        keys = self._terms.keys
        one_each = all(keys.get(role) for role in ("site_engineer", "custodian"))
        return one_each and len(keys.get("reviewer", ())) >= REVIEWERS

    def all(self) -> list[Review]:
        """Everything that was referred."""
        return self._store.reviews(self._site)

    def check(self, subject: Subject, shown: Mapping[str, Any]) -> None:
        """Pass where people let this through, just as it is now; else it waits for them.

        Raises:
            NotAdmitted: `referred`, or why they did not let it through.
        """
        review = self._present(subject, shown)
        if review.state == "rejected":
            raise NotAdmitted(REJECTED[review.reason])
        if review.state == "withdrawn":
            raise NotAdmitted("review_withdrawn")
        if review.state not in ("approved", "released"):
            raise NotAdmitted("referred")
        if review.state == "approved":
            self._do(review, self._own(review, "release"))

    def take(self, act: Act) -> Review:
        """Take in what a person did; how the review stands then. The same act again changes nothing.

        Raises:
            FileFault: what keeps it from counting.
        """
        review = next((one for one in self.all() if one.review == act.review), None)
        if review is None:
            known = ", ".join(one.review for one in self.all()) or "-"
            raise FileFault(Finding("review_unknown", values={"found": act.review, "expected": known}))
        if any(one.digest == act.digest for one in review.acts):
            return review
        lacking = lacks(review, act, self._terms)
        if lacking:
            raise FileFault(lacking)
        return self._do(review, act)

    def _present(self, subject: Subject, shown: Mapping[str, Any]) -> Review:
        """The review of a subject. Other content than was reviewed is an update: votes on the former do not count."""
        body = canonical(plain(shown))
        content = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        known = next((one for one in self.all() if one.review == subject.review), None)
        if known is not None and (known.content == content or known.state in FINAL - {"released"}):
            return known
        if known is not None and known.state == "released":
            raise NotAdmitted("referred")  # what was let through was something else
        made = Review(subject.review, self._site, subject.plan, subject.kind, subject.analysis, content)
        if known is None:
            self._ledger.record([self._told(made, {"doing": "refer", "content": content, "kind": subject.kind})])
            self._store.keep_review(made, body)
            return made
        changed = self._do(known, self._own(replace(known, content=content), "update"))
        self._store.keep_review(made, body)
        return replace(changed, content=content)

    def _own(self, review: Review, doing: Doing) -> Act:
        return Act(self._site, review.plan, review.review, doing, review.version, review.content)

    def _do(self, review: Review, act: Act) -> Review:
        # A submission or an update begins the version that its acts are about.
        after = replace(review, acts=(*review.acts, act))
        receipt = self._ledger.prepare(self._told(review, _recorded(after, act)))
        self._store.keep_act(act, receipt)
        self._ledger.append(receipt)
        return after

    def _told(self, review: Review, said: dict[str, Any]) -> dict[str, Any]:
        return note("review", review.plan, review.analysis, {"review": review.review, **said})


def _recorded(after: Review, act: Act) -> dict[str, Any]:
    """What the ledger says of an act: a first vote by its digest alone, until the second is in."""
    told: dict[str, Any] = {"doing": act.doing, "digest": act.digest, "state": after.state}
    if act.doing == "vote":
        return told | ({"acts": [_open(one) for one in after.votes]} if len(after.votes) == REVIEWERS else {})
    return told | {"acts": [_open(act)]}


def _open(act: Act) -> dict[str, Any]:
    """An act without the note, which is in a person's words and may hold a value."""
    said: dict[str, Any] = plain(act)
    del said["note"]
    return {**said, "digest": act.digest}
