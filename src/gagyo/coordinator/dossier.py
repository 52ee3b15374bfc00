"""A file for an auditor: everything about a finished run but its data and its numbers, as an RO-Crate.

RO-Crate 1.2 after the Five Safes profile 0.4 (Soiland-Reyes et al. 2023, doi 10.5281/zenodo.10376350): the plan is a
Workflow RO-Crate inside it, approvals are sign-offs, output reviews disclosure checks, each an AssessAction that the
root mentions. Files are named with their SHA-256, so that the copy at hand can be told from another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gagyo.canonical import canonical, digest, plain
from gagyo.coordinator.acts import check_acts
from gagyo.coordinator.folder import write
from gagyo.coordinator.verify import Verified
from gagyo.errors import FileFault, Tampered
from gagyo.exchange.envelope import PublicKeys
from gagyo.governance.evidence import Evidence
from gagyo.protocol.plan import Plan
from gagyo.release.ledger import Entry, check_chain, read
from gagyo.text import Language, translate

METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.2"
WORKFLOW = "workflow/"
"""Where the plan is, as a crate of its own."""
WORKFLOW_CRATE, WORKFLOW_PROFILE = "https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
LICENCE = "#licence"
SHA256 = "https://www.iana.org/assignments/named-information#sha-256"
PROFILE = "https://w3id.org/5s-crate/0.4"
SHP = "https://w3id.org/shp#"
COMPLETED, FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"
ACTIVE = "http://schema.org/ActiveActionStatus"
ENDED = {"released": COMPLETED, "approved": COMPLETED, "rejected": FAILED, "withdrawn": FAILED}
"""By the last state of a review, how its disclosure check ended; any other is still under way."""


@dataclass(frozen=True)
class Brought:
    """What is not in the run's folder. checks: the record of a check of the rules. ledgers: copies from hospitals."""

    evidence: Sequence[Evidence] = ()
    checks: Mapping[str, Any] | None = None
    ledgers: Sequence[Path] = ()


def write_dossier(run: Path, out: Path, verified: Verified, brought: Brought, language: Language, day: str) -> Path:
    """Write the dossier of a run that was verified into a new folder; its metadata file.

    Raises:
        FileFault: the folder is not empty, or a ledger is of no hospital of the plan.
        Tampered: a ledger that was brought is not whole.
    """
    if out.exists() and any(out.iterdir()):
        raise FileFault.of("dossier_exists", found=str(out))
    plan = Plan.from_bytes((run / "plan.json").read_bytes())
    ledgers = _ledgers(run, plan, brought.ledgers)
    files = _files(run, plan, verified, brought, ledgers) | _workflow(plan, language, day)
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    graph = [*_frame(plan, files, language, day), *_acts(plan, ledgers, brought, verified, language)]
    mentioned = [{"@id": one["@id"]} for one in graph if one["@type"] in ("AssessAction", "CreateAction")]
    root = next(one for one in graph if one["@id"] == "./")
    root["mentions"] = mentioned
    write(out / METADATA, _json({"@context": f"{CRATE}/context", "@graph": graph}))
    return out / METADATA


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ledgers(run: Path, plan: Plan, brought: Sequence[Path]) -> dict[str, tuple[bytes, list[Entry]]]:
    """By hospital, its ledger's bytes and links, checked again with the plan's keys."""
    found = {}
    for path in [*sorted((run / "ledgers").glob("*.jsonl")), *brought]:
        if path.stem not in plan.study.sites:
            raise FileFault.of("dossier_ledger", found=path.name, expected=", ".join(plan.study.sites))
        entries = list(read(path))
        check_chain(entries, PublicKeys(**plan.keys[path.stem]))
        check_acts(path.stem, entries)
        found[path.stem] = (path.read_bytes(), entries)
    return found


