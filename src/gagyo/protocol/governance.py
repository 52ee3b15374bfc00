"""The `governance:` part of study and site files: who the parties are, what their data are, and what leaves to whom.

Every entry states one fact that rules ask for. What is not written, or written as `unknown`, is unknown; nothing is
guessed here. What the plan tells (what leaves, from which hospital, to whom) is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from gagyo.protocol.written import COUNTRY, SITE, Entry, Table
from gagyo.text import Text

Value = bool | int | str | date | tuple[str, ...]
"""What a fact can be; a set of names is a sorted tuple."""
Facts = Mapping[str, Value]
"""Facts by name; an absent fact is unknown."""
Shape = Literal["bool", "count", "date", "enum", "set"]


@dataclass(frozen=True)
class Key:
    """One key of a file: the fact that it states, its shape, and the names that it may hold."""

    fact: str
    shape: Shape
    names: tuple[str, ...] = ()


def _yes(fact: str) -> Key:
    return Key(fact, "bool")


STATES = ("identified", "pseudonymised", "anonymised")
CATEGORIES = (
    *("direct_id", "clinical", "imaging", "protein", "metabolite", "genomic_individual", "genomic_summary"),
    *("biospecimen", "claims", "free_text", "child_u14", "rrn_kr", "wearable"),
)
KINDS_OF_PARTY = ("hospital", "company", "university", "public_body", "data_agency", "other")
THINGS = (
    *("row_level", "remote_view", "aggregate_table", "effect_estimate", "model_update", "model_final"),
    *("genomic_summary", "biospecimen", "document"),
)
"""Kinds of things that can leave."""
REASONS = (
    *("research", "statistics", "archiving", "registration_trial", "ai_training", "product_dev"),
    *("judicial_request", "safety_report"),
)
ACTIVITIES = ("academic_cooperation", "trade", "transport", "manufacturing", "marketing", "other")
ZONES = ("none", "beijing", "shanghai_lingang", "tianjin", "other")
INTERVENTIONS = ("none", "drug", "device", "digital", "cell", "gene_editing", "tissue_engineering", "other")
PRODUCTS = ("none", "ai_samd", "ai_healthcare_service", "digital_medical_device", "other")
PLACES = (
    *("beijing_ftz", "shanghai_ftz", "guangdong_ftz", "hainan_ftp", "beijing", "tianjin", "shanghai", "nanjing"),
    *("suzhou", "fuzhou", "guangzhou", "shenzhen", "hainan", "other"),
)

DATA: Mapping[str, Key] = {
    "categories": Key("data.categories", "set", CATEGORIES),
    "sensitive": _yes("data.sensitive"),
    "state": Key("data.state", "enum", STATES),
    "persons": Key("data.persons", "count"),
    "anonymised_bioethics_act": _yes("kr.anonymised_bioethics"),
    "anonymous_pipa": _yes("kr.anonymous_pipa"),
    "important": _yes("cn.important_data_notified"),
    "linked_to_genes": _yes("cn.clinical_linked_to_gene"),
    "important_pedigree": _yes("cn.important_pedigree"),
    "specific_region": _yes("cn.specific_region"),
    "state_set_numbers": _yes("cn.state_set_numbers"),
    "exome_or_genome_persons": Key("cn.exome_genome_persons", "count"),
    "other_security_impact": _yes("cn.hgr_other_security_impact"),
    "deidentification_infeasible": _yes("kr.deidentification_infeasible"),
}
"""Keys of `data`: of the study for every hospital, of a party for its own."""

EXPORTED_SENSITIVE, EXPORTED_OTHER = "exported.sensitive", "exported.other"
"""Persons sent abroad this year without what this study sends: no fact of a rule, but part of two."""

PARTY: Mapping[str, Key] = {
    "kind": Key("site.kind", "enum", KINDS_OF_PARTY),
    "critical_infrastructure": _yes("party.is_ciio"),
    "ai_roles": Key("party.ai_roles", "set", ("developer", "deployer", "none")),
    "free_trade_zone": Key("cn.ftz", "enum", ZONES),
    "active_in_lingang": _yes("cn.activity_in_lingang"),
    "persons_processed": Key("cn.persons_processed_total", "count"),
    "genetic_resources": Key("cn.hgr_actions", "set", ("collect", "preserve", "provide_abroad", "none")),
    "clinical_institution": _yes("cn.clinical_institution"),
    "storage_outside_china": _yes("storage.outside_cn"),
    "exported_sensitive_this_year": Key(EXPORTED_SENSITIVE, "count"),
    "exported_other_this_year": Key(EXPORTED_OTHER, "count"),
}
"""Keys of a party beside `country`, `controlled_by`, `label` and `data`; also of a site file's governance part."""

