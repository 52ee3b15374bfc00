"""Who may do what at a hospital: one table of roles and acts, asked wherever a person signs something.

This says whether a *person* may; whether the *state* of a plan or review lets it happen is asked apart from this.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Literal, get_args

Role = Literal[
    "custodian",
    "review_board",
    "data_protection",
    "lead",
    "analyst",
    "site_engineer",
    "reviewer",
    "hub_operator",
    "auditor",
]
"""The data's custodian, a board (IRB, DRB), data protection, the study's lead and its analysts, the hospital's engineer
and its output reviewers, the operator of a hub, and an auditor, who looks and does nothing else."""
ROLES: tuple[Role, ...] = get_args(Role)
Act = Literal[
    "plan.approve",
    "plan.withdraw",
    "review.view",
    "review.submit",
    "review.update",
    "review.vote",
    "review.approve",
    "review.reject",
    "review.return",
    "review.withdraw",
]
ACTS: tuple[Act, ...] = get_args(Act)

MAY: Mapping[Act, frozenset[Role]] = {
    "plan.approve": frozenset({"custodian", "review_board", "data_protection", "lead"}),
    "plan.withdraw": frozenset({"custodian", "review_board", "data_protection", "lead"}),
    "review.view": frozenset({"custodian", "data_protection", "site_engineer", "reviewer", "auditor"}),
    "review.submit": frozenset({"site_engineer"}),
    "review.update": frozenset({"site_engineer"}),
    "review.vote": frozenset({"reviewer"}),
    "review.approve": frozenset({"custodian"}),
    "review.reject": frozenset({"custodian"}),
    "review.return": frozenset({"custodian"}),
    "review.withdraw": frozenset({"custodian", "data_protection", "site_engineer"}),
}
"""Acts by who may do them. Whoever leads, analyses or carries a study decides nothing about what leaves a hospital."""


def may(role: str, act: str) -> bool:
    """Whether a person in a role may do something; what the table does not name, nobody may."""
    return any(role in roles for name, roles in MAY.items() if name == act)


APPROVERS: tuple[Role, ...] = tuple(role for role in ROLES if may(role, "plan.approve"))
"""Roles that can be asked for a yes to a plan."""


def same_person(one: str, other: str) -> bool:
    """Whether two names are written alike, but for case, width and spaces: one person may hold keys of two roles."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
