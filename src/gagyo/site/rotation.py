"""Replaces a hospital's keys: its ledger is handed over from the old key to the new one, and its memory stays."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from gagyo.errors import FileFault
from gagyo.exchange import joining
from gagyo.exchange.envelope import Keys
from gagyo.exchange.membership import Membership
from gagyo.release.ledger import HANDED, Ledger, handing_over
from gagyo.site.folder import held
from gagyo.site.keyed_digests import PURPOSES, secret_of
from gagyo.site.noting import note
from gagyo.site.store import Store


def rotate(folder: Path, patience: float = joining.PATIENCE) -> Membership:
    """Replace the keys of the institution in `folder`. After a cut, the same command goes on.

    Raises:
        FileFault: the hospital's service is running; it would go on with the old keys.
        ExchangeFault: as `joining.rotate`.
    """
    with held(folder) as here:
        if not here:
            raise FileFault.of("service_running", found=str(folder))
        return joining.rotate(folder, patience=patience, hand_over=lambda old, new: hand_over(folder, old, new))


def hand_over(folder: Path, old: Keys, new: Keys) -> None:
    """Let the ledger go on under the new key; nothing to do in a folder without one, or a second time."""
    # A person must have the same tag before and after: what is digested with is settled while the old key is there.
    if (folder / "memory.sqlite").exists():
        with closing(Store(folder / "memory.sqlite")) as store:
            for purpose in PURPOSES:
                secret_of(old, store, purpose)
    if not (folder / "ledger.jsonl").exists():
        return
    ledger = Ledger(folder / "ledger.jsonl", old.sign)
    before, after = old.public.signing, new.public.signing
    if any(entry.record.get("channel") == HANDED and entry.record["told"]["to"] == after for entry in ledger.entries):
        return
    proof = new.sign(handing_over(before, after, ledger.head)).hex()
    ledger.record([note(HANDED, "", "", {"doing": "rotate", "from": before, "to": after, "proof": proof})])
