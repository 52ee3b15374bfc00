"""A dossier, read as an auditor reads it: with the crate, the plan's keys, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gagyo.api import Brought, export_dossier, verify
from gagyo.coordinator.crate import METADATA
from gagyo.coordinator.dossier import check_dossier
from gagyo.coordinator.folder import finish, open_folder
from gagyo.errors import FileFault, Tampered
from gagyo.exchange.envelope import PublicKeys
from gagyo.governance.evidence import Evidence
from gagyo.protocol.plan import Plan
from gagyo.release.ledger import Entry, check_chain, read
from gagyo.text import LANGUAGES
from tests.attacks.test_reviews import META, REFERS, again, goes_through
from tests.hospitals import SITES, STUDY, House, breast, house


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in which Seoul reviewed what it sent."""
    folder = tmp_path_factory.mktemp("run")
    one: House = house(folder / "hospitals", STUDY + META, breast(), {"seoul": REFERS})
    one.run()
    goes_through(one.sites["seoul"])
    out = folder / "out"
    open_folder(out, one.plan)
    done = again(one)
    (out / "journal.jsonl").write_bytes((folder / "hospitals" / "journal.jsonl").read_bytes())
    finish(out, done, "embedded", one.journal.answers, {name: site.ledger.path for name, site in one.sites.items()})
    return out


HELD = Evidence("kr_irb_approval", "seoul", ("aggregate",), date(2026, 11, 1))


@pytest.fixture
def dossier(run: Path, tmp_path: Path) -> Path:
    export_dossier(run, tmp_path / "dossier", Brought((HELD,)), "en")
    return tmp_path / "dossier"


def entities(folder: Path) -> dict[str, dict[str, Any]]:
    told = json.loads((folder / METADATA).read_bytes())
    assert told["@context"] == "https://w3id.org/ro/crate/1.2/context"
    assert len({one["@id"] for one in told["@graph"]}) == len(told["@graph"])
    return {one["@id"]: one for one in told["@graph"]}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [value["@id"]] if set(value) == {"@id"} else [one for part in value.values() for one in references(part)]
    return [one for part in value for one in references(part)] if isinstance(value, list) else []


