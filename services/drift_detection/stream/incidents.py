"""What every worker knows of the incidents of all models: each tells those of the models that are at home with it.

So any worker answers for all, also while a model is on its way from one worker to another, and none asks another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable

from structlog import get_logger

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.state import Incident
from services.drift_detection.store.incidents import Told, decode_incidents, encode_incidents, packed
from services.drift_detection.stream.intake import SERVICE
from shared.errors import Unreadable
from shared.kafka.admin import INCIDENTS
from shared.kafka.dead_letters import dead_letter
from shared.kafka.follow import keep_following
from shared.kafka.message import InMessage, OutMessage

log = get_logger()


class IncidentNews:
    """What was told of each model's incidents in this life of the process."""

    def __init__(self) -> None:
        self._told: dict[str, bytes] = {}

    def of(self, mergings: Iterable[Merging], changed: Collection[str]) -> list[OutMessage]:
        """Messages on models whose incidents are not those told last; `changed` are the models that may have others.

        After a start all is told again: the process may have died when it had stored it and not told it.
        """
        found: list[OutMessage] = []
        for watch in [watch for merging in mergings for watch in merging.watches.values()]:
            told, record = self._told.get(watch.model), watch.record
            if record.incidents and (told is None or watch.model in changed):
                content, is_whole = packed(record)
                self._told[watch.model] = content
                if not is_whole:
                    log.warning("incidents are told in short: they do not fit into a message", model=watch.model)
                if content != told:
                    found.append(encode_incidents(record, content))
        return found


class IncidentFeed:
    """Follows `driftline.incidents`; what can't be read there goes to `bury`. `patience` is in seconds."""

    def __init__(self, bury: Callable[[list[OutMessage]], Awaitable[None]], patience: float = 5.0) -> None:
        self.caught_up = asyncio.Event()
        self._bury = bury
        self._patience = patience
        self._told: dict[str, Told] = {}

    async def take(self, message: InMessage) -> None:
        """Handle one message of the topic."""
        try:
            new = decode_incidents(message)
        except Unreadable as error:
            log.warning("incidents can't be read", offset=message.offset, why=str(error))
            await self._bury([dead_letter(message, str(error), SERVICE)])
            return
        known = self._told.get(new.model)
        if known is None or new.version >= known.version:
            self._told[new.model] = new

    async def run(self, bootstrap: str) -> None:
        """Follow the topic from its beginning, for ever."""
        await keep_following(bootstrap, INCIDENTS, self.take, self.caught_up, SERVICE)

    async def known(self) -> dict[str, list[Incident]]:
        """All incidents that any worker has told by now, by model.

        Raises:
            TimeoutError: what was told can't be read just now.
        """
        await self._catch_up()
        return {model: told.incidents for model, told in self._told.items()}

    async def find(self, incident_id: str) -> tuple[str, Incident] | None:
        """An incident and its model; None if no worker has told of it by now.

        Raises:
            TimeoutError: it is not known here, and what was told can't be read just now.
        """
        if (found := self._look_up(incident_id)) is None:
            await self._catch_up()
            found = self._look_up(incident_id)
        return found

    def _look_up(self, incident_id: str) -> tuple[str, Incident] | None:
        for model, told in self._told.items():
            for incident in told.incidents:
                if incident.incident_id == incident_id:
                    return model, incident
        return None

    async def _catch_up(self) -> None:
        async with asyncio.timeout(self._patience):
            # One that is under way may have begun too early. All who wait for its end share the next.
            await self.caught_up.wait()
            self.caught_up.clear()
            await self.caught_up.wait()
