"""Key pairs and first tokens of a local stack: made once, kept in the state folder."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.signing import load_private_key
from shared.tokens import BadToken, RoleName, TokenVerifier, issue

SERVICES = ("inference", "feature_logging", "drift_detection", "retrain_trigger", "governance")
BUNDLE_SIGNERS = ("operator", "retrain_trigger")
LOCAL_ROLES: tuple[RoleName, ...] = ("admin", "operator", "client", "viewer", "auditor")
LOCAL_HOURS = 24 * 365


def make_keys(state: Path) -> None:
    """Make what is missing: Ed25519 pairs per service (events), EC pairs (bundles), tokens of the local roles.

    Private keys are never replaced; a public key that is missing is made again from its private key, and a token that
    has expired is issued again. Two processes may do it at once.

    Raises:
        OSError: the folder can't be written.
        ValueError: a private key in it is damaged.
    """
    for folder in ("keys", "trust", "tokens"):
        (state / folder).mkdir(parents=True, exist_ok=True)
        (state / folder).chmod(0o755 if folder == "trust" else 0o700)
    for name in (*SERVICES, "operator"):
        _pair(state, name, Ed25519PrivateKey.generate)
    for name in BUNDLE_SIGNERS:
        _pair(state, f"{name}.bundle", lambda: ec.generate_private_key(ec.SECP256R1()))
    governance = load_private_key(state / "keys" / "governance.pem")
    for role in LOCAL_ROLES:
        path = state / "tokens" / f"{role}.jwt"
        if not _is_good(path, TokenVerifier(state / "trust")):
            write_secret(path, issue(governance, f"local-{role}", role, LOCAL_HOURS).encode())


def _is_good(token: Path, verifier: TokenVerifier) -> bool:
    try:
        verifier.verify(token.read_text())
    except (OSError, UnicodeDecodeError, BadToken):  # not there, damaged, expired, or of a key that was replaced
        return False
    return True


def _pair(state: Path, name: str, generate: Callable[[], Ed25519PrivateKey | ec.EllipticCurvePrivateKey]) -> None:
    private, public = state / "keys" / f"{name}.pem", state / "trust" / f"{name}.pub"
    if not private.exists():
        made = generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with contextlib.suppress(FileExistsError):  # another process made it meanwhile: theirs counts
            _place(private, made, os.link)
    if not public.exists():  # always of the private key that is there: what it signed must stay valid
        key = load_pem_private_key(private.read_bytes(), password=None)
        content = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        _place(public, content, os.replace, 0o644)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all, in the place of one that is there."""
    _place(path, content, os.replace)


def _place(path: Path, content: bytes, put: Callable[[Path, Path], None], mode: int = 0o600) -> None:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as private:
        written = Path(private) / path.name
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        put(written, path)
