"""Speed, as ratios against a baseline run beside it in the same process; never part of the tests."""
