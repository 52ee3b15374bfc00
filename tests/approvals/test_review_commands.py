"""Output review as it is typed: a run waits, people look and vote, and the same run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gagyo.api import verify
from gagyo.cli import exits
from gagyo.text import LANGUAGES
from tests.approvals.test_commands import Typed, typed
from tests.shapes import read_json

__all__ = ["typed"]

HOLDERS = {"engineer": ("site_engineer", "Han"), "first": ("reviewer", "Choi"), "second": ("reviewer", "Wang")}
HOLDERS |= {"custodian": ("custodian", "Park"), "auditor": ("auditor", "Lim")}


@pytest.fixture
def hospital(typed: Typed, tmp_path: Path) -> Path:
    """An example study whose first analysis' method Seoul refers to people; the keys are beside it."""
    folder = tmp_path / "study"
    typed("new", folder)
    roles: dict[str, list[str]] = {}
    for name, (role, person) in HOLDERS.items():
        told = typed("approval", "key", "--role", role, "--name", person, "--out", tmp_path / f"{name}.key")
        roles.setdefault(role, []).append(told.split()[-1])
    file = folder / "sites" / "seoul.yaml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("policy:")]
    named = ", ".join(f"{role}: [{', '.join(keys)}]" for role, keys in roles.items())
    lines.append(f"policy: {{referral: [describe], approvals: {{roles: {{{named}}}}}}}")
    file.write_text("\n".join(lines) + "\n")
    return folder


def test_from_a_referral_to_the_released_answer(typed: Typed, hospital: Path, tmp_path: Path) -> None:
    seoul, out = hospital / "sites" / "seoul.yaml", tmp_path / "out"
    run = ("run", hospital / "study.yaml", "--sites", hospital / "sites", "--out", out)
    assert "referred this to a person" in typed(*run, code=exits.STOPPED)
    review = ("site", "review")

    def does(verb: str, who: str, *words: str, code: int = 0) -> str:
        return typed(*review, verb, seoul, name, *words, "--key", tmp_path / f"{who}.key", code=code)

    (listed,) = read_json("site review list", typed(*review, "list", seoul, "--json"))
    name = listed["review"]
    assert (listed["kind"], listed["state"]) == ("analysis", "pending")
    assert "is pending" in does("vote", "first", "approve", code=exits.FAULT)
    does("submit", "engineer", "--note", "table one")
    assert "has not looked" in does("vote", "first", "approve", code=exits.FAULT)
    told = does("show", "first")
    assert "describe." in told
    assert "only as the sum over the hospitals" in told
    assert "False" not in told
    assert "table one" in told
    assert "reviewer may not" in does("submit", "first", code=exits.FAULT)
    does("vote", "first", "approve", "--note", "fine by me")
    hidden = does("show", "second")
    assert "shown when both are in" in hidden
    assert "Choi" not in hidden
    assert "fine by me" not in hidden
    assert "A reason is needed" in does("vote", "second", "reject", code=exits.USAGE)
    does("vote", "second", "approve")
    assert "fine by me" in does("show", "auditor")
    does("show", "custodian")
    assert "approved" in does("decide", "custodian", "approve")
    typed(*run)
    assert read_json("site review list", typed(*review, "list", seoul, "--json"))[0]["state"] == "released"
    assert verify(out).analyses >= 1
    ledger = typed("site", "ledger", seoul)
    assert "Choi, Wang" in ledger
    for language in LANGUAGES:
        for words in (("list", seoul), ("show", seoul, name, "--key", tmp_path / "auditor.key")):
            assert name in typed(*review, *words, "--language", language)
    whole = read_json(
        "site review show", typed(*review, "show", seoul, name, "--json", "--key", tmp_path / "auditor.key")
    )
    assert whole["shown"]["sends"]


def test_a_withdrawn_review_and_names_that_are_none(typed: Typed, hospital: Path, tmp_path: Path) -> None:
    seoul = hospital / "sites" / "seoul.yaml"
    assert "Nothing was referred" in typed("site", "review", "list", seoul)
    run = ("run", hospital / "study.yaml", "--sites", hospital / "sites", "--out", tmp_path / "out")
    typed(*run, code=exits.STOPPED)
    name = read_json("site review list", typed("site", "review", "list", seoul, "--json"))[0]["review"]
    key = ("--key", tmp_path / "engineer.key")
    assert "no review here" in typed("site", "review", "submit", seoul, "zzz", *key, code=exits.FAULT)
    typed("site", "review", "withdraw", seoul, name, *key)
    assert "withdrew this from review" in typed(*run, code=exits.STOPPED)
    record = read_json("results.json", (tmp_path / "out" / "results.json").read_text())
    assert record["analyses"]["characteristics"]["stopped"][0]["code"]
