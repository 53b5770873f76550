"""UUIDv7 (RFC 9562): ids of requests that bring none, each with the time of its first row."""

import os
from struct import iter_unpack

import numpy as np

_AT_ONCE = 512
_TAIL = b"....-....-............ "


def uuid7(milliseconds: int, random: bytes) -> bytes:
    """The 16 bytes of a UUIDv7 of a Unix time and 10 random bytes."""
    version, variant = 0x70 | random[0] & 0x0F, 0x80 | random[1] & 0x3F
    return b"%b%c%b%c%b" % (milliseconds.to_bytes(6, "big"), version, random[2:3], variant, random[3:])


def uuid_text(key: bytes) -> str:
    """A UUID's 16 bytes as it is written."""
    digits = key.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class NewIds:
    """Gives out new ids. What is random in them is made for hundreds at once: one by one it costs as much as reading a
    request.
    """

    def __init__(self) -> None:
        self._tails: list[tuple[bytes, str]] = []
        self._milliseconds = -1
        self._head = b""
        self._text = ""

    def next(self, milliseconds: int) -> tuple[bytes, str]:
        """The 16 bytes of a new UUIDv7 of a Unix time, and how it is written."""
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._head = milliseconds.to_bytes(6, "big")
            digits = self._head.hex()
            self._text = f"{digits[:8]}-{digits[8:]}-"
        if not self._tails:
            self._tails = _tails()
        tail, text = self._tails.pop()
        return self._head + tail, self._text + text


def _tails() -> list[tuple[bytes, str]]:
    """What follows the time: 10 random bytes with version and variant in them, and how they are written."""
    block = np.frombuffer(os.urandom(10 * _AT_ONCE), np.uint8).reshape(_AT_ONCE, 10).copy()
    block[:, 0] = block[:, 0] & 0x0F | 0x70
    block[:, 2] = block[:, 2] & 0x3F | 0x80
    keys = block.tobytes()
    digits = np.frombuffer(keys.hex().encode(), np.uint8).reshape(_AT_ONCE, 20)
    texts = np.full((_AT_ONCE, len(_TAIL)), np.frombuffer(_TAIL, np.uint8))
    for start, end, at in ((0, 4, 0), (4, 8, 5), (8, 20, 10)):
        texts[:, at : at + end - start] = digits[:, start:end]
    written = texts.tobytes().decode().split()
    return list(zip((key for (key,) in iter_unpack("10s", keys)), written, strict=True))
