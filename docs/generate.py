"""Writes the reference pages from the code, and keeps the line ranges in links to code true: `python docs/generate.py`.

`pages()` gives every generated text by path; a test compares them with the files, so that no page grows old unnoticed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from made.code_links import linked_pages, with_lines
from made.commands import commands
from made.findings import findings
from made.methods import methods
from made.review import reviews
from made.rules import RulesPage, rules_name
from made.words import ROOT

from gagyo.text import LANGUAGES


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


def main() -> None:
    """Write what is not as it should be."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
