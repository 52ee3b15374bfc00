"""UCUM unit codes as pint units: one registry a process, made when the first unit is read that is not a usual one."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from gagyo.text import Text

SHOWN = {
    "a": Text("years", "세", "岁"),
    "mo": Text("months", "개월", "个月"),
    "wk": Text("weeks", "주", "周"),
    "d": Text("days", "일", "天"),
    "h": Text("hours", "시간", "小时"),
    "/min": Text("per minute", "회/분", "次/分"),
    "mm[Hg]": Text("mmHg"),
    "Cel": Text("°C"),
    "[degF]": Text("°F"),
    "%": Text("%"),
}
"""Codes that people write otherwise."""


_USUAL = """
1 % a mo wk d h min s ms /min /h m cm mm um m2 mm2 L dL mL uL fL kg g mg ug ng pg mol/L mmol/L umol/L nmol/L pmol/L
mmol/mol g/L g/dL mg/L mg/dL mg/mL ug/L ug/dL ug/mL ng/L ng/dL ng/mL pg/mL mg/g mg/mmol meq/L mosm/kg U/L kU/L [IU]/L
m[IU]/L m[IU]/mL u[IU]/mL /uL 10*3/uL 10*6/uL 10*9/L 10*12/L mm[Hg] kPa Pa Cel [degF] K kg/m2 mL/min
mL/min/{1.73_m2} L/min m/s mg/kg ug/kg mg/d g/d kcal J W mV Hz mm/h
"""
USUAL = frozenset(_USUAL.split())
"""Codes of clinical data, of which no registry need be asked whether they are UCUM: making it takes a second."""

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def shown(code: str) -> Text:
    """A unit as people write it: µmol/L, kg/m², 10⁹/L, IU/L."""
    return SHOWN.get(code, Text(_written(code)))


def _written(code: str) -> str:
    """A code with its letter for micro, its powers and its brackets as they are printed."""
    code = re.sub(r"(?<![A-Za-z\[])u(?=[A-Za-z\[])", "µ", code)
    code = re.sub(r"10[*^](-?\d+)", lambda found: "10" + found[1].translate(RAISED), code)
    code = re.sub(r"(?<=[a-z])(-?\d)(?=$|[./])", lambda found: found[1].translate(RAISED), code)
    code = code.replace("{1.73_m2}", "1.73 m²")
    return code.replace("[IU]", "IU").replace("[iU]", "IU")


@cache
def unit(code: str) -> Any:
    """One of a unit, as a pint quantity.

    Raises:
        ValueError: the code is no UCUM unit that can be converted.
    """
    try:
        return _registry().from_ucum(code)
    except Exception:  # the parser's and the registry's errors all mean the same to a reader
        raise ValueError(f"{code!r} is not a UCUM unit") from None


def is_unit(code: str) -> bool:
    """Whether a code is a UCUM unit."""
    if code in USUAL:
        return True
    if len(code) > 60:
        return False
    try:
        unit(code)
    except ValueError:
        return False
    return True


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
