"""The deployments that this service has believed, kept on disk as they came, signature and all.

The topic is compacted: a forged record under a model's key, which nobody believes, takes the true one with it.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from structlog import get_logger

from shared.deployments import deployment
from shared.errors import Unreadable
from shared.events import DeploymentChanged
from shared.kafka.admin import DEPLOYMENTS
from shared.kafka.message import InMessage
from shared.keys import write_secret
from shared.signing import Trust

log = get_logger()


class KeptDeployments:
    """One file per model in `folder`, which is as open to others as the topic: what is read is verified again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, message: InMessage) -> None:
        """Keep a message in the place of the one with its key; a full disk is only logged."""
        headers = [[name, _text(value)] for name, value in message.headers]
        content = json.dumps({"key": _text(message.key), "value": _text(message.value), "headers": headers})
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(message.key or b"").hexdigest()[:32]
            write_secret(self._folder / f"{name}.json", content.encode())
        except OSError as error:
            log.warning("the deployment can't be kept on disk", why=str(error))

    def read(self, trust: Trust) -> Iterator[DeploymentChanged]:
        """What was kept; a file that can't be read, or that governance did not sign, is left out, and logged."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                told = json.loads(path.read_bytes())
                headers = tuple((name, base64.b64decode(value)) for name, value in told["headers"])
                key, value = base64.b64decode(told["key"]), base64.b64decode(told["value"])
                yield deployment(InMessage(DEPLOYMENTS, -1, -1, key, value, headers, 0), trust)
            except (Unreadable, OSError, ValueError, TypeError, KeyError) as error:
                log.warning("a kept deployment can't be read", file=path.name, why=repr(error))


def _text(content: bytes | None) -> str:
    return base64.b64encode(content or b"").decode()
