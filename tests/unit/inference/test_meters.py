"""What /metrics tells of requests and of the runs that answer them."""

from pathlib import Path

from prometheus_client import REGISTRY

from services.inference.models.loaded import LoadedModel
from tests.unit.inference.express_server import running_server

BODY = b'{"inputs":[{"name":"features","shape":[2,3],"datatype":"FP32","data":[1,2,3,4,5,6]}]}'


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"driftline_inference_{name}", labels) or 0


def requests() -> dict[tuple[str, str], float]:
    pairs = [(way, outcome) for way in ("express", "normal") for outcome in ("2xx", "4xx", "503")]
    return {pair: value("requests_total", way=pair[0], outcome=pair[1]) for pair in pairs}


async def test_answers_are_counted_by_their_way_and_by_what_they_say(state: Path, block: LoadedModel) -> None:
    log_is_full = False
    async with running_server(state, block, is_full=lambda: log_is_full) as server:
        before = requests()
        ((status, _, _),) = await server.ask(server.post(BODY))
        ((wrong, _, _),) = await server.ask(server.post(b"{}"))
        ((live, _, _),) = await server.ask(server.post(b"", "/live", method="GET"))
        log_is_full = True
        ((full_, _, _),) = await server.ask(server.post(BODY))
        assert (status, wrong, live, full_) == (200, 400, 200, 503)
        more = {pair: count - before[pair] for pair, count in requests().items() if count != before[pair]}
        assert more == {("express", "2xx"): 1, ("express", "503"): 1, ("normal", "2xx"): 1, ("normal", "4xx"): 1}


async def test_a_run_tells_how_many_requests_and_rows_it_had(state: Path, block: LoadedModel) -> None:
    names = ("run_rows_count", "run_rows_sum", "run_requests_count", "run_requests_sum")
    async with running_server(state, block) as server:
        before = [value(name, model="block") for name in names]
        await server.ask(server.post(BODY) + server.post(BODY), answers=2)
        assert [value(name, model="block") - had for name, had in zip(names, before, strict=True)] == [1, 4, 1, 2]