def _files(
    run: Path,
    plan: Plan,
    verified: Verified,
    brought: Brought,
    ledgers: Mapping[str, tuple[bytes, list[Entry]]],
) -> dict[str, bytes]:
    files = {f"ledgers/{site}.jsonl": content for site, (content, _) in ledgers.items()}
    files["receipts.jsonl"] = b"".join(_receipts(run))
    files["digests.json"] = _json(_digests(run))
    files["verified.json"] = _json(asdict(verified))
    files["evidence.json"] = _json([plain(one) for one in brought.evidence])
    if brought.checks is not None:
        files["rules.json"] = _json(brought.checks)
    return files


def _workflow(plan: Plan, language: Language, day: str) -> dict[str, bytes]:
    """The plan as a Workflow RO-Crate 1.0: what was run, in the language of study files."""
    files = {"plan.json": plan.to_bytes(), "study.yaml": plan.text.encode()}
    title = plan.study.title.to(language)
    graph: list[dict[str, Any]] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": [{"@id": WORKFLOW_CRATE}, {"@id": WORKFLOW_PROFILE}],
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": translate("dossier.file.plan", language),
            "datePublished": day,
            "license": {"@id": LICENCE},
            "publisher": {"@id": "#lead-organisation"},
            "author": {"@id": "#lead"},
            "mainEntity": {"@id": "plan.json"},
            "hasPart": [{"@id": name} for name in files],
        },
        {
            "@id": "plan.json",
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": title,
            "identifier": plan.digest,
            "encodingFormat": "application/json",
            "programmingLanguage": {"@id": "#gagyo"},
        },
        {
            "@id": "study.yaml",
            "@type": "File",
            "name": translate("dossier.file.study", language),
            "encodingFormat": "application/yaml",
        },
        {"@id": "#gagyo", "@type": "ComputerLanguage", "name": "Gagyo", "version": version("gagyo")},
        *_people(plan, language),
    ]
    files[METADATA] = _json({"@context": f"{WORKFLOW_CRATE}/context", "@graph": graph})
    return {WORKFLOW + name: content for name, content in files.items()}


def _receipts(run: Path) -> Iterator[bytes]:
    """The journal's receipts: what was asked and answered when, without what was in the answers."""
    for link in read(run / "journal.jsonl"):
        if link.record["receipt"]:
            yield canonical(link.record["receipt"]) + b"\n"


def _digests(run: Path) -> dict[str, Any]:
    """Digests of results, journal and reports, and the versions that made them; no number of a result."""
    results = json.loads((run / "results.json").read_bytes())
    names = ["results.json", "journal.jsonl", *sorted(one.name for one in run.glob("report.*.html"))]
    return {
        "plan": results["plan"],
        "gagyo": results["gagyo"],
        "runtime": results["runtime"],
        "versions": results["versions"],
        "methods": results["digests"],
        "files": {name: _sha256((run / name).read_bytes()) for name in names},
        "analyses": {name: digest(one) for name, one in results["analyses"].items()},
    }


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode()  # days as they are written


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ── metadata ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _frame(plan: Plan, files: Mapping[str, bytes], language: Language, day: str) -> Iterator[dict[str, Any]]:
    """Descriptor, root, project, institutions and files."""
    study = plan.study
    about = {"conformsTo": {"@id": CRATE}, "about": {"@id": "./"}}
    yield {"@id": METADATA, "@type": "CreativeWork", **about}
    yield {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": PROFILE},
        "name": translate("dossier.name", language, title=study.title.to(language)),
        "description": translate("dossier.description", language, plan=plan.digest),
        "datePublished": day,
        "license": {"@id": LICENCE},
        "publisher": {"@id": "#lead-organisation"},
        "sourceOrganization": {"@id": "#project"},
        "mainEntity": {"@id": WORKFLOW},
        "hasPart": [{"@id": name} for name in (WORKFLOW, *files)],
        "identifier": plan.digest,
    }
    yield {
        "@id": WORKFLOW,
        "@type": "Dataset",
        "conformsTo": {"@id": WORKFLOW_PROFILE},
        "name": translate("dossier.file.plan", language),
        "hasPart": [{"@id": name} for name in files if name.startswith(WORKFLOW)],
    }
    yield {"@id": SHA256, "@type": "DefinedTerm", "name": "SHA-256"}
    yield {"@id": PROFILE, "@type": ["CreativeWork", "Profile"], "name": "Five Safes RO-Crate profile"}
    members = [{"@id": "#lead-organisation"}, *({"@id": f"#site-{site}"} for site in study.sites)]
    yield {"@id": "#project", "@type": "Project", "name": study.title.to(language), "member": members}
    yield from _people(plan, language, memberOf={"@id": "#project"})
    for site in study.sites:
        signing = plan.keys.get(site, {}).get("signing", "")
        yield {"@id": f"#site-{site}", "@type": "Organization", "name": site, "identifier": signing}
        policy = translate("dossier.policy", language, site=site)
        yield {"@id": f"#policy-{site}", "@type": "CreativeWork", "name": policy}
    for name, content in files.items():
        form = {"json": "application/json", "yaml": "application/yaml"}.get(
            name.rpartition(".")[2], "application/jsonl"
        )
        told = translate(f"dossier.file.{_kind(name)}", language)
        size = {"contentSize": str(len(content)), "sha256": _sha256(content)}
        yield {"@id": name, "@type": "File", "name": told, "description": told, "encodingFormat": form, **size}


