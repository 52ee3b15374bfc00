"""A dossier's metadata as RO-Crates: what the crate is, whose, and which files it holds; and the plan's own crate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gagyo.protocol.plan import Plan
from gagyo.text import Language, translate

METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.2"
WORKFLOW = "workflow/"
"""Where the plan is, as a crate of its own."""
WORKFLOW_CRATE, WORKFLOW_PROFILE = "https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
LICENCE = "#licence"
SHA256 = "https://www.iana.org/assignments/named-information#sha-256"
PROFILE = "https://w3id.org/5s-crate/0.4"


def workflow(plan: Plan, files: Sequence[str], language: Language, day: str) -> list[dict[str, Any]]:
    """The plan as a Workflow RO-Crate 1.0: what was run, in the language of study files."""
    title = plan.study.title.to(language)
    return [
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


def frame(plan: Plan, files: Mapping[str, bytes], language: Language, day: str) -> Iterator[dict[str, Any]]:
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
        size = {"contentSize": str(len(content)), "sha256": sha256_of(content)}
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


def sha256_of(content: bytes) -> str:
    """The SHA-256 by which a crate names the content of a file."""
    return hashlib.sha256(content).hexdigest()
