"""What runs beside the champion: who may set it, what is said of it, and what ends it."""

from pathlib import Path

import httpx
import pytest

from services.governance.domain.errors import Conflict
from services.governance.domain.registry import registered
from services.governance.domain.rollout import check_versions
from services.governance.store import log, outbox, registry
from services.governance.store.desk import Desk
from services.governance.store.registrar import Word
from shared.bundle import open_bundle
from shared.cloudevents import decode
from shared.events import CanaryShare, DeploymentChanged, Gate
from tests.bundles import as_read
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import bearer

PATH = "/v1/models/small/rollout"


def approve(desk: Desk, digest: str, gate: Gate) -> None:
    approval, _ = desk.registrar.request("small", digest, "olive", gate)
    for name in ("ada", "grace"):
        desk.registrar.decide(approval.approval_id, Word(name, "approver", digest, "approve", "good"))


@pytest.fixture
def serving(desk: Desk, bundles: Bundles) -> Desk:
    """The champion serves, and the challenger is registered."""
    for digest in (bundles.champion, bundles.challenger):
        desk.register(digest, "olive")
    approve(desk, bundles.champion, "production")
    return desk


def deployments(desk: Desk) -> list[DeploymentChanged]:
    """Those that wait to be sent, in order."""
    with desk.database.read() as connection:
        events = [decode(as_read(entry.message)) for entry in outbox.waiting(connection, 1_000)]
    return [event for event in events if isinstance(event, DeploymentChanged)]


class Operator:
    """Sets rollouts as olive."""

    def __init__(self, client: httpx.AsyncClient, state: Path) -> None:
        self._client = client
        self._headers = bearer(state, "olive", "operator")

    async def put(self, **body: object) -> httpx.Response:
        return await self._client.put(PATH, json=body, headers=self._headers)

    async def delete(self) -> httpx.Response:
        return await self._client.delete(PATH, headers=self._headers)


@pytest.fixture
def operator(client: httpx.AsyncClient, bundles: Bundles) -> Operator:
    return Operator(client, bundles.state)


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["field"]


async def test_a_shadow_is_set_at_once_and_ended(serving: Desk, operator: Operator, bundles: Bundles) -> None:
    told = (await operator.put(shadow=bundles.challenger)).json()
    assert (told["revision"], told["champion"], told["shadow"]) == (2, bundles.champion, bundles.challenger)
    again = await operator.put(shadow=bundles.challenger)
    assert (again.status_code, again.json()["revision"]) == (200, 2)
    assert (await operator.delete()).json()["revision"] == 3
    assert (await operator.delete()).json()["revision"] == 3
    assert [(each.revision, each.champion, each.shadow) for each in deployments(serving)] == [
        (1, bundles.champion, None),
        (2, bundles.champion, bundles.challenger),
        (3, bundles.champion, None),
    ]


async def test_a_canary_needs_two_people_and_a_larger_share_keeps_its_salt(
    serving: Desk, operator: Operator, bundles: Bundles
) -> None:
    canary = {"digest": bundles.challenger, "share": 0.1}
    assert error(await operator.put(canary=canary)) == (409, "canary.digest")
    approve(serving, bundles.challenger, "canary")
    assert len(deployments(serving)) == 1, "the approval alone changes nothing"
    assert (await operator.put(canary=canary)).status_code == 200
    assert (await operator.put(canary=canary | {"share": 0.3})).json()["canary"]["share"] == 0.3
    _, first, second = deployments(serving)
    assert first.canary == CanaryShare(digest=bundles.challenger, share=0.1)
    assert first.salt == second.salt != ""
    with serving.database.read() as connection:
        entries = list(log.every(connection))[-2:]
        history = registry.deployments_of(connection, "small", 10)
    assert [(entry.actor, entry.action, entry.subject) for entry in entries] == [
        ("olive", "rollout.changed", "small")
    ] * 2
    assert entries[1].payload["canary"] == {"digest": bundles.challenger, "share": 0.3}
    assert entries[1].payload["approval_id"] is not None
    assert [entry.canary and entry.canary.share for entry in history] == [0.3, 0.1, None]


async def test_a_promotion_ends_canary_and_shadow(serving: Desk, operator: Operator, bundles: Bundles) -> None:
    approve(serving, bundles.challenger, "canary")
    await operator.put(canary={"digest": bundles.challenger, "share": 0.1})
    approve(serving, bundles.challenger, "production")
    last = deployments(serving)[-1]
    assert (last.revision, last.champion, last.previous) == (3, bundles.challenger, bundles.champion)
    assert (last.canary, last.shadow, last.salt) == (None, None, "")


@pytest.mark.usefixtures("serving")
async def test_a_rollout_that_makes_no_sense_is_refused(operator: Operator, bundles: Bundles) -> None:
    assert error(await operator.put(shadow=bundles.champion)) == (409, "shadow")
    assert error(await operator.put(shadow="a" * 64)) == (404, "digest")
    assert error(await operator.put(shadow=bundles.other)) == (404, "digest")
    for share in (0, 1, 1.5, -0.1, "much"):
        status, field = error(await operator.put(canary={"digest": bundles.challenger, "share": share}))
        assert (status, "share" in field) == (422, True)
    assert error(await operator.put(shadow=bundles.challenger, colour="red"))[0] == 422


async def test_nothing_runs_beside_a_champion_that_there_is_not(
    desk: Desk, operator: Operator, bundles: Bundles
) -> None:
    assert error(await operator.put(shadow=bundles.challenger)) == (404, "model")
    desk.register(bundles.champion, "olive")
    assert error(await operator.delete()) == (409, "model")


@pytest.mark.usefixtures("serving")
async def test_only_an_operator_sets_it(client: httpx.AsyncClient, bundles: Bundles) -> None:
    headers = bearer(bundles.state, "vera", "viewer")
    assert (await client.put(PATH, json={"shadow": bundles.challenger}, headers=headers)).status_code == 403


async def test_the_same_version_may_be_asked_for_as_canary_and_as_champion(desk: Desk, bundles: Bundles) -> None:
    desk.register(bundles.champion, "olive")
    asked = [desk.registrar.request("small", bundles.champion, "olive", gate) for gate in ("production", "canary")]
    assert [new for _, new in asked] == [True, True]
    assert len({approval.approval_id for approval, _ in asked}) == 2


def test_a_version_that_takes_other_features_is_refused(bundles: Bundles) -> None:
    champion = registered(open_bundle(bundles.state / "bundles", bundles.champion, bundles.state / "trust"), "olive")
    fewer = champion.definition.model_copy(update={"features": champion.definition.features[:2]})
    other = champion.model_copy(update={"digest": "f" * 64, "definition": fewer})
    with pytest.raises(Conflict, match="champion's features"):
        check_versions(champion, {"shadow": other})
