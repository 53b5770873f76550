"""Ed25519 signatures over the exact bytes of an event's value, and the keys that count."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from shared.errors import Unreadable
from shared.kafka.message import Headers

SIGNATURE = "driftline-signature"
KEY = "driftline-key"


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 private key in a PEM file; raises OSError, and ValueError if it is another kind of key."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name}: expected an Ed25519 private key")  # noqa: TRY004  # the content is wrong, not a type
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key in a PEM file; raises OSError, and ValueError if it is another kind of key."""
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path.name}: expected an Ed25519 public key")  # noqa: TRY004  # the content is wrong, not a type
    return key


class Signer:
    """Signs in the name of one service."""

    def __init__(self, service: str, key: Ed25519PrivateKey) -> None:
        self.service = service
        self._key = key

    @classmethod
    def load(cls, keys: Path, service: str) -> "Signer":
        """The signer whose key is `<keys>/<service>.pem`."""
        return cls(service, load_private_key(keys / f"{service}.pem"))

    def sign(self, value: bytes) -> Headers:
        """The two headers that carry the signature of `value` and the key's id."""
        return ((SIGNATURE, self._key.sign(value)), (KEY, self.service.encode()))


class Trust:
    """The public keys in a folder, `<service>.pub` each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, value: bytes, headers: Headers, service: str) -> None:
        """Raises Unreadable unless `headers` hold a signature of `value` by `service`."""
        told = dict(headers)
        if SIGNATURE not in told or KEY not in told:
            raise Unreadable(f"{SIGNATURE}: a signature by {service} is needed")
        if told[KEY] != service.encode():
            raise Unreadable(f"{KEY}: signed by {told[KEY]!r}, expected {service}")
        try:
            load_public_key(self._folder / f"{service}.pub").verify(told[SIGNATURE], value)
        except InvalidSignature as error:
            raise Unreadable(f"{SIGNATURE}: not a valid signature by {service}") from error
        except (OSError, ValueError) as error:
            raise Unreadable(f"{KEY}: the public key of {service} can't be read: {error}") from error
