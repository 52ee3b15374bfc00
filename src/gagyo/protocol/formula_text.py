"""From the text of a formula to its terms, in Wilkinson and Rogers' notation: each term a list of factors as written.

`a + b` both, `a:b` the product, `a*b` both and the product, `1`, `0` and `-1` with and without an intercept. Every
token is checked against an allow-list before anything is put together, and nothing is evaluated.
G. N. Wilkinson and C. E. Rogers, "Symbolic description of factorial models for analysis of variance", Applied
Statistics 22 (1973) 392-399.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.protocol.guards import short, too_long, too_nested, unknown_variable
from gagyo.protocol.variables import Variable
from gagyo.result import Words

MOST_TERMS = 500
MOST_FACTORS = 4
NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<number>{NUMBER.removeprefix('[+-]?')})|(?P<name>[^\W\d]\w*)|(?P<sign>[~+\-*:(),])|(?P<other>.)",
    re.DOTALL,
)
CALLS = ("C", "rcs")
INSTEAD = {
    "Surv": "survival",
    "factor": "category",
    **dict.fromkeys(("bs", "ns", "poly", "s"), "curve"),
    **dict.fromkeys(("cluster", "offset", "strata"), "beside"),
}
"""What stands here in place of a function of R's formulas."""

Tokens = list[tuple[str, str]]
Factors = tuple[str, ...]


@dataclass(frozen=True)
class Sides:
    """What stands on both sides of `~`: terms in the order of their first mention, each of factors as written."""

    left: tuple[Factors, ...]
    right: tuple[Factors, ...]
    intercept: bool


def read(text: str, variables: Mapping[str, Variable]) -> Sides:
    """The terms of a formula's text.

    Raises:
        FileFault: with a finding for each fault.
    """
    long = too_long(text)
    if long:
        raise FileFault(long)
    found = [match for match in TOKEN.finditer(text) if match.lastgroup != "space"]
    tokens = [(str(match.lastgroup), match.group()) for match in found]
    nested = too_nested(token for _, token in tokens)
    if nested:
        raise FileFault(nested)
    faults = list({(f.code, str(f.values.get("found"))): f for f in _check_tokens(tokens, variables)}.values())
    if faults:
        raise FileFault(*faults)
    return _sides(text, _with_calls(text, found))


# ── faults that the tokens alone show ─────────────────────────────────────────────────────────────────────────────


def _check_tokens(tokens: Tokens, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    depth, unknown = 0, 0
    for index, (kind, token) in enumerate(tokens):
        before, following = _beside(tokens, index)
        depth += (token == "(") - (token == ")")
        if unknown:  # within the brackets of what is no call of a formula
            unknown = unknown if depth >= unknown else 0
            continue
        if kind == "other":
            yield _stray(token)
            return
        if kind == "name":
            yield from _check_word(token, following, variables)
        elif token == "(" and before not in CALLS:
            if not before.isidentifier():
                yield Finding("formula_brackets", values={"found": short(before + token)})
                return
            unknown = depth
        elif depth == 0 and not _fits(kind, token, before, following):
            yield Finding("formula_character", values={"found": short(before + token + following)})
            return
    yield from _check_size([token for _, token in tokens])


def _beside(tokens: Tokens, index: int) -> tuple[str, str]:
    """The tokens before and after one; empty at the ends."""
    before = tokens[index - 1][1] if index else ""
    return before, tokens[index + 1][1] if index + 1 < len(tokens) else ""


def _fits(kind: str, token: str, before: str, following: str) -> bool:
    """Whether a token outside brackets can stand where it does: 1 and 0 only speak of the intercept."""
    if kind == "number":
        return token in {"0", "1"} and before in {"~", "+", "-"} and following in {"", "+", "-"}
    if token == "-":
        return following == "1"
    if token in {"*", ":", "+", "~"}:
        return following not in {"*", ":", "+", ""} and (following != "-" or token == "~")
    return token != ","


def _stray(token: str) -> Finding:
    if token == ".":
        return Finding("expression_attribute", values={"found": token})
    return Finding("formula_character", values={"found": short(token)})


def _check_word(word: str, following: str, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    if following == "(" and word in CALLS:
        return
    if following == "(" or word.startswith("__"):
        hint = Words(f"expected.instead_{INSTEAD.get(word, 'derived')}", {"name": short(word)})
        yield Finding("formula_function", values={"found": short(word), "expected": "C(…), rcs(…)", "hint": hint})
    elif word not in variables:
        yield unknown_variable(word, variables)


def _check_size(tokens: Sequence[str]) -> Iterator[Finding]:
    """Refuse before expansion what would expand without end, such as `a*b*c*d*…`."""
    if tokens.count("~") != 1:
        yield Finding("formula_sides", values={"found": tokens.count("~")})
    terms = " ".join(tokens).split("+")
    longest = max(sum(term.count(sign) for sign in "*:") for term in terms) + 1
    if len(terms) > MOST_TERMS:
        yield Finding("formula_too_large", values={"found": len(terms), "expected": MOST_TERMS})
    if longest > MOST_FACTORS:
        yield Finding("formula_too_large", values={"found": longest, "expected": MOST_FACTORS})


# ── from tokens to terms ──────────────────────────────────────────────────────────────────────────────────────────


def _with_calls(text: str, found: Sequence[re.Match[str]]) -> list[str]:
    """The tokens, each call such as `rcs(age, 20, 40, 60)` as one, as it is written."""
    parts: list[str] = []
    depth, start = 0, 0
    for index, match in enumerate(found):
        token = match.group()
        if token == "(":
            if depth == 0:
                start = found[index - 1].start()
                parts.pop()
            depth += 1
        elif token == ")":
            depth -= 1
            if depth == 0:
                parts.append(text[start : match.end()])
        elif depth == 0:
            parts.append(token)
        if depth < 0:
            break
    if depth != 0:
        raise FileFault.of("formula_syntax", found=short(text))
    return parts


def _sides(text: str, parts: Sequence[str]) -> Sides:
    middle = parts.index("~")
    left, _ = _terms(text, parts[:middle])
    right, intercept = _terms(text, parts[middle + 1 :])
    if not left:
        raise FileFault.of("formula_syntax", found=short(text))
    return Sides(left, right, intercept)


def _terms(text: str, parts: Sequence[str]) -> tuple[tuple[Factors, ...], bool]:
    """The terms of one side, and whether it has an intercept: what is said of it last holds."""
    terms: list[Factors] = []
    intercept = True
    for sign, addend in _addends(parts):
        if addend in (["0"], ["1"]):
            intercept = sign == "+" and addend == ["1"]
        else:
            terms += _crossed(text, addend)
    return tuple(dict.fromkeys(terms)), intercept


def _addends(parts: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    sign: str = "+"
    addend: list[str] = []
    for part in parts:
        if part not in {"+", "-"}:
            addend.append(part)
            continue
        if addend:
            yield sign, addend
        sign, addend = part, []
    if addend:
        yield sign, addend


def _crossed(text: str, addend: Sequence[str]) -> list[Factors]:
    """The terms of `a:b*c`: each part between stars, and its products with those before it."""
    terms: list[Factors] = []
    for part in _split(addend, "*"):
        factors = tuple(_factor(text, tokens) for tokens in _split(part, ":"))
        terms += [factors, *((*term, *factors) for term in terms)]
    return terms


def _split(tokens: Sequence[str], sign: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == sign:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _factor(text: str, tokens: Sequence[str]) -> str:
    """The one token between two signs."""
    if len(tokens) != 1:
        raise FileFault.of("formula_syntax", found=short(text))
    return tokens[0]
