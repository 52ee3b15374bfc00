"""`gagyo demo heart`: four real hospitals, from a folder or downloaded once, with the figures that it must show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data" / "heart-uci4"

pytestmark = pytest.mark.skipif(
    not (DATA / "processed.va.data").exists(),
    reason=f"the UCI heart disease data are not in {DATA.name} beside the checkout",
)


def demo(*arguments: str, cache: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the demo with a download cache of its own."""
    command = [sys.executable, "-c", "from gagyo.cli import main; main()", "demo", "heart", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The published files on a free loopback port; another folder where a test asks for it."""
    folder = getattr(request, "param", DATA)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    here = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=here.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{here.server_port}/"
    here.shutdown()
    here.server_close()


def rows(folder: Path, table: str) -> dict[str, list[Any]]:
    """The rows of a table of the validation, by hospital."""
    record = json.loads((folder / "results.json").read_text())
    found = next(one for one in record["analyses"]["validation"]["tables"] if one["name"] == table)
    return {row[0]["text"]["en"]: row for row in found["rows"] if row[0]["text"]}


def test_the_figures_at_hospitals_that_the_model_was_not_made_at(tmp_path: Path) -> None:
    demo("--data", str(DATA), "--out", str(tmp_path / "out"), cache=tmp_path)
    external = rows(tmp_path / "out", "external")
    people = {name: row[2] for name, row in external.items()}
    assert people == {"cleveland": 303, "hungary": 293, "switzerland": 117, "va": 144}
    area = {name: row[4].get("value") for name, row in external.items()}
    assert {name: value and round(value, 3) for name, value in area.items()} == {
        "cleveland": 0.887,
        "hungary": 0.881,
        "switzerland": None,
        "va": 0.729,
    }
    assert external["switzerland"][4] == {"code": "fewer_than", "number": 10}
    ratio = {name: round(row[5]["value"], 2) for name, row in external.items()}
    assert ratio == {"cleveland": 0.88, "hungary": 0.75, "switzerland": 1.48, "va": 0.97}


def test_the_files_are_downloaded_once_and_checked(tmp_path: Path, server: str) -> None:
    demo("--url", server, "--out", str(tmp_path / "first"), cache=tmp_path)
    kept = list((tmp_path / "gagyo").iterdir())
    assert len(kept) == 4
    # A second run needs no server.
    demo("--url", "http://127.0.0.1:9/", "--out", str(tmp_path / "second"), cache=tmp_path)


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    said = demo("--url", "http://127.0.0.1:9/", "--out", str(tmp_path / "out"), cache=tmp_path, expect=1).stderr
    assert "cannot be downloaded" in said
    assert "--data" in said


def test_altered_and_missing_files_are_all_named(tmp_path: Path) -> None:
    folder = tmp_path / "altered"
    folder.mkdir()
    for name in ("processed.cleveland.data", "processed.hungarian.data", "processed.va.data"):
        (folder / name).write_bytes((DATA / name).read_bytes())
    (folder / "processed.va.data").write_bytes(b"63,1,4\n")
    said = demo("--data", str(folder), "--out", str(tmp_path / "out"), cache=tmp_path, expect=1).stderr
    assert "processed.va.data does not have the published content" in said
    assert "processed.switzerland.data" in said
    assert not (tmp_path / "out").exists(), "nothing is half done"
