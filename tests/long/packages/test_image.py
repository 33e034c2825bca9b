"""The container image, built in a Debian 12 of the tests, and its entry point: started, asked, spoken to, stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.debian_tree import debian_tree
from tests.helpers.image import STATE, Image, Running, built_image

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-the-tests-0123456789"
SENTENCE, TEXT = "narrow_seen_003.flac", "the train leaves at five thirty nine"
SPEAK = """
import asyncio, sys
import soundfile
from amanuensis.daemon.client import Hello, connect
from amanuensis.stream.formats import AudioFormat

async def main(file, token):
    sound, rate = soundfile.read(file, dtype="float32")
    hello = Hello(audio=AudioFormat("f32le", rate, 1))
    async with connect("ws://127.0.0.1:8770/v1/session", hello, token=token) as client:
        await client.send_audio(sound.tobytes())
        await client.end()
        print("".join([event["text"] async for event in client if event["type"] == "final"]))

asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image; skips by name where none can be built."""
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not installed: no image can be built here")
    base = debian_tree(tmp_path_factory.mktemp("debian")).root
    with built_image(base, tmp_path_factory.mktemp("image")) as built:
        yield built


@pytest.fixture(scope="module")
def running(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The entry point with a token, once it listens."""
    with image.started(tmp_path_factory.mktemp("state"), AMANUENSIS_SERVER_TOKEN=TOKEN) as started:
        if not started.init:
            pytest.fail(started.process.communicate()[1])
        yield started


def sentence() -> Path:
    """A recording of one sentence."""
    (found,) = (ROOT / "tests/data").rglob(SENTENCE)
    return found


def test_configuration_of_the_image(image: Image) -> None:
    """A runtime is told the port, the volume, the health check, a user that is not root, and what is started."""
    config = image.config
    assert config["User"] == "10001:10001"
    assert list(config["ExposedPorts"]) == ["8770/tcp"]
    assert list(config["Volumes"]) == [STATE]
    assert (config["Entrypoint"], config["Cmd"]) == (["amanuensis"], ["serve"])
    assert "/readyz" in config["Healthcheck"]["Test"][-1]
    assert not [value for value in config["Env"] if "TOKEN" in value]


def test_papers_of_the_image(image: Image) -> None:
    """The bill of materials names Python's and Debian's packages, each with a licence; notices lie beside it."""
    papers = image.root / "usr/share/doc/amanuensis"
    assert {path.name for path in papers.iterdir()} == {"LICENSE", "NOTICE", "THIRD-PARTY.txt", "amanuensis.cdx.json"}
    parts = json.loads((papers / "amanuensis.cdx.json").read_text())["components"]
    assert {"numpy", "onnxruntime", "libc6", "python3.11-minimal"} <= {part["name"] for part in parts}
    assert [part["name"] for part in parts if not part["licenses"]] == []
    assert "onnxruntime" in (papers / "THIRD-PARTY.txt").read_text()


def test_nothing_else_is_in_the_image(image: Image) -> None:
    """Neither what builds it nor the checkout is in it, and nothing in its environment can be changed by its user."""
    left = ["opt/tools", "src", "wheel", "papers", "opt/amanuensis/bin/pip", "usr/bin/pip3", "usr/bin/gcc"]
    assert [name for name in left if (image.root / name).exists()] == []
    owners = {path.lstat().st_uid for path in (image.root / "opt/amanuensis").rglob("*")}
    assert owners == {0}


def test_without_a_token_it_does_not_start(image: Image, tmp_path: Path) -> None:
    """Other machines could reach it, so it ends at once with one line that says what to do."""
    with image.started(tmp_path) as started:
        _, said = started.process.communicate(timeout=300)
    assert started.process.returncode == 1
    (line,) = said.splitlines()
    assert "0.0.0.0:8770" in line
    assert "no token is set" in line
    assert "server.token" in line


def test_it_is_process_one_and_not_root(running: Running) -> None:
    """The daemon itself is process 1, without a shell or an init before it, and is not root."""
    status = Path(f"/proc/{running.init}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["NSpid"].split()[-1] == "1"
    assert set(facts["Uid"].split()) == set(facts["Gid"].split()) == {"10001"}


def test_health_check_passes(image: Image, running: Running) -> None:
    """The health check of the image, run as a runtime runs it, says that it is ready; it needs no token."""
    kind, *command = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    done = running.inside(*command)
    assert done.returncode == 0, done.stderr


def test_a_client_gets_captions(running: Running) -> None:
    """With the token a client is captioned over TCP; without it there is no session."""
    said = running.from_its_network(sys.executable, "-c", SPEAK, str(sentence()), TOKEN)
    assert said.returncode == 0, said.stderr
    assert TEXT in said.stdout.lower()
    assert running.from_its_network(sys.executable, "-c", SPEAK, str(sentence())).returncode != 0


def test_health_check_of_a_daemon_that_is_not_there_fails(image: Image, running: Running) -> None:
    """The same check fails where nobody listens."""
    _, *command = image.config["Healthcheck"]["Test"]
    elsewhere = [word.replace("amanuensis.sock", "nobody.sock") for word in command]
    assert running.inside(*elsewhere).returncode != 0


def test_a_signal_to_stop_is_heard(running: Running) -> None:
    """SIGTERM to process 1, as a runtime sends it, ends it in good order, and its state lies in the volume."""
    assert running.inside("ls", STATE).stdout.split() == ["cache", "spool"]
    os.kill(running.init, signal.SIGTERM)
    assert running.process.wait(60) == 0, running.process.communicate()[1]
