"""Writes the reference pages from the code, and keeps the line ranges in links to code true: `python docs/generate.py`.

`pages()` gives every generated text by path; a test compares them with the files, so that no page grows old unnoticed.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel

from gagyo.cli import application, exits, speech
from gagyo.federation.local import LocalStep, Name, Names, Numbers, Whole, method_module, method_names
from gagyo.governance.pack import BASES, Pack, Rule, packs, vocabulary
from gagyo.governance.review import FINAL, STATES, TRANSITIONS
from gagyo.governance.roles import ACTS, ROLES, may
from gagyo.protocol import governance
from gagyo.text import FOLDERS, LANGUAGES, Language, catalogue

ROOT = Path(__file__).parents[1]
MADE = "<!-- Made by docs/generate.py. Edit the code or the catalogue, then run it again. -->"
LINKED = ("SECURITY.md", "docs/explanation", "docs/how-to")
"""Pages whose links to a name in a Python file carry its line range."""

LANGUAGE_NAMES = {"en": "English", "ko": "한국어", "zh": "简体中文"}


def pages() -> dict[Path, str]:
    """Every generated page, and every page with links to code, as it should be."""
    reference = ROOT / "docs" / "reference"
    made = {
        reference / "commands.md": commands(),
        reference / "findings.md": findings(),
        reference / "methods.md": methods(),
        reference / "review.md": reviews(),
        **{reference / rules_name(one): RulesPage(one).text() for one in LANGUAGES},
    }
    return made | {path: with_lines(path) for path in linked_pages()}


# Commands.


def commands() -> str:
    """All verbs with their arguments, options and exit codes."""
    before = speech.language()
    speech.speak("en")
    try:
        root = typer.main.get_command(application())
        lines = [
            MADE,
            "",
            "# Commands",
            "",
            "`--language ko|zh|en` may stand anywhere on the line; else `GAGYO_LANGUAGE`, then the system's language.",
        ]
        lines += [*exit_codes(), *(line for name, verb in verbs(root) for line in command(name, verb))]
    finally:
        speech.speak(before)
    return "\n".join(lines) + "\n"


def verbs(root: Any, before: str = "gagyo") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its whole name."""
    for name, one in root.commands.items():
        if hasattr(one, "commands"):
            yield from verbs(one, f"{before} {name}")
        else:
            yield f"{before} {name}", one


def command(name: str, verb: Any) -> Iterator[str]:
    """One command's section."""
    arguments = [one for one in verb.params if one.param_type_name == "argument"]
    options = [one for one in verb.params if one.param_type_name == "option" and "--help" not in one.opts]
    shown = " ".join(
        [f"{one.name.upper()}" if one.required else f"[{one.name.upper()}]" for one in arguments]
        + [f"{one.opts[0]} {one.name.upper()}" for one in options if one.required]
    )
    yield from ("", f"## {name}", "", verb.help or "", "", "```text", f"{name} {shown}".rstrip(), "```")
    if arguments or options:
        yield from ("", "| | | default |", "|---|---|---|")
    for one in arguments:
        yield f"| `{one.name.upper()}` | {cell(one.help)} | {default(one)} |"
    for one in options:
        yield f"| {', '.join(f'`{opt}`' for opt in one.opts)} | {cell(one.help)} | {default(one)} |"


def default(one: Any) -> str:
    """What holds where nothing is given."""
    if one.required:
        return "required"
    return f"`{one.default}`" if one.default not in (None, "", False) else ""


def exit_codes() -> Iterator[str]:
    """The table of exit codes, from the lines of cli/exits.py."""
    yield from ("", "## Exit codes", "", "| code | meaning |", "|---|---|")
    for code, meaning in re.findall(r"^[A-Z]+ = (\d+)(?:  # (.+))?$", inspect.getsource(exits), re.M):
        yield f"| {code} | {meaning or 'done'} |"
    yield "| 130 | interrupted by Ctrl-C; the same command goes on |"


# Findings.

