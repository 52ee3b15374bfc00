"""Power and sample size against R (pwr, rpact, pROC, tests/golden/r/sizes.R) and published examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.statistics.sizes import accuracy, clusters, times
from gagyo.statistics.sizes.least import Unreachable, least, whole
from gagyo.statistics.sizes.means import TwoMeans
from gagyo.statistics.sizes.proportions import TwoProportions, restricted

R = json.loads((Path(__file__).parents[1] / "golden" / "sizes.json").read_text(encoding="utf-8"))


def close(found: Any, wanted: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=0)


def test_two_means_equal_r() -> None:
    wanted = R["means"]
    close(TwoMeans(5, 10).power(64, 64), wanted["two_sided"]["power"])
    close(TwoMeans(-5, 10).power(40, 90), wanted["two_sided"]["unequal"])
    close(TwoMeans(5, 10).people(0.9), [wanted["two_sided"]["n"]] * 2)
    close(TwoMeans(21, 10).people(0.8), [wanted["two_sided"]["small"]] * 2)
    one = TwoMeans(4, 10, alpha=0.025, sides=1)
    close(one.power(50, 50), wanted["one_sided"]["power"])
    close(one.people(0.8)[0], wanted["one_sided"]["n"])


def test_two_means_equal_rpact() -> None:
    # rpact leaves out the other tail of a two-sided test: 1e-6 of the power here.
    close(sum(TwoMeans(5, 10).people(0.9, 2)), R["means"]["rpact"], 1e-6)
    inferior = TwoMeans(1, 8, "non_inferiority", margin=3, alpha=0.025)
    # rpact searches for the number of people to about 1e-8 of it.
    close(sum(inferior.people(0.9)), R["means"]["non_inferiority"], 1e-7)


def test_equivalence_of_means_equals_another_integral_and_a_published_value() -> None:
    wanted = R["means"]["equivalence"]
    close(TwoMeans(0.5, 8, "equivalence", 4).power(60, 60), wanted["equal"])
    close(TwoMeans(-1, 8, "equivalence", 4).power(50, 75), wanted["unequal"])
    close(TwoMeans(0, 8, "equivalence", 10).power(7, 9), wanted["small"])
    # A crossover of 40 people, CV 0.3, ratio 0.95, bounds 0.8 to 1.25: power 0.8158 in the tables of bioequivalence.
    spread = np.sqrt(np.log(1.09))
    crossover = TwoMeans(np.log(0.95), spread / np.sqrt(2), "equivalence", np.log(1.25))
    assert round(crossover.power(20, 20), 4) == 0.8158


def test_two_proportions_equal_r() -> None:
    wanted = R["proportions"]
    close(TwoProportions(0.35, 0.5).power(100, 100), wanted["two_sided"]["power"])
    close(TwoProportions(0.35, 0.5).people(0.9), [wanted["two_sided"]["n"]] * 2)
    close(TwoProportions(0.02, 0.05).people(0.8)[0], wanted["two_sided"]["rare"])
    close(sum(TwoProportions(0.35, 0.5).people(0.9, 2)), wanted["unequal"])
    equal = TwoProportions(0.6, 0.65, "equivalence", 0.2)
    close(equal.power(100, 100), wanted["equivalence"])


def test_non_inferiority_of_proportions_equals_rpact() -> None:
    wanted = R["proportions"]["non_inferiority"]
    higher = TwoProportions(0.8, 0.82, "non_inferiority", 0.1, 0.025)
    close(sum(higher.people(0.9)), wanted["higher"], 1e-8)
    unequal = TwoProportions(0.9, 0.9, "non_inferiority", 0.07, 0.025)
    close(sum(unequal.people(0.8, 2)), wanted["unequal"], 1e-8)
    lower = TwoProportions(0.1, 0.1, "non_inferiority", 0.05, 0.025, better="lower")
    close(sum(lower.people(0.8)), wanted["lower"], 1e-8)


@pytest.mark.parametrize(("control", "treated", "ratio"), [(0.8, 0.82, 1.0), (0.9, 0.7, 2.0), (0.3, 0.6, 0.5)])
def test_restricted_proportions_are_the_likeliest(control: float, treated: float, ratio: float) -> None:
    first, second = restricted(control, treated, ratio, -0.1)
    close(second - first, -0.1)

    def likelihood(at: float) -> float:
        mine = at + 0.1
        return float(
            control * np.log(mine)
            + (1 - control) * np.log(1 - mine)
            + ratio * (treated * np.log(at) + (1 - treated) * np.log(1 - at))
        )

    assert likelihood(second) > max(likelihood(second + 1e-4), likelihood(second - 1e-4))


def test_events_and_people_equal_rpact() -> None:
    wanted, loss = R["times"], -np.log(0.95) / 12
    assert round(times.HazardRatio(0.7).events(0.9), 2) == 330.38, "Schoenfeld: 331 events"
    assert whole(times.HazardRatio(0.7).events(0.9)) == 331
    for name, ratio, dropping in (("equal", 1.0, loss), ("unequal", 2.0, loss), ("no_loss", 1.0, 0.0)):
        course = times.Course(0.05, 24, 18, dropping)
        events = times.HazardRatio(0.7).events(0.9, ratio)
        # rpact finds these people by a search of its own, to about 1e-8.
        close([events, events / course.chance_of_either(0.7, ratio)], wanted[name], 1e-7)
    inferior = times.HazardRatio(1.0, "non_inferiority", 1.3, 0.025)
    close(inferior.events(0.9), wanted["non_inferiority"])


def test_lachin_foulkes_equals_integrals_in_r() -> None:
    wanted = R["times"]
    close(times.Course(0.05, 24, 18, 0.01).chance(0.05), wanted["chance"])
    first = times.lachin_foulkes(times.Course(0.05, 24, 18, 0.005), 0.7, 0.9)
    second = times.lachin_foulkes(times.Course(0.1, 12, 6), 0.6, 0.8, ratio=2)
    close([first, second], wanted["lachin_foulkes"])


def test_everyone_entering_at_once_is_the_limit_of_a_short_accrual() -> None:
    close(times.Course(0.1, 0, 5).chance(0.1), times.Course(0.1, 1e-7, 5).chance(0.1), 1e-6)
    close(times.Course(0.1, 0, 5).chance(0.1), 1 - np.exp(-0.5))


def test_areas_equal_proc_and_the_published_example() -> None:
    wanted = R["accuracy"]
    for auc, ratio, people in zip((0.8, 0.7, 0.65), (1.0, 3.0, 0.5), wanted["obuchowski"], strict=True):
        close(accuracy.Area(auc, variance="obuchowski").people(0.9, ratio), people)
    close(accuracy.Area(0.7, variance="obuchowski").power(60, 90), wanted["obuchowski_power"])
    close(accuracy.Area(0.8).people(0.9)[0], wanted["hanley_mcneil"][0])
    close(accuracy.Area(0.85, null=0.75).people(0.9, 2)[0], wanted["hanley_mcneil"][1])
    # Hanley and McNeil 1982: 51 abnormal and 58 normal images, area 0.893, standard error 0.032 to 0.033.
    assert 0.032 <= np.sqrt(accuracy.hanley_mcneil(0.893, 51, 58)) <= 0.033


def test_widths_equal_r() -> None:
    wanted = R["accuracy"]
    close(accuracy.half_width(0.9, 50, "wilson"), wanted["wilson"])
    close(accuracy.half_width(0.9, 50, "exact"), wanted["exact"])
    close(accuracy.half_width(1.0, 50, "exact"), wanted["all_found"])
    # Buderer 1996: sensitivity 0.90 within 0.05: 139 with the condition.
    assert whole(accuracy.for_proportion(0.9, 0.05, "normal")) == 139
    for interval in ("normal", "wilson", "exact"):
        people = whole(accuracy.for_proportion(0.85, 0.06, interval))  # type: ignore[arg-type]
        widths = [accuracy.half_width(0.85, one, interval) for one in (people - 1, people)]  # type: ignore[arg-type]
        assert widths[1] <= 0.06 < widths[0]
    width = accuracy.for_area(0.8, 0.05, 2)
    close(1.959963984540054 * np.sqrt(accuracy.hanley_mcneil(0.8, *width)), 0.05)


def test_a_design_effect() -> None:
    close(clusters.design_effect(20, 0.05), 1.95)
    close(clusters.design_effect(20, 0.05, 0.5), 1 + (1.25 * 20 - 1) * 0.05)


def test_a_goal_that_no_number_reaches_is_said() -> None:
    nothing = TwoMeans(0, 10, "equivalence", 4).people(0.9)
    assert np.isfinite(nothing[0])
    outside = TwoMeans(5, 10, "equivalence", 4).people(0.9)
    assert outside == (np.inf, np.inf)
    with pytest.raises(Unreachable):
        whole(outside[0])
    assert least(lambda size: size, 5, 1) == 5
    assert whole(64.0000000001) == 64
