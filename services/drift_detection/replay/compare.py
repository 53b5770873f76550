"""What was published beside what was recomputed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from services.drift_detection.replay.recompute import Span, Word
from shared.cloudevents import decode
from shared.errors import Unreadable
from shared.events import WindowClosed, WindowRevised, stable_id
from shared.kafka.message import InMessage
from shared.signing import Trust

SERVICE = "drift_detection"


class Compared(BaseModel):
    """One window: `missing` was never published, `different` is not what its rows give, `why` in words."""

    window_id: str
    window: str
    revision: int | None
    result: Literal["equal", "different", "missing"]
    why: str | None = None


@dataclass(frozen=True)
class Published:
    """The last word on a window as it was published; `fault` is what is wrong with it whatever it says."""

    word: Word
    value: bytes
    fault: str | None


class LastWords:
    """Of each window of a span the published word of the highest revision."""

    def __init__(self, span: Span, trust: Trust) -> None:
        self.by_id: dict[str, Published] = {}
        self._span = span
        self._trust = trust

    def take(self, message: InMessage) -> None:
        """One message of driftline.drift; what is no window of the span is passed over."""
        if message.header("ce_type") not in ("WindowClosed", "WindowRevised"):
            return
        try:
            event = decode(message)
        except Unreadable:
            return  # no reader takes it either
        if isinstance(event, Word) and self._span.holds(event):
            self._keep(Published(event, message.value or b"", self._fault(message)))

    def _fault(self, message: InMessage) -> str | None:
        try:
            self._trust.check(message.value or b"", message.headers, SERVICE)
        except Unreadable as error:
            return str(error)
        return None

    def _keep(self, new: Published) -> None:
        old = self.by_id.get(new.word.window_id)
        if old is None or new.word.revision > old.word.revision:
            self.by_id[new.word.window_id] = new
        elif new.word.revision == old.word.revision and new.value != old.value:
            fault = new.fault or old.fault or "two words of one revision differ"
            self.by_id[new.word.window_id] = Published(old.word, old.value, fault)


def compare(
    published: Mapping[str, Published], recomputed: Mapping[str, Word], *, of_so_many_rows: bool = True
) -> list[Compared]:
    """All windows of either, in order of time; those of so many rows only if they are asked for."""
    words = {key: one.word for key, one in published.items()} | dict(recomputed)
    asked = [word for word in words.values() if of_so_many_rows or word.scale_rows is None]
    ordered = sorted(asked, key=lambda word: (word.start, word.end, word.role, word.segment, word.window_id))
    return [_compared(word, published.get(word.window_id), recomputed.get(word.window_id)) for word in ordered]


def _compared(word: Word, there: Published | None, mine: Word | None) -> Compared:
    told = {"window_id": word.window_id, "window": _shown(word)}
    if there is None:
        return Compared(**told, revision=None, result="missing")
    why = there.fault or _difference(there, mine)
    return Compared(**told, revision=there.word.revision, result="different" if why else "equal", why=why)


def _difference(there: Published, mine: Word | None) -> str | None:
    if mine is None:
        return "no row of the source is in it"
    expected = at_revision(mine, there.word.revision)
    if expected.model_dump_json().encode() == there.value:
        return None
    names = [name for name in type(expected).model_fields if getattr(expected, name) != getattr(there.word, name)]
    return f"in {', '.join(names) or 'its bytes alone'}"


def at_revision(word: Word, revision: int) -> Word:
    """The same content as it is said at a revision: how often a window was said depends on when its rows came."""
    kind = WindowRevised if revision else WindowClosed
    identity = stable_id(word.window_id, kind.__name__, revision)
    told = word.model_dump() | {"id": identity, "type": kind.__name__, "revision": revision}
    return kind.model_validate(told)


def _shown(word: Word) -> str:
    scale = (
        f", {word.scale_seconds} s" if word.scale_seconds else f", {word.scale_rows} rows" if word.scale_rows else ""
    )
    return f"{word.start:%Y-%m-%d %H:%M:%S} {word.role}, {word.segment}{scale}"
