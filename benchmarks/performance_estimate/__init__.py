"""Parts of `benchmarks.performance_estimate`."""
