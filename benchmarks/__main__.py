"""Every benchmark, one after another, in its quick form if it has one: `make bench`. Ends with 1 if one fails."""

import subprocess
import sys

BENCHMARKS = {
    "prediction_batch": (),
    "drift_statistics": ("--quick",),
    "data_quality": ("--quick",),
    "inference": ("--quick",),
    "drift_stream": ("--quick",),
    "feature_log": ("--quick",),
    "drift_peers": ("--quick",),
}


def main() -> int:
    """Each in a process of its own: one pins itself to a core."""
    failed = False
    for name, arguments in BENCHMARKS.items():
        print(f"== {' '.join((name, *arguments))}", flush=True)
        command = (sys.executable, "-m", f"benchmarks.{name}", *arguments)
        failed |= subprocess.run(command, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
