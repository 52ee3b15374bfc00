"""`gagyo rules`, the verdicts in `gagyo check`, and the six studies of `gagyo demo rules`."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gagyo.cli import exits, main
from gagyo.cli.rules import lines
from gagyo.cli.speech import speak
from gagyo.demo import rules as demo
from gagyo.demo.rules import STUDIES, study_records, with_everything
from gagyo.governance.check import check
from gagyo.governance.derive import given
from gagyo.governance.inventory import inventory
from gagyo.governance.pack import packs
from gagyo.protocol.study import Study
from gagyo.report.rules import render
from gagyo.text import LANGUAGES, Language, translate
from tests.rules.test_packs import RULE
from tests.shapes import read_json

TODAY = date(2026, 11, 25)
DAYS = [date(2026, 6, 1), TODAY, date(2027, 3, 10)]
FILES = Path(demo.__file__).parent / "files" / "rules"


@cache
def records(name: str) -> list[dict[str, Any]]:
    return study_records(Study.read(FILES / f"{name}.yaml"), DAYS)


def answers(name: str, day: int = 1) -> dict[tuple[str, str], tuple[str, str]]:
    found = records(name)[day]["answers"]
    return {(one["site"], one["thing"]): (one["law"], one["platform"]) for one in found}


@pytest.mark.parametrize(
    ("study", "site", "thing", "law", "platform"),
    [
        ("aggregates", "seoul", "effect_estimate", "needs_first", "may_go_ahead"),
        ("aggregates", "beijing", "aggregate_table", "needs_first", "may_go_ahead"),
        ("rows", "seoul", "row_level", "forbidden", "forbidden"),
        ("rows", "beijing", "row_level", "unknown", "forbidden"),
        ("summaries", "beijing", "genomic_summary", "unknown", "forbidden"),
        ("exomes", "beijing", "remote_view", "needs_first", "forbidden"),
        ("models", "seoul", "model_update", "needs_first", "needs_first"),
        ("models", "tianjin", "model_update", "needs_first", "needs_first"),
        ("foreign-node", "shanghai-node", "genomic_summary", "forbidden", "forbidden"),
        ("foreign-node", "beijing", "row_level", "needs_first", "forbidden"),
    ],
)
@pytest.mark.parametrize("day", range(3))
def test_what_the_six_studies_come_to(study: str, site: str, thing: str, law: str, platform: str, day: int) -> None:
    assert answers(study, day)[site, thing] == (law, platform)


def outcome(study: str, site: str, thing: str, rule: str, day: int = 1) -> dict[str, Any]:
    (found,) = (one for one in records(study)[day]["answers"] if (one["site"], one["thing"]) == (site, thing))
    return next(one for one in found["outcomes"] if one["rule"] == rule)


def test_each_study_is_decided_by_the_rule_that_it_is_about() -> None:
    grounds = set(outcome("rows", "seoul", "row_level", "KR-PIPA-28-8-OVERSEAS")["lifts"])
    assert {"kr.consent_overseas", "kr.statute_or_treaty", "kr.contract_necessary_disclosed"} <= grounds
    assert {"kr.recipient_certified", "kr.adequacy_recognised"} <= grounds
    assert outcome("rows", "beijing", "row_level", "CN-HEALTH-LOCALISATION")["verdict"] == "unknown"
    asked = {"CN-PIPL-39-EXPORT-NOTICE-CONSENT", "CN-CBDF-08-SCC-OR-CERT", "CN-PIPL-55-PIA"}
    assert all(outcome("rows", "beijing", "row_level", rule)["verdict"] == "needs_first" for rule in asked)
    review = outcome("exomes", "beijing", "remote_view", "CN-HGR-37-SECURITY-REVIEW")
    assert review["missing"] == ["cn.hgr_security_review"]
    assert outcome("summaries", "beijing", "genomic_summary", "CN-HGR-28-36-PRIOR-REPORT")["verdict"] == "unknown"
    update = outcome("models", "beijing", "model_update", "POLICY-EGRESS-MODEL")
    assert update["missing"] == ["attack_test_report", "release_decision_site", "release_decision_partner"]
    ban = outcome("foreign-node", "shanghai-node", "genomic_summary", "CN-HGR-07-FOREIGN-PARTY-BAN")
    assert ban["verdict"] == "forbidden"


def test_days_change_what_decides() -> None:
    special = [outcome("models", "busan", "model_update", "KR-PIPA-28-12-AI-SPECIAL", day) for day in range(3)]
    assert [one["decides"] for one in special] == [False, False, True]
    assert records("models")[1]["turns"][1]["begin"] == ["KR-PIPA-28-12-AI-SPECIAL"]


@pytest.mark.parametrize("name", STUDIES)
def test_the_list_of_documents_is_whole(name: str) -> None:
    """With everything that is asked for, nothing further is; what stays a no is a prohibition that nothing lifts."""
    study = Study.read(FILES / f"{name}.yaml")
    from gagyo.coordinator.planning import sends_of

    what = given(study, sends_of(study))
    assert inventory(check(what, TODAY)).needed
    after = with_everything(what, TODAY)
    assert inventory(after).needed == ()
    left = {one.rule.id for answer in after.answers for one in answer.deciding if one.verdict != "may_go_ahead"}
    final = {"POLICY-ROWS-STAY", "POLICY-NO-REMOTE-VIEW", "POLICY-RRN", "POLICY-HGR-MATERIAL"}
    assert left <= {*final, "CN-HGR-07-FOREIGN-PARTY-BAN"}


# Pages.

WORDS = re.compile(r"<(style|dd lang=\"en\")[^>]*>.*?</(style|dd)>|<[^>]+>", re.S)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_says_what_it_is(name: str, language: Language) -> None:
    record = records(name)[1]
    page = render(record, language)
    assert f'lang="{ {"en": "en", "ko": "ko", "zh": "zh-Hans"}[language] }"' in page
    assert all(pack["digest"] in page for pack in record["packs"])
    assert record["day"] in page
    assert {"en": "not legal advice", "ko": "법률 자문이 아닙니다", "zh": "不构成法律意见"}[language] in page
    assert all(rule in page for one in record["answers"] for rule in (found["rule"] for found in one["outcomes"]))
    assert not re.search(r"<script|https?://(?!www\.law\.go\.kr)", page)
    text = WORDS.sub(" ", page)
    english = re.findall(r"[A-Za-z]{4,} [a-z]{3,} [a-z]{2,}", text)
    assert english == [] or language == "en"


RULES = {rule.id: rule for pack in packs() for rule in pack.rules}
NAMED = re.compile("|".join(sorted(map(re.escape, RULES), key=len, reverse=True)))
OPENS = re.compile(r"</span>|[^<>（(;\]]{0,9}[（(]")


def bare(text: str, language: Language) -> str:
    """A page without the sentences of the packs that speak of another rule."""
    said = [getattr(rule, part).to(language) for rule in RULES.values() for part in ("explain", "note", "doubt")]
    for one in sorted((one for one in said if NAMED.search(one)), key=len, reverse=True):
        text = text.replace(one, "")
    return text


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_how_sure_a_rule_is_stands_wherever_it_is_named(name: str, language: Language) -> None:
    record = records(name)[1]
    page = bare(render(record, language), language)
    speak(language)
    told = bare("\n".join(lines(record)), language)
    speak("en")
    found = [(text, one) for text in (page, told) for one in NAMED.finditer(text)]
    assert len(found) > len(record["rules"])
    for text, one in found:
        sure = translate(f"rules.basis.{RULES[one.group()].basis}", language)
        row = text.startswith("</span>", one.end())  # the table of an answer has it in the rule's own row
        until = text.index("</tr>", one.end()) if row else text.find("\n", one.end())
        beside = text[one.end() : until if until > 0 else None]
        assert sure in (beside if row else NAMED.split(beside)[0]), (one.group(), beside[:90])


def test_the_demo_writes_every_page(tmp_path: Path) -> None:
    pages = demo.write(tmp_path, TODAY)
    assert [page.name for page in pages] == ["index.en.html", "index.ko.html", "index.zh.html"]
    links = re.findall(r'href="([^"#]+)"', pages[0].read_text(encoding="utf-8"))
    assert len(links) == 2 + len(STUDIES) * len(DAYS)
    assert [link for link in links if not (tmp_path / link).exists()] == []
    inner = re.findall(r'href="([^"#]+)"', (tmp_path / "rows" / "rules.2026-06-01.zh.html").read_text(encoding="utf-8"))
    assert len(inner) == 4
    assert [link for link in inner if not (tmp_path / "rows" / link).exists()] == []


# Commands.


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return int(left.value.code or 0), shown.out, shown.err


def test_rules_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    study = FILES / "rows.yaml"
    code, text, _ = run(capsys, "rules", study, "--as-of", "2026-11-25", "--language", "en")
    assert code == exits.NOT_YET
    assert "not legal advice" in text
    assert "KR-PIPA-28-8-OVERSEAS" in text
    code, shown, _ = run(capsys, "rules", study, "--as-of", "2027-03-10", "--site", "seoul", "--json")
    record = read_json("rules", shown)
    assert (code, record["day"], list(record["sites"])) == (exits.NOT_YET, "2027-03-10", ["seoul"])
    assert not any(rule.startswith("CN-") for rule in record["rules"]), "nothing of other hospitals"
    assert record["bounds"]["minimum_people"] == 10
    assert record["bounds"]["shut"]["seoul"] == ["row_level"]


def test_documents_that_are_held_lead_to_a_yes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from gagyo.governance.pack import vocabulary

    lines = [f'- {{kind: {kind}, site: "*", things: ["*"], from: 2026-01-01}}' for kind in vocabulary().evidence]
    (tmp_path / "held.yaml").write_text("\n".join(lines), encoding="utf-8")
    study = FILES / "aggregates.yaml"
    options = ("--as-of", "2026-11-25", "--evidence", tmp_path / "held.yaml", "--json")
    code, shown, _ = run(capsys, "rules", study, *options)
    assert code == exits.OK
    (tmp_path / "ours.yaml").write_text(RULE.replace("effect: needs_first", "effect: forbid"), encoding="utf-8")
    code, shown, _ = run(capsys, "rules", study, *options, "--pack", tmp_path / "ours.yaml")
    assert code == exits.NOT_YET
    assert read_json("rules", shown)["packs"][-1]["name"] == "ours"


def test_a_plan_that_needs_a_document_is_made_with_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = FILES / "summaries.yaml"
    code, _, told = run(capsys, "plan", study, "--language", "en")
    assert code == exits.FAULT
    assert "may not leave" in told
    reply = '- {kind: cn.nhc_written_reply, site: "*", things: [genomic_summary], from: 2026-10-01}'
    (tmp_path / "held.yaml").write_text(reply, encoding="utf-8")
    assert main_ok("plan", study, "--evidence", tmp_path / "held.yaml")
    (tmp_path / "ours.yaml").write_text(OURS_LIMIT, encoding="utf-8")
    capsys.readouterr()
    options = ("--evidence", tmp_path / "held.yaml", "--pack", tmp_path / "ours.yaml", "--json")
    assert main_ok("plan", study, *options)
    assert read_json("plan", capsys.readouterr().out)["limits"]["minimum_people"] == 25


OURS_LIMIT = (
    RULE.replace("effect: needs_first", "effect: limit")
    .replace("requires: [kr.irb_approval]", "limit: {minimum_people: 25}")
    .replace("is: aggregate_table", "is: genomic_summary")
)


def main_ok(*arguments: object) -> bool:
    """Whether a command ends well."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return not left.value.code


