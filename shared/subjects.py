"""Whom a row is about, put into few groups: what rows of one subject have in common shows between the groups."""

from zlib import crc32

GROUPS = 64


def group(subject: str | bytes) -> int:
    """Which of the 64 groups a subject belongs to: its entity, or its request's 16 bytes if it has none.

    All rows of a subject are in one group, in every process; the choice has nothing to do with the canary's.
    """
    return crc32(subject.encode() if isinstance(subject, str) else subject) % GROUPS