CHAPTERS = {
    "findings": "Files that people write",
    "findings_approvals": "Approvals",
    "findings_review": "Output review",
    "findings_dossier": "Dossiers",
    "findings_prose": "Protocol documents",
    "findings_planning": "Planning and feasibility",
    "findings_exchange": "The exchange between institutions",
    "findings_run": "Runs, answers and records",
}


def findings() -> str:
    """Every code with its text in three languages, under an anchor of its own name."""
    lines = [
        MADE,
        "",
        "# Findings",
        "",
        "Every fault, refusal and note has a code. Its text says what was found, what was expected and what to do.",
        "Words in braces are filled in. A hospital's refusal: [Read a refusal](../how-to/read-a-refusal.md).",
    ]
    for chapter, codes in finding_chapters():
        lines += ["", f"## {chapter}"]
        for code in codes:
            lines += ["", f"### {code}", ""]
            lines += [f"- {LANGUAGE_NAMES[one]}: {catalogue(one)[f'findings.{code}']}" for one in LANGUAGES]
    return "\n".join(lines) + "\n"


def finding_chapters() -> Iterator[tuple[str, list[str]]]:
    """Codes by chapter: the pages of the English catalogue, divided where a comment stands alone."""
    folder = ROOT / "src" / "gagyo" / "locales" / FOLDERS["en"]
    for page in sorted(folder.glob("findings*.toml")):
        text = page.read_text(encoding="utf-8")
        chapter, codes = CHAPTERS.get(page.stem, page.stem.replace("_", " ").capitalize()), []
        for line in text.splitlines()[1:]:
            if line.startswith("# "):
                if codes:
                    yield chapter, codes
                chapter, codes = line[2:].capitalize(), []
            codes += list(tomllib.loads(line)) if re.match(r"\w+ = ", line) else []
        yield chapter, codes


def finding_codes() -> list[str]:
    """All codes of the catalogue."""
    return sorted(key.removeprefix("findings.") for key in catalogue("en") if key.startswith("findings."))


# Output review and roles.


def reviews() -> str:
    """The states of an output review as a picture and a table, and who may do what at a hospital."""
    lines = [
        MADE,
        "",
        "# Output review and roles",
        "",
        "What the gate refers to people goes this way; what is not drawn may not happen.",
        "How it is done: [Review what the gate refers to people](../how-to/review-an-output.md).",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {STATES[0]}",
        *(f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()),
        *(f"    {state} --> [*]" for state in STATES if state in FINAL),
        "```",
    ]
    lines += ["", "| state | " + " | ".join(LANGUAGE_NAMES.values()) + " | what may follow |", "|---|---|---|---|---|"]
    for state in STATES:
        named = " | ".join(catalogue(one)[f"review.state.{state}"] for one in LANGUAGES)
        follows = ", ".join(f"{event}: {after}" for (before, event), after in TRANSITIONS.items() if before == state)
        lines.append(f"| `{state}` | {named} | {follows or 'nothing'} |")
    return "\n".join([*lines, *roles()]) + "\n"


def roles() -> Iterator[str]:
    """Who may do what."""
    yield from ("", "## Who may do what", "", "A key has one role. What stands in no row, nobody may.", "")
    yield "| role | " + " | ".join(LANGUAGE_NAMES.values()) + " | may |"
    yield "|---|---|---|---|---|"
    for role in ROLES:
        named = " | ".join(catalogue(one)[f"approval.role.{role}"] for one in LANGUAGES)
        acts = ", ".join(f"`{act}`" for act in ACTS if may(role, act))
        yield f"| `{role}` | {named} | {acts or 'nothing at a hospital'} |"


# Methods.


def methods() -> str:
    """Every installed method: what it is, what a study file may say of it, and what its steps send."""
    lines = [
        MADE,
        "",
        "# Methods",
        "",
        "One file in `src/gagyo/methods` is one method; the file's name is the `method` of an analysis. *Lossless*",
        "means equal to the analysis of the pooled rows. How many numbers a step would send in your study, and how",
        "often, is what `gagyo check` and `gagyo plan` print. How far each is from an independent reference, as measured:",
        "[Differences](differences.md).",
    ]
    for name in method_names():
        lines += method(name)
    return "\n".join(lines) + "\n"


