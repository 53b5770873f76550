"""Where tables lie: in a folder, or below a prefix of an S3-compatible store. Both have the methods of `Path`.

What is written to a store is on its disks when the call returns, and an object is there whole or not at all; so only a
folder needs what `local` guards: syncing, renaming, making.
"""

import errno
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from shared import files
from shared.errors import DriftlineError

# By its name, for only services that keep or read tables have what it imports.
fsspec.register_implementation("s3", "shared.s3.Store", clobber=True)

# Of botocore: with its own more patient ones a store would be away for half a minute before anybody is told.
_CLIENT = {"retries": {"max_attempts": 2}, "connect_timeout": 5, "read_timeout": 15}


class Overwrites(DriftlineError):
    """A store writes an object that is there as if it were new: of two writers none would be refused."""


class Stored(NamedTuple):
    """A file or an object: its bytes, and when it was written, in seconds since 1970."""

    path: Path
    size: int
    time: float


def place_at(where: str) -> Path:
    """A folder, or what `s3://bucket/prefix` names; how to reach it stands in the variables AWS_*."""
    if not where.startswith("s3://"):
        return Path(where)
    # It has the methods of Path without being one. Others write there, too, so no listing is remembered.
    return cast(Path, UPath(where.rstrip("/"), use_listings_cache=False, config_kwargs=_CLIENT))


def local(path: Path) -> bool:
    """Whether it lies in a folder of this machine."""
    return isinstance(path, Path)


def check_exclusive(folder: Path) -> None:
    """Write an object in a store, twice as a new one, and take it away again.

    Raises:
        Overwrites: the store did so.
        OSError: it does not answer, or refuses the first, too.
    """
    if local(folder):
        return
    probe = folder / f"_probe-{secrets.token_hex(8)}"
    if not _create(probe, "first"):
        raise OSError(errno.EINVAL, "the store takes no new object", str(probe))
    try:
        if _create(probe, "second"):
            raise Overwrites(f"{folder}: the store overwrites objects although If-None-Match forbids it")
    finally:
        with suppress(OSError):  # who may not delete leaves it there
            probe.unlink()


def _create(path: Path, text: str) -> bool:
    """Write an object of a store, unless it is there; whether it was not; raises OSError."""
    place = cast(UPath, path)
    try:
        place.fs.pipe_file(place.path, text.encode(), mode="create")
    except OSError as error:
        # So it is told by s3fs, which takes an object that is there for an invalid argument.
        if not isinstance(error, FileExistsError) and error.errno != errno.EINVAL:
            raise
        return False
    return True


def files_in(folder: Path, *, deep: bool = False) -> Iterator[Stored]:
    """The files of a folder, if it is there, `deep`: and of those below it. What goes away meanwhile is left out.

    Raises:
        OSError: a store does not answer.
    """
    if not local(folder):
        yield from _objects(folder, deep=deep)
        return
    with suppress(FileNotFoundError):
        for path in folder.rglob("*") if deep else folder.iterdir():
            with suppress(FileNotFoundError):
                found = path.stat()
                if S_ISREG(found.st_mode):
                    yield Stored(path, found.st_size, found.st_mtime)


def _objects(folder: Path, *, deep: bool) -> Iterator[Stored]:
    for told in _everything_below(folder) if deep else _listed(folder):
        if told["type"] != "directory":
            yield Stored(_path_of(told, folder), told["size"], told["LastModified"].timestamp())


# What UPath asks, and a shallow `find`, take a store that does not answer for an empty one.
def _listed(folder: Path) -> list[dict[str, Any]]:
    place = cast(UPath, folder)
    try:
        found: list[dict[str, Any]] = place.fs.ls(place.path, detail=True)
    except FileNotFoundError:
        return []
    return found


def _everything_below(folder: Path) -> list[dict[str, Any]]:
    place = cast(UPath, folder)
    found: Any = place.fs.find(place.path, detail=True)
    return list(found.values())


def _path_of(told: dict[str, Any], folder: Path) -> Path:
    name: str = told["name"]
    return folder / name.removeprefix(cast(UPath, folder).path).strip("/")


def is_folder(path: Path) -> bool:
    """Whether a folder is there, in a store: whether there is anything below it; raises OSError."""
    return path.is_dir() if local(path) else bool(_listed(path))


def sizes_of(folder: Path, names: Sequence[str]) -> list[int | None]:
    """The sizes of files below a folder; None for those that are not there."""
    if local(folder):
        return [_size(folder / name) for name in names]
    # One listing instead of a question for each.
    found = {path: size for path, size, _ in files_in(folder, deep=True)} if names else {}
    return [found.get(folder / name) for name in names]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, by name; none if it is not there; raises OSError."""
    if local(folder):
        found = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    else:
        found = [_path_of(told, folder) for told in _listed(folder) if told["type"] == "directory"]
    return sorted(found, key=str)


def open_parquet(path: Path) -> pq.ParquetFile:
    """To read from; raises OSError."""
    where, filesystem = _for_arrow(path)
    return pq.ParquetFile(where, filesystem=filesystem)


def parquet_writer(path: Path, schema: pa.Schema, **options: Any) -> pq.ParquetWriter:
    """To write to; the file is whole when it is closed. Raises OSError."""
    where, filesystem = _for_arrow(path)
    return pq.ParquetWriter(where, schema, filesystem=filesystem, **options)


def _for_arrow(path: Path) -> tuple[Any, Any]:
    return (path, None) if local(path) else (cast(UPath, path).path, cast(UPath, path).fs)


def sync(path: Path) -> None:
    """Put a file's content, or a folder's entries, on disk; raises OSError."""
    if local(path):
        files.sync(path)


def replace(path: Path, text: str) -> None:
    """Give a file another content, or its first: whole, and on disk when this returns; raises OSError."""
    if not local(path):
        path.write_text(text)
        return
    new = path.with_name(f"_{path.name}.tmp")
    new.write_text(text)
    sync(new)
    new.replace(path)
    sync(path.parent)


def write_once(path: Path, text: str) -> str:
    """Give a file its first content, unless it has one; what it has then: whole, and on disk. Raises OSError."""
    with suppress(FileNotFoundError):
        return path.read_text()
    if local(path):
        _link(path, text)
    else:
        _create(path, text)
    return path.read_text()


def _link(path: Path, text: str) -> None:
    new = path.with_name(f"_{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        new.write_text(text)
        sync(new)
        with suppress(FileExistsError):  # another was quicker
            path.hardlink_to(new)
    finally:
        new.unlink(missing_ok=True)
    sync(path.parent)


def renew(path: Path) -> None:
    """Let a file count as written now; raises OSError."""
    if local(path):
        path.touch()
    else:
        path.write_bytes(path.read_bytes())
