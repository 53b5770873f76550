from typing import Any

import pytest

from shared.kafka.admin import MOST_BYTES
from shared.kafka.dead_letters import Letter, dead_letter, read_letter
from shared.kafka.message import Headers, InMessage, OutMessage


def message(value: bytes | None = b"original", headers: Headers = (("ce_id", b"1"),)) -> InMessage:
    return InMessage("driftline.drift", 2, 7, b"key", value, headers, 1_000)


def test_a_dead_letter_holds_the_original_and_where_it_came_from() -> None:
    letter = dead_letter(message(), "ce_type: unknown", "governance")
    assert (letter.topic, letter.key, letter.value) == ("driftline.dead-letters", b"driftline.drift", b"original")
    assert dict(letter.headers) == {
        "ce_id": b"1",
        "driftline-topic": b"driftline.drift",
        "driftline-partition": b"2",
        "driftline-offset": b"7",
        "driftline-reason": b"ce_type: unknown",
        "driftline-service": b"governance",
        "driftline-length": b"8",
        "driftline-original-key": b"key",
    }


def read_back(out: OutMessage) -> Letter:
    letter = read_letter(InMessage(out.topic, 0, 3, out.key, out.value, out.headers, 1_000))
    assert letter is not None
    return letter


def test_a_dead_letter_is_read_back_as_the_original_whatever_that_was() -> None:
    forged: Headers = (("driftline-topic", b"x"), ("driftline-reason", b"y"), ("driftline-original-key", b"z"))
    for key, headers in ((b"key", forged), (None, forged), (b"", ()), (b"\xff", (("ce_id", b"\xff"),))):
        original = InMessage("driftline.drift", 2, 7, key, b"value", headers, 0)
        letter = read_back(dead_letter(original, "why", "governance"))
        assert (letter.topic, letter.partition, letter.offset) == ("driftline.drift", 2, 7)
        assert (letter.key, letter.headers, letter.value, letter.length) == (key, headers, b"value", 5)
        assert (letter.reason, letter.service, letter.has_headers) == ("why", "governance", True)


def test_what_could_not_be_kept_is_told() -> None:
    letter = read_back(dead_letter(message(b"x" * 2 * MOST_BYTES, (("big", b"x" * MOST_BYTES),)), "why", "governance"))
    assert (letter.length, letter.has_headers, letter.headers) == (2 * MOST_BYTES, False, ())
    assert len(letter.value) < letter.length


@pytest.mark.parametrize("headers", [(), (("driftline-topic", b"x"),), (("driftline-partition", b"1"),)])
def test_what_is_no_dead_letter_is_not_read_as_one(headers: Headers) -> None:
    assert read_letter(message(headers=headers)) is None


def test_a_dead_letter_that_is_read_again_tells_its_last_place() -> None:
    first = dead_letter(message(), "first", "governance")
    again = InMessage("driftline.dead-letters", 0, 9, first.key, first.value, first.headers, 1_000)
    second = dead_letter(again, "second", "operators")
    told = InMessage("x", 0, 0, None, second.value, second.headers, 0)
    assert (told.header("driftline-reason"), told.header("driftline-offset")) == ("second", "9")


def test_a_header_that_is_null_is_carried_as_empty() -> None:
    nulls: Any = (("ce_type", None),)
    assert dict(dead_letter(message(headers=nulls), "why", "drift_detection").headers)["ce_type"] == b""


@pytest.mark.parametrize(
    "original",
    [
        message(None),
        message(b"x" * 2 * MOST_BYTES),
        message(headers=(("big", b"x" * MOST_BYTES),)),
        message(headers=(("a", b"1"),) * 200_000),
        message(b"x" * MOST_BYTES, headers=(("\N{SNOWMAN}" * 80_000, b""),)),
    ],
)
def test_any_message_fits_into_a_dead_letter(original: InMessage) -> None:
    letter = dead_letter(original, "\udfff" + "r" * 100_000, "governance")
    size = len(letter.value) + sum(len(name.encode()) + len(value) + 10 for name, value in letter.headers)
    assert size < MOST_BYTES - 1_000
    told = dict(letter.headers)
    assert told["driftline-length"] == str(len(original.value or b"")).encode()
    assert letter.value == (original.value or b"")[: len(letter.value)]
