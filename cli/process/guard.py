"""The supervisor's side of the guard process: see `guard_script`."""

import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).with_name("guard_script.py")


class Guard:
    """Ends the processes it was told of when this process is killed, even by SIGKILL.

    The guard process also holds a copy of the given file descriptors: a lock on the state folder is let go only
    when what ran in that folder has ended. And it removes the given files, which would go on to say that all runs.
    """

    def __init__(self, hold: tuple[int, ...] = (), remove: tuple[Path, ...] = ()) -> None:
        # -I -S: nothing but the standard library, so it starts in 15 ms and no environment variable misleads it.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT), *(str(path.absolute()) for path in remove)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C or a closed terminal is not for the guard
            pass_fds=hold,
        )
        if self._process.stdin is None:
            raise OSError("the guard process has no pipe")
        self._pipe = self._process.stdin.fileno()

    @property
    def pid(self) -> int:
        """Process id of the guard itself."""
        return self._process.pid

    def watch(self, group: int) -> None:
        """From now on this process group ends with us."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """This process group has ended."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Ends the guard; whatever is still watched is ended first."""
        with self._process:  # closes the pipe, then waits
            pass

    def _tell(self, line: str) -> None:
        try:
            os.write(self._pipe, line.encode())
        except BrokenPipeError:
            return  # somebody ended the guard; the supervisor itself still stops all it started
