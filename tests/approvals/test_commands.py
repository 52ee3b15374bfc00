"""Keys, approvals and their hospital's policy, as they are typed: from an empty folder to a run."""

from __future__ import annotations

import io
import json
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from gagyo.canonical import digest
from gagyo.cli import exits, main
from gagyo.errors import FileFault
from gagyo.governance import role_key
from gagyo.governance.approval import Statement, parse_statement, read_statement
from gagyo.governance.role_key import RoleKey
from gagyo.protocol.plan import read_plan
from gagyo.site.folder import state_folder
from gagyo.site.inbox import Inbox
from gagyo.site.site_file import SiteFile
from gagyo.text import LANGUAGES
from tests.shapes import read_json

UNTIL = (date.today() + timedelta(days=30)).isoformat()
PASSPHRASE = "correct horse battery"


class Typed:
    """Types a command and reads what it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out = self.capsys.readouterr()
        assert (left.value.code or 0) == code, out.err
        return out.out + out.err


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setitem(role_key.SCRYPT, "n", 1 << 10)
    monkeypatch.setenv("GAGYO_PASSPHRASE", PASSPHRASE)
    return Typed(capsys)


def policy(file: Path, keys: dict[str, str], required: str = "custodian, data_protection") -> None:
    """Give a site file a policy that asks for approvals."""
    roles = ", ".join(f"{role}: [{key}]" for role, key in keys.items())
    lines = [line for line in file.read_text().splitlines() if not line.startswith("policy:")]
    lines.append(f"policy: {{approvals: {{required: [{required}], roles: {{{roles}}}}}}}")
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture
def study(typed: Typed, tmp_path: Path) -> Path:
    """A study with example hospitals, of which Seoul asks for two approvals; the keys are beside it."""
    folder = tmp_path / "study"
    typed("new", folder)
    keys = {}
    for role in ("custodian", "data_protection"):
        told = typed("approval", "key", "--role", role, "--name", f"Kim {role}", "--out", tmp_path / f"{role}.key")
        keys[role] = told.split()[-1]
    policy(folder / "sites" / "seoul.yaml", keys)
    return folder


def planned(typed: Typed, study: Path) -> Path:
    plan = study / "plan.json"
    plan.write_text(typed("plan", study / "study.yaml", "--sites", study / "sites", "--json"))
    return plan


def test_from_keys_to_a_run(typed: Typed, study: Path, tmp_path: Path) -> None:
    plan, seoul, out = planned(typed, study), study / "sites" / "seoul.yaml", tmp_path / "out"
    run = ("run", study / "study.yaml", "--sites", study / "sites", "--out", out)
    told = typed(*run, code=exits.FAULT)
    assert told.count("is missing at seoul") == 2
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    sign = ("--until", UNTIL, "--yes", "--key")
    typed("approve", plan, "--site-file", seoul, "--out", one, *sign, tmp_path / "custodian.key")
    typed("approve", plan, "--site", "seoul", "--out", two, *sign, tmp_path / "data_protection.key")
    matrix = ("approvals", plan, "--sites", study / "sites", "--json")
    states = [
        one["state"]
        for one in read_json("approvals", typed(*matrix, "--approval", two, code=exits.NOT_YET))["sites"]["seoul"]
    ]
    assert states == ["approval_missing", "approved"]
    told = typed(*run, "--approval", two, code=exits.FAULT)
    assert told.count("is missing at seoul") == 1
    typed(*run, "--approval", one)
    record = read_json("approvals", typed(*matrix))
    assert [one["state"] for one in record["sites"]["seoul"]] == ["approved", "approved"]
    assert record["sites"]["busan"] == []
    assert UNTIL in typed(*matrix[:-1])
    later = [
        one["state"]
        for one in read_json("approvals", typed(*matrix, "--as-of", "2099-01-01", code=8))["sites"]["seoul"]
    ]
    assert later == ["approval_expired", "approval_expired"]
    (study / "sites" / "seoul.yaml").unlink()
    assert read_json("approvals", typed(*matrix, code=exits.NOT_YET))["sites"]["seoul"] is None, "unknown is not a yes"
    assert "seoul" in (out / "results.json").read_text()


def test_a_plan_in_the_inbox_is_approved_with_what_two_people_signed(typed: Typed, study: Path, tmp_path: Path) -> None:
    plan, seoul = planned(typed, study), study / "sites" / "seoul.yaml"
    read = read_plan(plan)
    box = Inbox(state_folder(seoul) / "inbox.sqlite")
    box.keep_plan(read, digest(read.written.canonical()), "coordinator")
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    short = read.digest[:20]
    for file, role in zip(files, ("custodian", "data_protection"), strict=True):
        key = tmp_path / f"{role}.key"
        typed("approve", short, "--site-file", seoul, "--until", UNTIL, "--yes", "--key", key, "--out", file)
    approve = ("site", "approve", seoul, short, "--yes", "--approval")
    assert "data protection" in typed(*approve, files[0], code=exits.FAULT)
    assert box.plan(short).state == "waiting"
    typed(*approve, files[1])
    assert box.plan(short).state == "approved"
    stop = tmp_path / "stop.json"
    said = typed(
        *("approve", read.digest, "--site", "seoul", "--withdraw", "--yes"),
        *("--key", tmp_path / "data_protection.key", "--out", stop),
    )
    assert f"gagyo site withdraw SITE_FILE PLAN --approval {stop}" in said
    typed("site", "withdraw", seoul, short, "--approval", stop)
    assert box.plan(short).state == "withdrawn"
    listed = typed("site", "ledger", seoul)
    approved = next(one for one in listed.splitlines() if "plan approved here" in one)
    assert "Kim custodian" in approved
    assert "Kim data_protection" in approved
    assert "approval withdrawn (Kim data_protection)" in listed, "the custodian's approval stands beside it"
    typed("site", "approve", seoul, short, "--yes", "--approval", files[1], code=exits.FAULT)
    assert box.plan(short).state == "withdrawn"
    box.close()


def test_a_withdrawal_brought_as_an_approval_withdraws(typed: Typed, study: Path, tmp_path: Path) -> None:
    plan, seoul, stop = planned(typed, study), study / "sites" / "seoul.yaml", tmp_path / "stop.json"
    read = read_plan(plan)
    box = Inbox(state_folder(seoul) / "inbox.sqlite")
    box.keep_plan(read, digest(read.written.canonical()), "coordinator")
    key = tmp_path / "custodian.key"
    typed("approve", plan, "--site", "seoul", "--withdraw", "--yes", "--key", key, "--out", stop)
    typed("site", "approve", seoul, read.digest, "--yes", "--approval", stop, code=exits.FAULT)
    assert box.plan(read.digest).state == "withdrawn"
    box.close()


def test_what_a_person_is_shown_before_signing(
    typed: Typed, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(typed, study)
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    arguments = ("--site", "seoul", "--until", UNTIL, "--key", tmp_path / "data_protection.key", "--out")
    told = typed("approve", plan, *arguments, tmp_path / "a.json", "--conditions", "report to the board in March")
    for part in (read_plan(plan).digest, "Kim data_protection", "report to the board in March", UNTIL, "seoul"):
        assert part in told
    assert read_statement(tmp_path / "a.json").conditions == "report to the board in March"


def test_a_custodian_must_name_the_data_and_an_analysis_must_exist(typed: Typed, study: Path, tmp_path: Path) -> None:
    plan, out = planned(typed, study), tmp_path / "x.json"
    common = ("--site", "seoul", "--until", UNTIL, "--yes", "--out", out, "--key")
    typed("approve", plan, *common, tmp_path / "custodian.key", code=exits.USAGE)
    other = tmp_path / "data_protection.key"
    assert "nothing_such" in typed("approve", plan, *common, other, "--analysis", "nothing_such", code=exits.USAGE)
    typed("approve", plan, "--site", "busans", "--until", UNTIL, "--out", out, "--key", other, code=exits.USAGE)
    typed("approve", plan, "--site", "seoul", "--until", "2020-01-01", "--out", out, "--key", other, code=exits.USAGE)
    typed("approve", plan, "--until", UNTIL, "--out", out, "--key", other, code=exits.USAGE)
    typed("approve", plan, "--site", "seoul", "--out", out, "--key", other, code=exits.USAGE)
    assert not out.exists()


# Keys.


def test_a_key_file_opens_with_its_passphrase_only(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.key"
    made = RoleKey.make("custodian", "김")
    made.write(path, PASSPHRASE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert RoleKey.read(path, PASSPHRASE).public == made.public
    monkeypatch.setenv("GAGYO_PASSPHRASE", "another passphrase")
    plan = "sha256:" + "0" * 64
    told = typed("approve", plan, "--site", "s", "--until", UNTIL, "--key", path, "--out", tmp_path / "x", code=1)
    assert "a.key" in told
    # A role is bound to the key: it cannot be written over in the file.
    path.write_text(path.read_text().replace('"custodian"', '"review_board"'))
    monkeypatch.setenv("GAGYO_PASSPHRASE", PASSPHRASE)
    typed("approve", plan, "--site", "s", "--until", UNTIL, "--key", path, "--out", tmp_path / "x", code=1)


def test_a_key_is_never_overwritten_and_a_passphrase_is_long(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = ("approval", "key", "--role", "lead", "--name", "Li", "--out", tmp_path / "b.key")
    typed(*make)
    typed(*make, code=exits.FAULT)
    monkeypatch.setenv("GAGYO_PASSPHRASE", "short")
    typed("approval", "key", "--role", "lead", "--name", "Li", "--out", tmp_path / "c.key", code=exits.FAULT)
    typed("approval", "key", "--role", "boss", "--name", "Li", "--out", tmp_path / "c.key", code=exits.USAGE)
    assert not (tmp_path / "c.key").exists()


# Files.


def test_a_statement_is_read_back_as_it_was_written() -> None:
    one = Statement("p", "s", "lead", "Li", "2026-01-01", "2026-01-02", "k", signature="s")
    assert parse_statement(one.to_bytes().decode()) == one


@pytest.mark.parametrize(
    "change",
    [
        {"role": "boss"},
        {"decision": "perhaps"},
        {"scope": []},
        {"scope": "*"},
        {"scope": [1]},
        {"until": "2025-12-31"},
        {"until": "20260102"},
        {"until": None},
        {"more": "x"},
    ],
)
def test_a_file_that_is_no_statement_is_refused(typed: Typed, tmp_path: Path, change: dict[str, object]) -> None:
    one = Statement("p", "s", "lead", "Li", "2026-01-01", "2026-01-02", "k", signature="s")
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**json.loads(one.to_bytes()), **change}))
    with pytest.raises(Exception, match=r"x\.json"):
        read_statement(path)


@pytest.mark.parametrize("text", ["", "[]", "no json", '{"text": 1}'])
def test_a_file_that_is_no_plan_is_told(typed: Typed, tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    told = typed("approve", path, "--site", "s", "--key", path, "--out", tmp_path / "x", code=exits.FAULT)
    assert "plan.json" in told


def test_every_fault_of_a_policy_is_told_at_once(typed: Typed, study: Path) -> None:
    seoul = study / "sites" / "seoul.yaml"
    key = "ab" * 32
    policy(seoul, {"custodian": key, "data_protection": key, "lead": "short"}, "custodian, review_board, boss")
    for language in LANGUAGES:
        told = typed("--language", language, "site", "check", seoul, "--study", study / "study.yaml", code=exits.FAULT)
        for part in ("boss", "review_board", key, "short"):
            assert part in told
    policy(seoul, {"custodian": key}, "")
    typed("site", "check", seoul, "--study", study / "study.yaml", code=exits.FAULT)


def test_a_policy_says_whose_approvals_a_plan_needs(study: Path) -> None:
    terms = SiteFile.read(study / "sites" / "seoul.yaml").policy.approvals
    assert terms.required == ("custodian", "data_protection")
    assert {role: len(keys) for role, keys in terms.keys.items()} == {"custodian": 1, "data_protection": 1}


def test_a_policy_may_ask_for_several_people_of_a_role(study: Path) -> None:
    seoul, key = study / "sites" / "seoul.yaml", "ab" * 32
    policy(seoul, {"custodian": key, "review_board": "cd" * 32 + ", " + "ef" * 32}, "custodian, review_board")
    plain = seoul.read_text()
    seoul.write_text(plain.replace("required: [", "at_least: {review_board: 2}, required: ["))
    assert SiteFile.read(seoul).policy.approvals.at_least == {"review_board": 2}
    for wrong in ("{review_board: 3}", "{review_board: 0}", "{custodian: 2}", "{lead: 1}", "{review_board: two}"):
        seoul.write_text(plain.replace("required: [", f"at_least: {wrong}, required: ["))
        with pytest.raises(FileFault):
            SiteFile.read(seoul)


RULES = "policy: {rules: {evidence: ../evidence.yaml}}"


def test_a_hospitals_own_check_is_a_condition_and_is_shown(typed: Typed, tmp_path: Path) -> None:
    study = tmp_path / "study"
    typed("new", study)
    seoul = study / "sites" / "seoul.yaml"
    lines = [line for line in seoul.read_text().splitlines() if not line.startswith("policy:")]
    seoul.write_text("\n".join([*lines, RULES]) + "\n")
    ends = (date.today() + timedelta(days=7)).isoformat()
    held = {"kind": "kr.irb_approval", "site": "seoul", "things": ["*"], "from": "2026-01-01", "until": ends}
    (study / "evidence.yaml").write_text(f"- {json.dumps(held)}\n")
    for language in ("en", "ko", "zh"):
        told = typed("--language", language, "run", study / "study.yaml", "--sites", study / "sites", "--out",
                     tmp_path / "out", code=exits.FAULT)  # fmt: skip
        assert "rules_not_met" in told or "gagyo evidence add" in told
    plan = planned(typed, study)
    record = read_json("approvals", typed("approvals", plan, "--sites", study / "sites", "--json", code=exits.NOT_YET))
    assert record["rules"]["seoul"] == "unknown"
    assert record["rules"]["busan"] is None
    box = Inbox(state_folder(seoul) / "inbox.sqlite")
    read = read_plan(plan)
    box.keep_plan(read, digest(read.written.canonical()), "coordinator")
    box.close()
    told = read_json("site doctor", typed("site", "doctor", seoul, "--json", code=exits.FAULT))
    looks = {one["code"] for one in told if one["about"].startswith("rules")}
    assert looks == {"rules_not_met", "doctor_evidence_soon"}
    [waiting] = read_json("site inbox", typed("site", "inbox", seoul, "--json"))
    assert (waiting["plan"], waiting["state"], waiting["name"]) == (read.digest, "waiting", read.study.study)
