"""The breast demo with more bootstrap replicates than its people's data allow: it lacks them and says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gagyo.api import Finished, run_embedded
from gagyo.coordinator.verify import verify
from gagyo.demo import prepare
from gagyo.errors import SiteSilent
from gagyo.exchange.envelope import Keys
from gagyo.report import write
from gagyo.result import Result, Withheld
from gagyo.runtime.journal import Journal
from gagyo.text import LANGUAGES, Language, translate
from tests.attacks.test_withheld_parts import WITHOUT_LEFT_OUT, of_step, refusing
from tests.hospitals import STUDY, House, breast, house
from tests.unit.test_run_and_verify import Stopping, released

WITHHELD = {"en": "withheld", "ko": "비공개", "zh": "不予披露"}


def demo(folder: Path, replicates: int) -> Finished:
    """The demo with so many replicates."""
    study, hospitals = prepare("breast", folder)
    text = study.read_text(encoding="utf-8").replace("bootstrap: 50", f"bootstrap: {replicates}")
    study.write_text(text, encoding="utf-8")
    return run_embedded(study, hospitals, folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return demo(tmp_path_factory.mktemp("withheld"), 350)


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return demo(tmp_path_factory.mktemp("without"), 0)


def test_all_but_the_bootstrap_is_what_it_is_without_one(finished: Finished, without: Finished) -> None:
    got, expected = finished.results["validation"], without.results["validation"]
    assert got.tables[1:] == expected.tables[1:]
    assert got.curves == expected.curves
    *rows, corrected = got.table("performance").rows
    assert tuple(rows) == expected.table("performance").rows
    assert set(corrected[1:]) == {Withheld("withheld"), None}
    estimates = [one for one in got.estimates if one.name != "auc_corrected"]
    assert tuple(estimates) == expected.estimates
    assert replace(got.estimate("auc_corrected"), label=got.estimates[0].label).value is None
    assert not finished.stopped


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_says_in_its_place_that_it_was_withheld_and_what_may_help(
    finished: Finished, language: Language
) -> None:
    (page,) = write(finished.document, finished.folder, [language])
    text = re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))
    text = text[text.index(translate("validate.performance_title", language)) :]
    part, helps = translate("validate.part_bootstrap", language), translate("kept.help_replicates", language)
    said = translate("kept.withheld", language, part=part, help=helps)
    assert said in " ".join(text.split())
    area = translate("validate.auc_corrected", language)
    assert re.search(rf"{re.escape(area)}\s+{WITHHELD[language]}", text)


def test_it_is_derived_again_from_the_record_alone(finished: Finished) -> None:
    audited = verify(finished.folder, Journal(finished.folder / "journal.jsonl", Keys.make()))
    assert audited.exact
    assert audited.analyses == 3


class Nowhere:
    """A runtime whose hospitals are all gone."""

    name = "embedded"

    def ask(self, requests: Any) -> Any:
        if requests:
            raise SiteSilent.of("not_in_journal", found=requests[0].step, site=requests[0].site)
        return []


def standing(folder: Path, after: int | None) -> House:
    """A house that refuses two parts, which is interrupted after so many requests."""
    one = house(
        folder,
        STUDY + WITHOUT_LEFT_OUT,
        breast(),
        wrap=lambda inner: inner if after is None else Stopping(inner, after),
    )
    refusing(one, of_step("validate.own", "validate.draws"), ("busan", "tianjin"))
    return one


class Whole(NamedTuple):
    """An undisturbed run, what it found, and how many requests there were up to each refusal."""

    house: House
    results: Mapping[str, Result]
    refused: list[int]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    one = standing(tmp_path_factory.mktemp("whole"), None)
    run = one.run()
    refused = [number for number, answer in enumerate(run.answers) if answer.code == "withheld"]
    assert len(refused) == 4
    return Whole(one, run.results, refused)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("later", [0, 3])
def test_a_run_is_taken_up_at_and_after_a_refusal(tmp_path: Path, whole: Whole, which: int, later: int) -> None:
    first = standing(tmp_path, whole.refused[which] + later)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    # The hospitals go on as they stand: they have followed the run past what they refused.
    again = Journal(first.journal._chain.path, Keys.open(tmp_path / "coordinator.keys"), first.journal._inner.inner)
    run = replace(first, journal=again).run()
    assert run.results == whole.results
    given = released(first)
    assert len(given) == len(set(given))
    for site in first.sites.values():
        asked = [entry.record["request"] for entry in site.ledger.entries if entry.record["code"] == "withheld"]
        assert len(set(asked)) == (2 if site.name in ("busan", "tianjin") else 0)
    assert not [answer.code for answer in run.answers if answer.code not in ("", "withheld")]


def test_a_finished_run_asks_nobody_again(whole: Whole) -> None:
    """Nor those who refused: what comes after stands on it."""
    again = Journal(whole.house.journal._chain.path, Keys.make(), Nowhere())
    assert replace(whole.house, journal=again).run().results == whole.results
