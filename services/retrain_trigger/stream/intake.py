"""Events of drift_detection and governance, each turned into a decision in the journal."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from structlog import get_logger

from services.retrain_trigger.domain.decide import Outcome, View, decide, ended, unusable
from services.retrain_trigger.domain.runs import Run, waiting_times
from services.retrain_trigger.store import Journal
from services.retrain_trigger.stream.bundles import Champions
from shared.cloudevents import verified
from shared.definition import parse_definition
from shared.errors import InvalidInput, Unreadable
from shared.events import DriftDetected, DriftResolved, DriftRetracted, ModelPromoted
from shared.kafka.admin import DRIFT, GOVERNANCE
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Trust

log = get_logger()
# An event of another hand could start a run, end one, or hold the next back.
WRITERS = {DRIFT: "drift_detection", GOVERNANCE: "governance"}
# Model, onset, and the time that labels are needed up to, to how far they have come.
LabelledTo = Callable[[str, datetime, datetime], Awaitable[datetime | None]]


class Intake:
    """The handler of the consume loop; what it says goes through the journal's outbox, so it returns no messages.

    `on_news` is called when the journal has changed.
    """

    def __init__(  # its five parts, each named where it is built
        self,
        journal: Journal,
        champions: Champions,
        labelled_to: LabelledTo,
        on_news: Callable[[], None],
        trust: Trust,
    ) -> None:
        self._trust = trust
        self._journal = journal
        self._champions = champions
        self._labelled_to = labelled_to
        self._on_news = on_news

    async def handle(self, message: InMessage) -> Sequence[OutMessage]:
        """Take one event in.

        Raises:
            Unreadable: it can't be understood, it is not signed by the service whose topic it is on, or it
                contradicts what is known of its incident or bundle.
        """
        match verified(message, self._trust, WRITERS[message.topic]):
            case DriftDetected() as event:
                await self._detected(event)
            case DriftRetracted() | DriftResolved() as event:
                self._over(event)
            case ModelPromoted() as event:
                self._journal.promoted(event)
                self._on_news()
            case _:
                pass
        return ()

    async def _detected(self, event: DriftDetected) -> None:
        self._run_of(event)
        try:
            text = await self._champions.definition(event.digest)
        except InvalidInput as error:
            reason = f"the bundle that drifted can't be used: {error}"
            self._note(unusable(event, self._view(event, None), reason))
            return
        definition = parse_definition(text)
        if definition.name != event.model:
            raise Unreadable(f"DriftDetected: digest: a bundle of {definition.name}, not of {event.model}")
        try:
            needed = waiting_times(event.onset, definition)[1]
            labelled_to = await self._labelled_to(event.model, event.onset, needed)
            self._note(decide(event, definition, self._view(event, labelled_to)))
        except InvalidInput as error:
            raise Unreadable(f"DriftDetected: {error}") from error

    def _view(self, event: DriftDetected, labelled_to: datetime | None) -> View:
        was_replaced = self._journal.was_replaced(event.model, event.digest)
        return View(self._journal.runs(event.model), was_replaced, labelled_to)

    def _over(self, event: DriftRetracted | DriftResolved) -> None:
        run = self._run_of(event)
        self._note(ended(run, event) if run else None)

    def _run_of(self, event: DriftDetected | DriftRetracted | DriftResolved) -> Run | None:
        run = self._journal.run_of(event.incident_id)
        if run is not None and run.model != event.model:
            raise Unreadable(f"{event.type}: incident_id: an incident of {run.model}, not of {event.model}")
        return run

    def _note(self, outcome: Outcome | None) -> None:
        if outcome is None:
            return
        self._journal.record(outcome.run, outcome.event)
        log.info("decided", run=outcome.run.run_id, decision=outcome.event.decision, why=outcome.event.reason)
        self._on_news()
