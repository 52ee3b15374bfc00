"""What the inbox says to the people of a hospital: no plan where none came, and times as the hub tells them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gagyo.cli.site_inbox import _day
from gagyo.errors import FileFault
from gagyo.site.inbox import Inbox


def test_where_no_plan_has_come_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFault) as told:
        Inbox(tmp_path / "inbox.sqlite").plan("sha256:1a2b3c4d")
    assert [one.code for one in told.value.findings] == ["plan_none"]


def test_times_are_those_of_the_hub_whatever_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        assert _day(1_764_471_600) == "2025-11-30 03:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()
