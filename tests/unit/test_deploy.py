"""The files of deploy/ start commands that exist, with options that they have, and hold what the package needs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from gagyo.cli import main

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]


def unit(name: str) -> dict[str, str]:
    lines = (DEPLOY / f"gagyo-{name}.service").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def started_by_unit(name: str) -> list[str]:
    program, *typed = shlex.split(unit(name)["ExecStart"])
    assert Path(program).name == "gagyo"
    return typed


def started_by_compose(name: str) -> list[str]:
    return list(COMPOSE[name]["command"])


@pytest.mark.parametrize("started", [started_by_unit, started_by_compose])
@pytest.mark.parametrize("name", ["site", "hub"])
def test_the_command_is_there_with_its_options(name: str, started: object, capsys: pytest.CaptureFixture[str]) -> None:
    typed = started(name)  # type: ignore[operator]
    assert typed[:2] == [name, "start"]
    with pytest.raises(SystemExit) as left:
        main([*typed[:2], "--help"])
    assert left.value.code == 0
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {word for word in typed if word.startswith("--")} <= offered


@pytest.mark.parametrize(("name", "kept"), [("site", "/srv/hospital"), ("hub", "/srv/gagyo")])
def test_what_it_writes_may_be_written(name: str, kept: str) -> None:
    assert unit(name)["ReadWritePaths"].startswith(kept)
    assert any(word.startswith(kept) for word in started_by_unit(name))
    assert [volume.split(":")[1] for volume in COMPOSE[name]["volumes"]] == [kept] == [COMPOSE[name]["working_dir"]]


@pytest.mark.parametrize("name", ["site", "hub"])
def test_a_container_may_do_nothing_but_write_its_folder(name: str) -> None:
    one = COMPOSE[name]
    assert (one["read_only"], one["cap_drop"], one["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["user"].endswith(":-10001:10001}")
    assert "USER 10001:10001" in DOCKERFILE.splitlines()


@pytest.fixture
def image(tmp_path: Path) -> dict[str, str]:
    """An environment in which `gagyo` is a program that does as its arguments say."""
    gagyo = tmp_path / "gagyo"
    gagyo.write_text(
        "#!/bin/sh\ntrap 'echo ended; exit 0' TERM\necho began\n"
        '[ "$3" = fails ] && exit 7\n[ "$3" = ends ] && exit 0\n'
        '[ "$2" = join ] && { read pin; echo "pin $pin"; exit 7; }\nwhile :; do sleep 0.05; done\n'
    )
    gagyo.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GAGYO_PAUSE": "0.6"}


def test_a_service_that_cannot_start_leaves_after_a_pause(image: dict[str, str]) -> None:
    """Podman starts a container again at once, for ever; what a person types is not held up, and may ask."""
    assert 'ENTRYPOINT ["patiently"]' in DOCKERFILE.splitlines()
    for typed, code, paused in (
        (["site", "start", "fails"], 7, True),
        (["site", "start", "ends"], 0, False),
        (["site", "join", "file"], 7, False),
    ):
        began = time.monotonic()
        done = subprocess.run(
            [DEPLOY / "patiently", *typed], env=image, input="1234\n", text=True, capture_output=True, check=False
        )
        assert done.returncode == code
        assert (time.monotonic() - began > 0.6) is paused
        assert ("pin 1234" in done.stdout) is (typed[1] == "join")


def test_a_service_is_told_to_end_as_its_container_is(image: dict[str, str]) -> None:
    with subprocess.Popen(
        [DEPLOY / "patiently", "hub", "start", "."], env=image, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "began\n"
        one.terminate()
        assert one.stdout.read() == "ended\n"
        assert one.wait(10) == 0


def test_the_image_is_of_what_is_in_the_checkout_and_of_nothing_else() -> None:
    lines = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY") and "--from" not in line]
    copied = {word for line in lines for word in line}
    assert all((DEPLOY.parent / word).exists() for word in copied)
    first, *let_in = [
        line for line in (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"
    ]
    assert first == "*"
    assert {line.removeprefix("!") for line in let_in if line.startswith("!")} == copied


def test_the_image_holds_versions_that_the_package_takes() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [Requirement(one) for one in project["dependencies"] + project["optional-dependencies"]["postgresql"]]
    lines = (DEPLOY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    held = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert [str(one) for one in asked if held.get(one.name) not in one.specifier] == []


class Page(BaseHTTPRequestHandler):
    """A health page that is well at /well only."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()
        self.wfile.write(b"disk_full")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_a_health_check_asks_this_machine_and_says_what_it_hears() -> None:
    """Also where the machine's environment names a proxy."""
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_address[1]}"
    proxied = os.environ | {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    for address, code, said in (
        (f"{here}/well", 0, "disk_full"),
        (f"{here}/ill", 1, "disk_full"),
        ("http://127.0.0.1:9/", 1, ":9/"),
    ):
        command = [sys.executable, str(DEPLOY / "healthy"), address]
        done = subprocess.run(command, capture_output=True, text=True, env=proxied, check=False)
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stderr
    server.shutdown()
    server.server_close()
    asked = [one["healthcheck"]["test"].split() for one in COMPOSE.values()]
    assert asked == [["healthy", "http://127.0.0.1:8765/health"], ["healthy", "https://127.0.0.1:8443/v1/health"]]
    assert "8765" in COMPOSE["site"]["command"]
    assert "8443" in COMPOSE["hub"]["command"]


def test_an_image_is_built_by_whichever_works(tmp_path: Path) -> None:
    def make(more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = ["/bin/bash", str(DEPLOY / "image"), "--build-arg", "BASE=mirror/python"]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | more, check=False)

    none = make({"PATH": str(tmp_path)})
    assert (none.returncode, "apt-get install podman" in none.stderr) == (1, True)
    for program, does in (("docker", "exit 1"), ("podman", 'echo "$@"')):
        (tmp_path / program).write_text(f"#!/bin/bash\n{does}\n", encoding="utf-8")
        (tmp_path / program).chmod(0o755)
    built = make({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert built.returncode == 0, built.stderr
    for said in (
        "build -f deploy/Dockerfile -t gagyo -t gagyo:",
        "BASE=mirror/python",
        "image.revision=",
        "with podman",
    ):
        assert said in built.stdout
