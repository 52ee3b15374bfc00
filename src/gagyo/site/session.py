"""An approved plan at one hospital, opened: where it stands, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from gagyo.canonical import digest
from gagyo.errors import FileFault, check_none
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation.line import Line
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from gagyo.release.limits import Limits
from gagyo.site import admission
from gagyo.site.admission import NotAdmitted
from gagyo.site.cohorts import Cohorts, Dataset
from gagyo.site.differencing import People
from gagyo.site.history import History
from gagyo.site.policy import Policy
from gagyo.site.receiving import Receiving
from gagyo.site.ruled import Bound, Ruled, Ruling, Unlisted
from gagyo.site.run_keys import RunKeys
from gagyo.site.store import Store


@dataclass
class Session:
    """One approved plan at this hospital: where its line of analyses stands, and the cohorts that it may look at."""

    plan: Plan
    limits: Limits
    line: Line
    history: History
    cohorts: Cohorts
    data: Dataset
    publics: Mapping[str, PublicKeys]
    keys: Keys
    bound: Bound
    receiving: dict[tuple[str, int], Receiving] = field(default_factory=dict)
    ruling: Ruling | None = None

    @property
    def study(self) -> Study:
        """The plan's study."""
        return self.plan.study


class Sessions:
    """The plans that are open at one hospital. secret: its key for a purpose, of its people's tags and of draws."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        store: Store,
        run_keys: RunKeys,
        secret: Callable[[str], bytes],
        load: Callable[[Study], Dataset],
        ruled: Ruled | Unlisted,
    ) -> None:
        self._name, self._policy, self._load, self._ruled = name, policy, load, ruled
        self._store, self._run_keys, self._secret = store, run_keys, secret
        self._open: dict[str, Session] = {}

    def find(self, plan: str) -> Session | None:
        """The session of a plan, where it is open."""
        return self._open.get(plan)

    def leave(self, plan: str) -> None:
        """Let go of a plan."""
        self._open.pop(plan, None)

    def open(self, plan: Plan) -> Session:
        """Open a plan, from its beginning: its keys, methods and limits are checked, and the data are mapped to it.

        Raises:
            FileFault, DataFault: everything that is wrong.
        """
        keys = self._keys_of(plan)
        try:
            admission.check_methods(plan, self._policy)
        except NotAdmitted as why:
            raise FileFault.of(f"answer_{why.code}", site=self._name, found=self._name) from None
        study = plan.study
        data = self._load(study)
        line = Line(study)
        people = People(self._store, data.persons, self._secret("people"))
        publics = {name: PublicKeys(**keys) for name, keys in plan.keys.items()}
        asked = Limits(**dict(plan.limits))  # type: ignore[arg-type]
        if asked.strictest(Limits()) != asked:
            raise FileFault.of("looser_limits", found=self._name)
        bound = self._ruled.bound(study, line.sends)
        check_none(bound.findings())
        limits = asked.stricter(max(self._policy.minimum_people, bound.bounds.minimum_people))
        complete = line.complete_without(data.absent)
        cohorts = Cohorts(self._name, study, data, people, complete, self._secret("draws"))
        session = Session(plan, limits, line, History(plan, line, publics), cohorts, data, publics, keys, bound)
        self._open[plan.digest] = session
        return session

    def _keys_of(self, plan: Plan) -> Keys:
        """The keys that the plan names: with the sealing key of its run, or with the lasting one (embedded)."""
        named = dict(plan.keys[self._name])
        for one in self._run_keys.known(digest(plan.written.canonical())):
            if named == asdict(one.public):
                return one
        raise FileFault.of("other_key", found=self._name)