def method(name: str) -> Iterator[str]:
    """One method's section."""
    module = method_module(name)
    yield from ("", f"## {name}", "", inspect.getdoc(module) or "", "")
    yield f"Lossless: {'yes' if module.Method.lossless else 'no'}."
    yield from ("", f"### Options of {name}")
    for model in models(module.Method.Options):
        yield from options(model, module.Method.Options)
    yield from ("", f"### What {name} sends", "")
    yield from ("| step | what leaves | arguments that it accepts |", "|---|---|---|")
    for step in steps(module):
        arguments = "; ".join(f"`{one}`: {accepted(kind)}" for one, kind in step.parameters.items())
        yield f"| `{step.name}` | {cell(inspect.getdoc(step.function))} | {arguments} |"


def steps(module: Any) -> list[LocalStep]:
    """The steps that hospitals run for a method, by name."""
    found = {one.name: one for one in vars(module).values() if isinstance(one, LocalStep)}
    return [found[name] for name in sorted(found)]


def accepted(kind: object) -> str:
    """What a step accepts as an argument, in words."""
    match kind:
        case Numbers(shape, low, high):
            size = " x ".join("any" if one is None else str(one) for one in shape)
            return f"numbers ({size}) from {low:g} to {high:g}"
        case Whole(low, high):
            return f"a whole number from {low} to {high}"
        case Name():
            return "a text"
        case Names():
            return "texts"
    return type(kind).__name__


