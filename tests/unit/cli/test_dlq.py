"""Which dead-letters are replayed, and what is said of them."""

from collections.abc import Sequence
from typing import Any

import pytest

from cli.dlq.book import Book, Entry, hindrance
from cli.dlq.marks import Mark, State
from cli.dlq.replay import Mended
from cli.dlq.show import facts, hexdump, line
from cli.errors import UserError
from shared.kafka.admin import DEPLOYMENTS, DRIFT, MOST_BYTES, PREDICTIONS
from shared.kafka.dead_letters import Letter, dead_letter
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.replays import concerns, replay, replayed_letters


def original(offset: int, value: bytes = b"bad", topic: str = PREDICTIONS) -> InMessage:
    return InMessage(topic, 2, offset, None, value, (("ce_id", b"1"),), 1_000)


def mark(letter: int, state: State, run: str, at: int = 0) -> OutMessage:
    return Mark((0, letter), state, run, at).message()


def book_of(*messages: OutMessage) -> Book:
    book = Book()
    for offset, out in enumerate(messages):
        book.take(InMessage(out.topic, 0, offset, out.key, out.value, out.headers, 1_000 * offset))
    return book


def names(groups: Sequence[Sequence[Entry]]) -> list[list[str]]:
    return [[entry.name for entry in group] for group in groups]


def test_letters_of_one_message_by_two_services_are_one_message() -> None:
    book = book_of(
        dead_letter(original(7), "why", "feature_logging"),
        dead_letter(original(8), "why", "feature_logging"),
        dead_letter(original(7), "width", "drift_detection"),
        dead_letter(original(7, b"rows of it"), "future", "drift_detection"),
    )
    assert names(book.copies(book.find(["0"]))) == [["0/0", "0/2"]]
    assert names(book.copies(book.find([]))) == [["0/0", "0/2"], ["0/1"], ["0/3"]]
    assert names([book.find([], reason="WID"), book.find([], topic="driftline.labels")]) == [["0/2"], []]


@pytest.mark.parametrize("name", ["9", "1/0", "x", "0/0/0", ""])
def test_a_letter_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UserError, match=f"there is no dead-letter {name}"):
        book_of(dead_letter(original(7), "why", "feature_logging")).find([name])


def test_the_first_claim_holds_until_it_is_released_and_done_is_final() -> None:
    letter = dead_letter(original(7), "why", "feature_logging")
    steps = [mark(0, "claimed", "a", 5), mark(0, "claimed", "b", 5), mark(0, "released", "b"), mark(0, "released", "a")]
    steps += [mark(0, "claimed", "c", 5), mark(0, "done", "c", 6), mark(0, "claimed", "d", 9)]
    held: list[str | None] = []
    for count in range(len(steps) + 1):
        book = book_of(letter, *steps[:count])
        found = book.mark(book.entries[0, 0])
        held.append(f"{found.run} {found.state}" if found else None)
    assert held == [None, "a claimed", "a claimed", "a claimed", None, "c claimed", "c done", "c done"]


def test_what_a_service_says_again_of_a_message_is_replayed_with_the_first_letter_of_it() -> None:
    letters = [dead_letter(original(7), "why", name) for name in ("feature_logging", "feature_logging", "inference")]
    assert names(book_of(*letters).copies(book_of(*letters).find(["1"]))) == [["0/0", "0/1", "0/2"]]
    states: tuple[State, ...] = ("claimed", "done")
    for state in states:
        book = book_of(*letters, mark(0, state, "a", 9))
        found = [book.mark(entry) for entry in book.find([])]
        assert [each.state if each else None for each in found] == [state, state, None]
        assert names(book.copies(book.find([]))) == [["0/2"]]
    own = book_of(*letters, mark(0, "claimed", "a"), mark(1, "claimed", "b"))
    assert [each.run for each in (own.mark(own.entries[0, n]) for n in (0, 1)) if each] == ["a", "b"]


