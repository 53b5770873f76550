"""An S3-compatible store as fsspec sees it, whose failures are OSErrors, as a disk's are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem


class Store(S3FileSystem):  # type: ignore[misc]  # it has no types
    """s3fs passes on what its client raises where no answer came: no connection, no credentials, no time."""

    retries = 2  # of its own, over those of its client: who writes tries again anyway, and says so meanwhile

    async def _call_s3(self, method: str, *arguments: Any, **options: Any) -> Any:
        with _as_os_error():
            return await super()._call_s3(method, *arguments, **options)

    call_s3 = sync_wrapper(_call_s3)  # of files; s3fs binds its own here

    async def _lsdir(self, path: str, *arguments: Any, **options: Any) -> Any:
        with _as_os_error():
            return await super()._lsdir(path, *arguments, **options)


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except BotoCoreError as error:
        raise OSError(str(error)) from error
