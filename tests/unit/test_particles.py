"""Korean particles suit what stands before them."""

from __future__ import annotations

import pytest

from gagyo.finding import Finding
from gagyo.particles import settled
from gagyo.text import catalogue

SAID = """
서울 병원은(는)      서울 병원은
부산대은(는)         부산대는
분당이(가)           분당이
제주이(가)           제주가
나이을(를)           나이를
혈당을(를)           혈당을
숫자와(과)           숫자와
수준와(과)           수준과
집단(으)로           집단으로
나이(으)로           나이로
서울(으)로           서울로
1(으)로              1로
7을(를)              7을
3(으)로              3으로
0.05(으)로           0.05로
2,100을(를)          2,100을
2026-10-31이(가)     2026-10-31이
95%을(를)            95%를
‘혈당’을(를)         ‘혈당’을
cd4_0은(는)          cd4_0은
age은(는)            age은(는)
나이(age)이(가)      나이(age)이(가)
"""


@pytest.mark.parametrize("line", SAID.strip().splitlines())
def test_a_particle_suits_what_is_before_it(line: str) -> None:
    written, said = (part.strip() for part in line.split("  ", 1))
    assert settled(written) == said


def test_messages_are_settled_in_korean_alone() -> None:
    found = Finding("expression_types", values={"found": "x", "left": "수준", "right": "숫자"})
    assert "수준과 숫자를 비교합니다" in found.text("ko")
    assert "수준과" not in found.text("en")


def test_texts_write_particles_in_the_forms_that_are_settled() -> None:
    """Of one that is written otherwise, such as 가(이), both forms would stay whatever is before it."""
    others = ("는(은)", "가(이)", "를(을)", "과(와)", "으로(로)", "(이)가", "(은)는", "(을)를")
    for key, text in catalogue("ko").items():
        assert not [form for form in others if form in text], key
