"""The tables as text for a terminal, and as the page `docs/performance.md`."""

from collections.abc import Mapping, Sequence

from benchmarks.inference.cases import Plan
from benchmarks.inference.tables import Table

_PAGE = """# Performance of inference

How fast inference serves with Kafka on, tokens and checks on, beside a plain FastAPI application and ONNX Runtime
alone. `{command}` wrote this page.

* Cores: {cores}
* System: {system}
* Packages: {packages}
* Each figure is the median of {rounds} rounds, in which all cases take turns, each for {seconds:g} s; a ratio is the
  median of the rounds' own ratios.
* Mode fast, if nothing else is said: an answer does not wait for Kafka. After each run the topic held exactly the rows
  that were answered.
* The plain application (`benchmarks/inference/plain.py`) is what a good engineer writes first: typed pydantic models,
  an async handler, one `session.run`, uvicorn with uvloop and httptools, no access log, the same session options. It
  speaks JSON alone, so that binary requests are compared with its JSON. For the model of named inputs
  (`plain_named.py`) it has a form of its own, a list of values for each feature.
* `loop` (`benchmarks/inference/loop.py`) is the event loop alone: it gives every request the same answer and reads
  none. No server on this event loop can do more here.
* `CPU µs` is what a request takes of the server's core: other processes on the machine disturb it least.
* `server`, `load` and `broker` are the shares of a core that each took; load and broker have one together. `lost` and
  `load lost` are the shares of the time in which server and load were ready to run and something else had the core.
  `binds` names who ran or was ready to for 90 % of the time or more: where it is the load, the service could do more
  than the figure says; where it is none, they waited for each other, or for Kafka.
"""


def as_text(table: Table) -> str:
    """Aligned columns under a title."""
    widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in _all(table)]
    return "\n".join([f"== {table.title}", *lines])


def as_page(tables: Sequence[Table], plan: Plan, command: str, told: Mapping[str, str]) -> str:
    """Markdown; `told` are cores, system and packages."""
    head = _PAGE.format(command=command, rounds=plan.rounds, seconds=plan.seconds, **told)
    return "\n".join([head, *map(_section, tables)])


def _section(table: Table) -> str:
    head, *rows = (f"| {' | '.join(row)} |" for row in _all(table))
    words = [table.words, ""] if table.words else []
    return "\n".join([f"## {table.title}", "", *words, head, f"|{'---|' * len(table.head)}", *rows, ""])


def _all(table: Table) -> list[Sequence[str]]:
    return [table.head, *table.rows]
