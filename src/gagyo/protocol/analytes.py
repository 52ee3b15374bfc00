"""Molar masses of common laboratory analytes, by which mass and amount of substance are converted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Analyte:
    """What is measured. molar_mass: g/mol of what the mass unit weighs. valence: equivalents a mole, for ions."""

    molar_mass: float
    valence: int = 0


# Molar masses from the molecular formulas with the IUPAC abridged standard atomic weights (2021), as PubChem lists
# them, except where a clinical convention weighs something else; those say so.
ANALYTES: dict[str, Analyte] = {
    "glucose": Analyte(180.156),  # C6H12O6
    "cholesterol": Analyte(386.65),  # C27H46O
    "total_cholesterol": Analyte(386.65),  # as cholesterol
    "hdl_cholesterol": Analyte(386.65),  # as cholesterol
    "ldl_cholesterol": Analyte(386.65),  # as cholesterol
    "triglycerides": Analyte(885.4),  # as triolein, C57H104O6 (the convention behind mg/dL / 88.5)
    "creatinine": Analyte(113.12),  # C4H7N3O
    "urea": Analyte(60.056),  # CH4N2O, mass of urea
    "urea_nitrogen": Analyte(28.014),  # mass of its two nitrogen atoms against moles of urea (mg/dL x 0.357)
    "uric_acid": Analyte(168.11),  # C5H4N4O3
    "bilirubin": Analyte(584.66),  # C33H36N4O6
    "calcium": Analyte(40.078, 2),  # Ca
    "magnesium": Analyte(24.305, 2),  # Mg
    "sodium": Analyte(22.990, 1),  # Na
    "potassium": Analyte(39.098, 1),  # K
    "chloride": Analyte(35.45, 1),  # Cl
    "bicarbonate": Analyte(61.017, 1),  # HCO3-
    "lithium": Analyte(6.94, 1),  # Li
    "phosphate": Analyte(30.974),  # mass of phosphorus against moles of phosphate (mg/dL x 0.323)
    "iron": Analyte(55.845),  # Fe
    "copper": Analyte(63.546),  # Cu
    "zinc": Analyte(65.38),  # Zn
    "lactate": Analyte(90.078),  # as lactic acid, C3H6O3
    "ammonia": Analyte(17.031),  # NH3
    "homocysteine": Analyte(135.19),  # C4H9NO2S
    "haemoglobin": Analyte(16114.5),  # monomer with one iron, as ICSH and IFCC report it (g/dL x 0.6206)
    "albumin": Analyte(66_438.0),  # human serum albumin, mature chain
    "cortisol": Analyte(362.46),  # C21H30O5
    "testosterone": Analyte(288.42),  # C19H28O2
    "estradiol": Analyte(272.38),  # C18H24O2
    "progesterone": Analyte(314.46),  # C21H30O2
    "thyroxine": Analyte(776.87),  # C15H11I4NO4
    "triiodothyronine": Analyte(650.97),  # C15H12I3NO4
    "vitamin_d": Analyte(400.64),  # 25-hydroxyvitamin D3, C27H44O2
    "vitamin_b12": Analyte(1355.4),  # cyanocobalamin, C63H88CoN14O14P
    "folate": Analyte(441.40),  # folic acid, C19H19N7O6
    # Glycated haemoglobin has none: NGSP % and IFCC mmol/mol are tied by a master equation (site/units.py).
    "hba1c": Analyte(0.0),
}
