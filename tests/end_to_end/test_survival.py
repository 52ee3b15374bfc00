"""The survival demo against lifelines on the pooled rows, and what its record gives away of anyone's time: nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test
from lifelines.utils import restricted_mean_survival_time

from gagyo.api import Finished, run_embedded
from gagyo.coordinator.planning import check
from gagyo.demo import prepare
from gagyo.demo.survival import divided
from gagyo.protocol.study import Study
from gagyo.report.tables import speak
from gagyo.report.voice import Voice
from tests.told import untold

LEAST = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("survival")


@pytest.fixture(scope="module")
def finished(folder: Path) -> Finished:
    """The demo, run once."""
    study, hospitals = prepare("survival", folder)
    return run_embedded(study, hospitals, folder)


def pooled() -> pl.DataFrame:
    """The people of the analysis, with their hospital."""
    whole = pl.concat([rows.with_columns(pl.lit(site).alias("site")) for site, rows in divided()])
    complete = whole.drop_nulls(["ecog", "karnofsky"])
    return complete.with_columns(
        (pl.col("ecog") == 1).cast(pl.Float64).alias("restricted"),
        (pl.col("ecog") >= 2).cast(pl.Float64).alias("limited"),
        pl.col("female").cast(pl.Float64),
        pl.col("died").cast(pl.Float64),
    )


def test_the_hospitals_are_those_that_the_notice_says() -> None:
    assert [(len(rows), int(rows["died"].sum())) for _, rows in divided()] == [(64, 50), (53, 39), (65, 46), (46, 30)]


def test_hazard_ratios_equal_lifelines_stratified_fit(finished: Finished) -> None:
    """lifelines stops at a relative step, and handles ties by Efron's method too."""
    columns = pooled().select("time", "died", "age", "female", "restricted", "limited", "site")
    data = pd.DataFrame(columns.to_dict(as_series=False))
    reference = CoxPHFitter().fit(data, "time", "died", strata=["site"], fit_options={"precision": 1e-12})
    found = finished.results["model"].estimates
    np.testing.assert_allclose([one.value for one in found], reference.params_.to_numpy(), rtol=1e-6)
    np.testing.assert_allclose([one.standard_error for one in found], reference.standard_errors_.to_numpy(), rtol=1e-6)


@pytest.mark.parametrize("female", [0, 1])
def test_curves_bound_lifelines_curve(finished: Finished, female: int) -> None:
    mine = pooled().filter(pl.col("female") == female)
    curve = KaplanMeierFitter().fit(mine["time"].to_numpy(), mine["died"].to_numpy())
    rows = [row for row in finished.results["curves"].table("survival_at").rows][female * 6 : female * 6 + 6]
    for row in rows:
        exact = float(curve.predict(row[1]))
        assert row[5] - 1e-12 <= exact <= row[6] + 1e-12
        assert row[2] == int((mine["time"] > row[1]).sum())
    means = finished.results["mean"].table("restricted_mean").rows[female]
    assert means[3] <= restricted_mean_survival_time(curve, t=500) <= means[4]


def test_the_headline_test_is_not_far_from_the_unstratified_one(finished: Finished) -> None:
    data = pooled()
    men, women = (data.filter(pl.col("female") == one) for one in (0, 1))
    plain = logrank_test(men["time"], women["time"], men["died"], women["died"])
    assert finished.results["test"].estimate("chi_square").value == pytest.approx(plain.test_statistic, rel=0.2)


def test_no_opened_interval_holds_the_exits_of_a_few(finished: Finished, folder: Path) -> None:
    """All opened intervals of all analyses together, as an attacker would lay them: by sex, 0 or k and more."""
    assert finished.stopped == {}
    data = pooled()
    edges = {0.0}
    for analysis in ("curves", "mean"):
        (kept,) = [curve for curve in finished.results["curves"].curves]
        edges |= {x for series in kept.series for x in series.x}
        assert analysis in finished.results
    cuts = np.array([*sorted(edges), np.inf])
    for female in (0, 1):
        time = data.filter(pl.col("female") == female)["time"].to_numpy()
        exits = np.histogram(time, np.nextafter(cuts, np.inf))[0]
        assert all(one == 0 or one >= LEAST for one in exits)
    assert json.loads((folder / "results.json").read_text())["analyses"].keys() == finished.results.keys()


def test_the_study_of_the_how_to_runs(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "run-a-survival-study.md"
    text, *competing = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    levels = "none: {en: None, ko: 없음, zh: 无}, relapse: {en: Relapse, ko: 재발, zh: 复发}"
    levels += ", death: {en: Death, ko: 사망, zh: 死亡}"
    ended = f"  ended: {{type: category, label: {{en: End, ko: 결과, zh: 结局}}, levels: {{{levels}}}}}\n"
    with_ended = text.replace("cohorts:\n", ended + "cohorts:\n").replace("release:", "".join(competing) + "release:")
    assert check(Study.parse(with_ended)) == [], "these data have no second event, so it is read and not run"
    study, hospitals = prepare("survival", tmp_path)
    study.write_text(text, encoding="utf-8")
    for file in hospitals.glob("*.yaml"):  # the example has no ECOG and no Karnofsky score
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text(
            "".join(line for line in lines if not line.startswith(("  ecog", "  karnofsky"))), encoding="utf-8"
        )
    finished = run_embedded(study, hospitals, tmp_path)
    assert finished.stopped == {}
    assert list(finished.results) == ["curves", "test", "late", "mean", "model"]
    assert finished.results["mean"].people == 228


def test_a_row_of_the_cox_table_is_of_one_increment(finished: Finished) -> None:
    """For ten years the ratio, its coefficient and its error: whoever takes the exponential finds the ratio."""
    rows = finished.results["model"].table("hazard_ratios").rows
    age = finished.results["model"].estimate("age")
    assert rows[0][2] == pytest.approx(10 * age.value)
    assert rows[0][3] == pytest.approx(10 * age.standard_error)
    assert [row[1].value for row in rows] == pytest.approx([np.exp(row[2]) for row in rows])


def test_observed_events_are_whole_numbers_and_times_have_their_unit(finished: Finished) -> None:
    shown = speak(finished.results["test"].table("log_rank"), Voice("ko"))
    assert [line.entries[2].text for line in shown.lines] == ["110", "53"]
    compared = speak(finished.results["mean"].table("restricted_mean_difference"), Voice("ko"))
    assert compared.notes[0] == "등록 후 경과 시간(일)"


def test_nothing_left_a_hospital_that_the_plan_had_not_told(finished: Finished) -> None:
    ledgers = sorted((finished.folder / "ledgers").glob("*.jsonl"))
    assert len(ledgers) == len(finished.plan.study.sites)
    assert {ledger.stem: untold(finished.plan, ledger) for ledger in ledgers} == {one.stem: [] for one in ledgers}
