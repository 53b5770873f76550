"""What a user can put right is said in one line, never as a traceback."""

import errno


class UserError(Exception):
    """Something the user can put right. Its text is one line, shown as it is; the exit code is 1."""


_FULL = {errno.ENOSPC, errno.EDQUOT}


def explain(error: OSError) -> str:
    """One line for an error of the operating system: what is wrong and with which file."""
    place = f": {error.filename}" if error.filename else ""
    if error.errno in _FULL:
        return f"the disk is full{place}"
    return f"{error.strerror or error}{place}"
