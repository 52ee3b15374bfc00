"""Carries requests to hospitals on their own machines and their answers back, over the exchange; decides nothing.

At least once: a message that is not answered is sent again, the same bytes, and the hospital answers from its record.
One patience for everything: while it lasts, a hospital may be away, wait for a person, or compute; then its true state
is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from gagyo.errors import ExchangeFault, Refused, SiteSilent, Tampered
from gagyo.exchange.carrier import Carrier, lasting_seconds
from gagyo.exchange.client import Member
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.exchange.letter import Received, Sending, carried
from gagyo.federation.message import Message, read, write
from gagyo.federation.once import Outgoing, answer_of
from gagyo.finding import Finding
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import COORDINATOR, Request
from gagyo.release.decision import Answer
from gagyo.text import catalogue

WAIT_SECONDS = 5.0
GRACE_SECONDS = 10.0
"""What a hospital that was silent for the whole patience is given from then on, until it is heard of again."""
FIRST_AGAIN, LAST_AGAIN = 20.0, 300.0
AT_ONCE = 16
REGISTERS_SECONDS = 15.0
"""Hubs tell each other of their members at least every ten seconds (`exchange.relay`)."""


@dataclass(frozen=True)
class SiteState:
    """Where a hospital stands: `doing` is a key `site_state.<doing>`; `since` in seconds since 1970, this machine's."""

    doing: str
    since: float
    detail: str = ""


@dataclass
class _Post:
    """One message on its way: it is sent again until it is answered."""

    message: Message
    to: PublicKeys
    letter: bytes = b""
    again: float = 0.0
    pause: float = field(default_factory=lambda: FIRST_AGAIN)

    @property
    def to_site(self) -> str:
        """The hospital."""
        return self.message.recipient


@dataclass
class _Hospital:
    """What is known of one hospital."""

    keys: PublicKeys
    outgoing: Outgoing = field(default_factory=Outgoing)
    began: float = 0.0
    """When its patience began to run, by `time.monotonic`."""
    heard: float = 0.0
    late: bool = False


Tell = Callable[[Mapping[str, SiteState]], None]


