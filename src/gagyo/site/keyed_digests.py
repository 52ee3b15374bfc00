"""Keyed digests of what stays at a hospital: its data, its people, what is drawn for them, what reviewers are shown.

Their keys never leave.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gagyo.exchange.envelope import Keys
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.site.cohorts import Dataset
from gagyo.site.mapping.load import load
from gagyo.site.site_file import SiteFile
from gagyo.site.store import Store

PURPOSES = ("data", "draws", "people", "review")
"""What a hospital digests with keys of its own."""

BLOCK = 1 << 15
"""Values at a time: as many as stay in a processor's cache."""


def secret_of(keys: Keys, store: Store, purpose: str) -> bytes:
    """A key for keyed digests that never leaves, and lasts when the hospital's keys are replaced."""
    return store.secret(purpose, lambda: hashlib.sha256(keys.sign(f"gagyo {purpose}".encode())).digest())


def snapshot(data: Dataset, key: bytes) -> str:
    """A keyed digest of the whole mapped data set; it stays at the hospital."""
    whole = hmac.new(key, digestmod=hashlib.sha256)
    for name in sorted(data.columns):
        whole.update(name.encode() + b"\0" + np.ascontiguousarray(data.columns[name]).tobytes())
    whole.update(b"".join([len(person).to_bytes(4, "big") + person for person in data.persons]))
    return whole.hexdigest()


def fingerprints(column: Floats, key: bytes) -> NDArray[np.uint16]:
    """Sixteen keyed bits of each person's value (n,): another value has others, but for one in 65,536."""
    one, other = np.frombuffer(hashlib.sha256(key).digest()[:16], np.uint64)
    out = np.empty(len(column), np.uint16)
    for start in range(0, len(column), BLOCK):
        block = column[start : start + BLOCK]
        bits = np.where(np.isnan(block), np.nan, block + 0.0).view(np.uint64)
        bits ^= one
        for mixed in (np.uint64(0xBF58476D1CE4E5B9), other | np.uint64(1)):
            bits ^= bits >> np.uint64(31)
            bits *= mixed
        out[start : start + BLOCK] = bits >> np.uint64(48)
    return out


def present_data(path: Path, folder: Path, study: Study) -> str:
    """The keyed digest of a hospital's data as they are now, as an approval names them.

    Raises:
        FileFault, DataFault: the data cannot be read as the site file says.
    """
    with closing(Store(folder / "memory.sqlite")) as store:
        secret = secret_of(Keys.open(folder / "keys"), store, "data")
    return snapshot(load(SiteFile.read(path), study), secret)
