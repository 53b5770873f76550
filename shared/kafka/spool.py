"""The spool: messages that wait on disk, in order, when there are too many for memory.

One file: a header with the position of the oldest message not yet acknowledged, then records, each with its length and
checksum. What was appended survives the process (kill -9), and after `sync` a loss of power, too.
"""

import errno
import fcntl
import os
import shutil
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from structlog import get_logger

log = get_logger()

MAGIC = b"DRIFTSP1"
_HEADER = struct.Struct(">8sQ")
_RECORD = struct.Struct(">III")  # length of the value, rows in it, checksum of both and the value


class Spooled(NamedTuple):
    """One message; `end` is the position after it, what `forget` takes."""

    value: bytes
    rows: int
    end: int


class SpoolInUse(OSError):
    """Another process has this spool open."""


def _checksum(value: bytes, rows: int) -> int:
    return zlib.crc32(value, zlib.crc32(struct.pack(">II", len(value), rows)))


def _record(value: bytes, rows: int) -> bytes:
    return _RECORD.pack(len(value), rows, _checksum(value, rows)) + value


class Spool:
    """First in, first out. `unread_rows` and `unread` count what `read` has not given out yet.

    `torn_bytes` were cut from the end when it was opened, because the process that wrote them did not finish;
    `damaged_rows` were lost because the file was changed from outside.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file, and cut a torn tail.

        Raises:
            SpoolInUse: another process has it.
            OSError: the folder can't be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = self._open(path)
        self.unread = self.unread_rows = self.torn_bytes = self.damaged_rows = 0
        self._start = self._read_start()
        self._next = self._start
        self._end = self._recover()

    @staticmethod
    def _open(path: Path) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise SpoolInUse(f"{path}: another process has this spool open") from None
        return file

    def _read_start(self) -> int:
        header = os.pread(self._file, _HEADER.size, 0)
        size = os.fstat(self._file).st_size
        if len(header) == _HEADER.size and header.startswith(MAGIC):
            start: int = _HEADER.unpack(header)[1]
            if _HEADER.size <= start <= size:
                return start
        self.torn_bytes = size
        os.ftruncate(self._file, 0)
        self._write_start(_HEADER.size)
        return _HEADER.size

    def _recover(self) -> int:
        position, size = self._start, os.fstat(self._file).st_size
        while (message := self._read_at(position)) is not None:
            self.unread += 1
            self.unread_rows += message.rows
            position = message.end
        if position < size:
            self.torn_bytes += size - position
            os.ftruncate(self._file, position)
        if self.torn_bytes:
            log.warning("spool: torn tail cut", path=str(self._path), bytes=self.torn_bytes)
        return position

    def _read_at(self, position: int) -> Spooled | None:
        head = os.pread(self._file, _RECORD.size, position)
        if len(head) < _RECORD.size:
            return None
        length, rows, checksum = _RECORD.unpack(head)
        value = os.pread(self._file, length, position + _RECORD.size)
        if len(value) < length or _checksum(value, rows) != checksum:
            return None
        return Spooled(value, rows, position + _RECORD.size + length)

    def _write_start(self, position: int) -> None:
        os.pwrite(self._file, _HEADER.pack(MAGIC, position), 0)

    def append(self, value: bytes, rows: int) -> None:
        """Put a message at the end; raises OSError if the disk is full, and then nothing has changed."""
        record = _record(value, rows)
        try:
            written = os.pwrite(self._file, record, self._end)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        if written < len(record):
            os.ftruncate(self._file, self._end)
            raise OSError(errno.ENOSPC, "no space left for the spool", str(self._path))
        self._end += written
        self.unread += 1
        self.unread_rows += rows

    @property
    def size(self) -> int:
        """Bytes of what is not yet forgotten."""
        return self._end - self._start

    def sync(self) -> None:
        """Return when what was appended would survive a loss of power; raises OSError."""
        os.fdatasync(self._file)

    def read(self) -> Spooled | None:
        """The next message, None at the end. It stays in the file until `forget`.

        Where the file no longer holds what was appended, the rest of it is given up and counted in `damaged_rows`.
        """
        if self._next >= self._end:
            return None
        message = self._read_at(self._next)
        if message is None:
            self._give_up()
            return None
        self._next = message.end
        self.unread -= 1
        self.unread_rows -= message.rows
        return message

    def _give_up(self) -> None:
        log.error("spool: changed from outside, its rest is lost", path=str(self._path), rows=self.unread_rows)
        self.damaged_rows += self.unread_rows
        self.unread = self.unread_rows = 0
        self._end = self._next
        os.ftruncate(self._file, self._end)

    def forget(self, end: int) -> None:
        """All messages up to `end` are acknowledged; when none is left the file is emptied."""
        if end < self._end:
            self._start = end
        else:
            os.ftruncate(self._file, _HEADER.size)
            self._start = self._next = self._end = _HEADER.size
        self._write_start(self._start)

    def put_first(self, messages: Iterable[tuple[bytes, int]]) -> None:
        """Write `messages` before those not yet read, instead of those read and not forgotten; synced to disk.

        For the end of a process: what it holds in memory is older than what waits here.
        """
        fresh = self._path.with_suffix(self._path.suffix + ".new")
        fresh.unlink(missing_ok=True)
        target = self._open(fresh)
        with os.fdopen(os.dup(target), "wb") as file:
            file.write(_HEADER.pack(MAGIC, _HEADER.size))
            for value, rows in messages:
                file.write(_record(value, rows))
                self.unread += 1
                self.unread_rows += rows
            with os.fdopen(os.dup(self._file), "rb") as rest:
                rest.seek(self._next)
                shutil.copyfileobj(rest, file)
            file.flush()
            os.fsync(target)
        fresh.rename(self._path)
        os.close(self._file)
        self._file, self._start, self._next = target, _HEADER.size, _HEADER.size
        self._end = os.fstat(target).st_size

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)