class Remote:
    """The hospitals of one study (by its digest). `keys` are the coordinator's: its signing key, and a key of this run.

    patience: seconds that a hospital may take to answer, or a person there to decide.
    """

    name = "remote"

    def __init__(
        self, client: Carrier, keys: Keys, study: str, sites: Sequence[str], patience: float, tell: Tell | None = None
    ) -> None:
        self._client, self._keys, self._study, self._patience = client, keys, study, patience
        self._tell = tell or (lambda states: None)
        self._plan = ""
        self._done: list[str] = []
        self._closed: dict[str, Answer] = {}
        """The closing answers of hospitals that closed the run: they open no letter of it any more."""
        self._outbox: list[Sending] = []
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="post")
        known = _enrolled(client, sites)
        self._hospitals = {site: _Hospital(known[site].keys) for site in sites}
        self.states = {site: SiteState("unheard", time.time()) for site in sites}
        client.open_study(study, sites)

    def close(self) -> None:
        """The study is over: no letter of it is carried any more."""
        self._client.acknowledge(self._done)
        self._client.close_study(self._study)
        self._pool.shutdown()

    # Before the run: keys, then approvals.

    def gather_keys(self, study_text: str) -> dict[str, PublicKeys]:
        """Ask each hospital for a key of this run; with the coordinator's own, as they stand in the plan."""
        posts = {site: self._post("propose", site, {"study": study_text}) for site in self._hospitals}
        found: dict[str, PublicKeys] = {}

        def take(message: Message) -> bool:
            if message.kind != "key":
                return False
            keys = PublicKeys(str(message.body["signing"]), str(message.body["sealing"]))
            if keys.signing != self._hospitals[message.sender].keys.signing:
                raise Tampered.of("other_key", found=message.sender)
            found[message.sender] = keys
            self._set_state(message.sender, "ready")
            return True

        self._await(posts, take)
        return {COORDINATOR: self._keys.public, **found}

    def submit(self, plan: Plan) -> None:
        """Bring a plan to all hospitals and wait until people there have decided.

        A refusal is not kept: asked again, a hospital says what people there have decided by then.

        Raises:
            Refused: more hospitals refused than the study may go on without.
            SiteSilent: at more of them nobody decided in time.
        """
        self._use(plan)
        posts = {site: self._post("plan", site, {"plan": plan.to_bytes()}) for site in self._hospitals}
        refused: dict[str, str] = {}

        def take(message: Message) -> bool:
            if message.sender in self._closed:
                return True
            if message.kind != "state" or message.plan != plan.digest:
                return False
            state = str(message.body.get("state"))
            if state not in ("approved", "refused", "withdrawn", "closed"):
                return False
            if state in ("refused", "withdrawn"):
                refused[message.sender] = str(message.body.get("reason", ""))
            if len(refused) > plan.study.may_go_on_without:
                values = {"found": ", ".join(sorted(refused)), "expected": "; ".join(filter(None, refused.values()))}
                raise Refused(Finding("plan_refused", values=values))
            return True

        try:
            self._await(posts, take, lambda late: len(late | set(refused)) <= plan.study.may_go_on_without)
        except Refused:
            self._client.acknowledge(self._done)
            raise

    def _use(self, plan: Plan) -> None:
        self._plan = plan.digest
        for site, hospital in self._hospitals.items():
            hospital.keys = PublicKeys(**plan.keys[site])

    # The run.

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer a request, in their order; `silent` from a hospital that did not answer in the study's patience.

        Raises:
            Refused: a hospital cannot go on, and says why.
        """
        wanted = {request.digest: request for request in requests}
        answers = {request.digest: self._closed[request.site] for request in requests if self._has_closed(request)}
        posts = {request.digest: self._request(request) for request in requests if request.digest not in answers}

        def take(message: Message) -> bool:
            request = wanted.get(message.request)
            if request is None or request.site != message.sender:
                return False
            if message.kind == "behind":
                self._hospitals[message.sender].outgoing.forget()
                posts[message.request] = self._request(request)
                self._send([posts[message.request]])
            elif message.kind == "answer":
                answers[message.request] = self._checked(message, request)
                self._hospitals[message.sender].outgoing.came(answers[message.request])
                return True
            # A hospital whose people refused the plan has no answer to wait for.
            return message.kind == "state" and message.body.get("state") == "refused"

        self._await(posts, take, lambda late: True)
        return [answers.get(one.digest) or self._silent(one) for one in requests]

    def _has_closed(self, request: Request) -> bool:
        """Whether a hospital closed the run with its answer to a request, which is not on record here.

        Raises:
            Refused: it closed the run, and is asked something else.
        """
        closing = self._closed.get(request.site)
        if closing is not None and closing.request != request.digest:
            raise Refused(Finding("answer_run_closed", values={"found": request.site}))
        return closing is not None

    def _silent(self, request: Request) -> Answer:
        why = self._why_late(request.site)
        return Answer(request.digest, request.site, "silent", why.code, {"since": str(why.values["expected"])})

    def _request(self, request: Request) -> _Post:
        body = self._hospitals[request.site].outgoing.record(request)
        about = {"request": request.digest, "roster": request.roster, "attempt": request.attempt}
        return self._post("request", request.site, body, **about)

    def _checked(self, message: Message, request: Request) -> Answer:
        answer = answer_of(message.body)
        if answer.request != request.digest or answer.site != message.sender or answer.outcome == "silent":
            raise Tampered.of("unlike_receipt", found=message.sender)
        return answer

    # Sending until answered.

    def _post(self, kind: str, site: str, body: Mapping[str, Any], **about: Any) -> _Post:
        sender = self._client.membership.name
        message = Message(kind, sender, site, self._study, body, self._plan, **about)
        return _Post(message, self._hospitals[site].keys)

    def _send(self, posts: Collection[_Post]) -> None:
        """Have letters sent, or sent again, with the next call, in their order; they are written side by side."""
        before = [post.letter for post in posts]
        self._outbox += self._pool.map(self._written, posts)
        # States are told by this thread alone: each telling rewrites one file.
        for post, letter in zip(posts, before, strict=True):
            if post.letter != letter and self._client.by_courier(post.to_site):
                left = self._hospitals[post.to_site].began + self._patience - time.monotonic()
                self._set_state(post.to_site, "to_carry", _when(time.time() + left))

    def _written(self, post: _Post) -> Sending:
        """The letter; the same bytes where it is sent again, so that one that still lies at the hub is not doubled."""
        now = time.time() + self._client.clock_offset
        site = post.to_site
        lasting = lasting_seconds(self._client, site)
        if not post.letter or post.message.expires < now + lasting / 2:
            post.message = replace(post.message, expires=int(now) + lasting)
            post.letter = write(post.message, self._keys, post.to)
        post.again = time.monotonic() + post.pause
        post.pause = min(2 * post.pause, LAST_AGAIN)
        return Sending(site, self._study, post.letter)

    def _await(
        self,
        posts: dict[str, _Post],
        take: Callable[[Message], bool],
        may_miss: Callable[[set[str]], bool] = lambda late: False,
    ) -> None:
        """Send to each hospital, and take what comes until each has answered (`take` says so), or may be missed.

        `posts` by what an answer is about: a request's digest, or else the hospital.

        Raises:
            SiteSilent: patience is over for hospitals that may not be missed.
        """
        for site in {post.to_site for post in posts.values()}:
            self._hospitals[site].began = time.monotonic() - self._used_up(site)
        self._send(posts.values())
        missed: set[str] = set()
        while posts:
            due = min(post.again for post in posts.values()) - time.monotonic()
            for message in self._receive(max(0.0, min(WAIT_SECONDS, due)), len(posts)):
                self._note(message)
                self._hear(message, posts)
                about = message.request if message.request in posts else message.sender
                if about in posts and take(message):
                    del posts[about]
            self._check_patience(posts, missed, may_miss)
            self._send([post for post in posts.values() if post.again <= time.monotonic()])

    def _hear(self, message: Message, posts: Mapping[str, _Post]) -> None:
        """What any message of a hospital says of what it was asked; Refused where it cannot answer."""
        asked = [post for post in posts.values() if post.to_site == message.sender]
        if any(_works(message, post.message) for post in asked):
            self._hospitals[message.sender].began = time.monotonic()
        for post in asked:
            _ask_again(post, message)
            _check_refusal(message, post.message)

    def _used_up(self, site: str) -> float:
        """How much of its patience a hospital has no more."""
        return max(0.0, self._patience - GRACE_SECONDS) if self._hospitals[site].late else 0.0

    def _check_patience(self, posts: dict[str, _Post], missed: set[str], may_miss: Callable[[set[str]], bool]) -> None:
        now = time.monotonic()
        asked = {post.to_site for post in posts.values()}
        late = sorted(site for site in asked if now - self._hospitals[site].began > self._patience)
        missed.update(late)
        if late and not may_miss(missed):
            raise SiteSilent(*(self._why_late(site) for site in late))
        for site in late:
            self._hospitals[site].late = True
        for about in [about for about, post in posts.items() if post.to_site in late]:
            del posts[about]
        for site in asked.difference(late):
            if self._client.by_courier(site) or self.states[site].doing in ("reviewing", "disk_full", "unopened"):
                continue
            unheard = now - max(self._hospitals[site].began, self._hospitals[site].heard)
            if unheard > 2 * FIRST_AGAIN and self.states[site].doing != "silent":
                self._set_state(site, "silent")

    def _why_late(self, site: str) -> Finding:
        values = {"found": site, "expected": _when(self.states[site].since)}
        why = {
            "waiting": "undecided",
            "reviewing": "unreviewed",
            "disk_full": "disk_full_there",
            "unopened": "unopened",
        }
        return Finding(why.get(self.states[site].doing, "silent"), values=values)

    def _receive(self, wait: float, enough: int = 1) -> list[Message]:
        (along, apart), self._outbox = carried(self._outbox), []
        list(self._pool.map(lambda one: self._client.send(one.recipient, one.study, one.body), apart))
        letters = self._client.receive(wait, acknowledged=self._done, enough=enough, sending=along)
        self._done = [letter.id for letter in letters]
        return [message for letter in letters if (message := self._read(letter)) is not None]

    def _read(self, letter: Received) -> Message | None:
        """A message of this study; one that cannot be read, or is not signed as it should be, is passed over."""
        hospital = self._hospitals.get(letter.sender)
        if letter.study != self._study or hospital is None:
            return None
        receivers = (self._keys, self._client.membership.keys)
        try:
            message = read(letter.body, receivers, hospital.keys, time.time() + self._client.clock_offset)
        except Tampered as why:
            self._set_state(letter.sender, "unreadable", why.findings[0].code)
            return None
        same = (message.sender, message.recipient, message.study)
        return message if same == (letter.sender, self._client.membership.name, self._study) else None

    # What is told.

    def _note(self, message: Message) -> None:
        hospital = self._hospitals[message.sender]
        hospital.heard, hospital.late = time.monotonic(), False
        if message.kind == "state":
            detail = message.body.get("code") or message.body.get("reason") or message.body.get("seconds") or ""
            self._set_state(message.sender, str(message.body.get("state", "")), str(detail))
        elif message.kind == "answer":
            self._set_state(message.sender, "answered")
            receipt = (answer := answer_of(message.body)).receipt
            if receipt and (receipt.record.get("step"), receipt.record.get("plan")) == ("close", self._plan):
                self._closed[message.sender] = answer

    def _set_state(self, site: str, doing: str, detail: str = "") -> None:
        before = self.states[site]
        if doing == "answered" == before.doing:
            self.states[site] = replace(before, since=time.time())
            return
        self.states[site] = SiteState(doing, time.time(), detail)
        self._tell(self.states)


def _enrolled(client: Carrier, sites: Sequence[str]) -> Mapping[str, Member]:
    """The institutions that the hub knows, once all of these hospitals are among them.

    Who has just joined at a partner's hub is known here when the hubs have next told each other of their members.

    Raises:
        ExchangeFault: `sites_not_at_hub`, where some are still absent then.
    """
    patience = time.monotonic() + REGISTERS_SECONDS
    while True:
        known = client.directory()
        absent = [site for site in sites if site not in known or known[site].role != "site"]
        if not absent:
            return known
        if time.monotonic() >= patience:
            there = sorted(name for name, one in known.items() if (one.role, one.state) == ("site", "active"))
            found = {"found": ", ".join(absent), "expected": ", ".join(there) or "–"}
            raise ExchangeFault(Finding("sites_not_at_hub", values=found))
        time.sleep(1.0)


def _check_refusal(message: Message, asked: Message) -> None:
    """Raise Refused where a hospital says, with a code, that it cannot answer what it was asked last."""
    code = message.body.get("code")
    if message.kind != "state" or not code or message.request != (asked.request or asked.plan):
        return
    site = message.sender
    known = f"findings.answer_{code}" in catalogue("en")
    named = Finding(f"answer_{code}", values={"site": site, "found": site})
    raise Refused(named if known else Finding("answer_other", values={"found": site, "expected": code}))


def _ask_again(post: _Post, message: Message) -> None:
    """Ask again later, for the hospital is there; at once where people there have decided a review, in a new letter.

    A courier carries the same letter only once.
    """
    if message.kind == "state" and message.body.get("state") == "reviewed":
        post.again, post.letter = time.monotonic(), b""
    else:
        post.again = max(post.again, time.monotonic() + FIRST_AGAIN)


def _works(message: Message, asked: Message) -> bool:
    """Whether a hospital is at work on what it was asked: patience then begins anew.

    Waiting for a person is no work, nor is the answer to something else.
    """
    if message.kind == "answer":
        return message.request == asked.request
    return message.kind != "state" or message.body.get("state") == "computing"


def _when(since: float) -> str:
    """In UTC, as the hub and the hospitals tell times: people compare them over a border."""
    return time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(since))