def test_the_crate_is_whole(dossier: Path) -> None:
    every = entities(dossier)
    assert every[METADATA]["about"] == {"@id": "./"}
    root = every["./"]
    assert {"name", "description", "datePublished", "license", "hasPart"} <= set(root)
    profile = every[root["conformsTo"]["@id"]]
    assert (profile["@id"], "Profile" in profile["@type"]) == ("https://w3id.org/5s-crate/0.4", True)
    assert {every[root[key]["@id"]]["@type"] for key in ("license", "publisher")} == {"CreativeWork", "Organization"}
    outside = ("https://", "http://")
    for one in every.values():
        assert [name for name in references(one) if name not in every and not name.startswith(outside)] == []
    files = {name for name, one in every.items() if one["@type"] == "File"}
    assert files == {part["@id"] for part in root["hasPart"]} - {"workflow/"}
    for name in files:
        content = (dossier / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == every[name]["sha256"]
        assert str(len(content)) == every[name]["contentSize"]
    assert check_dossier(dossier) == len(files)


RFC_3339 = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"


def test_it_keeps_what_the_five_safes_profile_demands(dossier: Path) -> None:
    """Every MUST of the profile 0.4, as its published shapes have them."""
    every = entities(dossier)
    root, one = every["./"], every["#run"]
    assert every[METADATA]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    assert every[root["sourceOrganization"]["@id"]]["@type"] == "Project"
    assert {every[part["@id"]]["@type"] for part in every["#project"]["member"]} <= {"Organization", "Person"}
    workflow = every[root["mainEntity"]["@id"]]
    assert workflow["@type"] == "Dataset"
    assert workflow["conformsTo"]["@id"].startswith("https://w3id.org/workflowhub/workflow-ro-crate")
    assert one["instrument"] == root["mainEntity"]
    agent = every[one["agent"]["@id"]]
    assert (agent["@type"], agent["memberOf"]) == ("Person", root["sourceOrganization"])
    assert every[agent["affiliation"]["@id"]]["@type"] == "Organization"
    actions = [one for one in every.values() if one["@type"] in ("AssessAction", "CreateAction")]
    assert {one["@id"] for one in actions} == {one["@id"] for one in root["mentions"]}
    for action in actions:
        assert len(action["name"]) >= 10
        assert action["actionStatus"].removeprefix("http://schema.org/").endswith("ActionStatus")
        assert all(re.fullmatch(RFC_3339, action[key]) for key in ("startTime", "endTime") if key in action)
        assert set(references(action["object"])) <= set(every)
    for sign_off in (one for one in actions if one.get("additionalType", {}).get("@id", "").endswith("SignOff")):
        assert references(sign_off["object"]) == ["workflow/", "#project"]
        assert every[sign_off["instrument"]["@id"]]["@type"] == "CreativeWork"
    assert every[every["#verified"]["instrument"]["@id"]]["@type"] == "DefinedTerm"


def test_the_plan_is_a_workflow_crate_of_its_own(dossier: Path) -> None:
    told = json.loads((dossier / "workflow" / METADATA).read_bytes())
    every = {one["@id"]: one for one in told["@graph"]}
    main = every[every["./"]["mainEntity"]["@id"]]
    assert set(main["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert every[main["programmingLanguage"]["@id"]]["@type"] == "ComputerLanguage"
    assert [name for name in references(list(every.values())) if name not in every and "://" not in name] == []
    here = {one.name for one in (dossier / "workflow").iterdir()} - {METADATA}
    assert here == {part["@id"] for part in every["./"]["hasPart"]}


def test_an_auditor_finds_who_decided_what(dossier: Path) -> None:
    every = entities(dossier)
    mentioned = [every[one["@id"]] for one in every["./"]["mentions"]]
    signed = [one for one in mentioned if one.get("additionalType", {}).get("@id", "").endswith("shp#SignOff")]
    assert sorted(one["@id"].split("-")[0][1:] for one in signed) == sorted(SITES)
    (review,) = [one for one in mentioned if one.get("additionalType", {}).get("@id", "").endswith("#DisclosureCheck")]
    assert review["actionStatus"] == "http://schema.org/CompletedActionStatus"
    people = [every[one["@id"]] for one in review["agent"]]
    assert [(one["name"], one["jobTitle"]) for one in people] == [
        *(("Han", "site_engineer"), ("Choi", "reviewer"), ("Wang", "reviewer"), ("Park", "custodian")),
    ]
    assert json.loads((dossier / "evidence.json").read_bytes())[0]["kind"] == "kr_irb_approval"


def test_an_auditor_checks_the_chains_and_that_both_sides_agree(dossier: Path, run: Path) -> None:
    plan = Plan.from_bytes((dossier / "workflow" / "plan.json").read_bytes())
    assert entities(dossier)["./"]["identifier"] == plan.digest
    receipts = [Entry.parse(line) for line in (dossier / "receipts.jsonl").read_bytes().splitlines()]
    heads: set[str] = set()
    for site in SITES:
        entries = list(read(dossier / "ledgers" / f"{site}.jsonl"))
        check_chain(entries, PublicKeys(**plan.keys[site]))
        heads |= {one.head for one in entries}
    assert receipts
    assert {one.head for one in receipts} <= heads
    digests = json.loads((dossier / "digests.json").read_bytes())
    assert digests["files"]["results.json"] == hashlib.sha256((run / "results.json").read_bytes()).hexdigest()
    assert json.loads((dossier / "verified.json").read_bytes())["analyses"] == verify(run).analyses


def test_no_number_of_a_result_is_in_it(dossier: Path, run: Path) -> None:
    """Estimates, and counts of people, stay in the run's folder: a dossier is handed to others than the results."""
    results = json.loads((run / "results.json").read_bytes())
    numbers = {repr(one) for one in floats(results["analyses"]) if one != round(one, 3)}
    assert len(numbers) > 5
    whole = b"".join(one.read_bytes() for one in dossier.rglob("*") if one.is_file()).decode()
    assert [one for one in numbers if one in whole] == []
    assert "base64" not in whole


def floats(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [one for part in value.values() for one in floats(part)]
    if isinstance(value, list):
        return [one for part in value for one in floats(part)]
    return [value] if isinstance(value, float) else []


def test_what_was_changed_is_found(dossier: Path) -> None:
    for name, change in (("evidence.json", b"[]"), ("ledgers/seoul.jsonl", b""), ("more.txt", b"x")):
        before = (dossier / name).read_bytes() if (dossier / name).exists() else None
        (dossier / name).write_bytes(change)
        with pytest.raises(Tampered):
            check_dossier(dossier)
        if before is None:
            (dossier / name).unlink()
        else:
            (dossier / name).write_bytes(before)
    assert check_dossier(dossier)
    (dossier / "workflow" / "plan.json").unlink()
    with pytest.raises(Tampered):
        check_dossier(dossier)


def test_it_is_written_once_in_three_languages_and_never_of_a_broken_run(
    run: Path, dossier: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileFault):
        export_dossier(run, dossier, Brought(), "en")
    names = set()
    for language in LANGUAGES:
        folder = export_dossier(run, tmp_path / language, Brought(), language).parent
        names.add(entities(folder)["./"]["name"])
    assert len(names) == 3
    stray = tmp_path / "stray.jsonl"
    stray.write_bytes(b"")
    with pytest.raises(FileFault) as told:
        export_dossier(run, tmp_path / "again", Brought(ledgers=[stray]), "en")
    assert told.value.findings[0].code == "dossier_ledger"
    results = (run / "results.json").read_bytes()
    (run / "results.json").write_bytes(results.replace(b'"minimum_people": 10', b'"minimum_people": 11'))
    with pytest.raises(Tampered):
        export_dossier(run, tmp_path / "broken", Brought(), "en")
    (run / "results.json").write_bytes(results)
