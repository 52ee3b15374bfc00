"""Facts of a study from its plan and its declared parts: what leaves each hospital, to whom, across which border.

What the plan tells is never asked: which hospitals send what, under secure sum or one by one, and who sees it. A sum is
seen by every hospital of the study, since each follows the method, and by whoever leads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gagyo.governance.facts import Facts, Truth, Value
from gagyo.governance.grammar import conjunction, disjunction
from gagyo.protocol.governance import EXPORTED_OTHER, EXPORTED_SENSITIVE, Governance, Leaving, Party
from gagyo.protocol.study import Study

LEAD = "lead"
TABLES = ("agreement", "compare", "cumulative_incidence", "describe", "kaplan_meier", "quantiles", "rank_tests")
ESTIMATES = (
    "categorical",
    "cox",
    "fine_gray",
    "firth",
    "gee",
    "glm",
    "imputation",
    "linear",
    "log_rank",
    "logistic",
    "meta",
    "mixed",
    "mixed_logistic",
    "penalised",
    "repeated",
    "restricted_mean",
    "standardisation",
    "target_trial",
    "validate",
    "weighting",
)
"""What each installed method sends: tables, or the sums and results of a fit. A method in neither is unknown."""
PURPOSES = {
    "scientific_research": "research",
    "statistics": "statistics",
    "public_interest_records": "archiving",
    "product_development": "product_dev",
    "post_market": "product_dev",
}
"""The study file's purposes as the rules name them; surveillance after licensing is the maker's, and no research."""
HEALTH = frozenset(
    {"clinical", "imaging", "protein", "metabolite", "genomic_individual", "genomic_summary", "biospecimen", "claims"}
)
GENES = frozenset({"genomic_individual", "genomic_summary"})
ROWS = ("row_level", "remote_view")
MODELS = ("model_update", "model_final")
SUMMARIES = ("aggregate_table", "effect_estimate", "genomic_summary")


@dataclass(frozen=True)
class Subject:
    """One kind of thing that leaves one hospital, with every fact that is known of it.

    planned: whether the plan sends it. people: of how many persons it has rows, where it has rows at all.
    """

    site: str
    thing: str
    to: tuple[str, ...]
    planned: bool
    facts: Mapping[str, Value]
    people: int | None = None


@dataclass(frozen=True)
class Given:
    """What a study says and its plan tells, before facts are made of it."""

    study: Study
    sends: Mapping[str, Sequence[Mapping[str, Any]]]
    governance: Governance
    parties: Mapping[str, Party]
    conflicts: Mapping[str, frozenset[str]] = field(default_factory=dict)


def given(
    study: Study, sends: Mapping[str, Sequence[Mapping[str, Any]]], site_parts: Mapping[str, Party] | None = None
) -> Given:
    """A study with its plan's `sends`, and with what hospitals state in their own site files."""
    said = study.governance or Governance()
    parties: dict[str, Party] = {**said.parties}
    conflicts: dict[str, frozenset[str]] = {}
    for name, own in (site_parts or {}).items():
        parties[name], conflicts[name] = _joined(parties.get(name, Party()), own)
    lead = parties.get(LEAD, Party())
    parties[LEAD] = replace(lead, country=lead.country or study.lead.country)
    return Given(study, sends, said, parties, conflicts)


def _joined(ours: Party, own: Party) -> tuple[Party, frozenset[str]]:
    """A party as the study and the hospital state it; where they differ the fact is unknown, and named."""
    differ = {name for name, value in own.facts.items() if ours.facts.get(name, value) != value}
    facts = {name: value for name, value in {**ours.facts, **own.facts}.items() if name not in differ}
    country = own.country or ours.country
    if ours.country and own.country and ours.country != own.country:
        country, differ = "", {*differ, "site.country"}
    controlled = own.controlled_by if own.controlled_by is not None else ours.controlled_by
    if None not in (own.controlled_by, ours.controlled_by) and own.controlled_by != ours.controlled_by:
        controlled, differ = None, {*differ, "party.foreign_controlled"}
    return Party(country, controlled, ours.label, facts), frozenset(differ)


def subjects(what: Given, shown: Mapping[tuple[str, str], Collection[str]] | None = None) -> list[Subject]:
    """Everything that leaves each hospital. `shown`: kinds of evidence held, by hospital and thing."""
    found = [one for site in what.study.sites for one in _of_site(site, what)]
    return [_complete(one, what, (shown or {}).get((one.site, one.thing), ())) for one in found]


