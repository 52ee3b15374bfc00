"""The documentation is tested: generated pages are current, links resolve, commands exist, three READMEs agree."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from gagyo.cli import application
from gagyo.federation.local import method_names
from gagyo.text import catalogue

ROOT = Path(__file__).parents[2]
READMES = tuple(ROOT / name for name in ("README.md", "README.ko.md", "README.zh.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def script(name: str) -> Any:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


GENERATE = script("generate")


def test_generated_pages_are_current() -> None:
    """Links to names that no longer exist are found here too."""
    old = [
        str(path.relative_to(ROOT))
        for path, text in GENERATE.pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not old, "run: python docs/generate.py"


def test_every_method_is_measured_against_its_reference() -> None:
    """The table has a row for each comparison, at least one a method, and lossless means 1e-8; `make differences`."""
    differences = script("differences")
    lines = [line.split(" | ") for line in differences.PAGE.read_text().splitlines() if line.startswith("| `")]
    rows = [(line[0].strip("| `"), line[2], line[1], float(line[5].rstrip(" |"))) for line in lines]
    assert [row[:2] for row in rows] == [(one.method, one.what) for one in differences.COMPARED], "run make differences"
    assert {row[0] for row in rows} == set(method_names())
    wide = [row for row in rows if row[2] == "yes" and row[3] > 1e-8 and "is the limit" not in row[1]]
    assert wide == []


# Findings.


def test_every_finding_has_an_anchor() -> None:
    anchors = anchors_of(ROOT / "docs" / "reference" / "findings.md")
    codes = [key.removeprefix("findings.") for key in catalogue("en") if key.startswith("findings.")]
    assert codes
    assert [code for code in codes if code not in anchors] == []


def test_every_code_in_the_sources_has_texts() -> None:
    used = {
        code
        for path in (ROOT / "src").rglob("*.py")
        for code in re.findall(r'(?:Finding\(|Fault\.of\(|Tampered\.of\()\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert used
    assert [code for code in sorted(used) if f"findings.{code}" not in catalogue("en")] == []


def test_every_answer_code_is_explained() -> None:
    page = (ROOT / "docs" / "how-to" / "read-a-refusal.md").read_text(encoding="utf-8")
    headings = " ".join(re.findall(r"^### (.+)$", page, re.M))
    used = {
        code
        for path in (ROOT / "src" / "gagyo" / "site").glob("*.py")
        for code in re.findall(r'(?:NotAdmitted\(|_refuse\(request, )"(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert len(used) > 10
    assert [code for code in sorted(used) if code not in headings] == []


# Links.


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    found: dict[str, int] = {}
    out = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        turn = found[slug] = found.get(slug, -1) + 1
        out.add(f"{slug}-{turn}" if turn else slug)
    return out | set(re.findall(r'<a (?:id|name)="([^"]+)"', prose(page)))


def links_of(page: Path) -> Iterator[str]:
    """The relative links of a page."""
    for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", prose(page)):
        target = link[0] or link[1]
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    broken = []
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        missing = not target.exists()
        if missing or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


# Editions in three languages.

DOCS = ROOT / "docs"
EDITIONS = [[DOCS / "board" / f"{one}.md" for one in ("en", "ko", "zh")]] + [
    [DOCS / f"{name}{ending}.md" for ending in ("", ".ko", ".zh")]
    for name in (
        "how-to/approve-a-study",
        "how-to/read-a-refusal",
        "how-to/review-an-output",
        "explanation/rules",
        "reference/rules",
    )
]
"""What boards, custodians and data-protection officers read; each is written for its readers, not word for word."""


def levels(page: Path) -> list[str]:
    """The levels of a page's headings, in order."""
    return re.findall(r"^(#+) ", prose(page), re.M)


def numbers(page: Path) -> list[str]:
    """The numbers of a page's sentences, without those of links and code, and of how sure a rule is (2차 자료)."""
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", prose(page)).replace(catalogue("ko")["rules.basis.second_hand"], "")
    return sorted(re.findall(r"\d+", text))


