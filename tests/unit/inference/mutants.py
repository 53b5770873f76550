"""Files that were good ones before some of what they hold changed."""

import random
from collections.abc import Iterator, Sequence

from services.inference.domain.onnx_file import SCHEMA
from services.inference.domain.protobuf import Malformed, fields
from tests.unit.inference.onnx_writer import field

_TELLING = (0, 1, 0x7F, 0x80, 0xFF)
_NUMBERS = (0, 1, 2, 3, 7, 8, 16, -1, 2**31 - 1, 2**31, 2**40, 2**63)

Field = tuple[int, int | bytes]


def mutants(models: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """`count` mutants of `models`: every third has bytes changed, the others fields, whose lengths are right."""
    chance = random.Random(seed)  # noqa: S311  # the same mutants each time
    for number in range(count):
        content = models[number % len(models)]
        for _ in range(chance.choice((1, 1, 2, 4))):
            content = _bytes_changed(chance, content) if number % 3 == 0 else _field_changed(chance, content)
        yield content


def _bytes_changed(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content))
    end = min(len(content), at + chance.choice((1, 2, 8, 64)))
    new = [
        bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 : end],
        bytes([chance.choice(_TELLING)]) + content[at + 1 : end],
        b"",
        2 * content[at:end],
    ]
    return content[:at] + chance.choice(new) + content[end:]


def _field_changed(chance: random.Random, content: bytes, message: str = "ModelProto") -> bytes:
    """One field, of this message or of one within it, is gone, doubled, moved, renumbered or has another value."""
    parts = _parts(content)
    if not parts:
        return content
    known = SCHEMA.get(message, {})
    within = [at for at, (number, value) in enumerate(parts) if number in known and isinstance(value, bytes)]
    if within and chance.random() < 0.8:
        at = chance.choice(within)
        number, value = parts[at]
        parts[at] = number, _field_changed(chance, bytes(value), known[number]) if isinstance(value, bytes) else value
    else:
        at = chance.randrange(len(parts))
        parts[at : at + 1] = _instead(chance, parts[at], chance.choice(parts))
    return b"".join(field(*part) for part in parts)


def _parts(content: bytes) -> list[Field]:
    try:
        return [(number, v if isinstance(v, int) else bytes(v)) for number, v in fields(memoryview(content))]
    except Malformed:  # changed before
        return []


def _instead(chance: random.Random, part: Field, other: Field) -> list[Field]:
    number, value = part
    return chance.choice(
        [
            [],
            [part, part],
            [other, part],
            [(chance.randrange(1, 26), value)],
            [(number, other[1])],
            [(number, _changed(chance, value))],
            [(number, _changed(chance, value))],
        ]
    )


def _changed(chance: random.Random, value: int | bytes) -> int | bytes:
    if isinstance(value, int):
        return chance.choice(_NUMBERS)
    return _bytes_changed(chance, value) if value else b"\x01"
