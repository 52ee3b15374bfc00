"""A disk that is full while a hospital approves: nothing is approved, and an approval that stands is answered from
again once the disk has room.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gagyo.site.site import Site
from gagyo.site.store import Store
from tests.attacks.test_door import refused, stopped_at


def full(self: Store, columns: Any) -> None:
    raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize("standing", [False, True])
def test_an_approval_whose_values_could_not_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standing: bool
) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "logistic.outcome")
    there, rows = one.sites["seoul"], one.sites["seoul"].sessions.find(one.plan.digest).data  # type: ignore[union-attr]
    there.close()
    again = Site("seoul", tmp_path / "seoul", lambda _: rows)
    if not standing:
        again._store._base.execute("delete from approvals")
    with monkeypatch.context() as patched:
        patched.setattr(Store, "keep_fingerprints", full)
        with pytest.raises(sqlite3.OperationalError):
            again.approve(one.plan)
    assert again.sessions.find(one.plan.digest) is None
    assert again._store.approval(one.plan.digest) == ("approved" if standing else "")
    refused(again, honest, "not_approved")
    again.approve(one.plan)
    assert again.answer(honest).outcome == "released"