def models(top: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and those that its fields hold, each once."""
    found = [top]
    for model in found:
        for field in model.model_fields.values():
            found += [one for one in dict.fromkeys(inner(field.annotation)) if one not in found]
    return found


def inner(kind: Any) -> list[type[BaseModel]]:
    """The models inside a type."""
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return [kind]
    return [one for part in get_args(kind) for one in inner(part)]


def options(model: type[BaseModel], top: type[BaseModel]) -> Iterator[str]:
    """One model's fields."""
    if model is not top:
        yield from ("", f"**{model.__name__}**")
    if model.__doc__:
        yield from ("", re.sub(r"\s+", " ", inspect.getdoc(model) or ""))
    beside = field_docs(model)
    yield from ("", "| option | type | default | |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        start = "required" if field.is_required() else given(field.default)
        yield f"| `{name}` | {cell(type_words(field))} | {start} | {cell(beside.get(name, ''))} |"


def given(value: Any) -> str:
    """A default as a study file would write it; nothing where it is empty."""
    return "" if value in (None, "", [], {}) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def type_words(field: Any) -> str:
    """A field's type in words, with its limits."""
    limits = ", ".join(str(one).partition("(")[2].rstrip(")") for one in field.metadata)
    return f"{kind_words(field.annotation)} {limits}".rstrip()


def kind_words(kind: Any) -> str:
    """A type in words, the same under every Python version."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return kind_words(inside[0])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inside)
    if origin in (Union, UnionType):
        return " or ".join(kind_words(one) for one in inside if one is not type(None))
    if origin is list:
        return f"list of {kind_words(inside[0])}"
    if origin is dict:
        return f"table from {kind_words(inside[0])} to {kind_words(inside[1])}"
    return KINDS.get(kind, f"*{kind.__name__}*")


KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The texts that stand under fields in a model's source."""
    body = ast.parse(inspect.getsource(import_module(model.__module__))).body
    own = next(one for one in body if isinstance(one, ast.ClassDef) and one.name == model.__name__).body
    found = {}
    for field, after in pairwise(own):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(field.target, ast.Name):
            found[field.target.id] = str(ast.literal_eval(after.value))
    return found


def cell(text: str | None) -> str:
    """A text that fits into a cell of a table."""
    return re.sub(r"\s+", " ", text or "").replace("|", r"\|").strip()


# Rules.

RULES_IN: dict[Language, dict[str, str]] = {
    "en": {
        "lead": "What the packs in `src/gagyo/governance/packs` hold. **Not legal advice.** How a check decides, and what is open:\n"
        "[The rules](../explanation/rules.md). How to change one: [Change a rule](../how-to/change-a-rule.md).",
        "title": "Rules",
        "pack": "Pack `{name}`, version {version}, {number} rules.",
        "columns": "| rule | instrument, article | effect | in force | how sure |",
        "one_by_one": "{title}, rule by rule",
        "from": "from {day}",
        "until": "until {day}",
        "sources": "{original}. Sources: {sources}.",
        "none": "none",
        "next": "What to do: {text}",
        "needs": "Needs: {list}",
        "lifted": "Lifted by: {list}",
        "still": "Then still needs: {list}",
        "penalty": "Penalty: {text}",
        "facts": "Facts",
        "facts_note": "What no key states follows from the plan, or stays unknown.",
        "facts_columns": "| fact | | values | stated in a file as |",
        "shapes": "true, false; a number; a day",
        "evidence": "Evidence",
        "evidence_columns": "| kind | | given by | one of |",
        "origins": "Sources",
        "before_article": ", ",
        "aside": " ({text})",
    },
    "ko": {
        "lead": "`src/gagyo/governance/packs`의 규칙 모음에 담긴 내용입니다. **법률 자문이 아닙니다.** 점검 방식과 남은 의문점:\n"
        "[규칙 설명](../explanation/rules.ko.md). 규칙을 고치는 방법: [규칙 변경(영어)](../how-to/change-a-rule.md).",
        "title": "규칙",
        "pack": "규칙 모음 `{name}`, 버전 {version}, 규칙 {number}개.",
        "columns": "| 규칙 | 법령, 조문 | 효과 | 시행 | 확실성 |",
        "one_by_one": "{title}: 규칙별 내용",
        "from": "{day}부터",
        "until": "{day}까지",
        "sources": "{original}. 출처: {sources}.",
        "none": "없음",
        "next": "할 일: {text}",
        "needs": "필요한 문서: {list}",
        "lifted": "해제 요건: {list}",
        "still": "해제된 뒤에도 필요한 문서: {list}",
        "penalty": "제재: {text}",
        "facts": "사실",
        "facts_note": "파일에 적는 항목이 없는 사실은 실행 계획에서 도출되거나 알 수 없음으로 남습니다.",
        "facts_columns": "| 사실 | | 값 | 파일의 항목 |",
        "shapes": "true, false; 수; 날짜",
        "evidence": "증빙 문서",
        "evidence_columns": "| 종류 | | 내주는 곳 | 다음 중 하나 |",
        "origins": "출처",
        "before_article": " ",
        "aside": " ({text})",
    },
    "zh": {
        "lead": "`src/gagyo/governance/packs` 中各规则包的内容。**不构成法律意见。** 核查如何得出结论、哪些问题尚未明确：\n"
        "[规则说明](../explanation/rules.zh.md)。修改规则：[修改规则（英文）](../how-to/change-a-rule.md)。",
        "title": "规则",
        "pack": "规则包 `{name}`，版本 {version}，共 {number} 条规则。",
        "columns": "| 规则 | 法律文件、条款 | 效果 | 施行 | 把握程度 |",
        "one_by_one": "{title}：逐条说明",
        "from": "自 {day} 起",
        "until": "至 {day} 止",
        "sources": "{original}。来源：{sources}。",
        "none": "无",
        "next": "下一步：{text}",
        "needs": "所需文件：{list}",
        "lifted": "可由下列条件解除：{list}",
        "still": "解除后仍需：{list}",
        "penalty": "处罚：{text}",
        "facts": "事实",
        "facts_note": "没有对应写法的事实由执行计划得出，否则视为不确定。",
        "facts_columns": "| 事实 | | 取值 | 文件中的写法 |",
        "shapes": "true, false; 数字; 日期",
        "evidence": "证明材料",
        "evidence_columns": "| 种类 | | 出具方 | 下列之一 |",
        "origins": "来源",
        "before_article": " ",
        "aside": "（{text}）",
    },
}
"""What the page of rules says around the packs' own texts."""


@dataclass(frozen=True)
class RulesPage:
    """The page of rules in one language: every rule with how sure it is, and the words that rules are written in."""

    language: Language

    def say(self, key: str, **values: object) -> str:
        """A text of the page."""
        return RULES_IN[self.language][key].format_map(values)

    def word(self, area: str, name: str) -> str:
        """A name of the rules."""
        return catalogue(self.language)[f"rules.{area}.{name}"]

    def text(self) -> str:
        """The whole page."""
        others = (f"[{LANGUAGE_NAMES[one]}]({rules_name(one)})" for one in LANGUAGES if one != self.language)
        lines = [MADE, "", f"# {self.say('title')}", "", f"{self.say('lead')} {' · '.join(others)}", ""]
        bases = ((self.word("basis", one), self.word("basis_long", one)) for one in BASES)
        lines += ["| | |", "|---|---|", *(f"| {name} | {cell(meaning)} |" for name, meaning in bases)]
        for pack in packs():
            lines += self.table(pack)
        for pack in packs():
            lines += ["", f"## {self.say('one_by_one', title=pack.title.to(self.language))}"]
            lines += [line for one in pack.rules for line in self.section(one)]
        return "\n".join([*lines, *self.facts(), *self.evidence(), *self.origins()]) + "\n"

    def table(self, pack: Pack) -> Iterator[str]:
        """One pack as a table."""
        about = {"name": pack.name, "version": pack.version, "number": len(pack.rules)}
        yield from ("", f"## {pack.title.to(self.language)}", "", self.say("pack", **about), "")
        yield from (self.say("columns"), "|---|---|---|---|---|")
        for one in pack.rules:
            article = "" if one.article == "-" else self.say("before_article") + one.article
            instrument = one.instrument.to(self.language) + article
            cells = (f"[{one.id}](#{one.id.lower()})", instrument, self.word("effect", one.effect), self.days(one))
            yield f"| {' | '.join(cell(text) for text in cells)} | {self.word('basis', one.basis)} |"

    def days(self, one: Rule) -> str:
        """When a rule is in force."""
        if one.status == "draft":
            return self.word("status", "draft")
        spans = ((key, day) for key, day in (("from", one.start), ("until", one.until)) if day)
        span = " ".join(self.say(key, day=day) for key, day in spans)
        return span if one.status == "in_force" and span else f"{self.word('status', one.status)} {span}".strip()

    def section(self, one: Rule) -> Iterator[str]:
        """One rule, with what it asks for."""
        sources = ", ".join(one.sources) or self.say("none")
        yield from ("", f"### {one.id}", "", self.say("sources", original=one.original, sources=sources))
        yield from (f"*{self.word('basis', one.basis)}*", "", f"- {one.explain.to(self.language)}")
        yield "- " + self.say("next", text=one.next_step.to(self.language))
        unless = sorted(one.unless.evidence | one.unless.facts) if one.unless else ()
        lists = {"needs": one.requires, "lifted": unless, "still": one.still_requires}
        yield from (f"- {self.say(key, list=self.named(names))}" for key, names in lists.items() if names)
        if one.penalty.en:
            yield "- " + self.say("penalty", text=one.penalty.to(self.language))
        yield from (f"- {text.to(self.language)}" for text in (one.note, one.doubt) if text.en)

    def named(self, names: Iterable[str]) -> str:
        """Documents and facts by their names, with the words that files have for them."""
        words = vocabulary()
        told = ((words.evidence.get(name) or words.facts[name]).name.to(self.language) for name in names)
        return "; ".join(f"{text}{self.say('aside', text=f'`{name}`')}" for text, name in zip(told, names, strict=True))

    def facts(self) -> Iterator[str]:
        """Every fact, with the key of a file that states it."""
        keys = dict(stated_keys())
        yield from ("", f"## {self.say('facts')}", "", self.say("facts_note"), "")
        yield from (self.say("facts_columns"), "|---|---|---|---|")
        shapes = dict(zip(("bool", "count", "date"), self.say("shapes").split("; "), strict=True))
        for name, fact in vocabulary().facts.items():
            values = ", ".join(fact.values) or shapes[fact.shape]
            yield f"| `{name}` | {cell(fact.name.to(self.language))} | {values} | {keys.get(name, '')} |"

    def evidence(self) -> Iterator[str]:
        """Every kind of evidence."""
        yield from ("", f"## {self.say('evidence')}", "", self.say("evidence_columns"), "|---|---|---|---|")
        for name, kind in vocabulary().evidence.items():
            members = ", ".join(f"`{one}`" for one in kind.one_of)
            yield f"| `{name}` | {cell(kind.name.to(self.language))} | {self.word('issuer', kind.issuer)} | {members} |"

    def origins(self) -> Iterator[str]:
        """The sources that rules name."""
        yield from ("", f"## {self.say('origins')}", "")
        known = {name: said for pack in packs() for name, said in pack.sources.items()}
        ordered = sorted(known.items(), key=lambda one: (len(one[0]), one[0]))
        yield from (f"- {name}: {cell(said)}" for name, said in ordered)


def rules_name(language: Language) -> str:
    """The file of the page of rules in a language."""
    return "rules.md" if language == "en" else f"rules.{language}.md"


def stated_keys() -> Iterator[tuple[str, str]]:
    """Facts with the key that states them."""
    tables = {"data": governance.DATA, "parties": governance.PARTY, "": governance.STUDY, "leaves": governance.LEAVES}
    for chapter, keys in {**tables, **governance.CHAPTERS}.items():
        yield from ((key.fact, f"`{chapter}.{name}`".replace("`.", "`")) for name, key in keys.items())


# Links to code.

LINK = re.compile(r"\[`(?P<name>[\w.]+)`\]\((?P<path>[^)#\s]+\.py)(?:#L\d+-L\d+)?\)")


def linked_pages() -> list[Path]:
    """The pages whose links to code are kept true."""
    found = [ROOT / one for one in LINKED]
    return sorted(page for one in found for page in ([one] if one.suffix else one.glob("*.md")) if page.exists())


def with_lines(page: Path) -> str:
    """A page with the present line range in every link of the form [`name`](file.py).

    Raises:
        KeyError: the file has no such name.
    """

    def present(found: re.Match[str]) -> str:
        file = (page.parent / found["path"]).resolve()
        first, last = lines_of(file, found["name"])
        return f"[`{found['name']}`]({found['path']}#L{first}-L{last})"

    return LINK.sub(present, page.read_text(encoding="utf-8"))


def lines_of(file: Path, name: str) -> tuple[int, int]:
    """The first and last line of a function, class, method ("Class.method") or assigned name."""
    if name not in (known := names_in(file)):
        raise KeyError(f"{file.name} has no {name}")
    return known[name]


@cache
def names_in(file: Path) -> dict[str, tuple[int, int]]:
    """The lines of every name that a file defines, at its top or in a class."""
    found: dict[str, tuple[int, int]] = {}
    collect(ast.parse(file.read_text(encoding="utf-8")).body, "", found)
    return found


def collect(body: list[ast.stmt], before: str, found: dict[str, tuple[int, int]]) -> None:
    """Add the names that a body defines."""
    for one in body:
        for name in defined(one):
            found[before + name] = (first_line(one), one.end_lineno or one.lineno)
        if isinstance(one, ast.ClassDef):
            collect(one.body, f"{before}{one.name}.", found)


def defined(one: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [one.name]
    targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def first_line(one: ast.stmt) -> int:
    """Where a statement begins, its decorators included."""
    return min([one.lineno, *(mark.lineno for mark in getattr(one, "decorator_list", []))])


def main() -> None:
    """Write what is not as it should be."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
