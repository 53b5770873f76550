from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from services.drift_detection.domain.source.sources import Place
from services.drift_detection.replay.__main__ import main
from services.drift_detection.replay.after_end import AfterEnd
from services.drift_detection.replay.compare import LastWords, at_revision, compare
from services.drift_detection.replay.recompute import Span, Word, recompute
from services.drift_detection.replay.sources import Message
from shared.cloudevents import encode
from shared.kafka.message import InMessage
from shared.keys import make_keys
from shared.reference.panes import moment
from shared.signing import Signer, Trust
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))
SPAN = Span("pumps", moment(FIRST + HOUR), moment(FIRST + 4 * HOUR))


async def messages(order: Sequence[int]) -> AsyncIterator[Message]:
    """Six hours over two partitions, read in this order."""
    times, rows, scores = hours(0, 6)
    for number in order:
        part = slice(number * 30, number * 30 + 30)
        place = Place(number % 2, number, FIRST + 100 * HOUR)
        yield place, batch(DIGEST, times[part], rows[part], scores[part]), watched()


async def words(order: Sequence[int] = range(6)) -> dict[str, Word]:
    return await recompute(messages(order), 2, SPAN, AfterEnd(Trust(Path("no keys"))))


def published(state: Path, said: Sequence[Word], signer: str = "drift_detection") -> LastWords:
    """These, signed by a service."""
    make_keys(state)
    last = LastWords(SPAN, Trust(state / "trust"))
    for offset, word in enumerate(said):
        out = encode(word, "drift_detection", Signer.load(state / "keys", signer))
        last.take(InMessage(out.topic, 0, offset, out.key, out.value, out.headers, 1))
    return last


async def test_the_windows_of_the_span_come_out_the_same_however_the_partitions_are_read() -> None:
    found = await words()
    assert [word.start for word in found.values() if word.is_pane] == [moment(FIRST + n * HOUR) for n in (1, 2, 3)]
    assert {key: word.rows for key, word in found.items()} == {
        key: word.rows for key, word in (await words([1, 3, 5, 0, 2, 4])).items()
    }


async def test_a_window_that_was_revised_is_equal_if_its_last_word_is(tmp_path: Path) -> None:
    found = await words()
    first = next(iter(found.values()))
    early = first.model_copy(update={"rows": first.rows - 1})
    said = [early, *(at_revision(word, 1 if word is first else 0) for word in found.values())]
    assert {one.result for one in compare(published(tmp_path, said).by_id, found)} == {"equal"}


async def test_what_was_not_said_is_missing_and_what_no_row_gives_is_different(tmp_path: Path) -> None:
    found = await words()
    first, second, *rest = found.values()
    invented = first.model_copy(update={"window_id": "ab" * 16, "id": "cd" * 16})
    told = {one.window_id: one for one in compare(published(tmp_path, [invented, *rest]).by_id, found)}
    assert {told[word.window_id].result for word in (first, second)} == {"missing"}
    assert (told["ab" * 16].result, told["ab" * 16].why) == ("different", "no row of the source is in it")
    assert {told[word.window_id].result for word in rest} == {"equal"}


async def test_other_content_is_told_by_its_fields(tmp_path: Path) -> None:
    found = await words()
    said = [word.model_copy(update={"rows": 7, "repeats": 3}) for word in found.values()]
    assert {one.why for one in compare(published(tmp_path, said).by_id, found)} == {"in rows, repeats"}


async def test_the_right_content_of_the_wrong_signer_is_different(tmp_path: Path) -> None:
    found = await words()
    told = compare(published(tmp_path, list(found.values()), signer="governance").by_id, found)
    assert {one.result for one in told} == {"different"}
    assert all("signed by b'governance'" in (one.why or "") for one in told)


async def test_two_words_of_one_revision_that_differ_are_different(tmp_path: Path) -> None:
    found = await words()
    said = [*found.values(), next(iter(found.values())).model_copy(update={"rows": 7})]
    results = [one.result for one in compare(published(tmp_path, said).by_id, found)]
    assert results.count("different") == 1


async def test_windows_of_so_many_rows_are_compared_only_where_no_row_before_is_gone() -> None:
    found = await words()
    first = next(iter(found.values()))
    found["ab" * 16] = first.model_copy(update={"window_id": "ab" * 16, "scale_rows": 50})
    assert len(compare({}, found)) == len(found)
    assert {one.window_id for one in compare({}, found, of_so_many_rows=False)} == {*found} - {"ab" * 16}


def test_a_span_that_ends_before_it_begins_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "pumps", "--from", "2026-03-02T00:00Z", "--to", "2026-03-01T00:00Z"]) == 2
    assert capsys.readouterr().err == "replay: to: a time later than that of from is needed\n"


ASKED = ["--model", "pumps", "--from", "2026-03-01T00:00Z", "--to", "2026-03-02T00:00Z"]


@pytest.mark.parametrize("address", ["x:y", "127.0.0.1:99999", "127.0.0.1:-5", "127.0.0.1", ""])
def test_a_broker_that_is_no_address_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", address)
    assert main(ASKED) == 2
    assert capsys.readouterr().err == f"replay: setting KAFKA_BOOTSTRAP: {address!r} is not host:port\n"


def test_what_nobody_expects_does_not_end_as_windows_that_differ_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("of a bug")

    monkeypatch.setattr("services.drift_detection.replay.__main__.replay", broken)
    assert main(ASKED) == 2
    assert "ZeroDivisionError: of a bug" in capsys.readouterr().err


@pytest.mark.parametrize(("start", "expected"), [("soon", "from: a time is"), ("2026-03-01", "from: a time zone is")])
def test_a_time_that_is_none_is_refused_by_its_name(
    capsys: pytest.CaptureFixture[str], start: str, expected: str
) -> None:
    assert main(["--model", "pumps", "--from", start, "--to", "2026-03-02T00:00Z"]) == 2
    assert capsys.readouterr().err.startswith(f"replay: {expected}")