STUDY: Mapping[str, Key] = {
    "purposes": Key("study.purposes", "set", REASONS),
    "activities": Key("study.activities", "set", ACTIVITIES),
    "automated_decision": _yes("study.automated_decision"),
    "human_subjects": _yes("kr.human_subject_research"),
    "records_linked_between_hospitals": _yes("kr.combines_controllers"),
}

CHAPTERS: Mapping[str, Mapping[str, Key]] = {
    "trial": {
        "interventional": _yes("study.interventional"),
        "drug": _yes("study.drug_trial"),
        "starts": Key("study.trial_start", "date"),
        "interventions": Key("study.interventions", "set", INTERVENTIONS),
        "neither_drug_nor_device": _yes("study.non_drug_non_device"),
        "for_chinese_licence": _yes("cn.trial_for_cn_licence"),
    },
    "product": {
        "kinds": Key("product.kinds", "set", PRODUCTS),
        "markets": Key("product.markets", "set", ("CN", "KR", "other")),
        "over_agent_threshold": _yes("kr.foreign_ai_over_threshold"),
        "post_market_observation": _yes("kr.post_market_observation"),
        "low_risk_by_ordinance": _yes("kr.low_risk_by_ordinance"),
    },
    "deal": {
        "technology_transfer": _yes("deal.tech_transfer"),
        "crosses_chinese_border": _yes("deal.crosses_cn_border"),
        "leaves_korea": _yes("deal.leaves_kr"),
        "chinese_list": Key("deal.cn_tech_class", "enum", ("prohibited", "restricted", "free")),
        "korean_core_technology": _yes("deal.kr_core_technology"),
        "foreign_invested": _yes("deal.foreign_invested"),
        "wholly_foreign": _yes("deal.wholly_foreign"),
        "fields": Key("deal.fields", "set", ("human_stem_cell", "gene_diagnosis_therapy", "hospital", "other")),
        "place": Key("deal.place", "enum", PLACES),
        "for_registration_and_production": _yes("deal.for_registration_and_production"),
        "traditional_or_public_hospital": _yes("deal.tcm_or_public_hospital"),
    },
    "incident": {
        "happened": _yes("incident.happened"),
        "possible": _yes("incident.possible"),
        "persons": Key("incident.persons", "count"),
        "sensitive_or_unique_identifiers": _yes("incident.sensitive_or_unique_id"),
        "external_intrusion": _yes("incident.external_intrusion"),
    },
}
"""Chapters that may be `none`: then each of their facts is false, or holds nothing."""

LEAVES: Mapping[str, Key] = {
    "carries_personal_information": _yes("egress.carries_pi"),
    "entrusted": _yes("egress.is_entrustment"),
    "ongoing": _yes("egress.ongoing"),
}
NOTHING = {"interventions": ("none",), "kinds": ("none",)}


@dataclass(frozen=True)
class Party:
    """Who holds data or receives something. `controlled_by`: countries of those who control it; None is unknown."""

    country: str = ""
    controlled_by: tuple[str, ...] | None = None
    label: Text = field(default_factory=lambda: Text(""))
    facts: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Leaving:
    """Something that leaves beside what the plan sends: what, from which hospitals, to which parties, of how many."""

    what: str
    source: tuple[str, ...]
    to: tuple[str, ...]
    people: int | None = None
    facts: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Governance:
    """What a study file states for the rules. `leaves` is None where the file does not say what else leaves."""

    facts: dict[str, Value] = field(default_factory=dict)
    parties: dict[str, Party] = field(default_factory=dict)
    leaves: tuple[Leaving, ...] | None = None

    def canonical(self) -> dict[str, Any]:
        """The statements as plain data that a digest is made of."""
        leaves = None if self.leaves is None else [_canonical_leaving(one) for one in self.leaves]
        parties = {name: canonical_party(party) for name, party in self.parties.items()}
        return {"facts": canonical_facts(self.facts), "parties": parties, "leaves": leaves}


def canonical_party(party: Party) -> dict[str, Any]:
    """A party's statements as plain data."""
    said = {"country": party.country, "label": [party.label.en, party.label.ko, party.label.zh]}
    controlled = None if party.controlled_by is None else list(party.controlled_by)
    return {**said, "controlled_by": controlled, "facts": canonical_facts(party.facts)}


