"""A file for an auditor: everything about a finished run but its data and its numbers, as an RO-Crate.

RO-Crate 1.2 after the Five Safes profile 0.4 (Soiland-Reyes et al. 2023, doi 10.5281/zenodo.10376350): the plan is a
Workflow RO-Crate inside it, approvals are sign-offs, output reviews disclosure checks, each an AssessAction that the
root mentions. Files are named with their SHA-256, so that the copy at hand can be told from another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gagyo.canonical import canonical, digest, plain
from gagyo.coordinator.acts import check_acts
from gagyo.coordinator.assessments import assessments
from gagyo.coordinator.crate import CRATE, METADATA, WORKFLOW, WORKFLOW_CRATE, frame, sha256_of, workflow
from gagyo.coordinator.folder import write
from gagyo.coordinator.verify import Verified
from gagyo.errors import FileFault, Tampered
from gagyo.exchange.envelope import PublicKeys
from gagyo.governance.evidence import Evidence
from gagyo.protocol.plan import Plan
from gagyo.release.ledger import Entry, check_chain, read
from gagyo.text import Language


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
    files = _files(run, plan, verified, brought, ledgers) | _workflow_files(plan, language, day)
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    links = {site: entries for site, (_, entries) in ledgers.items()}
    graph = [*frame(plan, files, language, day), *assessments(plan, links, brought.checks, language)]
    mentioned = [{"@id": one["@id"]} for one in graph if one["@type"] in ("AssessAction", "CreateAction")]
    root = next(one for one in graph if one["@id"] == "./")
    root["mentions"] = mentioned
    write(out / METADATA, _json({"@context": f"{CRATE}/context", "@graph": graph}))
    return out / METADATA


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


def _workflow_files(plan: Plan, language: Language, day: str) -> dict[str, bytes]:
    """The plan as a Workflow RO-Crate 1.0: what was run, in the language of study files."""
    files = {"plan.json": plan.to_bytes(), "study.yaml": plan.text.encode()}
    graph = workflow(plan, list(files), language, day)
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
        "files": {name: sha256_of((run / name).read_bytes()) for name in names},
        "analyses": {name: digest(one) for name, one in results["analyses"].items()},
    }


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode()  # days as they are written


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
        if sha256_of((folder / name).read_bytes()) != sha256:
            raise Tampered.of("dossier_file", found=name)
    plan = Plan.from_bytes((folder / WORKFLOW / "plan.json").read_bytes())
    _ledgers(folder, plan, ())
    return len(listed)
