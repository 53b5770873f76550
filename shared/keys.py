"""Key pairs and first tokens of a local stack: made once, kept in the state folder."""

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shared.signing import load_private_key
from shared.tokens import RoleName, issue

SERVICES = ("inference", "feature_logging", "drift_detection", "retrain_trigger", "governance")
BUNDLE_SIGNERS = ("operator", "retrain_trigger")
LOCAL_ROLES: tuple[RoleName, ...] = ("admin", "operator", "client", "viewer", "auditor")
LOCAL_HOURS = 24 * 365


def make_keys(state: Path) -> None:
    """Make what is missing: Ed25519 pairs per service (events), EC pairs (bundles), tokens of the local roles."""
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
        if not path.exists():
            write_secret(path, issue(governance, f"local-{role}", role, LOCAL_HOURS).encode())


def _pair(state: Path, name: str, generate: Callable[[], Ed25519PrivateKey | ec.EllipticCurvePrivateKey]) -> None:
    private, public = state / "keys" / f"{name}.pem", state / "trust" / f"{name}.pub"
    if private.exists() and public.exists():
        return
    key = generate()
    write_secret(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whatever the umask."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