def _people(plan: Plan, language: Language, **beside: Any) -> Iterator[dict[str, Any]]:
    """Whoever leads the study, their institution, and on what terms they hand the crate on."""
    lead = plan.study.lead
    led = {"affiliation": {"@id": "#lead-organisation"}, **beside}
    yield {"@id": "#lead", "@type": "Person", "name": lead.name, **led}
    yield {"@id": "#lead-organisation", "@type": "Organization", "name": lead.organisation}
    terms = translate("dossier.licence", language)
    yield {"@id": LICENCE, "@type": "CreativeWork", "name": terms, "description": terms}


def _kind(name: str) -> str:
    """What a file is, as the catalogue names it."""
    path = Path(name)
    return "ledgers" if path.parent.name == "ledgers" else "crate" if path.name == METADATA else path.stem


def _acts(
    plan: Plan,
    ledgers: Mapping[str, tuple[bytes, list[Entry]]],
    brought: Brought,
    verified: Verified,
    language: Language,
) -> Iterator[dict[str, Any]]:
    """The run, and every assessment of it: what was checked, by whom, and how it ended."""
    yield _run(language)
    verifying = {"instrument": {"@id": SHA256}, "agent": {"@id": "#lead"}, "result": {"@id": "verified.json"}}
    yield _assessed("#verified", "CheckValue", "verified", language, **verifying)
    if brought.checks is not None:
        checked = {"instrument": {"@id": "rules.json"}, "agent": {"@id": "#lead"}}
        yield _assessed("#rules", "", "rules", language, **checked, description=str(brought.checks["day"]))
    for site, (_, entries) in ledgers.items():
        mine = [one.record for one in entries if one.record["outcome"] == "noted" and one.record["plan"] == plan.digest]
        yield from _checks(site, [one["told"] for one in mine if one["channel"] == "check"], language)
        yield from _decisions(site, [one["told"] for one in mine if one["channel"] == "decision"], language)
        yield from _reviews(site, [one["told"] for one in mine if one["channel"] == "review"], language)


def _run(language: Language) -> dict[str, Any]:
    about = {"agent": {"@id": "#lead"}, "instrument": {"@id": WORKFLOW}, "actionStatus": COMPLETED}
    made = {"object": {"@id": WORKFLOW + "study.yaml"}, "result": {"@id": "digests.json"}}
    return {"@id": "#run", "@type": "CreateAction", "name": translate("dossier.act.run", language), **about, **made}


def _assessed(name: str, kind: str, key: str, language: Language, **told: Any) -> dict[str, Any]:
    values = {"site": told.pop("site", "")}
    about: dict[str, Any] = {"object": {"@id": "./"}, "actionStatus": COMPLETED}
    about |= {"additionalType": {"@id": SHP + kind}} if kind else {}
    return {"@id": name, "@type": "AssessAction", "name": translate(f"dossier.act.{key}", language, **values)} | (
        about | told
    )


