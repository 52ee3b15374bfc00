"""A dossier's acts, after the Five Safes profile: approvals as sign-offs, output reviews as disclosure checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gagyo.coordinator.crate import SHA256, WORKFLOW
from gagyo.protocol.plan import Plan
from gagyo.release.ledger import Entry
from gagyo.text import Language, translate

SHP = "https://w3id.org/shp#"
COMPLETED, FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"
ACTIVE = "http://schema.org/ActiveActionStatus"
ENDED = {"released": COMPLETED, "approved": COMPLETED, "rejected": FAILED, "withdrawn": FAILED}
"""By the last state of a review, how its disclosure check ended; any other is still under way."""


def assessments(
    plan: Plan, ledgers: Mapping[str, Sequence[Entry]], rules: Mapping[str, Any] | None, language: Language
) -> Iterator[dict[str, Any]]:
    """The run, and every assessment of it: what was checked, by whom, and how it ended.

    ledgers: by hospital, the links of its ledger. rules: the record of a check of the rules, if there is one.
    """
    yield _run(language)
    verifying = {"instrument": {"@id": SHA256}, "agent": {"@id": "#lead"}, "result": {"@id": "verified.json"}}
    yield _assessed("#verified", "CheckValue", "verified", language, **verifying)
    if rules is not None:
        checked = {"instrument": {"@id": "rules.json"}, "agent": {"@id": "#lead"}}
        yield _assessed("#rules", "", "rules", language, **checked, description=str(rules["day"]))
    for site, entries in ledgers.items():
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
