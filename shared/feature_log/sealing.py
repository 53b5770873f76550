"""How sensitive values stand in the log: a keyed hash, or encrypted with a key that belongs to their entity."""

import hmac
import os
from collections.abc import Iterable, Iterator
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


def keyed_hash(secret: bytes, *parts: str) -> str:
    """HMAC-SHA256 (64 hex digits) of texts, joined by zero bytes."""
    return hmac.digest(secret, "\0".join(parts).encode(), "sha256").hex()


def entity_hash(secret: bytes, entity: str | None) -> str:
    """What stands for an entity wherever itself must not; rows without one share one that is nobody's."""
    return keyed_hash(secret, "no entity") if entity is None else keyed_hash(secret, "entity", entity)


def request_hash(secret: bytes, model: str, request_id: bytes, row: int) -> bytes:
    """By what it is known that a row of a request was forgotten: 16 bytes."""
    return bytes.fromhex(keyed_hash(secret, "request", model, request_id.hex(), str(row)))[:16]


def key_id(secret: bytes, model: str, entity: str) -> str:
    """By what the key is found that an entity (its hash) has for its values in one model's tables."""
    return keyed_hash(secret, "key", model, entity)


def seal(values: Iterable[tuple[bytes | None, bytes]], purpose: str) -> Iterator[bytes | None]:
    """Each value encrypted with the key beside it (AES-256-GCM, a random nonce before it); None stays None.

    It can be decrypted only for the same `purpose`, so that no value can be put in another column's place.
    """
    cipher = cache(AESGCM)
    for value, key in values:
        if value is None:
            yield None
        else:
            nonce = os.urandom(NONCE_BYTES)
            yield nonce + cipher(key).encrypt(nonce, value, purpose.encode())


def unseal(sealed: Iterable[tuple[bytes | None, bytes | None]], purpose: str) -> Iterator[bytes | None]:
    """Each value decrypted with the key beside it; None where either is missing, or the key is another one."""
    cipher = cache(AESGCM)
    for value, key in sealed:
        if value is None or key is None:
            yield None
            continue
        try:
            yield cipher(key).decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], purpose.encode())
        except InvalidTag:  # the entity was forgotten, and came again
            yield None
