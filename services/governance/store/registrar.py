"""Every change of state: one transaction that holds the change, its audit entry and its events, or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from services.governance.domain import announce
from services.governance.domain.approval import PRODUCTION, Approval, Choice, Vote, decide, request
from services.governance.domain.audit import Action
from services.governance.domain.incidents import IncidentEvent
from services.governance.domain.promotion import promote
from services.governance.domain.registry import RETRAINER, Deployment, Version, refuse_if_serving, refuse_retyped
from services.governance.domain.rollout import Rollout, check_approved, check_versions, follow, known_champion
from services.governance.domain.runs import RunEvent
from services.governance.store import approvals, log, outbox, registry, views, windows
from services.governance.store.database import Database
from services.governance.store.tables import inbox
from shared.events import ChallengerEvaluated, DriftDetected, DriftResolved, DriftRetracted, Event, Gate, Window
from shared.signing import Signer

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Word:
    """What a person says on an approval, and who says it."""

    subject: str
    role: str
    digest: str
    decision: Choice
    reason: str


class Registrar:
    """Changes what governance owns. `clock` gives the wall clock's UTC time."""

    def __init__(self, database: Database, signer: Signer, clock: Clock) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock

    def register(self, version: Version) -> tuple[Version, bool]:
        """Enter a version; returns what the registry holds, and whether it is new.

        Raises:
            InvalidInput: the feature log has a column of another type for one of its features.
        """
        with self._database.write() as connection:
            return self._register(connection, version)

    def request(self, model: str, digest: str, requested_by: str, gate: Gate = PRODUCTION) -> tuple[Approval, bool]:
        """Ask for a version's promotion, or that it may be a canary; returns the open approval, and whether it is new.

        Raises:
            NotFound: no such model, or no such version of it, is registered.
            Conflict: it serves already.
        """
        with self._database.write() as connection:
            return self._request(connection, registry.known_version(connection, model, digest), requested_by, gate)

    def decide(self, approval_id: str, word: Word) -> Approval:
        """Take one person's decision; the one that makes a promotion approved carries it out.

        Raises:
            NotFound: no such approval.
            Conflict, NotAllowed: see `domain.approval.decide`.
        """
        now = self._clock()
        with self._database.write() as connection:
            before = approvals.known_approval(connection, approval_id, now)
            vote = Vote(subject=word.subject, decision=word.decision, reason=word.reason, at=now)
            after = decide(before, word.digest, vote, word.role)
            approvals.add_vote(connection, after, vote)
            self._tell(connection, announce.decided(after, vote))
            said = {"digest": after.digest, "decision": vote.decision, "reason": vote.reason, "state": after.state}
            self._audit(connection, vote.subject, "approval.decided", approval_id, said)
            if after.state == "approved" and after.gate == PRODUCTION:
                self._promote(connection, after)
            return after

    def roll_out(self, model: str, rollout: Rollout, by: str) -> Deployment:
        """Have this run beside the champion, and nothing else; returns what serves then.

        Raises:
            NotFound: no such model, or no such version of it, is registered.
            Conflict: nothing serves, a version is in two roles or takes other features, or the canary is not approved.
        """
        with self._database.write() as connection:
            registry.known_model(connection, model)
            current = known_champion(registry.deployment(connection, model))
            beside = {
                field: registry.known_version(connection, model, digest) for field, digest in rollout.digests.items()
            }
            check_versions(registry.known_version(connection, model, current.champion), beside)
            approved = self._approved(connection, rollout)
            deployment = follow(current, rollout, [version.time for version in beside.values()], self._clock())
            if deployment is not current:
                registry.add_deployment(connection, deployment)
                self._tell(connection, announce.deployed(deployment))
                said = {"revision": deployment.revision, "approval_id": approved, **rollout.model_dump(mode="json")}
                self._audit(connection, by, "rollout.changed" if beside else "rollout.ended", model, said)
            return deployment

    def _approved(self, connection: Connection, rollout: Rollout) -> str | None:
        """The id of the approval by which the canary may answer, None if there is no canary."""
        if rollout.canary is None:
            return None
        asked = approvals.of_version(connection, rollout.canary.digest, self._clock())
        return check_approved(asked).approval_id

    def challenger(self, event: ChallengerEvaluated, version: Version | None) -> None:
        """Record a run's result; with a version (it passed), enter it and ask for its promotion. Once per event.

        Raises:
            InvalidInput: see `register`; nothing is recorded then.
        """
        with self._database.write() as connection:
            if not self._first_time(connection, event):
                return
            views.note_run(connection, event)
            said = {"challenger": event.challenger.digest, "passed": event.passed, "reason": event.reason}
            self._audit(connection, RETRAINER, "challenger.evaluated", event.run_id, said)
            if version is None:
                return
            entered, _ = self._register(connection, version)
            current = registry.deployment(connection, event.model)
            if current is None or current.champion != version.digest:
                self._request(connection, entered, RETRAINER)

    def announce_again(self) -> None:
        """Say once more what serves now.

        The topic is compacted: a forged record under a model's key, which nobody believes, takes the true one with it.
        """
        with self._database.write() as connection:
            serving = (registry.deployment(connection, model.name) for model in registry.all_models(connection))
            events = [announce.deployed(deployment) for deployment in serving if deployment is not None]
            outbox.send_again(connection, [event.id for event in events])

    def note(self, event: Window | IncidentEvent | RunEvent) -> None:
        """Take in what another service says, once per event."""
        with self._database.write() as connection:
            if not self._first_time(connection, event):
                return
            if isinstance(event, Window):
                windows.keep(connection, event)
            elif isinstance(event, DriftDetected | DriftResolved | DriftRetracted):
                views.note_incident(connection, event)
            else:
                views.note_run(connection, event)

    def token_issued(self, by: str, subject: str, role: str, expires: datetime) -> None:
        """Put into the audit log that a token was issued; the token itself is kept nowhere."""
        with self._database.write() as connection:
            said = {"role": role, "expires": expires.isoformat()}
            self._audit(connection, by, "token.issued", subject, said)

    def _register(self, connection: Connection, version: Version) -> tuple[Version, bool]:
        known = registry.version(connection, version.digest)
        if known is not None:
            return known, False
        refuse_retyped(version.definition, registry.features_of(connection, version.model))
        registry.add_version(connection, version)
        self._tell(connection, announce.registered(version))
        said = {"model": version.model, "signer": version.signer, "parent": version.parent, "run_id": version.run_id}
        self._audit(connection, version.registered_by, "model.registered", version.digest, said)
        return version, True

    def _request(
        self, connection: Connection, version: Version, by: str, gate: Gate = PRODUCTION
    ) -> tuple[Approval, bool]:
        refuse_if_serving(version, registry.deployment(connection, version.model))
        now = self._clock()
        every = approvals.of_version(connection, version.digest, now)
        earlier = [approval for approval in every if approval.gate == gate]
        if earlier and earlier[0].state == "open":
            return earlier[0], False
        approval = request(version, by, len(earlier), now, gate)
        approvals.add(connection, approval)
        self._tell(connection, announce.requested(approval))
        said = {"digest": approval.digest, "gate": approval.gate, "expires": approval.expires.isoformat()}
        self._audit(connection, by, "approval.requested", approval.approval_id, said)
        return approval, True

    def _promote(self, connection: Connection, approval: Approval) -> None:
        deployment = promote(approval, registry.deployment(connection, approval.model), self._clock())
        registry.add_deployment(connection, deployment)
        self._tell(connection, announce.promoted(deployment), announce.deployed(deployment))
        said = {
            "revision": deployment.revision,
            "champion": deployment.champion,
            "previous": deployment.previous,
            "approval_id": deployment.approval_id,
            "approvers": list(deployment.approvers),
        }
        self._audit(connection, "service:governance", "model.promoted", deployment.model, said)

    def _first_time(self, connection: Connection, event: Event) -> bool:
        known = connection.execute(select(inbox.c.event_id).where(inbox.c.event_id == event.id)).first()
        if known is None:
            connection.execute(insert(inbox).values(event_id=event.id, type=event.type, at=self._clock()))
        return known is None

    def _tell(self, connection: Connection, *events: Event) -> None:
        outbox.put(connection, events, self._signer)

    def _audit(self, connection: Connection, actor: str, action: str, subject: str, said: Mapping[str, object]) -> None:
        log.append(connection, Action(actor=actor, action=action, subject=subject, payload=dict(said)), self._clock())
