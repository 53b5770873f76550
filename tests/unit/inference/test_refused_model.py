"""What clients are told of a model that is deployed, and whose bundle was refused."""

import pytest

from tests.unit.inference.harness import Service

READING = ["/v2/models/late", f"/v2/models/late/versions/{'a' * 64}", "/v2/models/late/ready"]
POSTING = ["/v2/models/late/infer", f"/v2/models/late/versions/{'a' * 64}/infer"]
ROWS = ["/v1/models/late/predict", "/v1/models/late/labels"]
WORDS = "'late' is deployed, but its bundle was refused; ask again later"


@pytest.mark.parametrize("path", [*READING, *POSTING, *ROWS])
async def test_it_is_503_and_never_called_unknown(service: Service, path: str) -> None:
    service.catalogue.awaits("late", "its bundle was refused")
    answer = await service.client.request("GET" if path in READING else "POST", path, content=b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    told = {"field": "model", "expected": WORDS} if path in ROWS else f"model: {WORDS}"
    assert answer.json() == {"error": told}
