"""Files that a benchmark writes at its end."""

import argparse
from pathlib import Path


def writable(said: str) -> Path:
    """A file that can be written; asked for when arguments are read, for after hours of measuring it is too late. What
    is in it stays.

    Raises:
        argparse.ArgumentTypeError: it can't be.
    """
    file = Path(said)
    is_new = not file.exists()
    try:
        file.open("ab").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{said!r} can't be written: {error.strerror}") from error
    if is_new:
        file.unlink()
    return file
