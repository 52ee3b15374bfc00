"""Attacks on multiple imputation: those who lack a value, alone or together with earlier answers; chosen draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.errors import FileFault
from gagyo.federation.in_memory import _ask
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods._imputation_cells import alone_in_span
from gagyo.methods._imputation_chains import Chains
from gagyo.protocol.study import Study
from gagyo.runtime.embedded import Embedded
from gagyo.site.differencing import family_overlap, isolated
from tests.attacks.test_door import Stolen, Wiretap, refused
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import House, Rows, house

Columns = dict[str, np.ndarray]
VARIABLES = "\n".join([number("x", -10, 10), number("v", -50, 50), number("w", -50, 50), number("y", -100, 100)])
VARIABLES += "\n" + boolean("s")
IMPUTE = (
    '  %s: {method: imputation, cohort: %s, formula: "y ~ x + s + v%s", model: linear, impute: [v%s], times: 5,'
    " sweeps: 2, hospitals: %s}\n"
)


def text(analyses: str) -> str:
    return HEAD % (10, VARIABLES, analyses)


def one(own: str = "own", name: str = "a", cohort: str = "all") -> str:
    return IMPUTE % (name, cohort, "", "", own)


def two(own: str = "own", name: str = "a", cohort: str = "all") -> str:
    return IMPUTE % (name, cohort, " + w", ", w", own)


def drawn(size: int = 800, seed: int = 1) -> Columns:
    random = np.random.default_rng(seed)
    x, s = np.clip(random.normal(size=size), -4, 4), (random.random(size) < 0.4).astype(float)
    v, w = x + random.normal(size=size), s - x + random.normal(size=size)
    return {"x": x, "s": s, "v": v, "w": w, "y": x + s + v + random.normal(size=size)}


def people(data: Columns, lacking: Mapping[str, np.ndarray]) -> dict[str, Rows]:
    """Four hospitals of equal size; `lacking`: by variable, the numbers of those who lack it."""
    data = {name: column.copy() for name, column in data.items()}
    for name, who in lacking.items():
        data[name][who] = np.nan
    return divide(data, np.arange(len(data["x"])) % 4)


def stopped(folder: Path, study: str, there: Mapping[str, Rows], analysis: str = "a") -> list[str]:
    """Why an analysis stopped; empty where it came to its end."""
    going = house(folder, study, there).run()
    return [found.code for found in going.stopped[analysis].findings] if analysis in going.stopped else []


WITHHELD = (["withheld_fit", "impute_lacking"], ["answer_withheld", "impute_lacking"])


# Those who lack a value: the sums of everyone less those of the others are theirs.


def test_what_few_people_lack_follows_from_two_sums_and_is_not_opened(tmp_path: Path) -> None:
    """Without the gate the cross-products of four people come out to the last digit."""
    data, few = drawn(), np.array([0, 5, 10, 15])
    there = people(data, {"v": few})
    parsed = Study.parse(text(one("pooled")))
    inside = {name: Inside(name, parsed.variables, rows.columns, rows.persons, "k 0") for name, rows in there.items()}
    seen = asked_and_opened(parsed, inside)
    model = next(opened for ask, opened in seen if ask.step.name == "imputation.model")["fit"][0]
    total = next(opened for ask, opened in seen if ask.step.name == "imputation.sums")["sums"][0]
    # The first row of the model's information: its people, and the sums of y, x and s over those who have v.
    having, y, x, s = model[4:8]
    lacking = np.array([len(data["x"]) - having, total[4] - y, total[1] - x, total[2] - s])
    np.testing.assert_allclose(lacking, [4, *(data[name][few].sum() for name in ("y", "x", "s"))], atol=1e-9)
    for own in ("own", "pooled"):
        assert stopped(tmp_path / own, text(one(own)), there) in WITHHELD


def asked_and_opened(study: Study, inside: Mapping[str, Inside]) -> list[tuple[Any, Any]]:
    """Every question of an analysis with its answer, no gate between."""
    conversation, seen, answer = Line(study).methods["a"].combine({}), [], None
    while True:
        try:
            ask: Any = conversation.send(answer)
        except StopIteration:
            return seen
        answer = _ask(ask, inside)
        seen.append((ask, answer))


def test_a_trait_of_few_who_lack_a_value_stops_it(tmp_path: Path) -> None:
    data = drawn()
    with_s, without = np.flatnonzero(data["s"] == 1), np.flatnonzero(data["s"] == 0)
    for folder, few in (("few", 4), ("enough", 60)):
        there = people(data, {"v": np.concatenate([without[:100], with_s[:few]])})
        found = stopped(tmp_path / folder, text(one("pooled")), there)
        assert found in WITHHELD if few < 10 else found == []


def test_two_traits_of_few_who_lack_a_value_stop_it(tmp_path: Path) -> None:
    """Cross-products of two traits are opened over everyone, and over those who have the value."""
    data = drawn() | {"d": (np.random.default_rng(9).random(800) < 0.5).astype(float)}
    study = text(one("pooled").replace("y ~ x", "d ~ x").replace("linear", "logistic"))
    study = study.replace("cohorts:\n", boolean("d") + "\ncohorts:\n")
    kinds = [np.flatnonzero((data["s"] == s) & (data["d"] == d)) for s in (0, 1) for d in (0, 1)]
    for folder, few in (("few", 4), ("enough", 40)):
        there = people(data, {"v": np.concatenate([*(one[:40] for one in kinds[:3]), kinds[3][:few]])})
        found = stopped(tmp_path / folder, study, there)
        assert found in WITHHELD if few < 10 else found == []


@pytest.mark.parametrize("few", [3, 30])
def test_what_few_who_lack_a_value_have_of_another_that_is_imputed_stays(tmp_path: Path, few: int) -> None:
    """Without the gate, who of those who lack v have d, of which others lack the value, are counted to the last one."""
    data = drawn() | {"d": (np.random.default_rng(9).random(800) < 0.5).astype(float)}
    with_d, without = np.flatnonzero(data["d"] == 1), np.flatnonzero(data["d"] == 0)
    lack_v = np.concatenate([without[:60], with_d[:few]])
    there = people(data, {"v": lack_v, "d": np.setdiff1d(np.arange(800), lack_v)[::5]})
    study = text(two("pooled").replace("+ w", "+ d").replace(", w]", ", d]"))
    study = study.replace("cohorts:\n", boolean("d") + "\ncohorts:\n")
    parsed = Study.parse(study)
    inside = {name: Inside(name, parsed.variables, rows.columns, rows.persons, "k 0") for name, rows in there.items()}
    seen = asked_and_opened(parsed, inside)
    had = next(got["sums"] for ask, got in seen if ask.step.name == "imputation.start")[4]
    models = [(ask, got["fit"]) for ask, got in seen if ask.step.name == "imputation.model"]
    of = [next(fit for ask, fit in reversed(models) if ask.arguments["variable"] == name) for name in ("v", "d")]
    spec = Line(parsed).methods["a"].spec  # type: ignore[attr-defined]
    width, names = spec.models["v"].width, [str(term) for term in spec.models["v"].terms]
    assert names[-1] == "d"
    # The first row of the information of v's model ends with the sum of d over those who have v, given values too.
    over_v, given = of[0][:, 2 * width - 1], of[1][:, -1]
    np.testing.assert_allclose(had - (over_v - given), few, atol=1e-9)
    assert stopped(tmp_path, study, there) in (WITHHELD if few < 10 else [[]])


@pytest.mark.parametrize("few", [6, 60])
def test_few_who_lack_a_value_stop_it_however_many_lack_another(tmp_path: Path, few: int) -> None:
    lacking = {"v": np.arange(few), "w": np.arange(few // 2, 200)}
    found = stopped(tmp_path, text(two("pooled")), people(drawn(), lacking))
    assert found in WITHHELD if few < 10 else found == []


def test_imputed_values_stay_near_the_declared_range() -> None:
    """What a model run wild would give is brought in, so that no sum says more than its people and the range."""
    parsed = Study.parse(text(one("pooled")))
    rows = people(drawn(), {"v": np.arange(160)})["seoul"]
    inside = Inside("seoul", parsed.variables, rows.columns, rows.persons, "k 0")
    spec = Line(parsed).methods["a"].spec  # type: ignore[attr-defined]
    draws = np.tile([1e6, 0.0, 0.0, 0.0, 1.0], (5, 1))
    values = Chains.at(inside, spec, np.array([[0.0, 1.0]]), draws).values["v"]
    assert values.max() == 150, "the range is -50 to 50"


def test_a_hospital_with_few_who_lack_a_value_hides_among_the_others_only_without_its_own_level(tmp_path: Path) -> None:
    """With a level of its own it adds fractions over those who have the value: their number follows."""
    everyone = np.arange(800)
    lacking = np.concatenate([everyone[everyone % 4 != 0][:120], everyone[everyone % 4 == 0][:4]])
    there = people(drawn(), {"v": lacking})
    assert stopped(tmp_path / "own", text(one("own")), there) in WITHHELD
    assert stopped(tmp_path / "pooled", text(one("pooled")), there) == []


@pytest.mark.parametrize("own", ["own", "pooled"])
def test_few_who_have_one_value_and_lack_the_other_are_a_difference_of_sums(tmp_path: Path, own: str) -> None:
    """All who lack w lack v too: who lacks v alone is those who have w less those who have v."""
    lack_w = np.arange(160)
    for folder, alone in (("few", 4), ("enough", 80)):
        there = people(drawn(), {"w": lack_w, "v": np.arange(160 + alone)})
        found = stopped(tmp_path / folder, text(two(own)), there)
        assert found in WITHHELD if alone < 10 else found == []


def test_patterns_that_sums_isolate_are_found() -> None:
    def alone(codes: list[int], variables: int) -> list[int]:
        lacking = (np.array(codes)[:, None] >> np.arange(variables)) & 1 == 1
        found = alone_in_span(np.array(codes), lacking)
        return [int(code) for code in np.unique(codes) if found[code]]

    assert alone([0, 1, 2, 3], 2) == [], "lacking one, the other, both: four unknowns in three sums"
    assert alone([0, 1, 3], 2) == [0, 1, 3], "who lacks the second lacks the first: differences tell all three"
    assert alone([0, 1, 2], 2) == [0, 1, 2]
    assert alone([0, 3, 5, 6], 3) == [0, 3, 5, 6], "three pairs: half of two sums less the third"
    assert alone([0, 1, 2, 3, 4], 3) == [4], "those who lack the third alone are those who lack it"


def test_what_chains_tell_of_few_who_lack_both_is_lost_in_their_draws(tmp_path: Path) -> None:
    """The sum of w over those who have v, less what all were given who lack w, is one of w less what those were given
    who lack both: it moves with what was drawn, and a regression on that tells how many they are and who of them has s.

    With half as many chains and sweeps as people the error is of the size of those looked for: sqrt(6 x 800 / 400).
    With more for the people of a hospital nothing is opened.
    """
    there = people(drawn(), {"v": np.arange(0, 90), "w": np.arange(84, 200)})
    study = two("pooled").replace("times: 5, sweeps: 2", "times: %d, sweeps: 10")
    parsed = Study.parse(text(study % 40))
    inside = {name: Inside(name, parsed.variables, rows.columns, rows.persons, "k 0") for name, rows in there.items()}
    fit, errors = told_of_both(parsed, inside)
    truth = drawn()["s"][84:90].sum()
    assert np.all(np.abs(fit - [6, truth]) < 4 * errors), "the attack is right about what the sums are made of"
    assert np.all(errors > [3, 1.5])
    assert stopped(tmp_path, text(study % 80), there) in WITHHELD, "four for each person of a hospital"
    assert stopped(tmp_path / "fewer", text(study % 40), there) == []
    again = study.replace("  a:", "  b:").replace("times", "seed: 1, times")
    assert stopped(tmp_path / "twice", text(study % 40 + again % 2), there) in WITHHELD, "other draws tell more"


def told_of_both(study: Study, inside: Mapping[str, Inside]) -> tuple[np.ndarray, np.ndarray]:
    """How many lack both, and how many of these have s, by regression on what was drawn; and the errors of that."""
    spec = Line(study).methods["a"].spec  # type: ignore[attr-defined]
    seen = [(ask, got["fit"]) for ask, got in asked_and_opened(study, inside) if ask.step.name == "imputation.model"]
    of = {name: [(ask, fit) for ask, fit in seen if ask.arguments["variable"] == name] for name in ("v", "w")}
    width = spec.models["v"].width
    names = [column.name for column in spec.models["v"].columns(study.variables)]
    place = list(zip(*(side.tolist() for side in np.triu_indices(width)), strict=True)).index((0, names.index("w")))
    moved, known = [], []
    # v of a sweep is fitted with w of the sweep before, and what w was given then is told when w is fitted next.
    for (ask, fit), (_, later) in zip(of["v"][1:], of["w"][1:], strict=True):
        draws = ask.arguments["draws"]
        *_, last = (here for name, _, here in spec.steps(draws.shape[1]) if name == "w")
        moved.append(fit[:, width + place] - later[:, -1])
        known.append(draws[:, last][:, :-1])
    y, design = -np.concatenate(moved), np.concatenate(known)
    terms = [column.name for column in spec.models["w"].columns(study.variables)]
    design = np.column_stack([np.ones(len(y)), design])
    fit = np.linalg.lstsq(design, y, rcond=None)[0]
    rest = y - design @ fit
    variance = rest @ rest / (len(y) - design.shape[1]) * np.linalg.inv(design.T @ design)
    at = [1, 1 + terms.index("s")]
    return fit[at], np.sqrt(np.diag(variance)[at])


# Together with what was answered before.

APART = "  having: {where: 'v >= -50 and w >= -50'}\n"
BOTH = '  %s: {method: linear, cohort: having, formula: "y ~ x + s"}\n'


def both_cohorts(analyses: str) -> str:
    return text(analyses).replace("  all: {}\n", "  all: {}\n" + APART)


def lacking_both(few: bool) -> dict[str, Rows]:
    """People of whom some lack v, some w, some both: of these four at one hospital, or twenty."""
    everyone = np.arange(800)
    there = everyone % 4 == 0
    both = np.concatenate([everyone[~there][:60], everyone[there][: 4 if few else 20]])
    rest = np.setdiff1d(everyone, both)
    return people(drawn(), {"v": np.append(both, rest[:120]), "w": np.append(both, rest[120:240])})


@pytest.mark.parametrize("few", [True, False])
def test_complete_cases_beside_it_must_not_leave_those_who_lack_both(tmp_path: Path, few: bool) -> None:
    """Everyone, less those who have v, less those who have w, and those who have both: what is left lacks both.

    The preflight tells how many both cohorts have, so that it is the imputation that is withheld.
    """
    going = house(tmp_path, both_cohorts(BOTH % "b" + two("pooled")), lacking_both(few)).run()
    assert list(going.stopped) == (["a"] if few else [])


@pytest.mark.parametrize("few", [True, False])
def test_nor_must_complete_cases_of_a_later_study(tmp_path: Path, few: bool) -> None:
    there = lacking_both(few)
    first = house(tmp_path, text(two("pooled")), there)
    assert first.run().stopped == {}
    for site in first.sites.values():
        site.close()
    (tmp_path / "journal.jsonl").unlink()
    later = house(tmp_path, both_cohorts(BOTH % "b").replace("study: contract", "study: later"), there)
    going = later.run()
    assert list(going.stopped) == (["b"] if few else [])
    assert going.preflight["seoul"].payload["cohorts"]["having"] == ("withheld" if few else "ready")


def test_what_a_family_of_sums_isolates_by_itself_is_not_held_against_it_twice() -> None:
    """That few lack v at a hospital is for the rule over all hospitals; that others split them is for this one."""

    def packed(*places: range) -> np.ndarray:
        bits = np.zeros(64, np.uint8)
        for place in places:
            bits[place] = 1
        return np.packbits(bits)

    cohort, having = packed(range(60)), packed(range(56))
    family = {"c": cohort, "part c 1": having}
    assert family_overlap(family, {}).atom is None
    assert set(isolated([cohort, having]).values()) == {56, 4}
    assert family_overlap(family, {"other": packed(range(30))}).atom == 26
    assert family_overlap({"other": packed(range(58))}, family).difference == 2
    assert family_overlap({"other": packed(range(57, 60))}, family).atom == 1


@pytest.mark.parametrize("few", [4, 80])
def test_two_analyses_that_impute_other_variables_are_a_difference_of_sums(tmp_path: Path, few: int) -> None:
    """All who lack w lack v too: who lacks v alone is those who have w, of one analysis, less those who have v."""
    there = people(drawn(), {"w": np.arange(160), "v": np.arange(160 + few)})
    other = one("pooled", "b").replace("+ v", "+ w").replace("[v]", "[w]")
    going = house(tmp_path, text(one("pooled") + other), there).run()
    assert set(going.results) == ({"a"} if few < 10 else {"a", "b"})


# What a coordinator may ask.


def stopped_at(folder: Path, step: str) -> tuple[House, Any]:
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = step
        return tap[0]

    there = people(drawn(), {"v": np.arange(160)})
    built = house(folder, text(one()), there, wrap=wrap)
    with pytest.raises(Stolen):
        built.run()
    return built, next(request for request in tap[0].seen if request.step == step and request.site == "seoul")


CHOSEN: dict[str, Any] = {
    "draws": lambda honest: honest["draws"] * 1.01,
    "starts": lambda honest: honest["starts"] + 0.5,
    "seed": lambda honest: 7,
    "hospitals": lambda honest: "pooled",
    "impute": lambda honest: ["x"],
}


@pytest.mark.parametrize("name", CHOSEN)
def test_draws_cannot_be_chosen(tmp_path: Path, name: str) -> None:
    """A huge coefficient would make what is imputed a mark of few people's traits; each hospital draws for itself."""
    built, honest = stopped_at(tmp_path, "imputation.sums")
    changed = {**honest.arguments, name: CHOSEN[name](honest.arguments)}
    refused(built.sites["seoul"], replace(honest, arguments=changed), "not_derived")
    assert built.sites["seoul"].answer(honest).outcome == "released"


# What a study may say.


@pytest.mark.parametrize(
    ("said", "cohort", "code"),
    [
        ("analyses", '  b: {method: linear, cohort: all, formula: "y ~ v"}\n', "imputed_is_needed"),
        ("where", "  all: {where: 'v >= 0'}\n", "imputed_is_needed"),
    ],
)
def test_a_value_that_the_cohort_needs_cannot_be_imputed(said: str, cohort: str, code: str) -> None:
    study = text(one() + cohort) if said == "analyses" else text(one()).replace("  all: {}\n", cohort)
    with pytest.raises(FileFault) as found:
        Line(Study.parse(study))
    assert [one.code for one in found.value.findings] == [code]