def things_of(site: str, what: Given) -> dict[str, str]:
    """By analysis, the kind of thing that it sends from a hospital."""
    facts = _facts_of(site, what)
    return {name: planned_thing(analysis.method, facts) for name, analysis in what.study.analyses.items()}


def _of_site(site: str, what: Given) -> Iterable[Subject]:
    planned: dict[str, set[str]] = {}
    for name, thing in things_of(site, what).items():
        for one in what.sends.get(name, ()):
            planned.setdefault(thing, set()).update(_seen_by(site, one, what.study))
    if what.study.counts_only:  # its preflights tell each hospital's numbers to whoever leads the study
        planned[planned_thing("describe", _facts_of(site, what))] = {LEAD}
    for thing, to in planned.items():
        yield Subject(site, thing, tuple(sorted(to)), True, {})
    for leaving in what.governance.leaves or ():
        if site in leaving.source:
            yield Subject(site, leaving.what, leaving.to, False, leaving.facts, leaving.people)


def planned_thing(method: str, facts: Facts) -> str:
    """What a method sends. What is computed from a genomic variable is a genomic summary; else a table or estimates.

    An unknown method gives "", which is no kind of thing, and no rule says yes to it.
    """
    if method not in (*TABLES, *ESTIMATES):
        return ""
    categories = facts.get("data.categories")
    if isinstance(categories, tuple) and GENES & set(categories):
        return "genomic_summary"
    return "aggregate_table" if method in TABLES else "effect_estimate"


def _seen_by(site: str, sends: Mapping[str, Any], study: Study) -> set[str]:
    if sends["to"] == "left_out":
        return set(study.sites) - {site}
    return {LEAD} if sends["each"] else {LEAD, *study.sites} - {site}


def _facts_of(site: str, what: Given) -> dict[str, Value]:
    """What is stated of a hospital and its data; the study's word holds where the hospital has none of its own."""
    party = what.parties.get(site, Party())
    stated = {**what.governance.facts, **party.facts}
    return {name: value for name, value in stated.items() if name not in what.conflicts.get(site, ())}


# ── facts that follow ─────────────────────────────────────────────────────────────────────────────────────────────


def _complete(one: Subject, what: Given, shown: Collection[str]) -> Subject:
    """A subject with all its facts: stated ones first, then those that follow, in the order that they need."""
    facts: dict[str, Value] = {**_facts_of(one.site, what), **one.facts}
    facts["study.purposes"] = _purposes(what.study, facts)
    for derive in (_place, _study, _data, _border, _content, _volume, _genes, _korea):
        for name, value in derive(one, what, facts, shown).items():
            if value is not None and name not in facts:
                facts[name] = value
    return replace(one, facts=facts)


def _purposes(study: Study, facts: Facts) -> tuple[str, ...]:
    """The study's purpose, and those that its governance part adds."""
    added = facts.get("study.purposes", ())
    return tuple(sorted({PURPOSES[study.purpose], *(added if isinstance(added, tuple) else ())}))


Derived = Mapping[str, Value | None]


