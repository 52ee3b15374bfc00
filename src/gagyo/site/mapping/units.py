"""Converts a hospital's unit into the study's: by UCUM, by molar mass for an analyte, and affine for temperatures."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.protocol.analytes import ANALYTES
from gagyo.protocol.ucum import unit

# UCUM: arbitrary units ("[IU]", "[arb'U]") are commensurable with nothing but themselves, though they seem numbers.
ARBITRARY = re.compile(
    r"\[(?:IU|iU|arb'U|USP'U|GPL'U|MPL'U|APL'U|beth'U|anti'Xa'U|todd'U|dye'U|smgy'U|bdsk'U|ka'U|knk'U|mclg'U|tb'U"
    r"|CCID_50|TCID_50|EID_50|PFU|FFU|CFU|IR|BAU|AU|Amb'a'1'U|PNU|Lf|D'ag'U|FEU|ELU|EU|S|hnsf'U|hp'_[XCMQ]|MET)\]"
)
EQUIVALENTS = re.compile(r"(?<![A-Za-z])[munpkf]?eq(?![A-Za-z])")
# NGSP (%) = 0.09148 x IFCC (mmol/mol) + 2.152: Hoelzel et al., Clin Chem 2004;50:166-174.
NGSP_SLOPE, NGSP_INTERCEPT = 0.09148, 2.152


class Conversion(NamedTuple):
    """study value = factor * file value + offset."""

    factor: float
    offset: float = 0.0


def conversion(source: str, target: str, analyte: str = "") -> Conversion:
    """How a value in `source` becomes one in `target`, both UCUM codes ("1" or empty for none).

    analyte: one of `gagyo.protocol.analytes.ANALYTES`, by whose molar mass mass and substance are converted.

    Raises:
        FileFault: a code is no unit, or the units measure different things.
    """
    if (source or "1") == (target or "1"):
        return Conversion(1.0)
    if analyte == "hba1c" and {source, target} == {"%", "mmol/mol"}:
        return _glycated(source)
    one, wanted = _unit(source), _unit(target)
    if sorted(ARBITRARY.findall(source)) != sorted(ARBITRARY.findall(target)):
        raise _mismatch(source, target, analyte)
    scale = _equivalents(source, target, analyte)
    if one.dimensionality == wanted.dimensionality:
        return _same(one, wanted, scale)
    return Conversion(scale * _by_mass(one, wanted, source, target, analyte))


def _same(one: Any, wanted: Any, scale: float) -> Conversion:
    """Units of one dimension: linear, or affine for temperatures."""
    zero, unity = (_magnitude(one, value).to(wanted.units).magnitude / wanted.magnitude for value in (0.0, 1.0))
    return Conversion(float(unity - zero) * scale, float(zero) * scale)


def _magnitude(one: Any, value: float) -> Any:
    return type(one)(value * one.magnitude, one.units)


def _by_mass(one: Any, wanted: Any, source: str, target: str, analyte: str) -> float:
    """The factor between mass and amount of substance, by the analyte's molar mass."""
    mass = ANALYTES[analyte].molar_mass if analyte in ANALYTES else 0.0
    molar = unit("g/mol") * mass
    ratio = one.dimensionality / wanted.dimensionality
    if mass and ratio == molar.dimensionality:
        return float((one / molar / wanted).to("dimensionless").magnitude)
    if mass and ratio == (1 / molar).dimensionality:
        return float((one * molar / wanted).to("dimensionless").magnitude)
    raise _mismatch(source, target, analyte)


def _equivalents(source: str, target: str, analyte: str) -> float:
    """Equivalents and moles differ by the ion's valence, which pint does not know."""
    have, want = (bool(EQUIVALENTS.search(code)) for code in (source, target))
    if have == want:
        return 1.0
    valence = ANALYTES[analyte].valence if analyte in ANALYTES else 0
    if not valence:
        raise _mismatch(source, target, analyte)
    return 1 / valence if have else float(valence)


def _glycated(source: str) -> Conversion:
    if source == "mmol/mol":
        return Conversion(NGSP_SLOPE, NGSP_INTERCEPT)
    return Conversion(1 / NGSP_SLOPE, -NGSP_INTERCEPT / NGSP_SLOPE)


def _unit(code: str) -> Any:
    try:
        return unit(code or "1")
    except ValueError:
        raise FileFault(Finding("bad_unit", values={"found": code})) from None


def _mismatch(source: str, target: str, analyte: str) -> FileFault:
    values = {"found": source or "1", "expected": target or "1", "analyte": analyte or "-"}
    return FileFault(Finding("unit_mismatch", values=values))
