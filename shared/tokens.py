"""Tokens: JWTs signed by governance (EdDSA) that every service verifies offline."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.errors import DriftlineError
from shared.signing import load_public_key

AUDIENCE = "driftline"
RoleName = Literal["viewer", "client", "operator", "approver", "auditor", "admin", "service"]
ROLES: tuple[RoleName, ...] = get_args(RoleName)

_REQUIRED = ["sub", "role", "aud", "exp"]


class BadToken(DriftlineError):
    """The token is not one of ours, has expired, or names no known role."""


@dataclass(frozen=True)
class Identity:
    """Who a token speaks for; `expires` is Unix time in seconds."""

    subject: str
    role: str
    expires: float


def bearer(header: str) -> str:
    """The token in `Bearer <token>`, empty if a header holds none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def issue(key: Ed25519PrivateKey, subject: str, role: RoleName, hours: float) -> str:
    """A token for `subject`, signed with governance's key, good for `hours` from now."""
    now = int(time.time())
    claims = {"sub": subject, "role": role, "aud": AUDIENCE, "iat": now, "exp": now + int(hours * 3600)}
    return jwt.encode(claims, key, algorithm="EdDSA")


class TokenVerifier:
    """Checks tokens against governance's public key in a trust folder."""

    def __init__(self, trust: Path) -> None:
        self._path = trust / "governance.pub"
        self._known: dict[str, Identity] = {}

    def verify(self, token: str) -> Identity:
        """Whom the token speaks for; raises BadToken. Tokens seen before are only checked for expiry."""
        identity = self._known.get(token)
        if identity is None:
            identity = self._read(token)
            if len(self._known) >= 10_000:
                self._known.clear()
            self._known[token] = identity
        if identity.expires <= time.time():
            raise BadToken("the token has expired")
        return identity

    def _read(self, token: str) -> Identity:
        try:
            key = load_public_key(self._path)
        except (OSError, ValueError) as error:
            raise BadToken("governance's public key in the trust folder can't be read") from error
        try:
            claims = jwt.decode(token, key, ["EdDSA"], audience=AUDIENCE, options={"require": _REQUIRED})
            expires = float(claims["exp"])  # PyJWT takes an integer that no float can hold
        except (jwt.PyJWTError, ValueError, OverflowError) as error:
            raise BadToken(f"the token is not valid: {error}") from error
        if claims["role"] not in ROLES:
            raise BadToken(f"the token's role must be one of {', '.join(ROLES)}")
        return Identity(str(claims["sub"]), claims["role"], expires)
