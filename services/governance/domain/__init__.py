"""The rules of governance, pure: time and identity are parameters, nothing here reads a clock, a file or a topic."""
