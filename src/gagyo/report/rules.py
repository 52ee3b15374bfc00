"""A check of the rules as a page in one language that a lawyer would recognise; everything is inside the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gagyo.report.page import frame, template
from gagyo.text import HTML_LANG, LANGUAGES, Language, catalogue, translate

STYLES = ("report.css", "rules.css")
WEIGHTS = ("law", "platform", "own")
VERDICTS = ("forbidden", "unknown", "needs_first", "may_go_ahead")
"""Verdicts, the strictest first, in the order of a table of rules."""
SCRIPTS = {"KR": "ko", "CN": "zh-Hans"}


def page_name(record: Mapping[str, Any], language: Language) -> str:
    """The file of a record's page in a language."""
    return f"rules.{record['day']}.{language}.html"


def write_pages(record: Mapping[str, Any], out: Path) -> list[Path]:
    """Write a record's page in each language; gives the files."""
    out.mkdir(parents=True, exist_ok=True)
    pages = [out / page_name(record, language) for language in LANGUAGES]
    for page, language in zip(pages, LANGUAGES, strict=True):
        page.write_text(render(record, language), encoding="utf-8")
    return pages


def render(record: Mapping[str, Any], language: Language) -> str:
    """The page of a record in a language. Beside the check itself a record may have `scenario`, `if_held`, `days`."""
    page = Sheet(record, language)
    title = f"{page.text(record['title'])} · {record['day']}"
    return str(
        template("rules.html").render(
            page=frame(language, title, page.tell("kind"), lambda other: page_name(record, other), STYLES),
            tell=page.tell,
            text=page.text,
            record=record,
            answers=page.answers(),
            needed=page.needed(),
            questions=page.questions(),
            doubts=page.doubts(),
            warnings=page.warnings(),
            sources=page.sources(),
            bases=page.bases(),
            name=page.name,
            names=page.names,
            listed=page.listed,
            ruled=page.ruled,
            colon="：" if language == "zh" else ": ",
        )
    )


def render_index(studies: Sequence[Mapping[str, Any]], language: Language) -> str:
    """A page that leads to several studies' pages. Each has `title`, `scenario`, and `days`: day, folder, verdicts."""

    def tell(key: str, **values: object) -> str:
        return translate(f"rules.{key}", language, **values)

    return str(
        template("rules_index.html").render(
            page=frame(language, tell("index"), tell("kind"), lambda other: f"index.{other}.html", STYLES),
            tell=tell,
            text=lambda texts: texts[language],
            studies=studies,
            language=language,
        )
    )


