"""`driftline explain`: a fault at one site is told as that, from the rows of the real feature log."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np

from tests.integration.drift_service import ROOT, Service, broker_and_producer, make_bundle
from tests.integration.feature_log_service import Service as FeatureLog
from tests.integration.feature_log_service import until_all_is_committed
from tests.integration.test_drift_detection import send, stream, until_told
from tests.unit.drift_detection.pumps import HOUR, START

FAULT, HOURS = 24, 36


async def command(state: Path, service: Service, *words: str) -> tuple[int, str, str]:
    """Exit code and what `driftline explain` said."""
    options = ("--state", str(state), "--url", f"http://127.0.0.1:{service.port}")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "explain", *words, *options), cwd=ROOT, stdout=pipe, stderr=pipe
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_fault_at_one_site_is_told_as_that(tmp_path: Path) -> None:
    digest = make_bundle(tmp_path)
    messages = stream(digest, HOURS)
    for _, content in messages:
        hit = (content.event_time >= START + np.timedelta64(FAULT * HOUR, "us")) & (content.rows.categorical[:, 0] == 1)
        content.rows.numeric[hit, 0] -= 30
    async with broker_and_producer(tmp_path) as (kafka, producer):
        service, log = Service(tmp_path, kafka), FeatureLog(tmp_path, kafka)
        async with service.running(), log.running():
            await send(producer, messages)
            await until_told(service, digest, rows=HOURS * 30)
            await until_all_is_committed(kafka)
            [incident] = (await service.get("/v1/incidents")).json()
            code, out, _ = await command(tmp_path, service, incident["incident_id"], "--json")
            told = json.loads(out)
            assert (code, told["slices_from"], told["why"]) == (0, "feature_log", None)
            [temp] = [feature for feature in told["features"] if feature["told"]["name"] == "temp"]
            [found] = temp["slices"]
            assert found["name"] == "site=south"
            assert -33 < found["change_inside"] < -22
            assert abs(found["change_outside"]) < 8  # the weather's

            code, out, _ = await command(tmp_path, service, incident["incident_id"])
            assert code == 0
            assert "in site=south: mean of temp changed by -2" in out.replace("-3", "-2")
            code, _, err = await command(tmp_path, service, "nothing")
            assert code == 1
            assert "404" in err
            assert await service.end() == 0
