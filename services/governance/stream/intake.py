"""Events of drift_detection and retrain_trigger, taken into the store once each."""

import asyncio
from collections.abc import Sequence

from services.governance.domain.registry import challenger
from services.governance.domain.windows import check_shapes
from services.governance.store.desk import Desk
from shared.cloudevents import verified
from shared.errors import InvalidInput, Unreadable
from shared.events import (
    ChallengerEvaluated,
    DriftDetected,
    DriftResolved,
    DriftRetracted,
    Event,
    RetrainingDecided,
    RetrainingFailed,
    RetrainingStarted,
    Window,
)
from shared.kafka.admin import RETRAINING
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Trust

NOTED = (
    Window,
    DriftDetected,
    DriftResolved,
    DriftRetracted,
    RetrainingDecided,
    RetrainingStarted,
    RetrainingFailed,
)


class Intake:
    """The handler of the consume loop. What it answers goes through the outbox, so it returns no messages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._trust = Trust(desk.settings.trust)

    async def handle(self, message: InMessage) -> Sequence[OutMessage]:
        """Take one event in.

        Raises:
            Unreadable: it can't be understood, it is not signed by the service whose topic it is on, or the challenger
                is not what it says.
        """
        # People approve by these figures, so they must be those of the services that measured them.
        writer = "retrain_trigger" if message.topic == RETRAINING else "drift_detection"
        event = verified(message, self._trust, writer)
        try:
            await asyncio.to_thread(self._take, event)
        except InvalidInput as error:
            raise Unreadable(f"{event.type}: {error}") from error
        return ()

    def _take(self, event: Event) -> None:
        if isinstance(event, ChallengerEvaluated):
            self._challenger(event)
        elif isinstance(event, NOTED):
            if isinstance(event, Window):
                check_shapes(event)
                if not (event.is_pane and event.is_whole):
                    return  # people are shown the panes of all rows
            self._desk.registrar.note(event)

    def _challenger(self, event: ChallengerEvaluated) -> None:
        passed = challenger(self._desk.bundle(event.challenger.digest), event) if event.passed else None
        self._desk.registrar.challenger(event, passed)