def test_what_hospitals_state_of_themselves_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    site = "site: beijing\ncountry: CN\ndata: {connector: parquet, path: a}\nvariables: {age: {column: a}}\n"
    (tmp_path / "beijing.yaml").write_text(site + "governance: {controlled_by: [US]}\n", encoding="utf-8")
    options = ("--as-of", "2026-11-25", "--site", "beijing", "--json")
    _, before, _ = run(capsys, "rules", FILES / "summaries.yaml", *options)
    _, after, _ = run(capsys, "rules", FILES / "summaries.yaml", *options, "--sites", tmp_path)
    asked = [{one["fact"] for one in read_json("rules", shown)["questions"]} for shown in (before, after)]
    assert asked[1] - asked[0] == {"party.foreign_controlled"}, "the study says CN, the hospital says US"


def test_a_faulty_list_of_documents_is_told_with_its_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "held.yaml").write_text(
        "- {kind: kr.irb, site: seoul, things: [tables], from: today}", encoding="utf-8"
    )
    code, _, told = run(capsys, "rules", FILES / "aggregates.yaml", "--evidence", tmp_path / "held.yaml")
    assert code == exits.FAULT
    assert told.count("held.yaml:1") == 3


def test_pages_of_any_study(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(capsys, "rules", FILES / "aggregates.yaml", "--as-of", "2026-11-25", "--out", tmp_path)
    assert sorted(page.name for page in tmp_path.iterdir()) == [f"rules.2026-11-25.{one}.html" for one in LANGUAGES]


@pytest.mark.parametrize("arguments", [("--as-of", "tomorrow"), ("--site", "paris")])
def test_wrong_options_are_told(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = run(capsys, "rules", FILES / "aggregates.yaml", *arguments, "--language", "en")
    assert code == exits.USAGE
    assert arguments[1] in told


def test_check_shows_the_verdict_of_each_hospital(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, "check", FILES / "summaries.yaml", "--language", "ko")
    assert code == exits.OK
    assert "beijing: 허용되지 않음" in text
    assert "gagyo rules" in text
    _, shown, _ = run(capsys, "check", FILES / "summaries.yaml", "--json")
    assert read_json("check", shown)["rules"]["sites"]["beijing"]["verdict"] == "forbidden"


def test_a_study_without_the_part_is_told_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (FILES / "aggregates.yaml").read_text(encoding="utf-8").partition("governance:")[0]
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    _, shown, _ = run(capsys, "check", tmp_path / "study.yaml", "--language", "en")
    assert "no governance part" in shown
    code, _, _ = run(capsys, "rules", tmp_path / "study.yaml")
    assert code == exits.NOT_YET
