"""Truth tables: every rule has examples that apply, do not, and cannot be told, and each of its clauses needs one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache

import pytest

from gagyo.errors import FileFault
from gagyo.governance.examples import Example, comes_to, installed_examples, parse_examples
from gagyo.governance.pack import Pack, Rule, packs, vocabulary
from tests.rules.mutants import mutants

RULES = {rule.id: rule for pack in packs() for rule in pack.rules}
LEAST = 68
"""Rules of the record that the packs began as; they also ask for 72 facts and 117 kinds of documents."""


@cache
def examples() -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = defaultdict(list)
    for pack in packs():
        for one in installed_examples(pack):
            found[one.rule].append(one)
    return found


EVERY = [one for found in examples().values() for one in found]


def test_no_rule_was_lost() -> None:
    assert len(RULES) >= LEAST
    assert len(vocabulary().facts) >= 72
    assert len(vocabulary().evidence) >= 117


@pytest.mark.parametrize("one", EVERY, ids=lambda one: f"{one.rule}:{one.line}")
def test_an_example_comes_to_what_it_says(one: Example) -> None:
    assert comes_to(RULES[one.rule], one.facts, one.held) == one.expect


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_has_an_example_of_each_answer(rule: Rule) -> None:
    answers = {one.expect for one in examples()[rule.id]}
    assert answers == {"applies", "does_not", "unknown"} | ({"lifted"} if rule.unless else set())


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_every_clause_is_needed_by_an_example(rule: Rule) -> None:
    changed = [replace(rule, when=one) for one in mutants(rule.when)]
    changed += [replace(rule, unless=one) for one in mutants(rule.unless)] if rule.unless else []
    unnoticed = [
        (one.when, one.unless)
        for one in changed
        if all(comes_to(one, example.facts, example.held) == example.expect for example in examples()[rule.id])
    ]
    assert changed
    assert unnoticed == []


@pytest.mark.parametrize("pack", packs(), ids=lambda pack: pack.name)
def test_a_deleted_rule_is_noticed(pack: Pack) -> None:
    from importlib.resources import files

    name = f"{pack.name}.examples.yaml"
    text = (files("gagyo.governance") / "packs" / name).read_text(encoding="utf-8")
    for rule in pack.rules:
        rest = replace(pack, rules=tuple(one for one in pack.rules if one is not rule))
        with pytest.raises(FileFault) as fault:
            parse_examples(text, name, rest)
        assert {finding.code for finding in fault.value.findings} == {"unknown_key"}
