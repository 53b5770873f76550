"""The way in: a Faust app over the predictions, and the follower of deployments."""

from services.drift_detection.stream.app import build

__all__ = ["build"]
