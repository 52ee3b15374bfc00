"""The page of output review: its states as a picture and a table, and who may do what, from the code that decides."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.governance.review import FINAL, STATES, TRANSITIONS
from gagyo.governance.roles import ACTS, ROLES, may
from gagyo.text import LANGUAGES, catalogue
from made.words import LANGUAGE_NAMES, MADE


def reviews() -> str:
    """The states of an output review as a picture and a table, and who may do what at a hospital."""
    lines = [
        MADE,
        "",
        "# Output review and roles",
        "",
        "What the gate refers to people goes this way; what is not drawn may not happen.",
        "How it is done: [Review what the gate refers to people](../how-to/review-an-output.md).",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {STATES[0]}",
        *(f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()),
        *(f"    {state} --> [*]" for state in STATES if state in FINAL),
        "```",
    ]
    lines += ["", "| state | " + " | ".join(LANGUAGE_NAMES.values()) + " | what may follow |", "|---|---|---|---|---|"]
    for state in STATES:
        named = " | ".join(catalogue(one)[f"review.state.{state}"] for one in LANGUAGES)
        follows = ", ".join(f"{event}: {after}" for (before, event), after in TRANSITIONS.items() if before == state)
        lines.append(f"| `{state}` | {named} | {follows or 'nothing'} |")
    return "\n".join([*lines, *roles()]) + "\n"


def roles() -> Iterator[str]:
    """Who may do what."""
    yield from ("", "## Who may do what", "", "A key has one role. What stands in no row, nobody may.", "")
    yield "| role | " + " | ".join(LANGUAGE_NAMES.values()) + " | may |"
    yield "|---|---|---|---|---|"
    for role in ROLES:
        named = " | ".join(catalogue(one)[f"approval.role.{role}"] for one in LANGUAGES)
        acts = ", ".join(f"`{act}`" for act in ACTS if may(role, act))
        yield f"| `{role}` | {named} | {acts or 'nothing at a hospital'} |"
