"""The three catalogues: the same keys and placeholders, nothing left in English, and every key that is used exists."""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path

import pytest

import gagyo
from gagyo.protocol.study import PURPOSES
from gagyo.report.numbers import percent
from gagyo.report.voice import Voice
from gagyo.text import FOLDERS, LANGUAGES, Language, Text, _flatten, catalogue, fill, join
from tests.architecture.sources import all_texts, calls, first_text, text_of

SAME_IN_ALL = {
    "report.formula.logit": "a formula",
    "checklists.title.tripod": "the name of a published checklist",
    "validate.summary_country": "names of methods, written in Latin letters in Korean too",
}
NEVER_ONE = {
    "findings.approval_own": "a person's name and a verb",
    "findings.impute_many": "said of more than six",
    "cli.power.inflated": "a factor with a fraction",
    "validate.sample_size_note": "a ratio with a fraction",
}
LOCALES = Path(gagyo.__file__).parent / "locales"
LONG = 12
LETTERS = re.compile(r"[A-Za-z]{3}")
ASIDE = re.compile(r"`[^`]*`|\[[^\]]*\]|\{\w+(?::[^}]*)?\}")
"""Code, ranges and placeholders: not sentences."""


def placeholders(text: str) -> list[str]:
    """The names in braces, each as often as it stands there once."""
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})


@pytest.mark.parametrize("language", ["ko", "zh"])
def test_catalogues_have_the_same_keys(language: Language) -> None:
    assert catalogue(language).keys() == catalogue("en").keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_hides_another_of_its_key(language: Language) -> None:
    """Pages of one area share their keys: of two texts under one key people would only ever read the last."""
    found: dict[str, str] = {}
    for page in sorted((LOCALES / FOLDERS[language]).glob("*.toml")):
        texts: dict[str, str] = {}
        _flatten(page.stem.partition("_")[0], tomllib.loads(page.read_text(encoding="utf-8")), texts)
        assert not texts.keys() & found.keys()
        found |= texts
    assert found == catalogue(language)


def test_every_purpose_of_a_study_has_a_name() -> None:
    assert {key.removeprefix("report.purpose.") for key in catalogue("en") if key.startswith("report.purpose.")} == set(
        PURPOSES
    )


@pytest.mark.parametrize("language", ["ko", "zh"])
def test_texts_have_the_same_placeholders(language: Language) -> None:
    english = catalogue("en")
    unlike = {
        key: text for key, text in catalogue(language).items() if placeholders(text) != placeholders(english[key])
    }
    assert unlike == {}


@pytest.mark.parametrize("language", ["ko", "zh"])
def test_nothing_is_left_in_english(language: Language) -> None:
    english = catalogue("en")
    left = [
        key
        for key, text in catalogue(language).items()
        if text == english[key] and len(text) > LONG and LETTERS.search(ASIDE.sub("", text)) and key not in SAME_IN_ALL
    ]
    assert left == []


def test_korean_is_written_in_hangul_and_chinese_in_simplified_han() -> None:
    for key, text in catalogue("ko").items():
        assert not re.search("[\u4e00-\u9fff]", text.replace("中文", "").replace("简体", "")), key
    for key, text in catalogue("zh").items():
        assert not re.search("[\uac00-\ud7a3]", text), key
        assert not re.search("[與為學應檢從這國對號據數證]", text), f"{key}: traditional characters"


def test_chinese_sentences_have_full_width_punctuation() -> None:
    half = {
        key: text
        for key, text in catalogue("zh").items()
        if re.search("[\u4e00-\u9fff][,;?!]|[\u4e00-\u9fff]:(?!//)|[,;][\u4e00-\u9fff]", ASIDE.sub("", text))
    }
    assert half == {}


# Keys that the sources use.


def known(key: str) -> bool:
    """Whether a key, or for `begin*` some key that begins so, is in every catalogue."""
    if key.endswith("*"):
        return all(any(one.startswith(key[:-1]) for one in catalogue(language)) for language in LANGUAGES)
    return all(key in catalogue(language) for language in LANGUAGES)


