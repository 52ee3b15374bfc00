"""The packs: three languages without English left in them, words that exist, and faults that name their line."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from gagyo.errors import FileFault
from gagyo.governance.facts import ISSUERS, EvidenceKind, Fact
from gagyo.governance.pack import BASES, LIMITS, Pack, Rule, packs, parse_pack, read_own, vocabulary
from gagyo.protocol.governance import CHAPTERS, DATA, EXPORTED_OTHER, EXPORTED_SENSITIVE, LEAVES, PARTY, STUDY, THINGS
from gagyo.text import LANGUAGES, Text, catalogue
from tests.architecture.sources import SOURCE

WORDS = vocabulary()
RULES = [rule for pack in packs() for rule in pack.rules]
HANGUL, HAN, LATIN = "[\uac00-\ud7a3]", "[\u4e00-\u9fff]", re.compile(r"[A-Za-z]{4,} [a-z]{3,} [a-z]{2,}")
ASIDE = re.compile(r"[(（][^()（）]*[)）]")


def texts() -> list[tuple[str, Text]]:
    """Every text of the packs and of the vocabulary, with where it stands."""
    found = [(pack.name, pack.title) for pack in packs()]
    for rule in RULES:
        whole = {"explain": rule.explain, "next_step": rule.next_step}
        optional = {"note": rule.note, "penalty": rule.penalty, "doubt": rule.doubt}
        found += [
            (f"{rule.id}.{name}", text) for name, text in {**whole, **optional}.items() if text.en or name in whole
        ]
    words: list[Fact | EvidenceKind] = [*WORDS.facts.values(), *WORDS.evidence.values()]
    found += [(word.id, word.name) for word in words]
    kinds = WORDS.evidence.values()
    found += [(rule.id, rule.instrument) for rule in RULES if rule.original != "ICH E6(R3)"]
    return found + [(kind.id, text) for kind in kinds for text in (kind.takes, kind.kept) if text.en]


@pytest.mark.parametrize(("where", "text"), texts(), ids=lambda one: one if isinstance(one, str) else "")
def test_a_text_is_in_three_languages(where: str, text: Text) -> None:
    assert text.en
    assert text.ko
    assert text.zh
    assert re.search(HANGUL, text.ko)
    assert re.search(HAN, text.zh)
    assert not LATIN.search(text.ko)
    assert not LATIN.search(text.zh)


@pytest.mark.parametrize(("where", "text"), texts(), ids=lambda one: one if isinstance(one, str) else "")
def test_another_country_s_terms_stand_in_brackets(where: str, text: Text) -> None:
    """So that a reader is not left with words of a script that they do not read."""
    korean, chinese = (ASIDE.sub("", ASIDE.sub("", one)) for one in (text.ko, text.zh))
    assert not re.search(HAN, korean), korean
    assert not re.search(HANGUL, chinese), chinese
    assert not re.search("[\u4e00-\u9fff][,;?!]|[\u4e00-\u9fff]:", text.zh), text.zh


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_an_article_is_named_in_the_reader_s_language(rule: Rule) -> None:
    assert not re.search(f"{HAN}|{HANGUL}", rule.article.en)
    assert not re.search(HAN, rule.article.ko)
    assert not re.search(HANGUL, rule.article.zh)


def test_each_law_s_own_terms_are_used() -> None:
    korean = " ".join(rule.explain.ko for rule in RULES if rule.jurisdiction == "KR")
    chinese = " ".join(rule.explain.zh for rule in RULES if rule.jurisdiction.startswith("CN"))
    assert all(term in korean for term in ("개인정보", "가명정보", "국외 이전", "민감정보", "익명정보"))
    assert all(term in chinese for term in ("个人信息", "去标识化", "出境", "人类遗传资源", "单独同意", "重要数据"))


def test_every_name_that_a_page_shows_is_in_the_catalogue() -> None:
    keys = [f"rules.issuer.{name}" for name in ISSUERS] + [f"rules.limit.{name}" for name in LIMITS]
    keys += [f"rules.thing.{name}" for name in THINGS] + [f"rules.basis_long.{name}" for name in BASES]
    keys += [
        f"rules.{area}.{getattr(rule, area)}" for rule in RULES for area in ("effect", "status", "basis", "weight")
    ]
    for language in LANGUAGES:
        assert [key for key in keys if key not in catalogue(language)] == []


def test_every_key_that_pages_and_the_command_use_exists_and_none_is_left_over() -> None:
    sources = [
        SOURCE / "report" / "rules.py",
        SOURCE / "cli" / "rules.py",
        *(SOURCE / "report" / "templates").glob("rules*"),
    ]
    text = " ".join(path.read_text(encoding="utf-8") for path in sources)
    used = set(re.findall(r"""\btell\(\s*f?["']([a-z_.]+)""", text))
    keys = {key.removeprefix("rules.") for key in catalogue("en") if key.startswith("rules.")}
    assert len(used) > 40
    assert [one for one in sorted(used) if one not in keys and not any(key.startswith(one) for key in keys)] == []
    whole = {key for key in keys if "." not in key}
    assert [
        key for key in sorted(whole - used) if key not in ("law", "platform", "own", "of_law", "of_platform", "of_own")
    ] == []


