"""Multiple imputation of all rows in one place: the documented draws, written anew with numpy alone.

Hospitals are columns of the design here, every fit is least squares or Newton's on the whole of it, and the draws are
taken from the joint distribution of slopes and hospitals' levels in turn, as the method's documentation says. A
category is its numbers 0, 1, ... in the columns that people have, and its indicators in designs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

Columns = Mapping[str, np.ndarray]
MASK = 2**64 - 1


def bits(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)


def unit(number: int) -> float:
    return ((number >> 11) + 0.5) / 2**53


def normals(text: str, number: int) -> np.ndarray:
    return special.ndtri(np.array([unit(bits(f"{text} {j}")) for j in range(number)]))


def of_person(site: str, person: bytes, seed: str, label: str) -> float:
    """SplitMix64 of the person's keyed hash, that many steps on as the label says; site: see `People.keyed`."""
    raw = hmac.digest(f"gagyo people {site % seed}".encode(), person + (0).to_bytes(4, "big"), "sha256")
    z = (int.from_bytes(raw[:8], "big") + 0x9E3779B97F4A7C15 * (bits(label) + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return unit(z ^ (z >> 31))


@dataclass(frozen=True)
class Asked:
    """An analysis: outcome and predictors in order, what is imputed, the declared ranges of measurements.

    levels: of each category, how many. drawn: what parameters are named by, if not the study. walk: what people's own
    numbers are named by, beside it.
    """

    outcome: str
    predictors: Sequence[str]
    impute: Sequence[str]
    ranges: Mapping[str, tuple[float, float]]
    auxiliary: Sequence[str] = ()
    logistic: bool = False
    times: int = 20
    sweeps: int = 5
    own: bool = True
    prediction: bool = False
    seed: int = 0
    study: str = "contract 0"
    drawn: str = ""
    walk: str = ""
    levels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class People:
    """Everyone: columns, hospital by name, identifier. secrets: by hospital, of what it draws; none in rehearsals."""

    columns: Columns
    sites: np.ndarray
    persons: Sequence[bytes]
    secrets: Mapping[str, bytes] = field(default_factory=dict)

    def keyed(self, site: str) -> str:
        """What a hospital's numbers are drawn by: its secret, the seed (to be filled in) and its name."""
        return f"{self.secrets[site].hex()} %s {site}" if site in self.secrets else f"%s {site}"


def fits(asked: Asked, people: People) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients and variances of each completed data set, and the means of what was imputed last, by column."""
    values, variances, means = [], [], []
    for chain in range(asked.times):
        done = completed(asked, people, chain)
        X = np.column_stack([np.ones(len(people.persons)), *(told(asked, done, name) for name in asked.predictors)])
        beta, inverse = (logit if asked.logistic else least)(X, done[asked.outcome])
        values.append(beta)
        variances.append(np.diag(inverse))
        gone = [np.isnan(people.columns[name]) for name in asked.impute]
        shown = [told(asked, done, name, 0)[lacking] for name, lacking in zip(asked.impute, gone, strict=True)]
        means.append(np.column_stack([one.mean(axis=0)[None] for one in shown])[0])
    return np.array(values), np.array(variances), np.array(means)


def told(asked: Asked, done: Columns, name: str, first: int = 1) -> np.ndarray:
    """The columns of a variable in a design (n, k): itself, or indicators of a category's levels from `first` on."""
    if name not in asked.levels:
        return done[name][:, None]
    return (done[name][:, None] == np.arange(first, asked.levels[name])).astype(float)


def least(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    residual = y - X @ beta
    R = np.linalg.qr(X, mode="r")
    inverse = np.linalg.inv(R) @ np.linalg.inv(R).T
    return beta, inverse * (residual @ residual) / (len(y) - X.shape[1])


def logit(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = np.abs(X).max(axis=0)
    Z, beta = X / size, np.zeros(X.shape[1])
    for _ in range(60):
        mu = special.expit(Z @ beta)
        information = Z.T @ (Z * (mu * (1 - mu))[:, None])
        beta = beta + np.linalg.solve(information, Z.T @ (y - mu))
    return beta / size, np.linalg.inv(information) / np.outer(size, size)


def multinomial(X: np.ndarray, y: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (levels - 1, q), each level against the first, and their covariance, level after level."""
    size = np.abs(X).max(axis=0)
    Z, beta = X / size, np.zeros((levels - 1, X.shape[1]))
    having = y[:, None] == np.arange(1, levels)
    for _ in range(60):
        odds = np.exp(Z @ beta.T)
        p = odds / (1 + odds.sum(axis=1, keepdims=True))
        variance = np.eye(levels - 1) * p[:, :, None] - p[:, :, None] * p[:, None, :]
        information = np.einsum("na,njk,nb->jakb", Z, variance, Z, optimize=True).reshape(beta.size, beta.size)
        beta = beta + np.linalg.solve(information, ((having - p).T @ Z).ravel()).reshape(beta.shape)
    sizes = np.tile(size, levels - 1)
    return beta / size, np.linalg.inv(information) / np.outer(sizes, sizes)


def completed(asked: Asked, people: People, chain: int, among: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Everyone's values in a chain; `among`: whose rows the imputation models are fitted on, if not everyone's."""
    among = np.ones(len(people.persons), bool) if among is None else among
    done = {name: np.array(column, float) for name, column in people.columns.items()}
    gone = {name: np.isnan(people.columns[name]) for name in asked.impute}

    def each(name: str, sweep: int) -> np.ndarray:
        label = f"imputation {asked.seed} {name} {sweep} {chain} {asked.walk}".rstrip()
        who = np.flatnonzero(gone[name])
        return np.array([of_person(people.keyed(people.sites[i]), people.persons[i], asked.study, label) for i in who])

    for name in asked.impute:
        seen = done[name][~gone[name] & among]
        if name in asked.levels:
            shares = np.cumsum(np.bincount(seen.astype(int), minlength=asked.levels[name]) / len(seen))
            done[name][gone[name]] = np.searchsorted(shares[:-1], each(name, 0), side="right")
        elif name in asked.ranges:
            done[name][gone[name]] = within(asked, name, seen.mean() + seen.std(ddof=1) * special.ndtri(each(name, 0)))
        else:
            done[name][gone[name]] = each(name, 0) < seen.mean()
    for sweep in range(1, asked.sweeps + 1):
        for name in asked.impute:
            drawn = one_model(asked, people, done, gone[name], name, sweep, chain, among)
            uniform = each(name, sweep)
            if name in asked.levels:
                odds = np.exp(np.column_stack([np.zeros(len(uniform)), drawn[0]]))
                shares = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
                found = [np.searchsorted(one[:-1], u, side="right") for one, u in zip(shares, uniform, strict=True)]
                done[name][gone[name]] = found
            elif name in asked.ranges:
                mean, sigma = drawn
                done[name][gone[name]] = within(asked, name, mean + sigma * special.ndtri(uniform))
            else:
                done[name][gone[name]] = uniform < special.expit(drawn[0])
    return done


def within(asked: Asked, name: str, x: np.ndarray) -> np.ndarray:
    low, high = asked.ranges[name]
    return np.clip(x, low - (high - low), high + (high - low))


def one_model(
    asked: Asked,
    people: People,
    done: Columns,
    gone: np.ndarray,
    name: str,
    sweep: int,
    chain: int,
    among: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Linear predictors of those who lack a variable, under drawn parameters, and the residual deviation drawn.

    Of a category (n, levels - 1), each level's against the first.
    """
    outcome = [] if asked.prediction else [asked.outcome]
    others = [*outcome, *(p for p in [*asked.predictors, *asked.auxiliary] if p != name)]
    middle = {p: sum(asked.ranges[p]) / 2 if p in asked.ranges else 0.0 for p in others}
    slopes = np.column_stack([told(asked, done, p) - middle[p] for p in others])
    where = sorted(set(people.sites)) if asked.own else [None]
    everyone = np.ones(len(slopes), bool)
    levels = np.column_stack([people.sites == one if asked.own else everyone for one in where]).astype(float)

    def keyed(one: str) -> str:
        return people.keyed(one) % asked.study

    label = f"gagyo {asked.drawn or asked.study} imputation {asked.seed} {name} {sweep} {chain}"
    # Without hospitals' levels the intercept comes first, and is drawn with the slopes.
    W = np.column_stack([slopes, levels]) if asked.own else np.column_stack([levels, slopes])
    q = slopes.shape[1] if asked.own else W.shape[1]
    fitted = ~gone & among
    y = people.columns[name][fitted]
    if name in asked.levels:
        own = [f"gagyo hospital {keyed(one)} imputation {asked.seed} {name} {sweep} {chain}" for one in where]
        beta = drawn_levels(asked, W[fitted], y, asked.levels[name], q, label, own)
        return W[gone] @ beta.T, 1.0
    if name in asked.ranges:
        beta, inverse = least(W[fitted], y)
        residual = y - W[fitted] @ beta
        freedom = len(y) - W.shape[1]
        inverse = inverse / (residual @ residual / freedom)
        chi = 2 * special.gammaincinv(freedom / 2, unit(bits(f"{label} chi 0")))
        sigma = float(np.sqrt(residual @ residual / chi))
    else:
        beta, inverse = logit(W[fitted], y)
        sigma = 1.0
    precision = np.linalg.inv(inverse)
    drawn = beta.copy()
    drawn[:q] += sigma * (np.linalg.cholesky(inverse[:q, :q]) @ normals(label, q))
    if asked.own:
        # Levels given the slopes: normal about what the joint distribution says, each by its hospital's own number.
        block = precision[q:, q:]
        mean = beta[q:] - np.linalg.solve(block, precision[q:, :q] @ (drawn[:q] - beta[:q]))
        own = f"imputation {asked.seed} {name} {sweep} {chain}"
        z = np.array([normals(f"gagyo hospital {keyed(one)} {own}", 1)[0] for one in where])
        drawn[q:] = mean + sigma * z / np.sqrt(np.diag(block))
    return W[gone] @ drawn, sigma


def drawn_levels(
    asked: Asked, W: np.ndarray, y: np.ndarray, levels: int, q: int, label: str, own: list[str]
) -> np.ndarray:
    """Coefficients (levels - 1, columns) drawn around a multinomial fit: of the first q columns, then of hospitals."""
    beta, inverse = multinomial(W, y, levels)
    number = np.arange(beta.size).reshape(beta.shape)
    first = number[:, :q].ravel()
    precision, drawn = np.linalg.inv(inverse), beta.ravel().copy()
    root = np.linalg.cholesky(inverse[np.ix_(first, first)])
    moved = root @ normals(label, len(first))
    drawn[first] += moved
    for at, name in enumerate(own if asked.own else []):
        # A hospital's levels given the slopes: no hospital's level tells another's.
        here = number[:, q + at]
        block = np.linalg.inv(precision[np.ix_(here, here)])
        drawn[here] += np.linalg.cholesky(block) @ normals(name, levels - 1)
        drawn[here] -= block @ precision[np.ix_(here, first)] @ moved
    return drawn.reshape(beta.shape)
