"""What /metrics tells of calls."""

from prometheus_client import REGISTRY

from tests.unit.inference.grpc_protocol.caller import World, small_request


def calls() -> list[float]:
    told = [{"way": "grpc", "outcome": outcome} for outcome in ("2xx", "4xx", "503")]
    return [REGISTRY.get_sample_value("driftline_inference_requests_total", each) or 0 for each in told]


async def test_calls_are_counted_by_what_they_are_answered(world: World) -> None:
    before = calls()
    await world.caller.infer(small_request())
    await world.caller.refusal(small_request(model_name="other"))
    assert [now - had for now, had in zip(calls(), before, strict=True)] == [1, 1, 0]
