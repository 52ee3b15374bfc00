"""A hospital that falls silent: the run goes on without it where the study says so, and else waits to be resumed."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gagyo.api import run_embedded, verify
from gagyo.errors import SiteSilent, Tampered
from gagyo.federation.message import Message, read
from gagyo.federation.once import answer_record
from gagyo.protocol.request import Request
from gagyo.protocol.study import Study
from gagyo.release.decision import Answer
from gagyo.report import write
from gagyo.runtime.journal import Journal
from tests.remote.conftest import Files, analyses
from tests.remote.post_office import Town

GONE = "tianjin"
PATIENCE = 3.0
"""Seconds: every one of these tests waits so long, and hospitals that are there answer in a few hundredths of it."""


def study_without(files: Files, folder: Path, allowed: int) -> Study:
    """The first analysis alone; the run may go on without `allowed` hospitals."""
    text = files.study.source
    path = folder / "study.yaml"
    text = text[: text.index("  algorithm:")]
    path.write_text(text + f"\nmay_go_on_without: {allowed}\n", encoding="utf-8")
    return Study.read(path)


def falls_silent(here: Town, step: str) -> None:
    """From the first request for a step on, no letter reaches or leaves `GONE`."""
    gone: list[bool] = []

    def mischief(sender: str, recipient: str, body: bytes) -> Sequence[bytes]:
        if recipient == GONE and not gone and _step(here, body) == step:
            gone.append(True)
        return [] if gone and GONE in (sender, recipient) else [body]

    here.office.mischief = mischief


def _step(here: Town, body: bytes) -> str:
    service = here.services[GONE]
    for receiver in service._post._run_keys.known(_study(here)):
        try:
            message = read(body, (receiver,), here.coordinator.public, 0)
        except Tampered:
            continue
        return str(message.body.get("step", ""))
    return ""


def _study(here: Town) -> str:
    return next((one.study for one in here.services[GONE].inbox.plans()), "")


@pytest.fixture
def three(files: Files, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a study of the other three finds, as JSON."""
    folder = tmp_path_factory.mktemp("three")
    path = folder / "study.yaml"
    text = study_without(files, folder, 0).source.replace(f", {GONE}]", "]").replace("may_go_on_without: 0", "")
    path.write_text(text, encoding="utf-8")
    study = Study.read(path)
    assert GONE not in study.sites
    return analyses(run_embedded(study, next(iter(files.sites.values())).parent, folder / "out").document)


@pytest.mark.parametrize("step", ["preflight", "describe.counts"])
def test_the_run_goes_on_without_it_and_says_so(
    here: Town, files: Files, three: str, step: str, tmp_path: Path
) -> None:
    study = study_without(files, here.folder, 1)
    falls_silent(here, step)
    finished = here.run(study, patience=PATIENCE)
    assert json.loads(analyses(finished.document)) == json.loads(three)
    assert verify(here.folder / "out").analyses == 1
    found = dict(finished.document)
    assert {site: one["state"] for site, one in found["sites"].items()} == {
        **dict.fromkeys(("seoul", "busan", "beijing"), "answered"),
        GONE: "silent",
    }
    assert found["analyses"]["characteristics"]["sites"] == ["seoul", "busan", "beijing"]
    pages = write(finished.document, tmp_path / "pages")
    assert all(page.exists() for page in pages)


@pytest.mark.parametrize("step", ["open.people", "open.values", "describe.squares"])
def test_once_a_sum_holds_it_the_run_waits_to_be_resumed(here: Town, files: Files, step: str) -> None:
    study = study_without(files, here.folder, 1)
    expected = analyses(run_embedded(study, next(iter(files.sites.values())).parent, here.folder / "embedded").document)
    falls_silent(here, step)
    with pytest.raises(SiteSilent) as told:
        here.run(study, patience=PATIENCE)
    assert [one.values["found"] for one in told.value.findings] == [GONE]
    here.office.mischief = lambda sender, recipient, body: [body]
    finished = here.run(study)
    assert analyses(finished.document) == expected
    assert verify(here.folder / "out").analyses == 1


def test_a_study_that_needs_all_waits_to_be_resumed(here: Town, files: Files) -> None:
    study = study_without(files, here.folder, 0)
    falls_silent(here, "preflight")
    with pytest.raises(SiteSilent):
        here.run(study, patience=PATIENCE)
    links = (here.folder / "out" / "journal.jsonl").read_text().splitlines()
    assert {json.loads(one)["record"]["site"] for one in links} == {"seoul", "busan", "beijing"}, "what came is kept"


def test_silence_is_not_believed_where_the_study_needs_all(here: Town, files: Files) -> None:
    """A coordinator that writes `silent` into its journal for a study that needs every hospital is found out."""
    here.run(study_without(files, here.folder, 0))
    journal = Journal(here.folder / "out" / "journal.jsonl", here.coordinator)
    journal.go_on_without([Answer("sha256:" + "0" * 64, GONE, "silent", "silent", {"since": "2026-11-28 10:00"})])
    with pytest.raises(Tampered) as told:
        verify(here.folder / "out")
    assert told.value.findings[0].code == "no_receipt"


def test_a_hospital_cannot_call_itself_silent(here: Town, files: Files) -> None:
    """Silence is the coordinator's word: an answer that says so is not one."""
    remote = here.remote(files.study)
    plan = here.plan(files.study, remote)
    request = Request(plan.digest, "", "", 0, "seoul", "preflight")
    said = Message("answer", "seoul", "lead", "", answer_record(Answer(request.digest, "seoul", "silent", "silent")))
    with pytest.raises(Tampered):
        remote._checked(said, request)


def test_an_answer_to_something_else_is_no_sign_of_work(here: Town, files: Files) -> None:
    """Patience would begin anew with each of them, and never end."""
    came: list[bytes] = []
    replayed: list[bytes] = []

    def mischief(sender: str, recipient: str, body: bytes) -> Sequence[bytes]:
        if recipient == GONE and not replayed and _step(here, body) == "describe.counts":
            replayed.append(came[-1])
        if sender == GONE:
            came.append(body)
        return replayed if replayed and sender == GONE else [body]

    here.office.mischief = mischief
    ended: list[SiteSilent] = []

    def go() -> None:
        try:
            here.run(study_without(files, here.folder, 0), patience=PATIENCE)
        except SiteSilent as silent:
            ended.append(silent)

    going = threading.Thread(target=go, daemon=True)
    going.start()
    going.join(8 * PATIENCE)
    assert [one.values["found"] for silent in ended for one in silent.findings] == [GONE]
