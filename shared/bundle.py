"""The model bundle: an immutable folder named by its digest, signed by who made it, verified at every load."""

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature

from shared.definition import ModelDefinition, decode_definition
from shared.errors import InvalidInput
from shared.files import sync
from shared.lineage import Lineage
from shared.reference import Reference

if TYPE_CHECKING:
    from model_signing import hashing

MODEL = "model.onnx"
DEFINITION = "definition.toml"
REFERENCE = "reference.json"
LINEAGE = "lineage.json"
EVALUATION = "evaluation.json"
SIGNATURE = "model.sig"
SIGNED_FILES = frozenset({MODEL, DEFINITION, REFERENCE, LINEAGE, EVALUATION})
MOST_BYTES = 2**31  # of one file; protobuf, and so ONNX, can't hold more
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BundleContents:
    """What goes into a bundle: the ONNX graph, the definition's TOML text, the reference, where it comes from and
    how good it was (JSON of finite numbers).
    """

    onnx: bytes
    definition: str
    reference: Reference
    lineage: Lineage
    evaluation: Mapping[str, Any]

    def files(self) -> dict[str, bytes]:
        """Name and content of every file but the signature."""
        evaluation = json.dumps(self.evaluation, sort_keys=True, indent=2, allow_nan=False) + "\n"
        return {
            MODEL: self.onnx,
            DEFINITION: self.definition.encode(),
            REFERENCE: self.reference.to_json(),
            LINEAGE: self.lineage.to_json(),
            EVALUATION: evaluation.encode(),
        }


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. `signer` is whose key its signature was checked with."""

    digest: str
    path: Path
    onnx: bytes
    definition: ModelDefinition
    reference: Reference
    lineage: Lineage
    evaluation: Mapping[str, Any]
    signer: str


def bundle_digest(files: Mapping[str, bytes]) -> str:
    """sha256 over the lines `sha256  path` of all files but the signature, sorted by path."""
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(files.items())
        if name != SIGNATURE
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_bundle(store: Path, contents: BundleContents, keys: Path, signer: str) -> str:
    """Write a bundle, signed with `<keys>/<signer>.bundle.pem`, and return its digest.

    It appears whole or not at all; one that is there already is left as it is.

    Raises:
        OSError: the store or the key can't be used.
        ValueError: the evaluation holds a number that is not finite.
    """
    files = contents.files()
    digest = bundle_digest(files)
    target = store / digest
    if target.exists():
        return digest
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=store) as staging:
        staged = Path(staging) / digest
        staged.mkdir()
        for name, content in files.items():
            (staged / name).write_bytes(content)
        _sign(staged, keys / f"{signer}.bundle.pem")
        _move(staged, target)
    return digest


def _move(staged: Path, target: Path) -> None:
    """To its name, when all of it is on the disk: what is there after a power cut is whole."""
    for path in (*staged.iterdir(), staged):
        sync(path)
    try:
        staged.rename(target)
    except OSError:
        if not target.exists():  # another process may have written the same bundle meanwhile
            raise
    sync(target.parent)


def _hashing() -> "hashing.Config":
    """Every file but the signature itself, whatever git would ignore."""
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _sign(folder: Path, key: Path) -> None:
    from model_signing import signing  # takes most of a second

    config = signing.Config().use_elliptic_key_signer(private_key=key)
    config.set_hashing_config(_hashing()).sign(folder, folder / SIGNATURE)


def named_as_bundle(path: Path) -> bool:
    """Is there a bundle by its name, or to be one, whatever is in it? A file is none."""
    return bool(_DIGEST.fullmatch(path.name)) and not path.is_file()


def open_bundle(store: Path, digest: str, trust: Path) -> Bundle:
    """Read and verify a bundle: its files, its digest, its signature.

    Raises:
        InvalidInput: there is none, or something about it is wrong; `field` names the file or the check.
    """
    path = store / digest
    if not _DIGEST.fullmatch(digest) or path.is_symlink() or not path.is_dir():
        raise InvalidInput("digest", f"no bundle {digest!r} in the store")
    files = {name: _read(path / name) for name in sorted(SIGNED_FILES)}
    extra = {entry.name for entry in path.iterdir()} - SIGNED_FILES - {SIGNATURE}
    if extra:
        raise InvalidInput(min(extra), "a bundle holds no other files")
    if bundle_digest(files) != digest:
        raise InvalidInput("digest", f"the files of bundle {digest} do not have its digest")
    signer = _signer({**files, SIGNATURE: _read(path / SIGNATURE)}, trust)
    return Bundle(
        digest=digest,
        path=path,
        onnx=files[MODEL],
        definition=decode_definition(files[DEFINITION]),
        reference=Reference.from_json(files[REFERENCE]),
        lineage=Lineage.from_json(files[LINEAGE]),
        evaluation=_evaluation(files[EVALUATION]),
        signer=signer,
    )


def _read(path: Path) -> bytes:
    """A regular file with one name: a link could change what it holds after it was verified."""
    try:  # O_NONBLOCK: opening a pipe would wait for its other end
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            told = os.fstat(file.fileno())
            if not stat.S_ISREG(told.st_mode) or told.st_nlink != 1 or told.st_size > MOST_BYTES:
                raise InvalidInput(path.name, f"must be a regular file without links, of at most {MOST_BYTES} bytes")
            return file.read()
    except OSError as error:
        raise InvalidInput(path.name, f"must be a regular file: {error.strerror}") from error


def _evaluation(content: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(EVALUATION, f"must be JSON: {error}") from error
    if not isinstance(read, dict):
        raise InvalidInput(EVALUATION, "must be a JSON object")
    return read


def _signer(files: Mapping[str, bytes], trust: Path) -> str:
    """The name of the trusted signer whose key fits these very bytes: those in the store may change meanwhile."""
    with tempfile.TemporaryDirectory(prefix="driftline-bundle-") as private:
        for name, content in files.items():
            (Path(private) / name).write_bytes(content)
        for key in sorted(trust.glob("*.bundle.pub")):
            if _fits(Path(private), key):
                return key.name.removesuffix(".bundle.pub")
    raise InvalidInput(SIGNATURE, "no trusted key fits the bundle's signature")


def _fits(folder: Path, key: Path) -> bool:
    from model_signing import verifying

    try:
        config = verifying.Config().set_hashing_config(_hashing())
        config.use_elliptic_key_verifier(public_key=key).verify(folder, folder / SIGNATURE)
    except (ValueError, OSError, LookupError, TypeError, AttributeError, RecursionError, InvalidSignature):
        return False  # a hostile file fails in many ways
    return True
