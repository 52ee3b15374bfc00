"""Languages: trilingual texts that people write, and the catalogue of texts that Gagyo says."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from gagyo.particles import settled

Language = Literal["en", "ko", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
FOLDERS: dict[Language, str] = {"en": "en", "ko": "ko", "zh": "zh_Hans"}
HTML_LANG: dict[Language, str] = {"en": "en", "ko": "ko", "zh": "zh-Hans"}


@dataclass(frozen=True)
class Text:
    """One text in three languages; English stands in where another is empty."""

    en: str
    ko: str = ""
    zh: str = ""

    def to(self, language: Language) -> str:
        """The text in a language."""
        return str(getattr(self, language)) or self.en


CHINESE = {": ": "：", "; ": "；", ", ": "、"}
"""What stands between Chinese texts."""


def join(between: str, *texts: Text) -> Text:
    """One text of several, in each language; between Chinese texts stand Chinese marks."""
    marks: dict[Language, str] = {"en": between, "ko": between, "zh": CHINESE.get(between, between)}
    return Text(*(marks[language].join(text.to(language) for text in texts) for language in LANGUAGES))


def bracketed(text: Text, aside: Text) -> Text:
    """A text with another in brackets after it, as each language writes them: a label and its unit."""
    said = (f"{text.to('en')} ({aside.to('en')})", f"{text.to('ko')}({aside.to('ko')})")
    return Text(*said, f"{text.to('zh')}（{aside.to('zh')}）")


@cache
def catalogue(language: Language) -> dict[str, str]:
    """All texts of a language: `locales/<folder>/<area>.toml`, or `<area>_<part>.toml`, gives keys `<area>.<key>`."""
    texts: dict[str, str] = {}
    folder = files("gagyo") / "locales" / FOLDERS[language]
    for page in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if page.name.endswith(".toml"):
            area = page.name.removesuffix(".toml").partition("_")[0]
            _flatten(area, tomllib.loads(page.read_text(encoding="utf-8")), texts)
    return texts


def _flatten(prefix: str, table: dict[str, object], texts: dict[str, str]) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _flatten(f"{prefix}.{key}", value, texts)
        else:
            texts[f"{prefix}.{key}"] = str(value)


def translate(key: str, language: Language, **values: object) -> str:
    """The catalogue's text for `key` with `{name}` filled from `values`.

    `{name:one|other}` gives the word that goes with a number, as in `{rounds} {rounds:round|rounds}`.

    Raises:
        KeyError: the key is in no catalogue (a test forbids it).
    """
    filled = {name: _words(value, language) for name, value in values.items()}
    said = fill(catalogue(language)[key], filled)
    return settled(said) if language == "ko" else said


def fill(text: str, values: Mapping[str, object]) -> str:
    """A text of the catalogue with its placeholders filled."""
    return _FILLING.vformat(text, (), values)


class _Filling(string.Formatter):
    """Fills placeholders; of the forms `one|other`, which are CLDR's for English, it takes the one for the number."""

    def format_field(self, value: object, spec: str) -> str:
        one, bar, other = spec.partition("|")
        return super().format_field(value, spec) if not bar else one if str(value) == "1" else other


_FILLING = _Filling()


def _words(value: object, language: Language) -> object:
    return value.to(language) if hasattr(value, "to") else value
