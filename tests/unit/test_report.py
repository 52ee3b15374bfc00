"""The report: the same numbers in three languages, every text there, accessible, and nothing to load."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.methods._quantiles_told import with_unit
from gagyo.methods._survival.telling import time_words
from gagyo.protocol import ucum
from gagyo.protocol.terms import Spline
from gagyo.protocol.variables import Variable
from gagyo.report import numbers, render, svg, write
from gagyo.report.blocks import Grid
from gagyo.report.checklists import rules
from gagyo.report.compose import compose
from gagyo.report.figures import draw_curve
from gagyo.report.flow import read_flow
from gagyo.report.tables import speak
from gagyo.report.voice import Voice
from gagyo.result import Cell, Column, Counts, Curve, Interval, Result, Series, Table, Withheld, Words
from gagyo.text import LANGUAGES, Language, Text, catalogue

FIXTURES = Path(__file__).parent.parent / "fixtures"
AREAS = ("report", "withheld", "result", "checklists")
VOID = {"meta", "link", "br", "img", "hr", "input"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads((FIXTURES / "results.json").read_bytes())


@pytest.fixture(scope="module")
def pages(document: dict[str, Any]) -> dict[Language, str]:
    return {language: render(document, language) for language in LANGUAGES}


class Reader(HTMLParser):
    """Reads a page as a browser would: text, headings, and tags that do not close as they opened."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


def numbers_in(page: str) -> Counter[str]:
    text = " ".join(Reader(page).text).replace(numbers.GROUP, "")
    return Counter(re.findall(r"[−-]?\d+(?:\.\d+)?(?:e[−-]?\d+)?", text))


# The same numbers in three languages.


def test_the_three_reports_hold_the_same_numbers(pages: dict[Language, str]) -> None:
    english = numbers_in(pages["en"])
    assert sum(english.values()) > 800
    for language in ("ko", "zh"):
        assert numbers_in(pages[language]) == english  # type: ignore[index]


def test_numbers_of_the_results_are_in_the_text(pages: dict[Language, str]) -> None:
    for page in pages.values():
        text = " ".join(Reader(page).text)
        for shown in ("0.941", "(0.921,\u00a00.958)", "−21.3845", "78.412966", "12\u202f040", "<0.001", "4.7%", "< 10"):
            assert shown in text


def test_what_is_withheld_is_said(pages: dict[Language, str]) -> None:
    for language, words in (("en", "fewer than 10"), ("ko", "10 미만"), ("zh", "不足10")):
        assert words in pages[language]  # type: ignore[index]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.fixed(-0.0004, 3), "0.000"),
        (numbers.fixed(-1.5, 2), "−1.50"),
        (numbers.fixed(float("nan")), "–"),
        (numbers.count(1234), "1234"),
        (numbers.count(1234567), "1\u202f234\u202f567"),
        (numbers.percent(0.1234, 1), "12.3%"),
        (numbers.p_value(0.00099), "<0.001"),
        (numbers.p_value(0.05), "0.050"),
        (numbers.significant(0.000123456789), "0.000123457"),
        (numbers.significant(-21.384512), "−21.3845"),
        (numbers.significant(123456789.0), "123\u202f456\u202f789"),
        (numbers.interval(Interval(-0.1, -0.25, 0.05), 2), "−0.10 (−0.25,\u00a00.05)"),
        (numbers.tick(0.5, 0.25), "0.50"),
        (numbers.tick(0.2, 0.2), "0.2"),
        (numbers.tick(20.0, 10.0), "20"),
    ],
)
def test_numbers_become_text_in_one_way(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("value", "form", "digits", "expected"),
    [
        (5.84e-06, "number", 4, "0.0000058"),
        (-0.000354, "number", 4, "−0.00035"),
        (1.23456, "number", 4, "1.2346"),
        (3e-17, "number", 3, "0.000"),
        (0.0, "number", 3, "0.000"),
        (Interval(1.00005, 1.00002, 1.00008), "interval", 3, "1.000050 (1.000020,\u00a01.000080)"),
        (Interval(1.0024, 0.9943, 1.0105), "interval", 2, "1.002 (0.994,\u00a01.010)"),
        (Interval(0.571, 0.229, 1.42), "interval", 3, "0.571 (0.229,\u00a01.420)"),
        (Interval(0.0, 0.0, 0.0), "interval", 3, "0.000 (0.000,\u00a00.000)"),
        (0.00004, "p", 3, "<0.001"),
        (4.0, "number", 0, "4"),
        (4.5, "number", 0, "4.5"),
        (Interval(10.0, 8.0, 12.0), "interval", 0, "10 (8,\u00a012)"),
        (Interval(2.43, 2.1, 2.9), "interval", 0, "2.43 (2.10,\u00a02.90)"),
    ],
)
def test_small_numbers_keep_two_figures(value: Any, form: Any, digits: int, expected: str) -> None:
    assert numbers.shown(value, Column("one", Words("regression.term"), form, digits)) == expected


