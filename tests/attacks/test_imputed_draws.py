"""Attack: sums of completed data are sums of who lacks a value with known random weights, one for each chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gagyo.federation.rows import Rows
from gagyo.methods._imputation_walk import fewest
from gagyo.methods._newton import symmetric
from gagyo.protocol.study import Study
from gagyo.runtime.embedded import Embedded
from tests.attacks.test_door import Wiretap
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import SITES, house

PEOPLE, LACKING, CHAINS = 400, 24, 60
ANALYSIS = """\
  a: {method: imputation, cohort: all, formula: 'y ~ x + w', model: linear, impute: [x], times: 60, sweeps: 1,
      hospitals: pooled}
"""


def drawn() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    w, y = random.normal(50, 10, PEOPLE), random.normal(50, 10, PEOPLE)
    x = 0.3 * w + 0.3 * y + random.normal(20, 5, PEOPLE)
    x[random.choice(PEOPLE, LACKING, replace=False)] = np.nan
    return {"x": x, "w": w, "y": y}


def text() -> str:
    return HEAD % (10, "\n".join(number(name, 0, 100) for name in "xwy"), ANALYSIS)


def normals(study: Study, secrets: Mapping[str, bytes]) -> np.ndarray:
    """What each person who lacks x is given in each chain (chains, lacking): its hospital's secret makes it."""
    data, out = drawn(), np.zeros((CHAINS, PEOPLE))
    for at, site in enumerate(SITES):
        persons = divide(data, np.arange(PEOPLE) % 4)[site].persons
        rows = Rows(site, study.variables, {}, persons, f"{study.study} {study.seed}", secrets.get(site, b""))
        out[:, at::4] = [special.ndtri(rows.uniforms(f"imputation 0 x 1 {chain}")) for chain in range(CHAINS)]
    return out[:, np.isnan(data["x"])]


class Heard:
    """What a coordinator has of an imputation: everyone's raw moments in each chain, and what it drew itself."""

    def __init__(self, folder: Path) -> None:
        self._taps: list[Wiretap] = []
        self.house = house(folder, text(), divide(drawn(), np.arange(PEOPLE) % 4), wrap=self._listen)
        run = self.house.run()
        assert run.stopped == {}
        sums, products = told(run, "a")[-2:]
        last = next(one for one in reversed(self._taps[0].seen) if one.step == "imputation.products")
        centre, self.draws = last.arguments["centre"], last.arguments["draws"]
        total, about = sums["sums"][:, :4], np.array([symmetric(one, 4) for one in products["products"]])
        crossed = np.einsum("ci,cj->cij", centre, total)
        both = np.einsum("ci,cj->cij", centre, centre)
        self.moments = about + crossed + crossed.transpose(0, 2, 1) - PEOPLE * both

    def _listen(self, runtime: Embedded) -> Wiretap:
        self._taps.append(Wiretap(runtime))
        return self._taps[-1]

    def solved(self, given: np.ndarray) -> np.ndarray:
        """The values of w and y (lacking, 2) of those who lack x, were they given these normals (chains, lacking).

        A chain's sum of x and w is one over those who have x, the coefficients times sums over those who lack it, and
        the standard deviation times each one's normal times w.
        """
        known = np.column_stack([np.ones(CHAINS), self.draws[:, :-1], given * self.draws[:, -1:]])
        return np.linalg.lstsq(known, self.moments[:, 1, 2:], rcond=None)[0][-LACKING:]


def test_values_of_those_who_lack_another_do_not_follow_from_chains(tmp_path: Path) -> None:
    """Sixty chains are sixty sums over twenty-four people: whoever knew their normals would have their values."""
    heard, data = Heard(tmp_path), drawn()
    wanted = np.column_stack([data["w"], data["y"]])[np.isnan(data["x"])]
    secrets = {name: site._secret("draws") for name, site in heard.house.sites.items()}
    study = Study.parse(text())
    np.testing.assert_allclose(heard.solved(normals(study, secrets)), wanted, atol=1e-6)
    assert np.median(np.abs(heard.solved(normals(study, {})) - wanted)) > 3


def test_the_secret_lasts_and_is_each_hospitals_own(tmp_path: Path) -> None:
    built = house(tmp_path, text(), divide(drawn(), np.arange(PEOPLE) % 4))
    secrets = [site._secret("draws") for site in built.sites.values()]
    assert len(set(secrets)) == 4
    for site in built.sites.values():
        site.close()
    again = house(tmp_path, text(), divide(drawn(), np.arange(PEOPLE) % 4))
    assert [site._secret("draws") for site in again.sites.values()] == secrets


# Yes/no variables: what is given is 0 or 1, whoever draws it.


def by_pairs(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Rows (found, columns): sums over one person, and by what many pairs of sums differ of one over a person more."""
    sums, people = given @ values, given.sum(axis=1)
    alone = np.round(sums[people == 1], 4)
    found: Counter[tuple[float, ...]] = Counter()
    for row, size in zip(sums, people, strict=True):
        found.update(tuple(one) for one in np.round(sums[people == size + 1] - row, 4))
    often = [one for one, times in found.most_common(len(values)) if times > 2]
    return np.vstack([alone, np.array(often).reshape(-1, values.shape[1])])


@pytest.mark.parametrize(("lacking", "share", "wanted"), [(10, 0.5, 6), (14, 0.5, 10), (30, 0.1, 20), (60, 0.05, 40)])
def test_without_the_rule_sums_over_one_person_more_tell_the_values_of_a_few(
    lacking: int, share: float, wanted: int
) -> None:
    """A thousand sums over some of those who lack a yes/no, drawn in secret: most of ten, or of sixty, rows."""
    random = np.random.default_rng(8)
    values = random.normal(50, 10, (lacking, 2))
    found = by_pairs(values, (random.random((1000, lacking)) < share).astype(float))
    known = [np.abs(found - one).max(axis=1).min() < 1e-3 for one in values]
    assert sum(known) >= wanted
    assert lacking < fewest(1000, share)


@pytest.mark.parametrize("share", [0.5, 0.2, 0.1, 0.05])
@pytest.mark.parametrize("sums", [20, 200, 1000])
def test_of_as_many_as_the_rule_wants_hardly_a_sum_is_over_one_person(sums: int, share: float) -> None:
    random = np.random.default_rng(8)
    values = random.normal(50, 10, (fewest(sums, share), 2))
    found = by_pairs(values, (random.random((sums, len(values))) < share).astype(float))
    assert sum(np.abs(found - one).max(axis=1).min(initial=1.0) < 1e-3 for one in values) <= 1


@pytest.mark.parametrize(("lacking", "stopped"), [(0, False), (15, True), (40, False)])
def test_yes_or_no_that_few_lack_is_imputed_by_few_chains(tmp_path: Path, lacking: int, stopped: bool) -> None:
    random = np.random.default_rng(4)
    data = drawn() | {"x": (random.random(PEOPLE) < 0.5).astype(float)}
    data["x"][random.choice(PEOPLE, lacking, replace=False)] = np.nan
    declared = "\n".join([boolean("x"), number("w", 0, 100), number("y", 0, 100)])
    run = house(tmp_path, HEAD % (10, declared, ANALYSIS), divide(data, np.arange(PEOPLE) % 4)).run()
    assert [finding.code for why in run.stopped.values() for finding in why.findings] == (["impute_few"] * stopped)
