"""What a trial ends with when the service is not well."""


class TrialFailed(Exception):
    """A sentence for whoever reads the check's output, and what the process said."""

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.said = said
