"""A plan that tells less than its methods send: a hospital that approved it lets out what was told, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gagyo.coordinator.run import Run
from gagyo.exchange.envelope import Keys
from gagyo.protocol.plan import Plan
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house

VALIDATED = MODEL + "  checked: {method: validate, model: model, leave_out: site, folds: 0}\n"


def approved(one: House, folder: Path, plan: Plan) -> Run:
    """A run of another plan of the same study, which all hospitals approved."""
    for site in one.sites.values():
        site.approve(plan)
    run = Run(plan, Journal(folder / "other.jsonl", Keys.open(folder / "coordinator.keys"), Embedded(one.sites)))
    for _ in run:
        pass
    return run


def told(plan: Plan, step: str, change: dict[str, Any]) -> Plan:
    """The plan that tells something else of a step; nothing of it where there is nothing to change."""
    sends = {
        name: tuple(one | change if one["step"] == step else one for one in entries if change or one["step"] != step)
        for name, entries in plan.sends.items()
    }
    return replace(plan, sends=sends)


@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("logistic.newton", {"numbers": 20}),
        ("logistic.newton", {"rounds": 2}),
        ("logistic.newton", {}),
        ("logistic.outcome", {"rounds": 0}),
        ("validate.own", {"each": False}),
        ("validate.own", {"numbers": 3}),
        ("validate.left_out", {"each": False}),
        ("validate.left_out", {"numbers": 3}),
        ("validate.newton", {"to": "coordinator"}),
        ("validate.newton", {"rounds": 1}),
    ],
)
def test_what_was_not_told_does_not_leave(tmp_path: Path, step: str, change: dict[str, Any]) -> None:
    one = house(tmp_path, STUDY + VALIDATED, breast())
    plan = told(one.plan, step, change)
    assert plan.digest != one.plan.digest
    run = approved(one, tmp_path, plan)
    ledgers = [[entry.record for entry in site.ledger.about(plan.digest)] for site in one.sites.values()]
    assert any(record["code"] == "not_told" for records in ledgers for record in records)
    left = [sum(one["step"] == step and one["outcome"] == "released" for one in records) for records in ledgers]
    most = change.get("rounds", 0) * (3 if step == "validate.newton" else 1)
    assert max(left) <= most
    assert run.stopped


def test_what_was_told_leaves(tmp_path: Path) -> None:
    """The plan as its methods tell it."""
    one = house(tmp_path, STUDY + VALIDATED, breast())
    run = one.run()
    assert run.stopped == {}
    assert not any(entry.record["code"] == "not_told" for entry in one.sites["seoul"].ledger.about(one.plan.digest))
