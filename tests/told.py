"""Whether what left a hospital was told before: each step's numbers and rounds against the plan that was approved."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from gagyo.protocol.plan import Plan

OWN = frozenset({"open.people", "open.values", "receive", "relayed", "close"})
"""Steps that every question takes; their numbers are those of the method's own step."""


def untold(plan: Plan, ledger: Path) -> list[str]:
    """What a ledger's receipts hold and the plan does not tell."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in filter(None, ledger.read_text(encoding="utf-8").split("\n")):
        record = json.loads(line)["record"]
        if record["outcome"] == "released" and record["analysis"] and record["step"] not in OWN:
            found[record["analysis"], record["step"]].append(record)
    return [f"{analysis} {step}" for (analysis, step), records in found.items() if _more(records, plan, analysis)]


def _more(records: list[dict[str, Any]], plan: Plan, analysis: str) -> bool:
    """Whether a step sent more numbers or rounds than told, or alone what was told to leave in sums."""
    told = [one for one in plan.sends[analysis] if one["step"] == records[0]["step"]]
    if not told or any(one["channel"] == "each" for one in records) > any(one["each"] for one in told):
        return True
    # A hospital answers each of the others when it is left out.
    rounds = sum(one["rounds"] * (len(plan.study.sites) if one["to"] == "left_out" else 1) for one in told)
    most = max(one["numbers"] for one in told)
    return len(records) > rounds or max(one["numbers"] for one in records) > most
