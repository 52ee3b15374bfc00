"""The one place where numbers become text: the same digits in every language, a decimal point, no locale.

Five digits or more are grouped by a narrow space (SI), a minus is a minus sign, and an interval is
`value (lower, upper)`, which reads the same in Korean, Chinese and English.
"""

from __future__ import annotations

import math

from gagyo.result import Column, Interval

NOTHING = "–"
GROUP = "\u202f"
MINUS = "\u2212"


def count(value: float) -> str:
    """A number of people or of anything counted."""
    if not math.isfinite(value):
        return NOTHING
    digits = f"{round(abs(value)):,}"
    digits = digits.replace(",", GROUP if len(digits) > 5 else "")
    return _signed(digits, value)


def fixed(value: float, digits: int = 3) -> str:
    """A number with `digits` after the decimal point."""
    if not math.isfinite(value):
        return NOTHING
    whole, _, rest = f"{abs(value):,.{digits}f}".partition(".")
    whole = whole.replace(",", GROUP if len(whole) > 5 else "")
    return _signed(f"{whole}.{rest}" if rest else whole, value)


def percent(share: float, digits: int = 1) -> str:
    """A share of 1 in per cent."""
    return f"{fixed(100 * share, digits)}%" if math.isfinite(share) else NOTHING


def p_value(value: float) -> str:
    """A p value; below 0.001 only that."""
    if not math.isfinite(value):
        return NOTHING
    return "<0.001" if value < 0.001 else fixed(value, 3)


def significant(value: float, digits: int = 6) -> str:
    """A number with `digits` significant digits and no exponent, for an equation that others will use."""
    if not math.isfinite(value) or value == 0:
        return fixed(value, digits - 1)
    after = digits - 1 - math.floor(math.log10(abs(value)))
    return fixed(value, min(max(after, 0), 12))


def interval(value: Interval, digits: int = 3) -> str:
    """An estimate with its limits, which stay together on a line."""
    return f"{fixed(value.value, digits)} ({fixed(value.lower, digits)},\u00a0{fixed(value.upper, digits)})"


def tick(value: float, step: float) -> str:
    """The label of an axis at `value`, with as many digits as its step needs."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    digits += 0 if abs(step * 10**digits - round(step * 10**digits)) < 1e-6 else 1
    return fixed(value, digits)


NO_SIZE = 1e-8
"""What is smaller is what rounding leaves of nothing."""

MOST_DIGITS = 10


def enough(size: float, digits: int, *values: float) -> int:
    """Digits after the decimal point that leave two figures of a size, where `digits` would leave fewer and does not
    tell the values as they are.
    """
    told = all(round(value, digits) == value for value in values if math.isfinite(value))
    if not math.isfinite(size) or size < NO_SIZE or told:
        return digits
    return max(digits, min(1 - math.floor(math.log10(size)), MOST_DIGITS))


def shown(value: float | Interval, column: Column) -> str:
    """A table's number as its column says; of small ones more digits, such as of a slope per unit of a wide range.

    An interval has as many as its width needs: `1.00 (1.00, 1.00)` would tell nothing of a ratio per unit.
    """
    if isinstance(value, Interval):
        ends = (value.value, value.lower, value.upper)
        return interval(value, enough(value.upper - value.lower, column.digits, *ends))
    if column.format == "count" or (isinstance(value, int) and column.format in ("text", "interval")):
        return count(value)
    if column.format == "significant":
        return fixed(value, column.digits) if abs(value) >= 1 else significant(value, column.digits)
    if column.format == "percent":
        return percent(value, column.digits)
    return p_value(value) if column.format == "p" else fixed(value, enough(abs(value), column.digits, value))


def _signed(digits: str, value: float) -> str:
    return MINUS + digits if value < 0 and any(digit in "123456789" for digit in digits) else digits


def signed(text: str) -> str:
    """A formatted number with a minus sign for its hyphen."""
    return MINUS + text[1:] if text.startswith("-") else text