@dataclass(frozen=True)
class Sheet:
    """A record in one language."""

    record: Mapping[str, Any]
    language: Language

    def tell(self, key: str, **values: object) -> str:
        """A text of the rules' own catalogue."""
        return translate(f"rules.{key}", self.language, **values)

    def text(self, texts: Mapping[str, str] | None) -> str:
        """A text of the record."""
        return texts[self.language] if texts else ""

    def name(self, party: str) -> str:
        """A party's label, with its country."""
        known = self.record["parties"].get(party, {})
        label = self.text(known.get("label")) or (self.tell("lead") if party == "lead" else party)
        country = catalogue(self.language).get(f"report.country.{known.get('country')}", "")
        return _aside(label, country, self.language) if country else label

    def names(self, found: Sequence[str]) -> str:
        return self.listed(self.name(one) for one in found)

    def ruled(self, rule: str) -> str:
        """A rule's name with how sure it is, as it stands wherever a rule is named alone."""
        known = self.record["rules"].get(rule)  # one that is over on this day is named by what changes with time
        return _aside(rule, self.tell(f"basis.{known['basis']}"), self.language) if known else rule

    def listed(self, texts: Iterable[str]) -> str:
        """Names one after the other, as this language writes them."""
        return ("、" if self.language == "zh" else ", ").join(texts)

    def words(self, area: str, found: Sequence[str]) -> str:
        """Names of the record's vocabulary: of `facts`, or of `evidence`."""
        said = self.record[area]
        between = "；" if self.language == "zh" else "; "
        return between.join(self.text(said[one] if area == "facts" else said[one]["name"]) for one in found)

    # Answers.

    def answers(self) -> list[dict[str, Any]]:
        """Answers that say the same of several hospitals or things, together."""
        return [self._group(found) for found in grouped(self.record)]

    def _group(self, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        first = found[0]
        things = list(dict.fromkeys(one["thing"] for one in found))
        return {
            **{key: first[key] for key in (*WEIGHTS, "verdict", "gap")},
            "sites": self.names(list(dict.fromkeys(one["site"] for one in found))),
            "things": self.listed(self.tell(f"thing.{thing}") for thing in things),
            "to": self._to(found),
            "asks": self.words("facts", first["gap_asks"]),
            "parts": [(weight, rows) for weight in WEIGHTS if (rows := self._rows(first, weight))],
        }

    def _to(self, found: Sequence[Mapping[str, Any]]) -> str:
        if found[0]["planned"] and all(set(one["to"]) == self._everyone() - {one["site"]} for one in found):
            return self.tell("to_everyone")
        return self.names(list(dict.fromkeys(name for one in found for name in one["to"])))

    def _everyone(self) -> set[str]:
        return {*self.record["sites"], "lead"}

    def _rows(self, answer: Mapping[str, Any], weight: str) -> list[dict[str, Any]]:
        rules = self.record["rules"]
        found = [one for one in answer["outcomes"] if one["decides"] and rules[one["rule"]]["weight"] == weight]
        found.sort(key=lambda one: (VERDICTS.index(one["verdict"]), one["applies"] is not True))
        return [self._row(one, rules[one["rule"]]) for one in found]

    def _row(self, one: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": one["rule"],
            "instrument": self.text(rule["instrument"]),
            "original": self._original(rule),
            "script": SCRIPTS.get(rule["jurisdiction"][:2], "en"),
            "article": article if (article := self.text(rule["article"])) != "-" else "",
            "explain": self.text(rule["explain"]),
            "next": self.text(rule["next_step"]) if one["verdict"] != "may_go_ahead" else "",
            "penalty": self.text(rule["penalty"]),
            "effect": self.tell(f"effect.{rule['effect']}"),
            "verdict": one["verdict"] if rule["effect"] in ("forbid", "needs_first", "allow_if") else "",
            "lifted": one["lifted"],
            "basis": rule["basis"],
            "note": self.text(rule["note"]),
            "missing": self._documents(one["missing"]) if one["verdict"] != "forbidden" else [],
            "lifts": self._documents(one["lifts"]),
            "asks": self.words("facts", one["asks"]) if one["verdict"] == "unknown" or one["applies"] is None else "",
            "limits": list(self._limits(rule)),
        }

    def _original(self, rule: Mapping[str, Any]) -> str:
        """The instrument's own name, where it is not in this language."""
        own = SCRIPTS.get(rule["jurisdiction"][:2])
        return "" if own == HTML_LANG[self.language] or rule["weight"] != "law" else rule["instrument"]["original"]

    def _documents(self, kinds: Sequence[str]) -> list[str]:
        return [self.document(kind) for kind in kinds]

    def document(self, kind: str) -> str:
        """A kind of document; a group with its members."""
        said = self.record["evidence"][kind]
        name = self.text(said["name"])
        members = self.tell("one_of", list=self.words("evidence", said["one_of"])) if said["one_of"] else ""
        return _aside(name, members, self.language) if members else name

    def _limits(self, rule: Mapping[str, Any]) -> Iterator[str]:
        yield from (self.tell(f"limit.{name}", value=value) for name, value in rule["limit"].items())
        if rule["retain_years"]:
            yield self.tell("keep_years", value=rule["retain_years"])

    # What is missing, and what is open.

    def needed(self) -> list[dict[str, Any]]:
        """Documents by who must act; the same document of several hospitals once."""
        found: dict[tuple[str, str, bool], list[Mapping[str, Any]]] = {}
        for one in self.record["needed"]:
            found.setdefault((one["issuer"], one["kind"], one["lifts"]), []).append(one)
        issuers: dict[str, list[dict[str, Any]]] = {}
        for (issuer, kind, lifts), needs in found.items():
            issuers.setdefault(issuer, []).append(self._need(kind, lifts, needs))
        return [
            {"issuer": self.tell(f"issuer.{issuer}"), "documents": documents} for issuer, documents in issuers.items()
        ]

    def _need(self, kind: str, lifts: bool, needs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "document": self.document(kind),
            "lifts": lifts,
            "sites": self.names(list(dict.fromkeys(one["site"] for one in needs))),
            "takes": self.text(self.record["evidence"][kind]["takes"]),
            "why": self._why(needs),
        }

    def _why(self, asked: Sequence[Mapping[str, Any]]) -> str:
        """The rules that ask for something, each once, with how sure it is."""
        names = dict.fromkeys(rule for one in asked for rule in one["why"] if rule)
        return self.listed(self.ruled(name) for name in names)

    def questions(self) -> list[dict[str, Any]]:
        """Facts that nobody stated, each once, with the hospitals that could."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for one in self.record["questions"]:
            found.setdefault(one["fact"], []).append(one)
        return [
            {
                "fact": self.text(self.record["facts"][fact]),
                "sites": self.names([one["site"] for one in asked]),
                "why": self._why(asked),
            }
            for fact, asked in found.items()
        ]

    def doubts(self) -> list[dict[str, str]]:
        """Open doubts of the rules that apply, or may."""
        rules = self.record["rules"].items()
        return [
            {"rule": self.ruled(name), "text": self.text(rule["doubt"])} for name, rule in rules if rule["doubt"]["en"]
        ]

    def warnings(self) -> list[dict[str, str]]:
        """Rules that would apply and are not in force on the day."""
        found = {one["rule"] for answer in self.record["answers"] for one in answer["outcomes"] if not one["decides"]}
        return [self._warning(name, self.record["rules"][name]) for name in sorted(found)]

    def _warning(self, name: str, rule: Mapping[str, Any]) -> dict[str, str]:
        draft = rule["status"] == "draft"
        when = self.tell("warns.draft") if draft else self.tell("warns.future", day=rule["from"])
        return {
            "rule": self.ruled(name),
            "instrument": self.text(rule["instrument"]),
            "when": when,
            "text": self.text(rule["explain"]),
        }

    def sources(self) -> list[tuple[str, str]]:
        """The sources of the rules on this page."""
        cited = {source for rule in self.record["rules"].values() for source in rule["sources"]}
        known = {name: said for pack in self.record["packs"] for name, said in pack["sources"].items()}
        return sorted(((name, known[name]) for name in cited), key=lambda one: (len(one[0]), one[0]))

    def bases(self) -> list[str]:
        """How sure the rules on this page are, each kind once."""
        return list(dict.fromkeys(rule["basis"] for rule in self.record["rules"].values()))


def _aside(text: str, aside: str, language: Language) -> str:
    return f"{text}（{aside}）" if language == "zh" else f"{text} ({aside})"


def grouped(record: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    """Answers that say the same, together: the same verdicts by the same rules, for hospitals of one country."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for one in record["answers"]:
        country = record["parties"][one["site"]]["country"]
        same = (country, one["planned"], *(one[weight] for weight in WEIGHTS), one["gap"], one["outcomes"])
        groups.setdefault(repr(same), []).append(one)
    return list(groups.values())
