"""Whether a request may be looked at: plan approved, method installed and allowed, roster sound, arguments derived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gagyo.errors import FileFault, GagyoError
from gagyo.federation.ask import Allowed, Ask, Near
from gagyo.federation.asked import same_arguments
from gagyo.federation.local import LocalStep, find_step, method_names, source_digest
from gagyo.finding import Finding
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import Request
from gagyo.release.limits import Limits
from gagyo.site.policy import Policy


class NotAdmitted(GagyoError):
    """The request is refused before anything is computed; `code` is what the outside hears."""

    def __init__(self, code: str) -> None:
        super().__init__(Finding(f"answer_{code}", values={"site": "", "found": code}))
        self.code = code


def check_methods(plan: Plan, policy: Policy) -> None:
    """Every method that the plan's study uses is installed here in the version it names, and the policy allows it."""
    if set(plan.methods) != {analysis.method for analysis in plan.study.analyses.values()}:
        raise NotAdmitted("other_version")
    for name, digest in plan.methods.items():
        try:
            installed = source_digest(name)
        except KeyError:
            raise NotAdmitted("unknown_method") from None
        if installed != digest:
            raise NotAdmitted("other_version")
        if policy.methods != "all" and name not in policy.methods:
            raise NotAdmitted("method_not_allowed")
    unknown = set(policy.referral) - {"models", *method_names()}
    if unknown:
        raise FileFault.of("referral_unknown", found=", ".join(sorted(unknown)), expected=", ".join(method_names()))


def check_roster(plan: Plan, request: Request, policy: Policy, limits: Limits) -> None:
    """A sum has at least three hospitals, all of the plan, this one among them, two of them independent of it."""
    roster = request.roster
    known = set(plan.study.sites)
    if len(set(roster)) != len(roster) or not set(roster) <= known or request.site not in roster:
        raise NotAdmitted("bad_roster")
    if len(roster) < limits.hospitals:
        raise NotAdmitted("bad_roster")
    if request.receiver in roster:
        raise NotAdmitted("bad_roster")
    others = set(roster) - {request.site}
    if policy.independent_partners is not None and len(others & set(policy.independent_partners)) < 2:
        raise NotAdmitted("bad_roster")


def named_step(request: Request) -> LocalStep:
    """The installed step that a request names, asked with the names, shapes and ranges that it declares."""
    try:
        step = find_step(request.step)
    except KeyError:
        raise NotAdmitted("unknown_method") from None
    if step.check(request.arguments):
        raise NotAdmitted("bad_arguments")
    return step


def check_derived(request: Request, ask: Ask) -> None:
    """The step and arguments are what the method itself asks here, on what was opened so far: derived, not chosen."""
    if request.step != ask.step.name or bool(request.roster) == ask.each:
        raise NotAdmitted("not_derived")
    if not same_arguments(request.arguments, ask.arguments):
        raise NotAdmitted("not_derived")


def check_near(inner: Request, questions: Sequence[Allowed], reach: float) -> Ask:
    """The question of a left-out fit that a request puts: derived, or near what all hospitals found.

    reach: the greatest (change)' information (change) of a row.
    """
    for one in questions:
        rest = {**inner.arguments, **{name: one.ask.arguments[name] for name in one.near}}
        derived = inner.step == one.ask.step.name and same_arguments(rest, one.ask.arguments)
        if derived and all(_is_near(inner.arguments.get(name), near, reach) for name, near in one.near.items()):
            return one.ask
    raise NotAdmitted("not_derived")


def _is_near(got: Any, pieces: Sequence[Near], reach: float) -> bool:
    centre = np.concatenate([one.centre for one in pieces], axis=1)
    if not isinstance(got, np.ndarray) or got.shape != centre.shape:
        return False
    at = np.cumsum([one.centre.shape[1] for one in pieces])[:-1]
    for one, change in zip(pieces, np.split(got - centre, at, axis=1), strict=True):
        moved = np.einsum("mi,mij,mj->m", change, one.information, change)
        if not (np.all(moved <= reach) and np.all(change[one.fixed] == 0)):
            return False
    return True
