"""What people did at a hospital, as a record of its ledger: the same fields as a receipt's, and nothing that left."""

from __future__ import annotations

from typing import Any


def note(channel: str, plan: str, analysis: str, told: dict[str, Any]) -> dict[str, Any]:
    """A record of an act of people; `told` says what they did and holds no value from a row."""
    empty = {"cohort": "", "statement": "", "request": "", "receiver": "", "code": "", "fit": "", "journal": ""}
    about = {"plan": plan, "analysis": analysis, "step": channel, "channel": channel, "outcome": "noted"}
    return {**empty, **about, "round": 0, "attempt": 0, "numbers": 0, "roster": [], "payload": "", "told": told}
