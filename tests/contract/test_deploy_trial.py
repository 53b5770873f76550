"""The trial of an image sees what is wrong with a service."""

import sys
import textwrap
from pathlib import Path

import pytest

from scripts.trial.environment import output_of
from scripts.trial.errors import TrialFailed
from scripts.trial.image import Image
from scripts.trial.trials import bears_no_kafka, becomes_ready

GOOD = """
    import os, signal, sys
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(STATUS.get(self.path, 404))
            self.end_headers()

        def log_message(self, *_):
            pass

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT))
    HTTPServer((os.environ["DRIFTLINE_HOST"], int(os.environ["DRIFTLINE_PORT"])), Handler).serve_forever()
"""


def image(tmp_path: Path, program: str, live: int = 200, ready: int = 200, end: int = 0) -> Image:
    """A folder with one service of a single file."""
    place = tmp_path / "image" / "services" / "fake"
    place.mkdir(parents=True)
    (place.parent / "__init__.py").touch()  # else a `services` elsewhere on the path comes first
    constants = f"STATUS = {{'/live': {live}, '/ready': {ready}}}\nEXIT = {end}\n"
    (place / "__main__.py").write_text(constants + textwrap.dedent(program))
    return Image("fake", Path(sys.executable), tmp_path / "image", tmp_path / "state", "127.0.0.1:9")


async def test_a_good_service_passes(tmp_path: Path) -> None:
    assert (await becomes_ready(image(tmp_path, GOOD))).startswith("ready in ")


async def test_a_service_with_an_undeclared_import_is_refused_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="exit code 1 before /ready") as failed:
        await becomes_ready(image(tmp_path, "import not_declared_anywhere"))
    assert "No module named 'not_declared_anywhere'" in failed.value.said


async def test_a_service_that_never_is_ready_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="/ready did not answer 200"):
        await becomes_ready(image(tmp_path, GOOD, ready=503), seconds=1)


async def test_a_service_that_is_ready_but_not_live_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="/live does not"):
        await becomes_ready(image(tmp_path, GOOD, live=500))


async def test_a_service_that_does_not_end_cleanly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="exit code 3, expected exit code 0"):
        await becomes_ready(image(tmp_path, GOOD, end=3))


async def test_a_service_that_claims_to_be_ready_without_kafka_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="expected /ready to answer 503"):
        await bears_no_kafka(image(tmp_path, GOOD), watched=0.5)


async def test_a_service_that_waits_for_kafka_passes(tmp_path: Path) -> None:
    assert await bears_no_kafka(image(tmp_path, GOOD, ready=503), watched=0.5) == "live but not ready without Kafka"


async def test_a_service_that_ends_with_a_clear_word_passes(tmp_path: Path) -> None:
    program = "import sys; sys.exit('Kafka at 127.0.0.1:9 cannot be reached')"
    assert await bears_no_kafka(image(tmp_path, program)) == "says so and ends without Kafka"


async def test_a_service_that_ends_without_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="exit code 4 before /live"):
        await bears_no_kafka(image(tmp_path, "raise SystemExit(4)"))


async def test_a_service_whose_log_repeats_a_traceback_is_refused(tmp_path: Path) -> None:
    noise = (
        "import traceback\nfor _ in range(3):\n    try: 1 / 0\n    except ZeroDivisionError: traceback.print_exc()\n"
    )
    with pytest.raises(TrialFailed, match="a traceback again and again"):
        await bears_no_kafka(image(tmp_path, noise + textwrap.dedent(GOOD), ready=503), watched=0.5)


async def test_a_command_that_fails_is_told_with_what_it_printed() -> None:
    with pytest.raises(TrialFailed, match="ended with 2") as failed:
        await output_of(sys.executable, "-c", "import sys; print('no such lock'); sys.exit(2)")
    assert failed.value.said == "no such lock"
