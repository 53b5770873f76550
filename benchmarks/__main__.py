"""Every benchmark, one after another: `make bench`."""

import importlib

BENCHMARKS = ("prediction_batch", "flight_faults")

for name in BENCHMARKS:
    print(f"== {name}")
    importlib.import_module(f"benchmarks.{name}").main()
