"""The lasting places of people in a hospital's memory: the same person has the same place, whenever asked."""

from __future__ import annotations

from pathlib import Path

from gagyo.site.store import TAG, Store


def tag(number: int) -> bytes:
    return number.to_bytes(TAG, "big")


def test_a_place_lasts_and_those_who_come_later_follow(tmp_path: Path) -> None:
    """Also in another order, beside others, twice in one list, and after the file was closed."""
    store = Store(tmp_path / "memory.sqlite")
    assert store.places([tag(7), tag(3), tag(7)]).tolist() == [0, 1, 0]
    assert store.places([tag(5), tag(3), tag(9)]).tolist() == [2, 1, 3]
    store.close()
    again = Store(tmp_path / "memory.sqlite")
    assert again.places([tag(9), tag(7), tag(3), tag(1), tag(5)]).tolist() == [3, 0, 1, 4, 2]
    assert again.places([]).tolist() == []
    again.close()
