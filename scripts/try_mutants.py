"""Tries hostile models and mutants of good ones on the first run that inference gives each; says what came of them.

    python -m scripts.try_mutants [COUNT]

Ends with 1 if an answer took longer than 5 s, or if a graph that passed the first run could not be opened and run here.
"""

import sys
import time
from collections import Counter

import numpy as np

from services.inference.domain.onnx_file import FEATURES
from services.inference.models.probe import Inputs
from services.inference.models.session import open_session
from services.inference.models.trial import Limits, try_out
from shared.errors import InvalidInput
from tests.bundles import DATA
from tests.unit.inference.hostile import HOSTILE
from tests.unit.inference.mutants import mutants
from tests.unit.inference.onnx_writer import GOOD

INPUTS = Inputs((0, 0, 3), 1_000)
MOST_SECONDS = 5.0


def main() -> None:
    """Try them all."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    good = [GOOD, *(path.read_bytes() for path in sorted(DATA.glob("*.onnx")))]
    files = [*(model for model, _ in HOSTILE.values()), *mutants(good, count)]
    outcomes: Counter[str] = Counter()
    longest = 0.0
    for model in files:
        begun = time.monotonic()
        outcomes[_outcome(model)] += 1
        longest = max(longest, time.monotonic() - begun)
    print(f"{len(files)} files, {len(HOSTILE)} of them hand-made; longest answer {longest:.2f} s")
    for outcome, times in outcomes.most_common():
        print(f"{times:6} {outcome}")
    sys.exit(longest > MOST_SECONDS)


def _outcome(model: bytes) -> str:
    try:
        tried = try_out(model, INPUTS, Limits())
    except InvalidInput as refused:
        return f"refused: {refused.expected.split(';')[0].split(':')[0][:60]}"
    session = open_session(model)
    session.run(None, {FEATURES: np.zeros((3, len(INPUTS.categories)), dtype=np.float32)})
    return "serves, stackable" if tried.stackable else "serves, not stackable"


if __name__ == "__main__":
    main()
