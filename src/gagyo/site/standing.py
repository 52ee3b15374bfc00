"""Where a plan's approvals stand at one hospital: each role that its policy requires, and what is still lacking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from gagyo.governance.approval import Asked, Lack, Statement, lack, lacks
from gagyo.governance.roles import APPROVERS, Role
from gagyo.protocol.plan import Plan
from gagyo.site.approvals import earlier
from gagyo.site.folder import state_folder
from gagyo.site.keyed_digests import present_data
from gagyo.site.site_file import SiteFile
from gagyo.site.store import Store


@dataclass(frozen=True)
class Standing:
    """One role at one hospital. `person` and `until` (the last day) are of the approval that counts."""

    site: str
    role: Role
    state: Lack | Literal["approved"]
    person: str = ""
    until: str = ""


def standings(path: Path, plan: Plan, day: date, brought: Sequence[Statement] = ()) -> tuple[Standing, ...]:
    """The roles of a site file's policy, with what the hospital keeps and what is brought; none where it asks for none.

    Raises:
        FileFault, DataFault: the site file or its data cannot be read.
    """
    file, folder = SiteFile.read(path), state_folder(path)
    terms = file.policy.approvals
    if not terms.required:
        return ()
    store = Store(folder / "memory.sqlite")
    try:
        before = earlier(store, terms, plan)
        kept = [one for name in (plan.digest, *before) for one in store.statements(name)]
        data = store.approved_data(plan.digest)
    finally:
        store.close()
    statements = [*kept, *(one for one in brought if one.site == file.site)]
    asked = Asked(plan.digest, file.site, data or present_data(path, folder, plan.study), day, earlier=before)
    short = lacks(terms, statements, asked)
    counting = [one for one in statements if lack(one, terms, asked) is None and one.decision == "approve"]
    return tuple(_standing(file.site, role, short, counting) for role in APPROVERS if role in {*terms.required, *short})


def _standing(site: str, role: Role, short: dict[Role, Lack], counting: Sequence[Statement]) -> Standing:
    if role in short:
        return Standing(site, role, short[role])
    last = max((one for one in counting if one.role == role), key=lambda one: one.until)
    return Standing(site, role, "approved", last.person, last.until)
