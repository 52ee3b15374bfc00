"""A YAML 1.2 text as a tree of nodes with their lines: libyaml parses it, and the core schema says what a scalar is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from gagyo.errors import FileFault
from gagyo.finding import Finding, Place

DEEPEST_FILE = 30
# Line breaks of YAML 1.1, which libyaml reads as such, and which are characters as any other in 1.2: while it reads
# they are characters that Unicode keeps for a program's own use.
BREAKS = {"\x85": "\U0001fffe", "\u2028": "\U0001ffff", "\u2029": "\U0002fffe"}
HIDE = str.maketrans(BREAKS)
SHOW = str.maketrans({hidden: shown for shown, hidden in BREAKS.items()})


class Scalar(NamedTuple):
    """One value; `raw` is as it was written."""

    line: int
    raw: str
    value: bool | int | float | str | None


class Items(NamedTuple):
    """A list."""

    line: int
    nodes: list[Any]


class Pairs(NamedTuple):
    """A table as it was written: a key may be there twice, and may be a list."""

    line: int
    nodes: list[tuple[Any, Any]]


Node = Scalar | Items | Pairs


@lru_cache(maxsize=32)
def tree_of(text: str) -> Node:
    """The root of a text, which nobody changes: a study and its plan hold the same text. Faults name no file.

    Raises:
        FileFault: the text is empty, is not YAML, or uses what can make a small text a large one.
    """
    _, *document, _ = _checked(text)
    if not document:
        raise _fault("file_empty", None)
    inner = iter(document[1:-1])
    return _node(next(inner), inner)


def changed(text: str, without: Collection[str], put: str) -> str:
    """A text of one table: first the entries of `put`, then its own but for some keys; comments are lost.

    What stays is written in its own style, since a number in quotes is a text.
    """
    import yaml

    events = list(_checked(text))
    kept = [one for child in _children(events) if getattr(child[0], "value", None) not in without for one in child]
    added = [one for child in _children(list(_checked(put))) for one in child]
    events = [*events[:3], *added, *kept, *events[-3:]]
    return str(yaml.emit(events, Dumper=yaml.CSafeDumper, allow_unicode=True, width=4096))


def _children(events: list[Any]) -> Iterator[list[Any]]:
    """The events of each key with its value, of a text whose root is a table."""
    depth, nodes, child = 0, 0, []
    for event in events[3:-3]:
        child.append(event)
        depth += _opens(event)
        nodes += depth == 0
        if nodes == 2:
            yield child
            nodes, child = 0, []


# ── from a text to events, which are made without recursion, each looked at before a tree is built of them ────────


def _checked(text: str) -> Iterator[Any]:
    import yaml

    depth = documents = 0
    for hidden in BREAKS.values():
        if hidden in text:
            raise _fault("yaml_syntax", text[: text.index(hidden)].count("\n") + 1, found=f"U+{ord(hidden):X}")
    try:
        for event in yaml.parse(text.translate(HIDE), Loader=yaml.CSafeLoader):
            line = event.start_mark.line + 1
            depth += _opens(event)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1 or event.version not in (None, (1, 2)):
                    raise _fault("yaml_document", line)
            elif isinstance(event, yaml.NodeEvent):
                _check_node(event, line)
            if isinstance(event, yaml.ScalarEvent) and (shown := event.value.translate(SHOW)) != event.value:
                # In quotes, or a text that is written anew would have line breaks there.
                event.value, event.style, event.implicit = shown, '"', (False, True)
            if depth > DEEPEST_FILE:
                raise _fault("yaml_nesting", line, found=depth, expected=DEEPEST_FILE)
            yield event
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark
        raise _fault("yaml_syntax", mark.line + 1 if mark else None, found=fault.problem) from None
    except yaml.YAMLError as fault:
        raise _fault("yaml_syntax", None, found=fault) from None


def _check_node(event: Any, line: int) -> None:
    if event.anchor:
        raise _fault("yaml_anchor", line, found=event.anchor)
    tag = getattr(event, "tag", None)
    if tag not in (None, "", "!"):
        raise _fault("yaml_tag", line, found=tag)


def _opens(event: Any) -> int:
    """1 for the start of a list or table (and of the stream and document around them), -1 for its end."""
    kind = type(event).__name__
    return kind.endswith("StartEvent") - kind.endswith("EndEvent")


def _fault(code: str, line: int | None, **values: object) -> FileFault:
    return FileFault(Finding(code, place=Place(line=line), values=values))


# ── from events to nodes ──────────────────────────────────────────────────────────────────────────────────────────


def _node(event: Any, events: Iterator[Any]) -> Node:
    """The node that starts with an event; what is inside follows it."""
    kind, line = type(event).__name__, event.start_mark.line + 1
    if kind == "ScalarEvent":
        return Scalar(line, event.value, _scalar(event.value) if event.implicit[0] else event.value)
    if kind == "SequenceStartEvent":
        return Items(line, list(_inside("SequenceEndEvent", events)))
    inner = _inside("MappingEndEvent", events)
    return Pairs(line, [(key, next(inner)) for key in inner])


def _inside(end: str, events: Iterator[Any]) -> Iterator[Node]:
    while type(event := next(events)).__name__ != end:
        yield _node(event, events)


TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
NULLS = {"", "~", "null", "Null", "NULL"}
INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|[0-9_]+|0x[0-9a-fA-F_]+)")
FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9_]+(?:[eE][-+][0-9]+)?"
    r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)


def _scalar(text: str) -> bool | int | float | str | None:
    """A scalar without quotes by YAML 1.2's core schema; a date stays text, and `NO` is no `false`."""
    if text in NULLS:
        return None
    if text in TRUTHS:
        return TRUTHS[text]
    digits = text.replace("_", "").lower()
    try:
        if text[0] != "_" and INT.fullmatch(text):
            return int(digits, 0 if digits.lstrip("+-")[:2] in {"0x", "0o", "0b"} else 10)
        if FLOAT.fullmatch(text):
            return float(digits.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        # Underscores without a digit, or more digits than Python reads.
        pass
    return text
