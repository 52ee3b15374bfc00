"""The page of rules in each language: every rule with how sure it is, and the words that rules are written in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gagyo.governance.pack import BASES, Pack, Rule, packs, vocabulary
from gagyo.protocol import governance
from gagyo.text import LANGUAGES, Language, catalogue
from made.words import LANGUAGE_NAMES, MADE, cell

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
            said = one.article.to(self.language)
            article = "" if said == "-" else self.say("before_article") + said
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
