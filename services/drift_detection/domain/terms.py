"""By which budget a bundle's alarms are."""

from typing import Literal, NamedTuple

Mode = Literal["guaranteed", "calibrated"]


class Terms(NamedTuple):
    """What all alarms of a bundle share; see `DriftDetected`."""

    budget: float
    streams: int
    mode: Mode
    reference_digest: str
