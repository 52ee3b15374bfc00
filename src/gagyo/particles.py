"""Korean particles suit what stands before them: of `이(가)` after a filled name or number, the one that is said.

Which one depends on whether the last syllable ends in a consonant. Of Hangul and of numbers that is certain. Of a Latin
word, and of one with brackets after it, people say it in more ways than one: there both forms stay, as usual in print.
"""

from __future__ import annotations

import re

FORMS = {
    "은(는)": ("은", "는"),
    "이(가)": ("이", "가"),
    "을(를)": ("을", "를"),
    "와(과)": ("과", "와"),
    "(으)로": ("으로", "로"),
}
"""As a catalogue writes it: what follows a consonant, and what follows a vowel."""

PLACE = re.compile(rf"([가-힣0-9%])([’”'\"`]*)({'|'.join(map(re.escape, FORMS))})")
FIRST, FINALS, RIEUL = ord("가"), 28, 8
"""Syllables are ordered by their ends, of which there are 28: none, and 27 consonants, of which ㄹ is the eighth."""
ENDS = {"0": 21, "1": 8, "2": 0, "3": 16, "4": 0, "5": 0, "6": 1, "7": 8, "8": 8, "9": 0, "%": 0}
"""How 영, 일, 이, 삼, 사, 오, 육, 칠, 팔, 구 end; 십, 백, 천 and 만 end in other consonants than ㄹ, as 영 does."""


def settled(text: str) -> str:
    """A text whose particles suit the Hangul and numbers before them."""
    return PLACE.sub(_chosen, text) if "(" in text else text


def _chosen(found: re.Match[str]) -> str:
    last, marks, form = found.groups()
    end = ENDS[last] if last in ENDS else (ord(last) - FIRST) % FINALS
    after_consonant, after_vowel = FORMS[form]
    # (으)로 is 로 after ㄹ too.
    vowel = end == 0 or (form == "(으)로" and end == RIEUL)
    return last + marks + (after_vowel if vowel else after_consonant)