def _place(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    party = what.parties.get(one.site, Party())
    hospital = facts.get("site.kind") == "hospital"
    return {
        "site.country": _land(party.country),
        "party.foreign_controlled": foreign(Party(controlled_by=party.controlled_by, country="CN")),
        "cn.clinical_institution": True if hospital else None,
    }


def _land(country: str) -> str | None:
    """A country as the rules know it; unknown where it is not stated."""
    return country if country in ("CN", "KR") else "other" if country else None


def foreign(party: Party) -> Truth:
    """Whether a party is foreign to China: by its country, or by who controls it."""
    abroad = None if not party.country else party.country != "CN"
    ruled = None if party.controlled_by is None else any(name != "CN" for name in party.controlled_by)
    return disjunction((abroad, ruled))


def _study(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    everyone = [what.parties.get(name, Party()) for name in {*what.study.sites, LEAD, *one.to}]
    chinese = disjunction(None if not party.country else party.country == "CN" for party in everyone)
    return {
        "study.international_collab": conjunction((chinese, disjunction(foreign(party) for party in everyone))),
        "study.uses_human_samples_or_information": True,
    }


def _data(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    categories = facts.get("data.categories")
    bioethics_only = facts.get("kr.anonymised_bioethics") is True and "kr.anonymous_pipa" not in facts
    return {
        "data.sensitive": _sensitive(set(categories)) if isinstance(categories, tuple) else None,
        "kr.anonymous_pipa": False if bioethics_only else None,
    }


def _sensitive(categories: set[str]) -> Truth:
    """Health and genes are sensitive; signals of wearables and free text may be, until a party says."""
    if categories & (HEALTH | {"child_u14"}):
        return True
    return None if categories & {"wearable", "free_text"} or not categories else False


def _border(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    to = [what.parties.get(name, Party()) for name in one.to]
    home = what.parties.get(one.site, Party()).country if "site.country" in facts else ""
    crosses = disjunction(None if not party.country else party.country != home for party in to) if home else None
    return {
        "egress.kind": one.thing or None,
        "egress.leaves_country": _land(home) if crosses else None if crosses is None else "none",
        "egress.recipient_foreign_controlled": disjunction(foreign(party) for party in to),
    }


def _content(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    carries = facts.get("egress.carries_pi", _carries(one.thing, facts, shown))
    return {
        "egress.carries_pi": carries,
        "egress.provides_or_entrusts": carries if one.to else False,
        "kr.provides_pi_to_third_party": carries if one.to else False,
    }


def _carries(thing: str, facts: Facts, shown: Collection[str]) -> Truth:
    """Rows do unless anonymous; tables and estimates do not once a report shows it; models once attacked as well."""
    if thing in ROWS:
        anonymous = facts.get("data.state") == "anonymised" and facts.get("kr.anonymous_pipa") is True
        return None if anonymous or "data.state" not in facts else True
    if thing in SUMMARIES:
        return False if "disclosure_risk_report" in shown else None
    if thing in MODELS:
        return False if {"disclosure_risk_report", "attack_test_report"} <= set(shown) else None
    return None


def _volume(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    """Whom a year's exports count, this one included: an aggregate adds nobody, rows add their persons."""
    outside = facts.get("egress.leaves_country") == "CN"
    stored = {"row_level": True, "remote_view": None}.get(one.thing, False) if outside else False
    sensitive = facts.get("data.sensitive")
    added = 0 if facts.get("egress.carries_pi") is False else one.people
    return {
        "storage.outside_cn": None if "egress.leaves_country" not in facts else stored,
        "egress.persons_ytd_sensitive": _sum(facts.get(EXPORTED_SENSITIVE), added if sensitive is not False else 0),
        "egress.persons_ytd_nonsensitive": _sum(facts.get(EXPORTED_OTHER), added if sensitive is not True else 0),
    }


def _sum(before: Value | None, added: int | None) -> int | None:
    return before + added if isinstance(before, int) and added is not None else None


def _genes(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    categories = facts.get("data.categories")
    if not isinstance(categories, tuple):
        return {}
    genes = bool(GENES & set(categories))
    content = disjunction((genes, _truth(facts.get("cn.clinical_linked_to_gene"))))
    plain = not {"genomic_individual", "biospecimen"} & set(categories) and content is False
    return {
        "cn.exome_genome_persons": None if "genomic_individual" in categories else 0,
        "cn.hgr_actions": ("none",) if plain else None,
        "cn.hgr_info_provided": False if content is False else True if content and one.thing in ROWS else None,
        "cn.material_leaves": _material(what, categories),
    }


def _truth(value: Value | None) -> Truth:
    return value if isinstance(value, bool) else None


def _material(what: Given, categories: Collection[str]) -> Truth:
    leaves = what.governance.leaves
    if any(_is_chinese_material(one, what) for one in leaves or ()):
        return True
    return False if leaves is not None or "biospecimen" not in categories else None


def _is_chinese_material(one: Leaving, what: Given) -> bool:
    return one.what == "biospecimen" and any(what.parties.get(name, Party()).country == "CN" for name in one.source)


def _korea(one: Subject, what: Given, facts: Facts, shown: Collection[str]) -> Derived:
    categories = facts.get("data.categories")
    genes = None if not isinstance(categories, tuple) else bool(GENES & set(categories))
    rows = one.thing in ROWS
    return {
        "kr.combines_controllers": False if one.planned else None,
        "kr.provides_specimen_or_genetic": True if one.thing == "biospecimen" else _genetic(one.thing, genes),
        "kr.provides_records_to_non_patient": _records(facts) if rows else False,
    }


def _genetic(thing: str, genes: Truth) -> Truth:
    if genes is False:
        return False
    return genes if thing in ROWS else None


def _records(facts: Facts) -> Truth:
    return True if facts.get("data.state") == "identified" else None
