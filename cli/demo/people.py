"""The people of the demo: an operator who registers the model, and approvers with a token each of their own."""

import asyncio
from collections.abc import Callable

from cli.demo.api import Api
from cli.demo.story import Story

Say = Callable[[str], None]


class People:
    """They act over HTTP, as anyone would."""

    def __init__(self, api: Api, story: Story, say: Say) -> None:
        self._api = api
        self._story = story
        self._say = say

    async def get_tokens(self) -> None:
        """The admin issues a token to each approver."""
        for name in self._story.approvers:
            wanted = {"subject": name, "role": "approver", "hours": 24}
            issued = await self._api.post("governance", "/v1/tokens", wanted, "admin")
            self._api.know(name, issued["token"])

    async def register(self, digest: str) -> None:
        """The operator registers a bundle and asks for its promotion."""
        await self._api.post("governance", "/v1/models", {"digest": digest}, "operator")
        wanted = {"model": self._story.model, "digest": digest}
        await self._api.post("governance", "/v1/approvals", wanted, "operator")

    async def approve_for_ever(self) -> None:
        """Whenever an approval is open, each approver approves it; runs until cancelled."""
        while True:
            for approval in await self._api.get("governance", "/v1/approvals?state=open"):
                await self._approve(approval["approval_id"], approval["digest"])
            await asyncio.sleep(0.5)

    async def _approve(self, approval_id: str, digest: str) -> None:
        word = {"digest": digest, "decision": "approve", "reason": "better on the holdout, lineage looked at"}
        for name in self._story.approvers:
            await self._api.post("governance", f"/v1/approvals/{approval_id}/decision", word, name)
            self._say(f"{name} approves {digest[:12]}")
