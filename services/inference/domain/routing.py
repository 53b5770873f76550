"""Which version answers: the same on every replica, and to be recomputed later from the logged row."""

import hashlib

_RANGE = 2.0**64


def goes_to_canary(salt: str, subject: str | bytes, share: float) -> bool:
    """Whether the canary answers for `subject`: the entity of a request's first row, or the request's 16 bytes if that
    row has none.

    The place of sha256(salt, 0x00, subject) among all hashes decides, so a larger share only adds subjects, and another
    salt chooses others.
    """
    told = subject.encode() if isinstance(subject, str) else subject
    place = hashlib.sha256(salt.encode() + b"\0" + told).digest()[:8]
    return int.from_bytes(place, "big") < share * _RANGE
