"""What `gagyo site doctor` says of a machine whose clock is wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from gagyo.site import doctor


class Hub:
    """A hub whose clock is a day behind this machine's."""

    proxy, clock_offset = "", -86_400.0

    def __init__(self, membership: object, patience: float) -> None:
        """Anybody may call."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    def status(self, patience: float) -> dict[str, Any]:
        return {"version": doctor.version("gagyo")}

    def directory(self) -> dict[str, Any]:
        return {}


def test_a_clock_that_is_ahead_is_told_as_ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    joined = SimpleNamespace(name="seoul", hub="https://hub", hub_name="hub")
    monkeypatch.setattr(doctor, "Client", Hub)
    monkeypatch.setattr(doctor.Membership, "open", lambda folder: joined)
    (look,) = [one for one in doctor._hub(tmp_path, SimpleNamespace(site="seoul")) if one.about == "clock"]  # type: ignore[arg-type]
    assert look.state == "soon"
    assert "86400 s ahead" in look.finding.text("en")
    assert "86400초 빠름" in look.finding.text("ko")
    assert "快 86400 秒" in look.finding.text("zh")
    assert "-86400" not in look.finding.text("en")