def canonical_facts(facts: Facts) -> dict[str, Any]:
    """Facts as plain data."""
    return {name: _canonical(value) for name, value in sorted(facts.items())}


def _canonical(value: Value) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, date) else value


def _canonical_leaving(one: Leaving) -> dict[str, Any]:
    said = {"what": one.what, "from": list(one.source), "to": list(one.to), "people": one.people}
    return {**said, "facts": canonical_facts(one.facts)}


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────


def read_governance(entry: Entry, sites: Iterable[str]) -> Governance:
    """The governance part of a study file; faults are noted at their entries."""
    inner = entry.table((), (*STUDY, *CHAPTERS, "data", "parties", "leaves"))
    facts = read_facts(inner, STUDY) | _data(inner)
    for name, keys in CHAPTERS.items():
        facts |= _chapter(inner[name], keys) if name in inner else {}
    named = inner["parties"].named(SITE) if "parties" in inner else {}
    parties = {name: read_party(one) for name, one in named.items()}
    known = (*sites, *(name for name in parties if name not in sites), "lead")
    return Governance(facts, parties, _leaves(inner, tuple(sites), tuple(dict.fromkeys(known))))


def read_party(entry: Entry, beside: tuple[str, ...] = ("country", "label")) -> Party:
    """A party of a study file, or with `beside=()` the governance part of a site file."""
    inner = entry.table((), (*beside, "controlled_by", "data", *PARTY))
    country = inner["country"].text(COUNTRY, "bad_country") if "country" in inner else None
    return Party(
        country=country or "",
        controlled_by=_countries(inner["controlled_by"]) if "controlled_by" in inner else None,
        label=inner["label"].label() if "label" in inner else Text(""),
        facts=read_facts(inner, PARTY) | _data(inner),
    )


def _countries(entry: Entry) -> tuple[str, ...] | None:
    """One country or a list of them; `unknown` is None."""
    entries = entry.items() if isinstance(entry.value, (list, dict)) else [entry]
    if not isinstance(entry.value, list) and entry.raw == "unknown":
        return None
    found = [one.text(COUNTRY, "bad_country") for one in entries]
    return tuple(sorted({name for name in found if name})) or None


def _data(inner: Table) -> dict[str, Value]:
    return read_facts(inner["data"].table((), DATA), DATA) if "data" in inner else {}


def _chapter(entry: Entry, keys: Mapping[str, Key]) -> dict[str, Value]:
    if not isinstance(entry.value, dict) and entry.raw == "none":
        return {key.fact: _none(name, key) for name, key in keys.items() if key.shape in ("bool", "set")}
    return read_facts(entry.table((), keys), keys)


def _none(name: str, key: Key) -> Value:
    return False if key.shape == "bool" else NOTHING.get(name, ())


def read_facts(inner: Table, keys: Mapping[str, Key]) -> dict[str, Value]:
    """The facts that a table states."""
    found = {key.fact: _value(inner[name], key) for name, key in keys.items() if name in inner}
    return {fact: value for fact, value in found.items() if value is not None}


def _value(entry: Entry, key: Key) -> Value | None:
    """What an entry states; None where it states nothing, or wrongly."""
    if not isinstance(entry.value, (dict, list)) and entry.raw == "unknown":
        return None
    match key.shape:
        case "bool":
            return entry.truth()
        case "count":
            return entry.whole(0)
        case "date":
            return entry.day()
        case "enum":
            return entry.one_of(key.names)
        case "set":
            return _names(entry, key.names)


def _names(entry: Entry, names: tuple[str, ...]) -> tuple[str, ...]:
    found = [one.one_of(names) for one in entry.items()]
    return tuple(sorted({name for name in found if name}))


def _leaves(inner: Table, sites: tuple[str, ...], parties: tuple[str, ...]) -> tuple[Leaving, ...] | None:
    if "leaves" not in inner:
        return None
    return tuple(_leaving(one, sites, parties) for one in inner["leaves"].items())


def _leaving(entry: Entry, sites: tuple[str, ...], parties: tuple[str, ...]) -> Leaving:
    inner = entry.table(("what", "from", "to"), ("people", *LEAVES))
    return Leaving(
        what=(inner["what"].one_of(THINGS) if "what" in inner else None) or "",
        source=_names(inner["from"], sites) if "from" in inner else (),
        to=_names(inner["to"], parties) if "to" in inner else (),
        people=inner["people"].whole(0) if "people" in inner else None,
        facts=read_facts(inner, LEAVES),
    )