# Texts.


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("area", AREAS)
def test_texts_are_in_three_languages_with_the_same_places(area: str) -> None:
    found = {one: {k: v for k, v in catalogue(one).items() if k.startswith(f"{area}.")} for one in LANGUAGES}
    assert found["en"].keys() == found["ko"].keys() == found["zh"].keys()
    for key, english in found["en"].items():
        for language in ("ko", "zh"):
            assert _fields(found[language][key]) == _fields(english), key  # type: ignore[index]
            digits = sorted(re.findall(r"\d+", re.sub(r"\{.*?\}", "", found[language][key])))  # type: ignore[index]
            assert digits == sorted(re.findall(r"\d+", re.sub(r"\{.*?\}", "", english))), key


def test_every_key_in_the_sources_exists() -> None:
    texts = catalogue("en")
    folder = files("gagyo.report")
    sources = [page for page in folder.iterdir() if page.name.endswith(".py")] + list((folder / "templates").iterdir())
    used = set()
    for page in sources:
        used |= set(re.findall(r'\bown\(\s*"([a-z_.]+)"', page.read_text(encoding="utf-8")))
    assert len(used) > 30
    assert {key for key in used if f"report.{key}" not in texts} == set()


def test_every_checklist_item_has_a_subject_and_a_note_that_exist() -> None:
    texts = catalogue("en")
    found = list(rules())
    assert len([1 for name, _, _ in found if name == "tripod"]) == 52
    assert len([1 for name, _, _ in found if name == "stard"]) == 34
    for name, number, rule in found:
        assert f"checklists.{name}.{number}" in texts
        assert "note" not in rule or f"checklists.note.{rule['note']}" in texts
        assert set(rule) <= {"sections", "note", "shape", "optional"}
        assert all(f"report.section.{section}" in texts for section in rule.get("sections", ()))


def test_what_only_authors_know_is_marked_for_them(pages: dict[Language, str]) -> None:
    assert pages["en"].count("For the authors:") >= 20
    for words in ("the reference standard:", "who was blind to what", "verification bias", "who paid"):
        assert words in pages["en"]


