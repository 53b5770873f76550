"""The topics: which there are, how many partitions, how long they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

PREDICTIONS = "driftline.predictions"
LABELS = "driftline.labels"
OUTCOMES = "driftline.outcomes"
REQUESTS = "driftline.requests"
SCORES = "driftline.scores"
PARTIALS = "driftline.partials"
INCIDENTS = "driftline.incidents"
DRIFT = "driftline.drift"
RETRAINING = "driftline.retraining"
GOVERNANCE = "driftline.governance"
DEPLOYMENTS = "driftline.deployments"
DEAD_LETTERS = "driftline.dead-letters"

# Of one message where the topic allows more than Kafka's usual 1 MB: a thousand labels with long ids, or a dead-letter,
# which is the original and its reason.
MOST_BYTES = 2 * 2**20


def _kept(days: int) -> dict[str, str]:
    return {"retention.ms": str(days * 86_400_000) if days else "-1"}


_LARGE = {"max.message.bytes": str(MOST_BYTES)}


@dataclass(frozen=True)
class Topic:
    """One topic; `config` as Kafka names it. `signed`: its readers ask for the writer's signature."""

    name: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    description: str
    partitions: int = 1
    config: dict[str, str] = field(default_factory=dict)
    signed: bool = False


TOPICS: tuple[Topic, ...] = (
    Topic(
        PREDICTIONS,
        ("inference",),
        ("feature_logging", "drift_detection"),
        "Arrow IPC batches of predictions, kept 7 days.",
        3,
        _kept(7),
    ),
    Topic(
        LABELS, ("inference",), ("feature_logging",), "Labels as clients post them, kept 7 days.", 3, _kept(7) | _LARGE
    ),
    Topic(
        OUTCOMES,
        ("feature_logging",),
        ("drift_detection", "anyone"),
        "Arrow IPC batches of labels, each with the prediction it came for, kept 7 days.",
        3,
        _kept(7),
    ),
    Topic(
        REQUESTS,
        ("clients",),
        ("inference",),
        "Requests of clients that ask by a topic, answered on driftline.scores, kept a day.",
        3,
        _kept(1) | _LARGE,
    ),
    Topic(
        SCORES,
        ("inference",),
        ("clients",),
        "The answers to driftline.requests, with the same keys, kept a day.",
        3,
        _kept(1) | _LARGE,
    ),
    Topic(
        PARTIALS,
        ("drift_detection",),
        ("drift_detection",),
        "Between the workers of drift_detection: parts of windows, of one source partition each, on their way to the"
        " worker that holds the model. Internal, kept 7 days, as long as what they were made of.",
        3,
        _kept(7) | _LARGE,
    ),
    Topic(
        INCIDENTS,
        ("drift_detection",),
        ("drift_detection",),
        "Between the workers of drift_detection: the incidents of each model, so that any worker tells and explains"
        " them. Internal, compacted by model.",
        config={"cleanup.policy": "compact", "segment.bytes": str(32 * 2**20)} | _LARGE,
    ),
    Topic(
        DRIFT,
        ("drift_detection",),
        ("retrain_trigger", "governance", "anyone"),
        "Windows and incidents of every model, kept 90 days.",
        config=_kept(90) | _LARGE,
        signed=True,
    ),
    Topic(
        RETRAINING,
        ("retrain_trigger",),
        ("governance", "anyone"),
        "Retraining decisions and results, kept for ever.",
        config=_kept(0),
        signed=True,
    ),
    Topic(
        GOVERNANCE,
        ("governance",),
        ("retrain_trigger", "anyone"),
        "Registrations, approvals, promotions, kept for ever.",
        config=_kept(0),
        signed=True,
    ),
    Topic(
        DEPLOYMENTS,
        ("governance",),
        ("inference", "drift_detection"),
        "What serves now, signed, compacted by model.",
        config={"cleanup.policy": "compact"},
        signed=True,
    ),
    Topic(
        DEAD_LETTERS,
        ("all",),
        ("operators",),
        "What could not be read, with its reason, kept 30 days.",
        config=_kept(30) | _LARGE,
    ),
)


async def count_partitions(bootstrap: str, topic: str) -> int:
    """How many partitions a topic has; 0: there is none.

    Raises:
        KafkaError: the broker can't be reached or refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        described = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return len(described[0]["partitions"])


async def cluster_id(bootstrap: str) -> str | None:
    """Which Kafka this is: the id of its cluster, or None if it tells none.

    Raises:
        KafkaError: the broker can't be reached or refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        told: str | None = (await admin.describe_cluster()).get("cluster_id")
    finally:
        await admin.close()
    return told


async def ensure_topics(bootstrap: str, topics: Sequence[Topic] = TOPICS, replication: int = 1) -> None:
    """Make the topics that are not there yet; those that are stay as they are.

    Raises:
        KafkaError: the broker can't be reached or refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await admin.start()
        stamped = {"message.timestamp.type": "LogAppendTime"}
        wanted = [
            NewTopic(topic.name, topic.partitions, replication, topic_configs={**stamped, **topic.config})
            for topic in topics
        ]
        response = cast(Any, await admin.create_topics(wanted))
    finally:
        await admin.close()
    for name, code, *reason in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"topic {name}: {' '.join(map(str, reason))}")
