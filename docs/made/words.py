"""What every generated page has in common: its first line, the languages' own names, and a cell of a table."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = "<!-- Made by docs/generate.py. Edit the code or the catalogue, then run it again. -->"
LANGUAGE_NAMES = {"en": "English", "ko": "한국어", "zh": "简体中文"}


def cell(text: str | None) -> str:
    """A text that fits into a cell of a table."""
    return re.sub(r"\s+", " ", text or "").replace("|", r"\|").strip()
