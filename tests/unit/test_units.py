"""Unit conversion against published factors and reference pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gagyo.errors import FileFault
from gagyo.protocol.analytes import ANALYTES
from gagyo.protocol.ucum import USUAL, unit
from gagyo.site.mapping.units import conversion

# (from, to, analyte, value, expected, relative tolerance); the factors are those of SI conversion tables (AMA Manual of
# Style, chapter 18; NIST SP 811).
PUBLISHED = [
    ("mg/dL", "mmol/L", "glucose", 90, 4.9956, 1e-4),
    ("mmol/L", "mg/dL", "glucose", 1, 18.0156, 1e-5),
    ("mg/dL", "mmol/L", "total_cholesterol", 38.67, 1.0, 1e-3),
    ("mg/dL", "mmol/L", "triglycerides", 88.54, 1.0, 1e-3),
    ("mg/dL", "umol/L", "creatinine", 1, 88.4, 1e-3),
    ("mg/dL", "mmol/L", "urea_nitrogen", 1, 0.357, 1e-3),
    ("mg/dL", "mmol/L", "urea", 6, 1.0, 2e-3),
    ("mg/dL", "umol/L", "uric_acid", 1, 59.48, 1e-3),
    ("mg/dL", "umol/L", "bilirubin", 1, 17.1, 1e-3),
    ("mg/dL", "mmol/L", "calcium", 1, 0.2495, 1e-3),
    ("meq/L", "mmol/L", "calcium", 1, 0.5, 1e-12),
    ("mmol/L", "meq/L", "sodium", 140, 140, 1e-12),
    ("mg/dL", "mmol/L", "phosphate", 1, 0.3229, 1e-3),
    ("ug/dL", "umol/L", "iron", 1, 0.179, 1e-2),
    ("ng/mL", "nmol/L", "vitamin_d", 1, 2.496, 1e-3),
    ("pg/mL", "pmol/L", "vitamin_b12", 1, 0.738, 1e-3),
    ("ug/dL", "nmol/L", "thyroxine", 1, 12.87, 1e-3),
    ("g/dL", "mmol/L", "haemoglobin", 1, 0.6206, 1e-3),
    ("mmol/mol", "%", "hba1c", 53, 7.0, 1e-3),
    ("%", "mmol/mol", "hba1c", 6.5, 47.5, 2e-3),
    ("mg/g", "mg/mmol", "creatinine", 30, 3.39, 2e-3),
    ("[degF]", "Cel", "", 98.6, 37.0, 1e-9),
    ("Cel", "[degF]", "", 37, 98.6, 1e-9),
    ("Cel", "K", "", 25, 298.15, 1e-9),
    ("mm[Hg]", "kPa", "", 120, 15.9987, 1e-4),
    ("[lb_av]", "kg", "", 1, 0.45359237, 1e-9),
    ("[in_i]", "cm", "", 1, 2.54, 1e-9),
    ("g/L", "g/dL", "", 140, 14, 1e-12),
    ("10*3/uL", "10*9/L", "", 7.2, 7.2, 1e-9),
    ("mo", "a", "", 12, 1.0, 1e-9),
    ("%", "1", "", 45, 0.45, 1e-12),
    ("mg/dL", "mg/dL", "", 5, 5, 0),
]


@pytest.mark.parametrize(("source", "target", "analyte", "value", "expected", "tolerance"), PUBLISHED)
def test_published_values(
    source: str, target: str, analyte: str, value: float, expected: float, tolerance: float
) -> None:
    factor, offset = conversion(source, target, analyte)
    assert factor * value + offset == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("source", "target", "analyte", "code"),
    [
        ("mg/dL", "mmol/L", "", "unit_mismatch"),
        ("mg/dL", "cm", "glucose", "unit_mismatch"),
        ("[IU]/L", "10*9/L", "", "unit_mismatch"),
        ("[IU]/L", "U/L", "", "unit_mismatch"),
        ("meq/L", "mmol/L", "", "unit_mismatch"),
        ("mmol/mol", "mmol/L", "hba1c", "unit_mismatch"),
        ("mg/dl/foo", "mmol/L", "glucose", "bad_unit"),
        ("", "mmol/L", "glucose", "unit_mismatch"),
    ],
)
def test_what_cannot_be_converted_is_refused(source: str, target: str, analyte: str, code: str) -> None:
    with pytest.raises(FileFault) as fault:
        conversion(source, target, analyte)
    assert [finding.code for finding in fault.value.findings] == [code]


@given(st.sampled_from(sorted(ANALYTES)), st.floats(1e-3, 1e3))
def test_there_and_back_is_the_same(analyte: str, value: float) -> None:
    units = ("%", "mmol/mol") if analyte == "hba1c" else ("mg/dL", "umol/L")
    there, back = conversion(*units, analyte), conversion(*reversed(units), analyte)
    assert back.factor * (there.factor * value + there.offset) + back.offset == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("code", sorted(USUAL))
def test_usual_codes_are_those_of_the_registry(code: str) -> None:
    assert unit(code).magnitude