def used() -> set[tuple[str, str]]:
    """(file, key) for every text that a call names."""
    found: set[tuple[str, str]] = set()
    for file, name, call in calls():
        first = first_text(call)
        area = "cli" if file.startswith("cli/") else "mapping"
        keys = {
            "Words": first,
            "translate": first,
            "say": first and f"{area}.{first}",
            "own": first and f"report.{first}",
            "Withheld": first and f"withheld.{first}",
            "Finding": first and f"findings.{first}",
            "of": first and f"findings.{first}",
            "NotAdmitted": first and f"findings.answer_{first}",
        }
        if first is not None and (key := keys.get(name)):
            found.add((file, key))
        if name in ("_stop", "_refuse", "refuse", "Progress") and len(call.args) > 1:
            second = text_of(call.args[2] if name == "Progress" and len(call.args) > 2 else call.args[1])
            area = {
                "_stop": "findings.",
                "_refuse": "findings.answer_",
                "refuse": "findings.answer_",
                "Progress": "progress.",
            }[name]
            found |= {(file, area + second)} if second else set()
        for keyword in call.keywords:
            doing = text_of(keyword.value) if keyword.arg == "doing" and name in ("Ask", "LeaveOut", "_ask") else None
            found |= {(file, f"progress.{doing}")} if doing else set()
    return found


def test_every_key_that_is_used_exists_in_three_languages() -> None:
    keys = used()
    assert len(keys) > 200, "the search itself works"
    assert sorted((file, key) for file, key in keys if not known(key)) == []


def test_every_finding_is_used() -> None:
    texts = all_texts()
    codes = [key.removeprefix("findings.") for key in catalogue("en") if key.startswith("findings.")]
    unused = [code for code in codes if code not in texts and code.removeprefix("answer_") not in texts]
    assert unused == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_percentage_is_written_as_tables_write_it(language: Language) -> None:
    assert percent(0.95, 0) == "95%"
    apart = [key for key, text in catalogue(language).items() if re.search("[0-9}] %", text)]
    assert apart == []


# Numbers in sentences.

COUNTED = re.compile(
    r"(?<!fewer than )(?<!under )\{(\w+)\} (?:more |such |further )?"
    r"(analyses|bytes|cells|characters|clusters|cohorts|columns|days|fields|files|folds|hospitals|hours|intervals|knots"
    r"|letters|levels|links|measurements|minutes|months|numbers|pairs|people|persons|plans|questions|raters|receipts"
    r"|replicates|rounds|rows|seconds|signs|sweeps|texts|times|values|variables|visits|years)\b"
)
FORMS = re.compile(r"\{\w+:[^}]*\|")


def test_every_noun_that_is_counted_has_a_form_for_one() -> None:
    without = {key: text for key, text in catalogue("en").items() if COUNTED.search(text) and key not in NEVER_ONE}
    assert without == {}


def test_korean_and_chinese_nouns_have_one_form() -> None:
    assert [key for one in ("ko", "zh") for key, text in catalogue(one).items() if FORMS.search(text)] == []


@pytest.mark.parametrize(("number", "said"), [(1, "1 round"), (2, "2 rounds"), (0, "0 rounds"), ("1", "1 round")])
def test_a_noun_goes_with_its_number(number: object, said: str) -> None:
    assert fill("{rounds} {rounds:round|rounds}", {"rounds": number}) == said


def test_a_number_in_a_report_is_told_by_its_noun_too() -> None:
    voice = Voice("en")
    one = voice.own("covers", people=1, answered=1, hospitals=1)
    assert one.startswith("This report covers 1 person at 1 of 1 hospital.")
    assert voice.own("covers", people=12345, answered=4, hospitals=4).startswith(
        "This report covers 12\u202f345 people at 4 of 4 hospitals."
    )


def test_chinese_texts_are_joined_by_a_chinese_colon() -> None:
    group = join(": ", Text("Sex", "성별", "性别"), Text("male", "남", "男"))
    assert (group.en, group.ko, group.zh) == ("Sex: male", "성별: 남", "性别：男")
