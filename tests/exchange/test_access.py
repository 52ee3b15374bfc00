"""Who may write to whom: every combination of roles, states, memberships and studies, against the rule in words."""

from __future__ import annotations

from itertools import product

from gagyo.exchange.access import ROLES, STATES, Openness, Standing, refusal

NAMES = ("lead", "other", "seoul", "busan")
STUDIES = [None] + [
    Openness(coordinator, members, is_open)
    for coordinator in ("lead", "seoul")
    for members in ((), ("seoul",), ("seoul", "busan"), ("lead", "seoul", "busan"))
    for is_open in (True, False)
]
STANDINGS = [None] + [Standing(*one) for one in product(NAMES, ROLES, STATES, (True, False))]


def allowed(sender: Standing | None, recipient: Standing | None, study: Openness | None) -> bool:
    """The rule, said once more in other words."""
    if sender is None or recipient is None or study is None or not study.open:
        return False
    if (
        sender.state != "active"
        or recipient.state != "active"
        or not sender.current
        or "hub" in (sender.role, recipient.role)
    ):
        return False
    one = {sender.name: sender, recipient.name: recipient}
    if len(one) != 2 or study.coordinator not in one or one[study.coordinator].role != "coordinator":
        return False
    (other,) = set(one) - {study.coordinator}
    return other in study.members


def test_the_whole_table() -> None:
    let_through = 0
    for sender, recipient, study in product(STANDINGS, STANDINGS, STUDIES):
        reason = refusal(sender, recipient, study)
        assert (reason is None) == allowed(sender, recipient, study), (sender, recipient, study, reason)
        let_through += reason is None
    assert let_through > 0


def test_members_never_write_to_members() -> None:
    study = Openness("lead", ("seoul", "busan"), True)
    for roles in product(ROLES, ROLES):
        both = [Standing(name, role, "active") for name, role in zip(("seoul", "busan"), roles, strict=True)]
        assert refusal(*both, study) in ("not_allowed", "no_such_recipient")


def test_each_reason_is_said() -> None:
    lead, seoul = Standing("lead", "coordinator", "active"), Standing("seoul", "site", "active")
    study = Openness("lead", ("seoul",), True)
    assert refusal(lead, seoul, study) is None
    assert refusal(seoul, lead, study) is None
    assert refusal(None, seoul, study) == "not_enrolled"
    assert refusal(Standing("lead", "coordinator", "waiting"), seoul, study) == "not_enrolled"
    assert refusal(Standing("lead", "coordinator", "revoked"), seoul, study) == "revoked"
    assert refusal(Standing("lead", "coordinator", "active", False), seoul, study) == "keys_expired"
    assert refusal(Standing("hub", "hub", "active"), seoul, study) == "not_allowed"
    assert refusal(lead, None, study) == "no_such_recipient"
    assert refusal(lead, Standing("seoul", "site", "revoked"), study) == "no_such_recipient"
    assert refusal(lead, seoul, None) == "study_not_open"
    assert refusal(lead, seoul, Openness("lead", ("seoul",), False)) == "study_not_open"
    assert refusal(lead, seoul, Openness("lead", ("busan",), True)) == "not_a_member"
    assert refusal(seoul, lead, Openness("lead", ("busan",), True)) == "not_a_member"
    assert refusal(seoul, Standing("other", "coordinator", "active"), study) == "not_allowed"
    assert refusal(lead, lead, study) == "not_allowed"
