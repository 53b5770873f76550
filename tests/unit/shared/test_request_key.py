import uuid

import pytest

from shared.batch import request_key


def test_a_uuid_is_its_own_16_bytes_in_any_case() -> None:
    known = uuid.UUID("0192f3a4-5b6c-7d8e-9f00-112233445566")
    assert request_key("flights", str(known)) == request_key("flights", str(known).upper()) == known.bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "a" * 36,
        "----0192f3a45b6c7d8e9f00112233445566",
        "0192f3a4_5b6c-7d8e-9f00-112233445566",
        "é" * 36,
        "a\0b",
    ],
)
def test_any_other_id_is_hashed_with_its_model(text: str) -> None:
    keys = {request_key("flights", text), request_key("trains", text)}
    assert len(keys) == 2
    assert {len(key) for key in keys} == {16}


def test_an_id_is_hashed_as_documented() -> None:
    assert request_key("flights", "7").hex() == "869528b0d679d92ec02f0f5153bcff1c"