def test_every_member_of_a_group_exists_and_no_group_holds_itself() -> None:
    def members(kind: EvidenceKind, seen: tuple[str, ...]) -> None:
        assert kind.id not in seen
        for name in kind.one_of:
            members(WORDS.evidence[name], (*seen, kind.id))

    for kind in WORDS.evidence.values():
        members(kind, ())


def test_what_files_can_state_is_what_the_vocabulary_knows() -> None:
    stated = [*DATA.values(), *PARTY.values(), *STUDY.values(), *LEAVES.values()]
    stated += [key for keys in CHAPTERS.values() for key in keys.values()]
    for key in stated:
        if key.fact not in (EXPORTED_SENSITIVE, EXPORTED_OTHER):
            fact = WORDS.facts[key.fact]
            assert (fact.shape, set(fact.values)) == (key.shape, set(key.names)), key
    kinds = set(WORDS.facts["egress.kind"].values)
    assert set(THINGS) == kinds - {"none"}


def test_every_fact_has_a_source() -> None:
    """Stated in a file, or made from the plan."""
    made = (files("gagyo.governance") / "derive.py").read_text(encoding="utf-8")
    stated = {key.fact for keys in (DATA, PARTY, STUDY, LEAVES, *CHAPTERS.values()) for key in keys.values()}
    assert [name for name in WORDS.facts if name not in stated and f'"{name}"' not in made] == []


def test_a_rule_of_law_names_a_source_and_the_platform_s_are_not_law() -> None:
    for rule in RULES:
        assert rule.weight == ("platform" if rule.id.startswith("POLICY-") else "law")
        assert rule.sources or rule.weight == "platform"
        assert rule.effect not in ("needs_first", "allow_if") or rule.requires


def test_the_digest_is_of_what_a_pack_says() -> None:
    text = (files("gagyo.governance") / "packs" / "kr.yaml").read_text(encoding="utf-8")
    once, moved, changed = (
        parse_pack(one, "kr.yaml", WORDS).digest
        for one in (
            text,
            text.replace("rules:\n", "rules:   # of Korea\n", 1),
            text.replace("2023-09-15", "2023-09-16", 1),
        )
    )
    assert once == moved
    assert once != changed


# Faults.

RULE = """
format: "1"
pack: ours
version: "1"
weight: own
title: {en: Ours, ko: 자체, zh: 自有}
sources: {}
rules:
  - id: OURS-TABLES
    jurisdiction: KR
    instrument: {original: 내규, en: House rules, ko: 내규, zh: 内部规定}
    article: "3"
    effective: {from: 2026-01-01, until: null}
    status: in_force
    basis: first_hand
    when: {fact: egress.kind, is: aggregate_table}
    effect: needs_first
    requires: [kr.irb_approval]
    explain: {en: Tables need it., ko: 표에는 승인이 필요합니다., zh: 汇总表须经批准。}
    next_step: {en: Ask., ko: 신청하십시오., zh: 请申请。}
"""


def own(text: str, tmp_path: Path) -> Pack:
    (tmp_path / "ours.yaml").write_text(text, encoding="utf-8")
    return read_own(tmp_path / "ours.yaml", packs())


def test_an_own_pack_is_read(tmp_path: Path) -> None:
    (rule,) = own(RULE, tmp_path).rules
    assert isinstance(rule, Rule)
    assert (rule.weight, rule.requires) == ("own", ("kr.irb_approval",))


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("weight: own", "weight: law", "not_one_of", 5),
        ("OURS-TABLES", "KR-PIPA-28-8-OVERSEAS", "rules_taken", 9),
        ("egress.kind,", "egress.sort,", "rules_unknown_word", 16),
        ("is: aggregate_table", "is: tables", "not_one_of", 16),
        ("is: aggregate_table", "has_any: [aggregate_table]", "rules_operator", 16),
        ("when: {fact: egress.kind, is: aggregate_table}", "when: {all: []}", "wrong_type", 16),
        (
            "when: {fact: egress.kind, is: aggregate_table}",
            "when: {evidence: kr.irb_approval}",
            "rules_evidence_here",
            16,
        ),
        ("effect: needs_first", "effect: allow", "not_one_of", 17),
        ("kr.irb_approval", "kr.irb_aproval", "rules_unknown_word", 18),
        ("requires:", "unless: {not: [{evidence: kr.irb_approval}]}\n    requires:", "rules_evidence_here", 18),
        ("until: null", "until: 2025-01-01", "period_order", 13),
        (", zh: 请申请。", "", "translation_missing", 20),
        ("sources: {}", "evidence: {kr.irb_approval: {issuer: site, name: {en: a, ko: b, zh: c}}}", "rules_taken", 7),
    ],
)
def test_a_fault_of_a_pack_names_its_line(old: str, new: str, code: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(FileFault) as fault:
        own(RULE.replace(old, new), tmp_path)
    found = [(finding.code, finding.place.line) for finding in fault.value.findings]
    assert (code, line) in found
