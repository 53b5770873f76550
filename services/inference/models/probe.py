"""What a graph is tried with before it may serve, and what that shows."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random import default_rng  # now: numpy would load it when the child can open no file any more
from numpy.typing import NDArray

from services.inference.domain.onnx_file import FILE
from services.inference.models.session import Float32, check_signature, run
from shared.errors import InvalidInput

_SCALES = (1.0, 10.0, 100.0, 1_000.0, 1e6)
_TOLERANCE = 1e-5  # relative to a row's greatest output
_WARM_ROWS = (1, 3)
MULTIPLES = (1, 16, 0)  # 16: the widest vector of floats that a CPU has; 0: neither
_COUNTS = (1, 2, 3, 5)
_USUAL_ROWS = 256

Outputs = list[NDArray[Any]]


class Inputs(NamedTuple):
    """What a graph will be given: per feature how many categories it has (0: a number), and rows at a time."""

    categories: tuple[int, ...]
    max_rows: int


class Shown(NamedTuple):
    """What a session showed. `stackable`: each row's outputs hang on that row alone. `multiple`: of these many rows a
    run must have any number, for a row's outputs to be the same to the bit whatever stands beside it; 1 if it is not
    stackable, and 0 if not even 16 will do.
    """

    stackable: bool
    multiple: int


def probe(session: Any, inputs: Inputs) -> Shown:
    """Run a session on rows of all kinds.

    Raises:
        InvalidInput: the graph takes or gives something else than a bundle's, or never gives a number.
        Exception: ONNX Runtime's own, for a graph that does not run.
    """
    width = len(inputs.categories)
    check_signature(session.get_inputs(), session.get_outputs(), width)
    names = [node.name for node in session.get_outputs()]
    for count in _WARM_ROWS:
        run(session, names, np.zeros((count, width), dtype=np.float32))
    rows = trial_rows(inputs.categories)
    alone = list(_each(session, names, rows))
    answered = [outputs for outputs in alone if outputs is not None]
    _check_numbers(answered)
    good = rows[[outputs is not None for outputs in alone]]
    most = good[np.arange(inputs.max_rows) % len(good)]
    is_same = _is_same(run(session, names, good), answered)
    together = run(session, names, most)  # always: it must fit into the limits
    # A row that fails alone would fail those of other requests.
    stackable = is_same and _is_same(together, answered) and len(good) == len(rows)
    return Shown(stackable, _multiple(session, names, inputs.categories) if stackable else 1)


def trial_rows(categories: Sequence[int]) -> Float32:
    """Rows float32 [7, F]: zeros, values small to large, and all missing; a category is one of its codes."""
    random = default_rng(0)
    spread = [random.normal(0, scale, len(categories)) for scale in _SCALES]
    rows = np.array([np.zeros(len(categories)), *spread, np.full(len(categories), np.nan)], dtype=np.float32)
    for column, count in enumerate(categories):
        if count:
            rows[1:-1, column] = random.integers(0, count, len(spread))
    return rows


def _each(session: Any, names: list[str], rows: Float32) -> Iterator[Outputs | None]:
    """Outputs of each row by itself, None where the graph fails; zeros come first, and they never may."""
    for position in range(len(rows)):
        try:
            yield run(session, names, rows[position : position + 1])
        except Exception:  # ONNX Runtime's have no common class
            if position == 0:
                raise
            yield None


def _check_numbers(answered: Sequence[Outputs]) -> None:
    floats = [part for outputs in answered for part in outputs if np.issubdtype(part.dtype, np.floating)]
    if floats and not any(np.isfinite(part).any() for part in floats):
        raise InvalidInput(FILE, "a graph that gives a number for some row; this one gives NaN or infinity for all")


def _multiple(session: Any, names: list[str], categories: Sequence[int]) -> int:
    """Kernels compute full vectors of numbers in one way and what is left over in another, so that now and then a last
    bit differs: see `Shown`.
    """
    *multiples, nothing = MULTIPLES
    rows = _usual_rows(categories)
    try:
        together = run(session, names, rows)
        for multiple in multiples:
            if all(_is_equal(run(session, names, rows[part]), together, part) for part in _cuts(len(rows), multiple)):
                return multiple
    except Exception:  # noqa: BLE001  # ONNX Runtime's have no common class
        return nothing
    return nothing


def _usual_rows(categories: Sequence[int]) -> Float32:
    """Of values such as networks are trained on: very large ones would all have the same outputs."""
    random = default_rng(1)
    rows = random.normal(0, 1, (_USUAL_ROWS, len(categories))) * random.choice((0.3, 1, 3), (_USUAL_ROWS, 1))
    for column, count in enumerate(categories):
        if count:
            rows[:, column] = random.integers(0, count, _USUAL_ROWS)
    return np.asarray(rows, dtype=np.float32)


def _cuts(rows: int, multiple: int) -> Iterator[slice]:
    for count in _COUNTS:
        for start in range(0, rows - multiple * count + 1, count):
            yield slice(start, start + multiple * count)


def _is_equal(outputs: Outputs, together: Outputs, part: slice) -> bool:
    """To the bit."""
    pairs = ((one, all_rows[part]) for one, all_rows in zip(outputs, together, strict=True))
    return all(
        one.tolist() == two.tolist() if one.dtype == object else one.tobytes() == two.tobytes() for one, two in pairs
    )


def _is_same(together: Outputs, alone: Sequence[Outputs]) -> bool:
    """Whether row i of `together` is that of `alone[i % len(alone)]`."""
    for position, output in enumerate(together):
        expected = np.concatenate([outputs[position] for outputs in alone])
        expected = expected[np.arange(len(output)) % len(expected)]
        if output.shape != expected.shape or not _is_close(output, expected):
            return False
    return True


def _is_close(output: NDArray[Any], expected: NDArray[Any]) -> bool:
    if not np.issubdtype(output.dtype, np.floating):
        return bool(np.array_equal(output, expected))
    flat, wanted = (part.reshape(len(part), -1).astype(np.float64) for part in (output, expected))
    tolerance = max(_TOLERANCE, 4 * float(np.finfo(output.dtype).eps))
    greatest = np.abs(np.nan_to_num(wanted, nan=0, posinf=0, neginf=0)).max(axis=1, initial=0, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        near = np.abs(flat - wanted) <= tolerance * greatest
    return bool(np.all(near | (flat == wanted) | (np.isnan(flat) & np.isnan(wanted))))
