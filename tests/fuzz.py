"""Coverage-guided fuzzing of what a stranger's bytes meet first: `python -m tests.fuzz SECONDS`, or `make fuzz`.

The decoder of the wire, a sealed message, and a courier's file get bytes that grow from valid ones. Whatever comes, the
answer is the record that `pack` would write to exactly these bytes, or one of the refusals that are foreseen.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["gagyo"]):
    from gagyo.errors import ExchangeFault, Tampered
    from gagyo.exchange import parcel
    from gagyo.exchange.courier import Courier
    from gagyo.exchange.envelope import Keys
    from gagyo.exchange.membership import Membership
    from gagyo.federation.message import Message, read, write
    from gagyo.federation.once import Behind, Incoming, answer_of
    from gagyo.federation.packing import pack, unpack

KEYS = Keys.make()
FOLDER = Path(tempfile.mkdtemp())


def wire(data: bytes) -> None:
    """What unpacks is packed to the same bytes again."""
    try:
        record = unpack(data)
    except Tampered:
        return
    assert pack(record) == data, "two forms of one record"
    for take in (answer_of, Incoming().request):
        with contextlib.suppress(Tampered, Behind):
            take(record)


def message(data: bytes) -> None:
    """Bytes that nobody sealed are no message."""
    try:
        read(data, (KEYS,), KEYS.public, 0.0)
    except Tampered:
        return
    assert data == SEEDS["message"], "a message that nobody wrote"


def courier(data: bytes) -> None:
    """A file is read as it was signed, or refused."""
    path = FOLDER / "file"
    path.write_bytes(data)
    try:
        found = parcel.read(path)
        parcel.bodies(path, found)
    except ExchangeFault:
        return
    assert found.sender.keys == KEYS.public, "a file of somebody who never signed"


def seeds() -> dict[str, bytes]:
    """One valid input of each kind."""
    record = {"a": [1, 2.5, None, True, "텍스트"], "b": np.arange(6.0).reshape(2, 3), "c": b"bytes"}
    said = Message("request", "lead", "seoul", "sha256:0", record, expires=2**40)
    lead = Membership("lead", "KR", "coordinator", "courier", "lead", KEYS.public, KEYS)
    with Courier(FOLDER / "lead", lead) as box:
        box.send("jeju", "study", b"letter")
        box.export("jeju", FOLDER / "seed")
    files = (FOLDER / "seed").read_bytes()
    return {"wire": pack(record), "message": write(said, KEYS, KEYS.public), "courier": files}


SEEDS = seeds()
TARGETS = (("wire", wire), ("message", message), ("courier", courier))


def one(data: bytes) -> None:
    """The first byte chooses the target."""
    if data:
        TARGETS[data[0] % len(TARGETS)][1](data[1:])


def main() -> None:
    """Fuzz for so many seconds."""
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for number, (name, _) in enumerate(TARGETS):
        (corpus / name).write_bytes(bytes([number]) + SEEDS[name])
    seconds = sys.argv[1] if len(sys.argv) > 1 else "600"
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=65536", "-timeout=10", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
