"""The canary's split over a million entities: flips between two orders, and how far it is from the share.

python -m benchmarks.routing
"""

import time
from collections.abc import Sequence

from services.inference.domain.routing import goes_to_canary

MILLION = 1_000_000


def entities(count: int) -> list[str]:
    """So many names that differ little, as tail numbers do."""
    return [f"N{number}" for number in range(count)]


def split(salt: str, names: Sequence[str], share: float) -> float:
    """Which share of the entities the canary gets."""
    return sum(goes_to_canary(salt, name, share) for name in names) / len(names)


def main() -> None:
    """Print the table."""
    names = entities(MILLION)
    shuffled = sorted(names, key=lambda name: name[::-1])
    print("share | canary gets | points off | flips | us per choice")
    for share in (0.01, 0.05, 0.1, 0.3, 0.5):
        begun = time.perf_counter()
        got = split("salt", names, share)
        each = (time.perf_counter() - begun) * 1e6 / MILLION
        first = {name for name in names if goes_to_canary("salt", name, share)}
        flips = len(first ^ {name for name in shuffled if goes_to_canary("salt", name, share)})
        print(f"{share:5} | {100 * got:9.3f} % | {100 * abs(got - share):10.3f} | {flips:5} | {each:.2f}")


if __name__ == "__main__":
    main()
