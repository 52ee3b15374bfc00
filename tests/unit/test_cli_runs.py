"""The commands that run a study, on the breast demo: run, verify, report, plan, and what a hospital asks of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gagyo.cli.progress import Teller
from gagyo.federation.dispensable import Kept
from gagyo.methods._kept import lacking
from gagyo.protocol.study import Study
from gagyo.result import Result, Table, Words
from gagyo.site.folder import held, state_folder
from gagyo.text import LANGUAGES, Language, translate
from tests.shapes import read_json


def gagyo(*arguments: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, as a person does."""
    command = [sys.executable, "-c", "from gagyo.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo, run once: its folder, and what the command said while it ran."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, gagyo("demo", "--out", folder).stderr


@pytest.fixture(scope="module")
def demo(ran: tuple[Path, str]) -> Path:
    return ran[0]


@pytest.fixture(scope="module")
def checked(demo: Path) -> dict[str, Any]:
    """What `gagyo verify` says of the demo as it was left."""
    found: dict[str, Any] = read_json("verify", gagyo("verify", demo, "--json").stdout)
    return found


def test_the_demo_leaves_three_reports_results_and_ledgers(demo: Path) -> None:
    assert {f"report.{language}.html" for language in ("en", "ko", "zh")} <= {one.name for one in demo.iterdir()}
    record = json.loads((demo / "results.json").read_text())
    assert record["flow"]["people"] == 569
    assert all("stopped" not in analysis for analysis in record["analyses"].values())
    assert {one.stem for one in (demo / "ledgers").iterdir()} == {"seoul", "busan", "beijing", "tianjin"}


def test_the_plan_of_the_same_files_is_the_plan_that_ran(demo: Path) -> None:
    ran = json.loads((demo / "results.json").read_text())["plan"]
    assert ran in gagyo("plan", demo / "study.yaml", "--sites", demo / "hospitals").stdout


def test_verify_says_what_it_checked_and_finds_an_edit(demo: Path, checked: dict[str, Any]) -> None:
    assert checked["analyses"] == 3
    path = demo / "ledgers" / "busan.jsonl"
    whole = path.read_text()
    path.write_text(whole.replace('"numbers":', '"Numbers":', 1))
    try:
        gagyo("verify", demo, expect=5)
    finally:
        path.write_text(whole)


def test_a_report_that_says_something_else_is_found(demo: Path, checked: dict[str, Any]) -> None:
    """What people read and pass on is the report, not the results."""
    assert len(checked["reports"]) == 3
    page = demo / "report.ko.html"
    whole = page.read_text()
    page.write_text(whole.replace("0.902", "0.992", 1))
    try:
        assert page.read_text() != whole
        assert "report.ko.html" in gagyo("verify", demo, expect=5).stderr
    finally:
        page.write_text(whole)


def test_two_runs_at_once_are_one_run_and_a_refusal(demo: Path, tmp_path: Path) -> None:
    """Two processes that write one record break it: whoever thinks that the first is dead is told that it lives."""
    again = ("--language", "en", "run", demo / "study.yaml", "--sites", demo / "hospitals", "--out", tmp_path / "again")
    name = Study.read(demo / "study.yaml").study
    with held(demo / ".gagyo", f"{name}.lock") as here:
        assert here
        assert f"Another process runs the study {name}" in gagyo(*again, expect=1).stderr
    with held(state_folder(demo / "hospitals" / "busan.yaml")) as here:
        assert here
        assert "Another process uses the folder of busan" in gagyo(*again, expect=1).stderr
    assert not (tmp_path / "again").exists()


def test_a_second_run_in_the_same_folder_asks_no_hospital_again(demo: Path) -> None:
    before = {path: path.read_bytes() for path in (demo / "ledgers").iterdir()}
    results = json.loads((demo / "results.json").read_text())
    gagyo("run", demo / "study.yaml", "--sites", demo / "hospitals", "--out", demo)
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((demo / "results.json").read_text()) == results


def test_the_report_is_written_again_in_the_language_asked_for(demo: Path) -> None:
    (demo / "report.ko.html").unlink()
    said = gagyo("report", demo, "--language", "ko").stdout
    assert said.split() == [str(demo / "report.ko.html")]
    assert 'lang="ko"' in (demo / "report.ko.html").read_text()


def test_a_folder_without_a_run_is_said_to_be_one(tmp_path: Path) -> None:
    assert "holds no finished run" in gagyo("verify", tmp_path, expect=1).stderr


def test_a_hospital_reads_its_ledger_and_withdraws(demo: Path) -> None:
    listed = gagyo("site", "ledger", demo / "hospitals" / "seoul.yaml", "--json").stdout
    assert any(entry["channel"] == "pooled" for entry in read_json("site ledger", listed))
    plan = read_json("results.json", (demo / "results.json").read_text())["plan"]
    gagyo("site", "withdraw", demo / "hospitals" / "tianjin.yaml", plan)
    refused = gagyo("run", demo / "study.yaml", "--sites", demo / "hospitals", "--out", demo, expect=1)
    assert "withdrawn" in refused.stderr


def test_progress_is_plain_lines_where_there_is_no_terminal(ran: tuple[Path, str]) -> None:
    said = ran[1]
    assert "\r" not in said
    assert "fitting the model" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_terminal_says_where_an_analysis_is_done_but_for_a_part(
    language: Language, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.cli.progress.language", lambda: language)
    whole = Result("weighting", True, 120, ("seoul", "busan", "beijing"), 3)
    shown = Table("overlap", Words("weighting.model"), (), ())
    kept = lacking(whole, "overlap", Kept())
    inside = replace(whole, tables=(replace(shown, notes=kept.notes),))
    said = []
    for result in (whole, kept, inside, Result.from_json(kept.to_json())):
        Teller().ended("effect", result)
        said.append(capsys.readouterr().err.strip())
    values = {"analysis": "effect", "people": 120, "sites": 3}
    assert said[0] == translate("progress.done", language, **values)
    assert said[1:] == [translate("progress.done_in_part", language, **values)] * 3
    assert said[0] != said[1]
