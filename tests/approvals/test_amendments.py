"""What an amended plan changes: nothing is missed, and each hospital's people are told what it would now send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.cli import main
from gagyo.coordinator.planning import make_plan
from gagyo.exchange.envelope import Keys
from gagyo.protocol.amendment import Amendment
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from tests.hospitals import STUDY
from tests.shapes import read_json

ANALYSES = """  table: {method: describe, cohort: all, variables: [texture, size], by: malignant}
  model: {method: logistic, cohort: all, formula: "malignant ~ texture + smoothness"}
  check: {method: validate, model: model, folds: 5}
"""
KEYS = {name: Keys.make().public for name in ("coordinator", "seoul", "busan", "beijing", "tianjin", "daegu")}


def plan(change: tuple[str, str] = ("", ""), analyses: str = ANALYSES) -> Plan:
    text = STUDY + analyses
    assert change[0] in text
    study = Study.parse(text.replace(*change, 1) if change[0] else text)
    return make_plan(study, {name: key for name, key in KEYS.items() if name in ("coordinator", *study.sites)})


OLD = plan()
CHANGES = {
    "title": ("Breast mass", "Breast masses"),
    "organisation": ("Hanbit", "Haneul"),
    "until": ("2027-10-31", "2027-12-31"),
    "label": ("{en: Texture", "{en: Roughness"),
    "range": ("range: [0, 60]", "range: [0, 61]"),
    "unused": ("range: [0, 50]", "range: [0, 51]"),
    "cohort": ("all: {}", 'all: {where: "radius > 10"}'),
    "formula": ("texture + smoothness", "texture + smoothness + symmetry"),
    "site": ("sites: [seoul,", "sites: [daegu, seoul,"),
    "less": ("variables: [texture, size]", "variables: [texture]"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_the_digest_is_told(name: str) -> None:
    new = plan(CHANGES[name])
    assert new.digest != OLD.digest
    assert Amendment(OLD, new).changes
    assert Amendment(new, new).changes == ()
    assert not any(Amendment(OLD, plan()).touched.values())


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_field_that_the_digest_covers_is_told(data: st.DataObject) -> None:
    """One value anywhere in a plan's keys, methods, limits and sends is changed."""
    fields: dict[str, Any] = json.loads(OLD.to_bytes())
    at: Any = fields
    key: Any = data.draw(st.sampled_from(["keys", "methods", "limits", "sends", "wire"]))
    while isinstance(at[key], (dict, list)):
        at = at[key]
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else list(range(len(at)))))
    if isinstance(at[key], bool):
        at[key] = not at[key]
    else:
        at[key] = at[key] + 1 if isinstance(at[key], (int, float)) else f"{at[key]}0"
    new = Plan.from_bytes(json.dumps(fields).encode())
    assert new.digest != OLD.digest
    assert Amendment(OLD, new).changes


def touched(name: str) -> dict[str, tuple[str, ...]]:
    return dict(Amendment(OLD, plan(CHANGES[name])).touched)


def test_which_analyses_are_to_be_looked_at_again() -> None:
    assert not any(touched("title").values())
    assert not any(touched("unused").values()), "a variable that no analysis uses"
    assert all("variables" in why for why in touched("range").values())
    assert all("cohort" in why for why in touched("cohort").values())
    assert all("hospitals" in why for why in touched("site").values())
    found = touched("formula")
    assert {"definition", "sends"} <= set(found["model"])
    assert "people" in found["table"], "one complete-case set serves all analyses of a cohort"
    assert "people" in touched("less")["model"]


def test_what_starts_from_a_changed_analysis_is_touched() -> None:
    lines = ANALYSES.replace("cohort: all, formula", "cohort: all, formula")
    new = plan(analyses=lines.replace("texture + smoothness", "smoothness + texture"))
    assert "check" in {name for name, why in Amendment(OLD, new).touched.items() if why}


def test_what_each_hospital_would_now_send() -> None:
    new = plan(CHANGES["formula"])
    found = [one for one in Amendment(OLD, new).sendings if one.analysis == "model" and one.after]
    assert {one.site for one in found} == {"seoul", "busan", "beijing", "tianjin"}
    assert all(one.before and one.after and one.after["numbers"] > one.before["numbers"] for one in found)
    joined = Amendment(OLD, plan(CHANGES["site"])).sendings
    assert {one.site for one in joined if one.before is None} >= {"daegu"}
    assert len([one for one in joined if one.site == "daegu"]) == sum(map(len, OLD.sends.values()))
    left = Amendment(plan(CHANGES["site"]), OLD).sendings
    assert all(one.after is None for one in left if one.site == "daegu")
    assert any(one.site == "daegu" for one in left)


@pytest.mark.parametrize(("language", "words"), [("en", "as it was"), ("ko", "변경 없음"), ("zh", "未改动")])
def test_the_command_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, words: str) -> None:
    only = ANALYSES.splitlines(keepends=True)[0]
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(plan(analyses=only).to_bytes())
    added = only + "  again: {method: describe, cohort: all, variables: [texture], by: size}\n"
    new.write_bytes(plan(analyses=added).to_bytes())
    with pytest.raises(SystemExit) as left:
        main(["--language", language, "plan", str(new), "--compare", str(old)])
    assert not left.value.code
    told = capsys.readouterr().out
    assert words in told
    assert "again" in told
    assert "seoul, busan, beijing, tianjin" in told
    with pytest.raises(SystemExit):
        main(["plan", str(new), "--compare", str(old), "--json"])
    record = read_json("plan --compare", capsys.readouterr().out)
    assert record["analyses"] == {"table": [], "again": ["new"]}
    assert {one["analysis"] for one in record["sends"]} == {"again"}
