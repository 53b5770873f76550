"""Trying a service as its image would run it: its own packages, its own folder, its own keys."""
