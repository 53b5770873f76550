"""The two ways in which input can be wrong. Every service translates them at its edge, and only there."""


class DriftlineError(Exception):
    """Root of what Driftline raises on purpose; its text is meant for the person who caused it."""


class InvalidInput(DriftlineError):
    """A request, file or definition breaks its contract.

    `field` names the part that is wrong (a path such as `features[2].min`); the text says what was expected.
    """

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}" if field else expected)
        self.field = field
        self.expected = expected


class Unreadable(DriftlineError):
    """A Kafka message that can't be understood; the text is the reason it gets in the dead-letters."""
