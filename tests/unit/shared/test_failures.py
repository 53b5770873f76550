"""Rows that got no answer, as a message's metadata tells them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.batch import decode_batch, encode_batch
from shared.errors import Unreadable
from shared.failures import Failed
from tests.unit.shared.batches import batch, with_metadata

TOLD = Failed(digest="a" * 64, role="canary", until=1_363_363_200_000_000, rows={0: 2, 63: 1})


def text(**changed: Any) -> str:
    return json.dumps([TOLD.model_dump() | changed])


@pytest.mark.parametrize("failed", [(), (TOLD, TOLD.model_copy(update={"role": "champion"})), None])
def test_failed_rows_are_told_and_an_older_message_does_not_tell(failed: tuple[Failed, ...] | None) -> None:
    whole = replace(batch(), meta=replace(batch().meta, failed=failed))
    assert decode_batch(encode_batch(whole)).meta.failed == failed


def test_they_may_be_written_in_any_layout() -> None:
    assert decode_batch(with_metadata(failed=f"  {text()}\n")).meta.failed == (TOLD,)
    assert decode_batch(with_metadata(failed=" [ ] ")).meta.failed == ()
    assert TOLD.total == 3


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "null",
        "[" * 9_999,
        '[{"digest": "a"}]',
        text(role="king"),
        text(digest="../" + "a" * 61),
        text(until=10**18),
        text(until="soon"),
        text(rows={64: 1}),
        text(rows={-1: 1}),
        text(rows={0: 0}),
        text(rows={0: 10**9}),
        text(rows={0: 1.5}),
        text(more=1),
        "[" + ",".join([text()[1:-1]] * 65) + "]",
    ],
)
def test_what_breaks_the_contract_is_named(wrong: str) -> None:
    with pytest.raises(Unreadable, match="`failed`"):
        decode_batch(with_metadata(failed=wrong))
