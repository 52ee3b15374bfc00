"""YAML texts as trees: what scalars are, where nodes stand, what is not read, and texts written anew."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gagyo.errors import FileFault
from gagyo.tree import BREAKS, Items, Node, Pairs, Scalar, changed, tree_of


def plain(node: Node) -> Any:
    if isinstance(node, Pairs):
        return {key.raw: plain(value) for key, value in node.nodes}
    return [plain(item) for item in node.nodes] if isinstance(node, Items) else node.value


def faults(text: str) -> list[tuple[str, int | None]]:
    with pytest.raises(FileFault) as fault:
        tree_of(text)
    return [(one.code, one.place.line) for one in fault.value.findings]


SCALARS = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **{"0": 0, "-12": -12, "+7": 7, "017": 17, "0o17": 15, "0x1F": 31, "-0xff": -255, "0b101": 5, "1_000": 1000},
    **{"1.5": 1.5, "1.": 1.0, ".5": 0.5, "-.5e-3": -0.0005, "1e3": 1000.0, "1_0.5": 10.5, "2.5E+1": 25.0},
    **{".inf": float("inf"), "-.INF": float("-inf"), "1e400": float("inf")},
}
WORDS = ["NO", "yes", "on", "tRUE", "nuLL", "2020-01-01", "12:30:01", "1:20", "<<", "=", "08x", "0o8", "-_", "._", "1e"]


@pytest.mark.parametrize(("written", "value"), SCALARS.items())
def test_a_scalar_without_quotes_is_what_the_core_schema_says(written: str, value: object) -> None:
    _, node = tree_of(f"a: {written}").nodes[0]
    assert node == Scalar(1, written, value)
    assert type(node.value) is type(value)


@pytest.mark.parametrize("word", [*WORDS, "9" * 5000])
def test_other_words_stay_words(word: str) -> None:
    assert plain(tree_of(f"a: {word}")) == {"a": word}


@pytest.mark.parametrize("written", ["'1'", '"true"', "'null'", '""', "|-\n  1", ">-\n  1"])
def test_what_is_quoted_is_text(written: str) -> None:
    assert isinstance(plain(tree_of(f"a: {written}"))["a"], str)


def test_not_a_number_is_a_number() -> None:
    assert str(plain(tree_of(".nan"))) == "nan"


def test_every_node_has_its_line() -> None:
    root = tree_of("# first\na: 1\nb:\n  - x\n  - {c: [2,\n 3]}\n? d\n: |\n  text\n")
    assert [key.line for key, _ in root.nodes] == [2, 3, 7]
    items = root.nodes[1][1]
    assert [node.line for node in (items, *items.nodes)] == [4, 4, 5]
    (_, numbers), *_ = items.nodes[1].nodes
    assert [node.line for node in numbers.nodes] == [5, 6]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_machine(end: str) -> None:
    assert [(key.raw, key.line) for key, _ in tree_of(f"a: 1{end}b: 2{end}").nodes] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029", "\xa0", "😀", "\U00020bb7", "\ufeff", "\ue000"])
def test_any_character_that_is_no_line_break_of_yaml_1_2_is_one_of_a_text(character: str) -> None:
    root = tree_of(f"a: x{character}y\nb: 2\n")
    assert plain(root) == {"a": f"x{character}y", "b": 2}
    assert root.nodes[1][0].line == 2
    assert plain(tree_of(changed(f"a: x{character}y\nb: 2\n", (), "{}")))["a"] == f"x{character}y"


def test_a_byte_order_mark_is_passed_over() -> None:
    assert plain(tree_of("\ufeffa: 1")) == {"a": 1}


def test_keys_that_are_twice_or_lists_are_kept_for_the_reader_to_refuse() -> None:
    root = tree_of("a: 1\na: 2\n[b]: 3\n")
    assert [(key.line, type(key)) for key, _ in root.nodes] == [(1, Scalar), (2, Scalar), (3, Items)]


REFUSED = [
    ("", "file_empty", None),
    ("# nothing\n\n", "file_empty", None),
    ("a:\n  &x b", "yaml_anchor", 2),
    ("a: 1\nb: *x", "yaml_anchor", 2),
    ("a: 1\nb: !!str 2", "yaml_tag", 2),
    ("\n!x [1]", "yaml_tag", 2),
    ("--- 1\n--- 2", "yaml_document", 2),
    ("%YAML 1.1\n---\na: NO", "yaml_document", 1),
    ("%YAML 1.3\n---\na: NO", "yaml_syntax", 1),
    ("a: 1\n\tb: 2", "yaml_syntax", 2),
    ("a:\n\t- 2", "yaml_syntax", 2),
    ("a: 1\n b: 2", "yaml_syntax", 2),
    ("a: [1,\n2\nb: 3", "yaml_syntax", 3),
    ("a: 'x\n", "yaml_syntax", 2),
    ('a: "\\ud83d"', "yaml_syntax", 1),
    ("a: \x07", "yaml_syntax", None),
    ("a: \x00", "yaml_syntax", None),
    ("- " * 29 + "1", "yaml_nesting", 1),
    ("[\n" * 1000, "yaml_nesting", 29),
]


@pytest.mark.parametrize(("text", "code", "line"), REFUSED)
def test_what_is_refused_is_told_with_its_line(text: str, code: str, line: int | None) -> None:
    assert faults(text) == [(code, line)]


def test_yaml_1_2_may_be_said_and_the_end_of_the_document() -> None:
    assert plain(tree_of("%YAML 1.2\n---\na: NO\n...\n# end\n")) == {"a": "NO"}


@pytest.mark.parametrize("piece", ["[", "{", "- ", "a: ", "? ", "[\n", "!", "&a", "*", '"', "%", "|", "# "])
def test_a_text_of_one_piece_is_soon_read_or_refused(piece: str) -> None:
    start = time.process_time()
    faults(piece * (900_000 // len(piece)))
    assert time.process_time() - start < 2


@pytest.mark.parametrize("taken", BREAKS.values())
def test_characters_that_hide_line_breaks_are_refused(taken: str) -> None:
    assert faults(f"a: 1\nb: {taken}\n") == [("yaml_syntax", 2)]


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters=[*BREAKS.values()])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(LETTERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, min_size=1), inner, max_size=3),
    max_leaves=8,
)
TABLES = st.dictionaries(st.text(LETTERS, min_size=1), VALUES, max_size=4)
ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0xFEFF, 0xFFFE, 0xFFFF)}


def written(value: Any) -> str:
    """As JSON, with what YAML takes in escapes alone written so."""
    return json.dumps(value, ensure_ascii=False).translate(ESCAPED)


@given(TABLES)
def test_json_is_read_as_it_is(table: dict[str, Any]) -> None:
    assert plain(tree_of(written(table))) == table


@given(TABLES, TABLES, st.sets(st.text(LETTERS, min_size=1), max_size=2))
def test_a_text_that_is_written_anew_says_the_same(
    table: dict[str, Any], put: dict[str, Any], without: set[str]
) -> None:
    without = without | put.keys() | set(list(table)[:1])
    said = plain(tree_of(changed(written(table), without, written(put))))
    assert said == put | {key: value for key, value in table.items() if key not in without}


def test_what_stays_is_written_in_its_own_style() -> None:
    text = "# why\na: '010'\nb: 010\nc: |\n  one\n  two\nd: {e: [1, 2]}\n제목: 2020-01-01\n"
    assert changed(text, {"b"}, '{"t": {"ko": "말"}}') == (
        '"t": {"ko": "말"}\na: \'010\'\nc: |\n  one\n  two\nd: {e: [1, 2]}\n제목: 2020-01-01\n'
    )
