"""Checks that `make check` runs beside the linters, and what they share."""