@pytest.mark.parametrize("pages", EDITIONS, ids=lambda pages: str(pages[0].relative_to(DOCS)))
def test_three_editions_say_the_same(pages: list[Path]) -> None:
    english, *others = pages
    for other in others:
        assert levels(other) == levels(english)
        assert FENCE.findall(other.read_text("utf-8")) == FENCE.findall(english.read_text("utf-8")), "commands, files"
        words = [Counter(re.findall(r"`([^`\n]+)`", prose(page))) for page in (other, english)]
        assert words[0] == words[1], "what is typed"
        if english.parent.name != "reference":  # laws count their articles each in their own way
            assert numbers(other) == numbers(english)


@pytest.mark.parametrize("pages", EDITIONS, ids=lambda pages: str(pages[0].relative_to(DOCS)))
def test_an_edition_is_of_one_language_and_leads_to_its_own(pages: list[Path]) -> None:
    every = {page for found in EDITIONS for page in found}
    for index, page in enumerate(pages):
        linked = {(page.parent / link.partition("#")[0]).resolve() for link in links_of(page)}
        assert set(pages) - {page} <= linked, "the other two editions"
        for found in EDITIONS:
            if found is not pages:
                assert not linked & (set(found) - {found[index]}), "others are linked in the reader's language"
        text = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|<!--.*?-->", " ", prose(page))
        if index and page.parent.name != "reference":  # sources are named as they are
            assert not re.search(r"[A-Za-z]{4,} [a-z]{3,} [a-z]{2,}", text)
        readme = {(ROOT / link.partition("#")[0]).resolve() for link in links_of(READMES[index])}
        assert page in readme
    assert {(DOCS / link.partition("#")[0]).resolve() for link in links_of(DOCS / "index.md")} >= every


# Commands.


@cache
def known_commands() -> dict[str, set[str]]:
    """Every command by its whole name, with its options."""
    root = typer.main.get_command(application())
    return {
        name: {option for one in verb.params for option in one.opts if option.startswith("-")} | {"--help"}
        for name, verb in import_module("made.commands").verbs(root)
    }


def shown_commands(page: Path) -> Iterator[list[str]]:
    """The `gagyo` command lines of a page's console blocks."""
    for kind, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "console":
            lines = block.replace("\\\n", " ").splitlines()
            yield from (line.partition(" #")[0].split()[1:] for line in lines if line.startswith("$ gagyo "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_shown_exist(page: Path) -> None:
    known = known_commands()
    for words in shown_commands(page):
        options = {word.partition("=")[0] for word in words if word.startswith("-")} - {"--language"}
        name = next((one for one in known if " ".join(words).startswith(one + " ")), None)
        assert name is not None, words
        assert options <= known[name], words


def test_the_tutorial_shows_commands() -> None:
    assert len(list(shown_commands(ROOT / "docs" / "tutorial.md"))) >= 6


def test_chinese_sentences_have_full_width_punctuation() -> None:
    sources = [ROOT / "README.zh.md", *DOCS.rglob("*zh.md"), *(ROOT / "src").rglob("README.md")]
    half = re.compile("[\u4e00-\u9fff][,;?!]|[\u4e00-\u9fff]:(?!//)|[,;][\u4e00-\u9fff]")
    quoted = re.compile(r"`[^`]*`|\]\([^)]*\)|^- S\d+: .*$", re.M)  # code, links, and titles of sources
    found = {page.name: half.findall(quoted.sub("", prose(page))) for page in sources}
    assert {page: marks for page, marks in found.items() if marks} == {}


# Three READMEs.


def shape(page: Path) -> tuple[list[int], list[str], list[str]]:
    """A page's heading levels, its console blocks, and where its links lead in any language."""
    text = page.read_text(encoding="utf-8")
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose(page), re.M)]
    blocks = [block for kind, block in FENCE.findall(text) if kind == "console"]
    # The READMEs link to each other, and each shows the report, and leads to pages, in its own language.
    own = r"-(en|ko|zh)(?=\.png)|\.(ko|zh)(?=\.md)|(?<=docs/board/)(en|ko|zh)"
    links = [re.sub(own, "", link) for link in links_of(page) if "README" not in link]
    return levels, [re.sub(r" +#.*", "", block) for block in blocks], sorted(links)


@pytest.mark.parametrize("page", READMES[1:], ids=lambda page: page.name)
def test_the_readmes_have_one_structure(page: Path) -> None:
    assert shape(page) == shape(READMES[0])