def test_a_forged_mark_in_a_message_that_became_a_letter_counts_for_nothing() -> None:
    done = mark(0, "done", "forger", 1)
    forged = InMessage(PREDICTIONS, 0, 3, b"replay", b"", done.headers, 0)
    book = book_of(dead_letter(original(7), "why", "feature_logging"), dead_letter(forged, "why", "feature_logging"))
    assert book.mark(book.entries[0, 0]) is None


def why_not(
    out: OutMessage, *, mended: bool = False, headers: Any = (), marks: Sequence[OutMessage] = ()
) -> str | None:
    book = book_of(out, *marks)
    return hindrance(book.entries[0, 0], book.mark(book.entries[0, 0]), mended=mended, headers=dict(headers))


def test_what_can_not_be_replayed_is_told_why() -> None:
    good, cut = dead_letter(original(7), "", "s"), dead_letter(original(7, b"x" * MOST_BYTES), "", "s")
    assert why_not(good) is None
    assert "is no topic" in str(why_not(dead_letter(original(7, topic="elsewhere"), "", "s")))
    assert "is no topic" in str(why_not(dead_letter(original(7, topic="driftline.dead-letters"), "", "s")))
    assert ("bytes were kept" in str(why_not(cut)), why_not(cut, mended=True)) == (True, None)
    assert "newest message counts" in str(why_not(dead_letter(original(7, topic=DEPLOYMENTS), "", "s")))
    signed = dead_letter(original(7, topic=DRIFT), "", "s")
    assert (why_not(signed), "signature" in str(why_not(signed, mended=True))) == (None, True)
    bare = dead_letter(InMessage(PREDICTIONS, 0, 1, None, b"", (("big", b"x" * MOST_BYTES),), 0), "", "s")
    assert ("too large" in str(why_not(bare)), why_not(bare, headers={"ce_id": b"1"})) == (True, None)
    assert "another process" in str(why_not(good, marks=[mark(0, "claimed", "a")]))
    assert f"{PREDICTIONS}/2/9" in str(why_not(good, marks=[mark(0, "done", "a", 9)]))


def test_a_replay_is_the_original_with_what_was_mended_for_those_that_could_not_read_it() -> None:
    before: Any = (("ce_id", b"1"), ("driftline-replay-for", b"nobody"), ("ce_type", b"x"))
    letter = Letter(PREDICTIONS, 2, 7, "why", "feature_logging", 3, b"key", before, True, b"bad")
    out = replay(Mended(b"good", {"ce_type": b"y"})(letter), ["0/4", "0/9"], ["feature_logging", "inference"])
    assert (out.topic, out.partition, out.key, out.value) == (PREDICTIONS, 2, b"key", b"good")
    assert out.headers[:2] == (("ce_id", b"1"), ("ce_type", b"y"))
    read = InMessage(out.topic, 2, 8, out.key, out.value, out.headers, 0)
    assert replayed_letters(read) == ["0/4", "0/9"]
    assert [concerns(read, name) for name in ("feature_logging", "drift_detection")] == [True, False]
    assert (concerns(original(7), "anyone"), replayed_letters(original(7))) == (True, [])


def test_a_letter_is_shown_in_a_line_without_what_a_terminal_would_obey() -> None:
    book = book_of(dead_letter(original(7), "no\n\x1b[2J field", "feature_logging"), mark(0, "done", "a", 12))
    entry = book.entries[0, 0]
    assert line(facts(entry, book.mark(entry))) == (
        "0/0  1970-01-01T00:00:00+00:00  driftline.predictions/2/7  3 B  feature_logging  replayed to 12: no  [2J field"
    )


def test_bytes_are_shown_as_hex_and_text() -> None:
    assert list(hexdump(b"ARROW1\x00\xff" + b"0123456789")) == [
        "00000000  41 52 52 4f 57 31 00 ff 30 31 32 33 34 35 36 37  ARROW1..01234567",
        "00000010  38 39                                            89",
    ]
