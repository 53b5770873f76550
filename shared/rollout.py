"""How a canary or a shadow is compared with the champion, as a model's definition says it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from shared.batches import Section

Metric = Literal["score", "latency", "slow", "error", "loss"]
METRICS: tuple[Metric, ...] = ("score", "latency", "slow", "error", "loss")


class Rollout(Section):
    """`margins`: by metric, how much more than the champion's is harm. Only what stands here counts for the verdict.

    `score` in the score's unit, in either direction; `latency` in doublings; `slow` (over the latency objective) and
    `error` as shares of rows; `loss` in the loss's unit. A better version has `min_rows` rows on each side, is surely
    within all margins and, if there is one, surely less than the champion in `better_in`.
    """

    min_rows: int = Field(default=500, ge=1)
    margins: dict[Metric, float] = Field(default={"error": 0.01, "slow": 0.02}, min_length=1)
    better_in: Metric | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        for metric, margin in self.margins.items():
            if margin < 0:
                raise ValueError(f"margins.{metric}: must not be negative")
        if self.better_in == "score":
            raise ValueError("better_in: a lower score is not a better one")
        if self.better_in is not None and self.better_in not in self.margins:
            raise ValueError(f"better_in: {self.better_in} has no margin")
        return self