# A page that stands alone.


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_loaded_from_outside(pages: dict[Language, str], language: Language) -> None:
    reader = Reader(pages[language])
    for tag, attributes in reader.tags:
        assert tag not in ("script", "link", "img", "iframe", "object")
        for name in ("src", "href", "xlink:href", "action"):
            target = attributes.get(name) or ""
            assert not re.match(r"(?:[a-z]+:)?//|data:", target), target
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", pages[language])
    assert "@import" not in pages[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_tags_close_as_they_opened_and_ids_are_used_once(pages: dict[Language, str], language: Language) -> None:
    reader = Reader(pages[language])
    assert reader.faults == []
    assert reader.open == []
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert [one for one, times in Counter(ids).items() if times > 1] == []
    for _, attributes in reader.tags:
        href = attributes.get("href") or ""
        wanted = [href[1:]] if href.startswith("#") else (attributes.get("aria-labelledby") or "").split()
        assert set(wanted) <= set(ids)


@pytest.mark.parametrize("language", LANGUAGES)
def test_headings_are_in_order(pages: dict[Language, str], language: Language) -> None:
    levels = [int(tag[1]) for tag, _ in Reader(pages[language]).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_are_vector_with_text_and_alternatives(pages: dict[Language, str], language: Language) -> None:
    drawings = re.findall(r"<svg.*?</svg>", pages[language], re.S)
    assert len(drawings) >= 9
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert re.search(r"<title id=\"[\w-]+\">[^<]+</title><desc id=\"[\w-]+\">[^<]{20,}</desc>", drawing)
        assert "<text" in drawing
        assert "<image" not in drawing
        assert "NaN" not in drawing
    if language != "en":
        letters = "[가-힣]" if language == "ko" else "[一-鿿]"
        assert all(re.search(letters, drawing) for drawing in drawings)


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_in_figures_stays_inside(pages: dict[Language, str], language: Language) -> None:
    for drawing in re.findall(r"<svg.*?</svg>", pages[language], re.S):
        high = float(re.search(r'viewBox="0 0 \d+ (\d+)"', drawing)[1])  # type: ignore[index]
        for x, y, anchor, words in re.findall(
            r'<text x="([-\d.]+)" y="([-\d.]+)"(?: text-anchor="(\w+)")?[^>]*>([^<]*)<', drawing
        ):
            wide = svg.width(words.replace("&lt;", "<")) * 0.97
            left = float(x) - {"middle": wide / 2, "end": wide}.get(anchor, 0.0)
            assert left >= -1, words
            assert left + wide <= 761, words
            assert 0 < float(y) <= high, words


@pytest.mark.parametrize(("language", "lang"), [("en", "en"), ("ko", "ko"), ("zh", "zh-Hans")])
def test_the_language_is_said_and_the_others_are_beside(pages: dict[Language, str], language: Any, lang: str) -> None:
    page = pages[language]
    assert f'<html lang="{lang}">' in page
    for other in LANGUAGES:
        assert (f'href="report.{other}.html"' in page) == (other != language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_have_captions_and_scopes(pages: dict[Language, str], language: Language) -> None:
    for table in re.findall(r"<table>.*?</table>", pages[language], re.S):
        assert "<caption" in table
        assert 'scope="col"' in table
        assert 'scope="row"' in table


def test_the_notice_stands_at_top_methods_limits_and_beside_results(
    document: dict[str, Any], pages: dict[Language, str]
) -> None:
    for language in LANGUAGES:
        notice = document["notice"][language]
        page = pages[language]
        assert notice in page.split("<main>")[0]
        for section in ("flow", "characteristics", "performance", "hospitals", "joining", "methods", "limits"):
            assert notice in re.search(rf'<section id="{section}".*?</section>', page, re.S)[0]  # type: ignore[index]


# Colours.


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _colours() -> dict[str, str]:
    css = (files("gagyo.report") / "templates" / "report.css").read_text(encoding="utf-8")
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", css))


def test_text_has_contrast() -> None:
    colours = _colours()
    grounds = [colours[name] for name in ("paper", "tint", "warm", "alert")]
    assert all(contrast(colours["ink"], ground) >= 7 for ground in grounds)
    for name in ("muted", "link", "ok", "part", "authors"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    css = (files("gagyo.report") / "templates" / "report.css").read_text(encoding="utf-8")
    for colour in re.findall(r"svg [^{]*\{[^}]*fill: (#[0-9a-f]{6}); \}", css):
        assert colour in ("#ffffff", "#f4f6f8") or contrast(colour, "#f4f6f8") >= 4.5


def test_lines_have_contrast_and_differ_without_colour() -> None:
    assert all(contrast(colour, "#ffffff") >= 4.5 for colour in (*svg.COLOURS, svg.REFERENCE))
    assert len(set(svg.DASHES)) == len(svg.COLOURS)


# Parts.


def test_no_table_or_curve_is_dropped(document: dict[str, Any], pages: dict[Language, str]) -> None:
    for record in (*document["analyses"].values(), document["flow"], document["egress"]):
        result = Result.from_json({key: value for key, value in record.items() if key != "label"})
        voice = Voice("en", {})
        for shape in (*result.tables, *result.curves):
            assert voice.say(shape.title) in pages["en"]


def test_a_table_is_shown_once_though_two_places_stand_for_it(document: dict[str, Any]) -> None:
    names = ("coefficients", "model_test")
    tables = tuple(
        Table(name, Words(text=Text(f"Of {name}")), (Column("a", Words("result.measure")),), ((1.5,),))
        for name in names
    )
    one = Result("odd", True, 10, ("seoul",), 1, tables=tables)
    page = render(document | {"analyses": {"odd": {"label": None, **one.to_json()}}}, "en")
    assert [page.count(f"Of {name}") for name in names] == [1, 1]


def test_a_table_without_a_place_of_its_own_is_shown(document: dict[str, Any]) -> None:
    table = Table("odd", Words(text=Text("An odd table")), (Column("a", Words("result.measure")),), ((1.5,),))
    odd = Result("odd", True, 10, ("seoul",), 1, tables=(table,))
    page = render(document | {"analyses": {"odd": {"label": None, **odd.to_json()}}}, "en")
    assert "An odd table" in page
    assert 'id="further"' in page


def test_a_hospital_that_refused_and_an_analysis_that_stopped_are_said(document: dict[str, Any]) -> None:
    sites = document["sites"] | {"tianjin": document["sites"]["tianjin"] | {"state": "refused", "country": ""}}
    stopped = {"label": None, "method": "logistic", "stopped": [{"code": "answer_withheld", "values": {"found": "x"}}]}
    changed = document | {"sites": sites, "analyses": document["analyses"] | {"second": stopped}}
    for language, refused in (("en", "refused. None"), ("ko", "거부함. 이"), ("zh", "已拒绝。本")):
        page = render(changed, language)  # type: ignore[arg-type]
        assert refused in page
        assert "second" in page
        assert 'class="warning"' in page


@pytest.mark.parametrize(("table", "predicts"), [("rank_tests", False), ("group_tests", False), ("selection", True)])
def test_a_study_that_only_compares_people_owes_no_checklist_of_a_model(
    document: dict[str, Any], table: str, predicts: bool
) -> None:
    shown = Table(table, Words(text=Text("A table")), (Column("a", Words("result.measure")),), ((1.5,),))
    found = Result("any", True, 10, ("seoul",), 1, tables=(shown,)).to_json()
    sections = {one.name: one for one in compose(document | {"analyses": {"a": {"label": None, **found}}})}
    assert ("checklists" in sections) is predicts
    assert ("report.limit.care" in str(sections["limits"])) is predicts


@pytest.mark.parametrize(
    ("curve", "binned"),
    [
        ("histogram_x", False),
        ("path", False),
        ("course.body_mass", False),
        ("predicted_incidence", False),
        ("calibration", True),
        ("calibration_imputed", True),
    ],
)
def test_bins_of_a_score_are_told_of_curves_that_rest_on_them(
    document: dict[str, Any], curve: str, binned: bool
) -> None:
    words = Words(text=Text("A curve"))
    drawn = Curve(curve, words, words, words, (Series(words, (0.0, 1.0), (0.0, 1.0)),))
    found = Result("any", True, 10, ("seoul",), 1, curves=(drawn,)).to_json()
    sections = {one.name: one for one in compose(document | {"analyses": {"a": {"label": None, **found}}})}
    assert ("report.limit.curves" in str(sections["limits"])) is binned


SHARES = ["survival", "weighted_survival", "trial_survival", "incidence", "predicted_incidence", "survival_older"]


@pytest.mark.parametrize("name", SHARES)
def test_a_share_over_time_has_an_axis_from_nobody_to_everybody(name: str) -> None:
    words = Words(text=Text("A curve"))
    drawn = draw_curve(Curve(name, words, words, words, (Series(words, (2.0, 9.0), (0.9, 0.6)),)), "one", Voice("en"))
    assert {"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))


def test_a_models_columns_are_shown_as_they_are_written(document: dict[str, Any]) -> None:
    equation = document["analyses"]["algorithm"]["equation"]
    written = [term for term in equation["terms"] if term in document["variables"]]
    assert written, "a column has the name of a variable, which has a label"
    page = render(document, "ko")
    assert all(f'<td class="mark">{term}</td>' in page for term in written)


def test_a_list_of_hospitals_has_their_labels_too(document: dict[str, Any]) -> None:
    reason = {"code": "answer_withheld", "values": {"found": "busan, seoul"}}
    page = render(document | {"analyses": {"a": {"label": None, "stopped": [reason]}}}, "zh")
    labels = [document["sites"][name]["label"]["zh"] for name in ("busan", "seoul")]
    assert f"{'、'.join(labels)}：" in page


def test_a_document_with_nothing_found_still_renders(document: dict[str, Any]) -> None:
    bare = document | {"analyses": {}, "notice": None, "flow": None, "egress": None}
    names = [section.name for section in compose(bare)]
    assert names == ["summary", "methods", "limits", "checklists", "provenance"]
    assert "notice" not in {tag for tag, _ in Reader(render(bare, "ko")).tags}


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_missing_values_only_what_is_missing_is_shown(document: dict[str, Any], language: Language) -> None:
    """Two hundred rows of 0.0 % hide the one in which something is missing; what is withheld is no nothing."""
    changed = json.loads(json.dumps(document))
    (table,) = [one for one in changed["flow"]["tables"] if one["name"] == "missing"]
    first, second, *others = table["rows"]
    full = [[one[0], *(0.0 for _ in one[1:])] for one in table["rows"]]
    lacking = [[*first[:-1], 0.25], [*second[:-1], {"code": "below_minimum", "number": 10}], *full[2:]]
    said = catalogue(language)
    for rows, shown in ((lacking, 2), (full, 0)):
        table["rows"] = rows
        (section,) = [one for one in compose(changed) if one.name == "missing"]
        grids = [block.table for block in section.blocks if isinstance(block, Grid)]
        assert [len(one.rows) for one in grids] == ([shown] if shown else [])
        page = render(changed, language)
        told = said["report.nothing_else_missing"] if shown else said["report.nothing_missing"]
        words = [part for part in re.split(r"\{.*?\}", told) if len(part) > 8]
        assert all(part in page for part in words)
        assert (f"{len(others)} " in page or f"{len(others)}개" in page) or not shown


def test_a_total_that_would_tell_a_withheld_cell_is_not_shown() -> None:
    columns = tuple(Column(name, Words("result.people"), "count") for name in ("hospital", "people", "out", "left"))
    few = Withheld("below_minimum", 10)
    rows = (
        (Words(text=Text("a")), 40, few, 33),
        (Words(text=Text("b")), 60, 20, 40),
        (Words(text=Text("c")), None, None, few),
    )
    sites = {name: {"state": "answered"} for name in "abc"}
    flow = read_flow(Table("flow", Words(), columns, rows), sites)
    assert flow.totals == (100, None, 73)
    assert flow.branches[2].counts == ()
    assert flow.branches[2].why == few


def test_texts_from_a_study_are_escaped(document: dict[str, Any]) -> None:
    bad = '</style><script>alert(1)</script>"\\'
    title = {"en": bad, "ko": bad, "zh": bad}
    sites = {name: site | {"label": title} for name, site in document["sites"].items()}
    page = render(document | {"title": title, "sites": sites, "notice": title}, "en")
    assert "<script" not in page
    assert page.count("</style>") == 1


def test_write_gives_one_file_a_language(document: dict[str, Any], tmp_path: Path) -> None:
    paths = write(document, tmp_path / "out")
    assert [path.name for path in paths] == ["report.en.html", "report.ko.html", "report.zh.html"]
    assert all(path.stat().st_size < 400_000 for path in paths)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in write(document, tmp_path / "again")]


def _ticks() -> Iterator[svg.Scale]:
    for low, high, log in (
        (0, 1, False),
        (-0.11, 0.37, False),
        (0.6, 1.7, True),
        (0.05, 40, True),
        (100, 90000, False),
    ):
        yield svg.Scale(low, high, 0, 300, log)


@pytest.mark.parametrize("scale", list(_ticks()))
def test_ticks_are_few_inside_and_differ(scale: svg.Scale) -> None:
    found = svg.ticks(scale)
    assert 2 <= len(found) <= 8
    assert len({words for _, words in found}) == len(found)
    assert all(scale.holds(value) for value, _ in found)


def test_a_text_wraps_between_words_and_between_han() -> None:
    assert svg.wrap("receiver operating", 70) == ["receiver", "operating"]
    assert len(svg.wrap("受试者工作特征曲线下面积", 60)) == 3
    assert svg.wrap("short", 500) == ["short"]


def test_the_fixture_is_what_its_maker_makes(document: dict[str, Any]) -> None:
    from tests.fixtures.make_results import document as make

    assert json.loads(json.dumps(make())) == document


def test_a_unit_stands_in_the_brackets_of_each_language() -> None:
    age = Variable("age", "number", Text("Age", "나이", "年龄"), unit="mo")
    for words in (time_words(age), with_unit(age)):
        assert words.text == Text("Age (months)", "나이(개월)", "年龄（个月）")


def test_an_analysis_called_like_a_variable_is_headed_by_its_own_name(document: dict[str, Any]) -> None:
    record = {**document["analyses"]["characteristics"], "label": None}
    name = next(iter(document["variables"]))
    page = render(document | {"analyses": {name: record, "other": record}}, "ko")
    assert re.findall(r"<h3>([^<]*)</h3>", page)[:2] == [name, "other"]


def forest(*cells: Cell) -> dict[str, Any]:
    columns = (Column("hospital", Words("result.hospital"), "text"), Column("auc", Words("result.value"), "interval"))
    rows = tuple((Words(text=Text(f"Hospital {at}")), cell) for at, cell in enumerate(cells))
    tables = (Table("external", Words("result.value"), columns, rows, "forest"),)
    return {"label": None, **Result("validate", True, 90, ("a", "b"), 1, tables=tables).to_json()}


def test_a_forest_in_which_everything_is_withheld_is_a_table_and_no_empty_figure(document: dict[str, Any]) -> None:
    withheld = Withheld("withheld")
    bare = document | {"flow": None, "egress": None}
    assert "<figure>" not in render(bare | {"analyses": {"a": forest(withheld, withheld)}}, "en")
    assert "<figure>" in render(bare | {"analyses": {"a": forest(withheld, Interval(0.7, 0.6, 0.8))}}, "en")


def test_the_header_has_the_brackets_and_commas_of_each_language(document: dict[str, Any]) -> None:
    one = {**next(iter(document["sites"].values())), "country": "KR", "label": {"en": "A", "ko": "가", "zh": "甲"}}
    two = {**one, "label": {"en": "B", "ko": "나", "zh": "乙"}}
    heads = {language: render(document | {"sites": {"a": one, "b": two}}, language) for language in LANGUAGES}
    assert "A (Korea), B (Korea)" in heads["en"]
    assert "가(한국), 나(한국)" in heads["ko"]
    assert "甲（韩国）、乙（韩国）" in heads["zh"]


def test_digests_are_called_by_what_they_are_of(document: dict[str, Any]) -> None:
    digests = {"plan": "sha256:1", "study": "sha256:2", "method log_rank": "sha256:3"}
    page = render(document | {"digests": digests}, "ko")
    assert [name for name in re.findall(r"<dt>([^<]*)</dt>", page) if name in ("실행 계획", "연구", "방법 log_rank")]
    assert "<dt>plan</dt>" not in page
    assert "<dt>방법 log_rank</dt>" in page


def test_columns_of_a_spline_are_said_to_be_read_together() -> None:
    columns = (Column("term", Words("result.term"), "text"), Column("ratio", Words("result.value")))
    rows = tuple((Words(text=Text(label)), 1.0) for label in ("Age", "Age′"))
    table = Table("hazard_ratios", Words("result.value"), columns, rows)
    assert speak(table, Voice("en")).notes == (catalogue("en")["report.spline_columns"],)
    assert speak(replace(table, rows=rows[:1]), Voice("en")).notes == ()


def test_a_chain_of_few_iterations_has_no_halves_of_one_on_its_axis() -> None:
    words = Words(text=Text("A curve"))
    curve = Curve("course.bmi", words, words, words, (Series(words, (0.0, 1.0, 2.0), (24.1, 24.6, 24.2)),))
    drawn = draw_curve(curve, "one", Voice("en"))
    assert {"0", "1", "2"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))
    assert "0.5" not in re.findall(r"<text[^>]*>([^<]*)</text>", drawn)


def test_the_scale_of_a_summarys_standard_error_is_said(document: dict[str, Any]) -> None:
    assert catalogue("en")["report.summary_errors"] in render(document, "en")


@pytest.mark.parametrize(
    ("code", "printed"),
    [("umol/L", "µmol/L"), ("/uL", "/µL"), ("kg/m2", "kg/m²"), ("10*9/L", "10⁹/L"), ("[IU]/L", "IU/L"), ("U/L", "U/L")],
)
def test_units_are_printed_as_journals_print_them(code: str, printed: str) -> None:
    assert ucum.shown(code).to("ko") == printed


def test_risks_and_hazards_have_ratios_of_their_own_names() -> None:
    for language in LANGUAGES:
        said = catalogue(language)
        ratio = said["trial.risk_ratio"].replace("{horizon}", "")
        assert said["weighting.risk_ratio"].lower() in ratio.lower()
        assert said["weighting.hazard_ratio"].lower() not in ratio.lower()


def equation_of(document: dict[str, Any], **changed: Any) -> str:
    """The page of the document with another equation of its model, without what is between tags."""
    algorithm = document["analyses"]["algorithm"]
    equation = algorithm["equation"] | changed
    analyses = document["analyses"] | {"algorithm": algorithm | {"equation": equation}}
    page = render(document | {"analyses": analyses}, "en")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_an_equation_has_figures_enough_and_no_aliased_term(document: dict[str, Any]) -> None:
    equation = document["analyses"]["algorithm"]["equation"]
    values = [-2.5, 7.248119482e-06, 0.0, *equation["coefficients"][3:]]
    page = equation_of(document, coefficients=values)
    assert page.count("0.00000724812") == 2, "in the formula and in the table"
    names = equation["terms"]
    assert f" {names[1]} " in page
    assert f" {names[2]} 0.00" not in page


def test_the_first_term_of_an_equation_without_an_intercept_has_its_name(document: dict[str, Any]) -> None:
    equation = document["analyses"]["algorithm"]["equation"]
    kept = {name: equation[name][1:] for name in ("terms", "labels", "coefficients")}
    size = numbers.significant(abs(kept["coefficients"][0]))
    page = equation_of(document, **kept)
    at = page.index(f"= {size}")
    assert page[at:].startswith(f"= {size} × "), "it is no intercept"


def test_an_equation_with_a_spline_says_what_its_columns_are(document: dict[str, Any]) -> None:
    """Read as arithmetic, the printed lines give the columns that were fitted."""
    spline = Spline("texture", (-1.5, 2.0, 3.5, 7.0))
    page = equation_of(document, formula=f"malignant ~ {spline}")
    for which in (1, 2):
        mark = "Mean texture" + "′" * which
        (line,) = re.findall(rf"{mark} = ([^=]*\)²)", page)
        said = line.replace("\u2212", "-").replace("×", "*").replace("²", "**2").replace("[", "(").replace("]", ")")
        said = re.sub(r"\(Mean texture ([-+] [\d.]+)\)₊³", r"max(x \1, 0)**3", said)
        out = np.empty(1)
        for x in (-3.0, 0.5, 2.5, 5.0, 9.0):
            spline.fill(which, {"texture": np.array([x])}, out)
            assert eval(said, {"__builtins__": {}, "x": x, "max": max}) == pytest.approx(out[0], rel=1e-12, abs=1e-12)
    assert page.count("where that is positive") == 1
    assert "where that is positive" not in render(document, "en")


def at_risk_under(drawn: str) -> list[list[tuple[float, str]]]:
    """The rows of numbers under a drawn curve: the place of each on the page, and what it says."""
    below = drawn.split(">At risk</text>")[1]
    found = [
        (float(y), float(x), said) for x, y, said in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)', below)
    ]
    rows = sorted({y for y, _, _ in found if any(place == y and x < 500 for place, x, _ in found)})
    return [[(x, said) for y, x, said in found if y == row and x < 500] for row in rows]


def risk_curve(places: tuple[float, ...]) -> str:
    words = Words(text=Text("days"))
    people = tuple(1000 - 5 * i for i in range(len(places)))
    counts, line = (
        Counts(Words(text=Text("all")), places, people),
        Series(words, places, tuple(1 - x / 9e3 for x in places)),
    )
    title = Words(text=Text("At risk"))
    return draw_curve(Curve("survival", words, words, words, (line,), (), (counts,), title), "one", Voice("en"))


def test_numbers_at_risk_stand_under_the_marks_of_the_axis_and_say_at_which_times() -> None:
    drawn = risk_curve((0.0, *(37.0 * i for i in range(1, 136))))
    times, people = at_risk_under(drawn)
    assert [said for _, said in times] == ["0", "999", "1998", "2997", "3996", "4995"]
    assert [said for _, said in people] == ["1000", "865", "730", "595", "460", "325"]
    marks = {said: float(x) for x, said in re.findall(r'<text x="([\d.]+)" y="400[^>]*>([^<]+)', drawn)}
    for (x, said), mark in zip(times, ("0", "1000", "2000", "3000", "4000"), strict=False):
        assert abs(x - marks[mark]) < 1, (said, mark)


def test_numbers_at_risk_at_the_marks_themselves_need_no_row_of_times() -> None:
    assert len(at_risk_under(risk_curve(tuple(500.0 * i for i in range(11))))) == 1


def test_a_few_intervals_all_tell_their_numbers_at_risk() -> None:
    times, people = at_risk_under(risk_curve((0.0, 90.0, 720.0)))
    assert [said for _, said in times] == ["0", "90", "720"]
    assert [said for _, said in people] == ["1000", "995", "990"]


def squares(document: dict[str, Any], analysis: dict[str, Any]) -> list[float]:
    """The sides of the squares that a page draws of an analysis."""
    page = render(document | {"analyses": {"a": {"label": None, **analysis}}}, "en")
    drawn = re.findall(r'<path d="M([^"]+)Z" fill="#0b5394"', page)
    places = [[float(one.split()[0]) for one in points.split("L")] for points in drawn if points.count("L") == 3]
    return [max(xs) - min(xs) for xs in places]


@pytest.mark.parametrize("summarised", [True, False])
def test_squares_of_a_forest_with_a_summary_are_larger_the_more_precise(
    document: dict[str, Any], summarised: bool
) -> None:
    def row(name: str, value: float, reach: float) -> tuple[Cell, ...]:
        return Words(text=Text(name)), Interval(value, value - reach, value + reach)

    rows = [row("one", 1.0, 0.2), row("two", 1.2, 0.4), row("three", 0.9, 2.0)]
    summary = (Words("meta.summary_random"), Interval(1.0, 0.8, 1.2))
    columns = (
        Column("hospital", Words(text=Text("Hospital")), "text"),
        Column("difference", Words(text=Text("d")), "interval"),
    )
    table = Table(
        "forest.x", Words(text=Text("x")), columns, (*rows, *([summary] if summarised else [])), kind="forest"
    )
    found = Result("meta", False, 90, ("seoul",), 1, tables=(table,)).to_json()
    sides = squares(document, found)
    assert len(sides) == 3
    if summarised:
        assert sides[0] > sides[1] > sides[2] > 0
        assert sides[0] / sides[1] == pytest.approx(2, rel=0.2)
    else:
        assert len(set(sides)) == 1


def test_weights_stand_at_the_right_end_of_a_forest(document: dict[str, Any]) -> None:
    columns = (
        Column("hospital", Words(text=Text("Hospital")), "text"),
        Column("odds_ratio", Words(text=Text("o")), "interval"),
        Column("weight", Words("meta.weight"), "percent", 1),
    )
    rows: tuple[tuple[Cell, ...], ...] = (
        (Words(text=Text("one")), Interval(1.0, 0.8, 1.2), 0.278),
        (Words(text=Text("two")), Interval(1.1, 0.9, 1.3), 0.722),
        (Words("meta.summary_random"), Interval(1.05, 0.9, 1.2), 1.0),
        (Words("meta.summary_fixed"), Interval(1.05, 0.9, 1.2), None),
    )
    table = Table("forest.x", Words(text=Text("x")), columns, rows, kind="forest")
    found = {"label": None, **Result("meta", False, 90, ("seoul",), 1, tables=(table,)).to_json()}
    for language, head in (("en", "Weight"), ("ko", "가중치"), ("zh", "权重")):
        page = render(document | {"flow": None, "egress": None, "analyses": {"a": found}}, language)
        figure = page[page.index("<figure>") : page.index("</figure>")]
        drawn = [said for x, said in re.findall(r'<text x="([\d.]+)"[^>]*>([^<]*)', figure) if float(x) == 760.0]
        assert [said for said in drawn if said] == [head, "27.8%", "72.2%", "100.0%"]


def test_numbers_of_a_table_stand_on_one_line_where_they_all_fit(document: dict[str, Any]) -> None:
    """Else the browser breaks some of a column's intervals and not others."""

    def page(columns: int) -> str:
        heads = [Column(f"c{at}", Words(text=Text(f"c{at}")), "interval") for at in range(columns)]
        heads += [Column("n", Words(text=Text("n")), "count")]
        row: tuple[Cell, ...] = (Words(text=Text("one")), *(Interval(1.0, 0.8, 1.2) for _ in heads[:-1]), 99)
        table = Table("x", Words(text=Text("x")), (Column("t", Words(text=Text("t")), "text"), *heads), (row,) * 9)
        found = {"label": None, **Result("meta", False, 90, ("seoul",), 1, tables=(table,)).to_json()}
        return render(document | {"flow": None, "egress": None, "analyses": {"a": found}}, "en")

    assert 'class="table wide fits"' in page(3)
    assert 'class="table wide"' in page(5)


def test_a_column_that_says_nothing_in_any_row_is_left_out() -> None:
    seoul, busan, none, few = (Words(text=Text(one)) for one in ("Seoul", "Busan", "none", "too few"))
    heads = tuple(Column(name, Words(text=Text(name)), "text") for name in ("hospital", "kept", "reason"))
    silent = Table("egress", Words(text=Text("What left")), heads, ((seoul, none, None), (busan, none, None)))
    assert [head.text for head in speak(silent, Voice("en")).heads] == ["hospital", "kept"]
    told = replace(silent, rows=((seoul, none, None), (busan, few, few)))
    assert [head.text for head in speak(told, Voice("en")).heads] == ["hospital", "kept", "reason"]
