"""What a report is made of: sections of blocks, in no language and no format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gagyo.report.checklists import Checklist
from gagyo.report.flow import Flow
from gagyo.result import Curve, Equation, Estimate, Table, Words


@dataclass(frozen=True)
class Prose:
    """Paragraphs, a list of points, or a warning."""

    words: tuple[Words, ...]
    style: Literal["text", "list", "notes", "warning"] = "text"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    words: Words


@dataclass(frozen=True)
class Facts:
    """The headline estimates of the summary."""

    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Grid:
    """A table with its number."""

    table: Table
    number: int = 0


@dataclass(frozen=True)
class Drawing:
    """A figure with its number: a curve, a forest table or the study flow."""

    shape: Curve | Table | Flow
    number: int = 0


@dataclass(frozen=True)
class Formula:
    """A fitted model as a formula."""

    equation: Equation


@dataclass(frozen=True)
class Marks:
    """Digests, versions and other long marks by name."""

    title: Words
    marks: tuple[tuple[str, str], ...]


Block = Prose | Heading | Facts | Grid | Drawing | Formula | Marks | Checklist


@dataclass(frozen=True)
class Section:
    """A part of the report; `results` where it shows results, which the study's notice then stands beside."""

    name: str
    blocks: tuple[Block, ...]
    results: bool = True
    notice: bool = False