def _checks(site: str, told: Sequence[Mapping[str, Any]], language: Language) -> Iterator[dict[str, Any]]:
    """An assessment for each day's check of the rules that the hospital made itself."""
    for number, one in enumerate(told):
        decides = one.get("decides", True)
        allowed = not decides or all(answer["verdict"] == "may_go_ahead" for answer in one["answers"])
        ended = {"actionStatus": COMPLETED if allowed else FAILED, "description": one["day"]}
        by = {"agent": {"@id": f"#site-{site}"}, "instrument": {"@id": f"#policy-{site}"}}
        key = "check" if decides else "told"
        yield _assessed(f"#{site}-check-{number}", "", key, language, site=site, **ended, **by)


def _decisions(site: str, told: Sequence[Mapping[str, Any]], language: Language) -> Iterator[dict[str, Any]]:
    """A sign-off for each decision on the plan, by those whose signatures it rests on."""
    for number, one in enumerate(told):
        name = f"#{site}-decision-{number}"
        people = [f"{name}-{index}" for index, _ in enumerate(one["statements"])]
        status = COMPLETED if one["doing"] in ("approve", "count") else FAILED
        agents = [{"@id": person} for person in people] or {"@id": f"#site-{site}"}
        about = {"object": [{"@id": WORKFLOW}, {"@id": "#project"}], "instrument": {"@id": f"#policy-{site}"}}
        about |= {"agent": agents, "actionStatus": status}
        yield _assessed(name, "SignOff", one["doing"], language, site=site, **about)
        for person, said in zip(people, one["statements"], strict=True):
            told_of = {"name": said["person"], "jobTitle": said["role"], "identifier": said["key"]}
            yield {"@id": person, "@type": "Person", **told_of, "affiliation": {"@id": f"#site-{site}"}}


def _reviews(site: str, told: Sequence[Mapping[str, Any]], language: Language) -> Iterator[dict[str, Any]]:
    """A disclosure check for each output review, by those who voted and decided."""
    for review in dict.fromkeys(one["review"] for one in told):
        mine = [one for one in told if one["review"] == review]
        acts = [act for one in mine for act in one.get("acts", ()) if act["person"] and act["doing"] != "view"]
        last = [one["state"] for one in mine if "state" in one]
        name = f"#{site}-review-{review}"
        agents = [{"@id": f"{name}-{index}"} for index, _ in enumerate(acts)]
        ended = {"actionStatus": ENDED.get(last[-1] if last else "pending", ACTIVE), "agent": agents}
        ended |= {"endTime": acts[-1]["at"]} if acts and ended["actionStatus"] != ACTIVE else {}
        yield _assessed(name, "DisclosureCheck", "review", language, site=site, **ended)
        for agent, act in zip(agents, acts, strict=True):
            told_of = {"name": act["person"], "jobTitle": act["role"], "identifier": act["key"]}
            said = {"description": " ".join(filter(None, (act["doing"], act["verdict"], act["reason"], act["at"])))}
            yield {"@id": agent["@id"], "@type": "Person", **told_of, **said, "affiliation": {"@id": f"#site-{site}"}}


def check_dossier(folder: Path) -> int:
    """How many files a dossier holds, each as its metadata says, its ledgers whole; for whoever receives one.

    Raises:
        Tampered: naming the first file that is missing, changed, or not listed; or a ledger that is not whole.
    """
    graph = json.loads((folder / METADATA).read_bytes())["@graph"]
    listed = {one["@id"]: one["sha256"] for one in graph if one["@type"] == "File"}
    here = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()} - {METADATA}
    for name in sorted(here ^ set(listed)):
        raise Tampered.of("dossier_file", found=name)
    for name, sha256 in listed.items():
        if _sha256((folder / name).read_bytes()) != sha256:
            raise Tampered.of("dossier_file", found=name)
    plan = Plan.from_bytes((folder / WORKFLOW / "plan.json").read_bytes())
    _ledgers(folder, plan, ())
    return len(listed)
