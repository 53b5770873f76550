import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.keys import make_keys
from shared.signing import load_private_key
from shared.tokens import ROLES, BadToken, RoleName, TokenVerifier, issue

HOUR = 3_600
CLAIMS: dict[str, object] = {"sub": "alice", "role": "approver", "aud": "driftline", "exp": int(time.time()) + HOUR}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    make_keys(folder)
    return folder


@pytest.fixture(scope="module")
def key(state: Path) -> Ed25519PrivateKey:
    return load_private_key(state / "keys" / "governance.pem")


@pytest.fixture
def verifier(state: Path) -> TokenVerifier:
    return TokenVerifier(state / "trust")


def part(content: Mapping[str, object] | bytes) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("role", ROLES)
def test_a_token_speaks_for_its_subject_and_role(
    key: Ed25519PrivateKey, verifier: TokenVerifier, role: RoleName
) -> None:
    identity = verifier.verify(issue(key, "alice", role, hours=1))
    assert (identity.subject, identity.role) == ("alice", role)
    assert abs(identity.expires - time.time() - HOUR) < 5


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "EdDSA"])
def test_a_token_without_a_signature_is_refused(verifier: TokenVerifier, algorithm: str) -> None:
    with pytest.raises(BadToken):
        verifier.verify(f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(CLAIMS)}.")


def test_the_public_key_as_a_secret_signs_nothing(state: Path, verifier: TokenVerifier) -> None:
    public = (state / "trust" / "governance.pub").read_bytes()
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(CLAIMS)}"
    forged = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    with pytest.raises(BadToken):
        verifier.verify(f"{signed}.{part(forged)}")


def test_another_services_key_issues_no_tokens(state: Path, verifier: TokenVerifier) -> None:
    with pytest.raises(BadToken):
        verifier.verify(issue(load_private_key(state / "keys" / "inference.pem"), "alice", "admin", 1))


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "elsewhere"},
        {"aud": None},
        {"exp": int(time.time()) - 1},
        {"exp": "soon"},
        {"exp": None},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"exp": [int(time.time()) + HOUR]},
        {"nbf": float("inf")},
        {"iat": {}},
        {"nbf": int(time.time()) + HOUR},
        {"iat": int(time.time()) + HOUR},
        {"sub": None},
        {"sub": 7},
        {"role": None},
        {"role": "root"},
        {"role": ["admin"]},
        {"role": {"admin": True}},
    ],
)
def test_a_signed_token_with_wrong_claims_is_refused(
    key: Ed25519PrivateKey, verifier: TokenVerifier, changed: dict[str, object]
) -> None:
    claims = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    with pytest.raises(BadToken):
        verifier.verify(jwt.encode(claims, key, algorithm="EdDSA"))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_changed_token_is_refused(key: Ed25519PrivateKey, verifier: TokenVerifier, place: int) -> None:
    parts = issue(key, "alice", "viewer", hours=1).split(".")
    parts[place] = ("B" if parts[place][10] == "A" else "A").join((parts[place][:10], parts[place][11:]))
    with pytest.raises(BadToken):
        verifier.verify(".".join(parts))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "\ud800",
        "x" * 100_000,
        "ey" + "\0" * 50,
        "a.b.c.d",
        f"{part(b'[' * 40_000)}.e30.AA",
    ],
)
def test_what_is_no_token_is_refused(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(BadToken):
        verifier.verify(token)


def test_a_token_that_was_good_expires_though_it_is_remembered(
    key: Ed25519PrivateKey, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issue(key, "alice", "viewer", hours=1)
    verifier.verify(token)
    later = time.time() + HOUR + 1
    monkeypatch.setattr("shared.tokens.time.time", lambda: later)
    with pytest.raises(BadToken, match="expired"):
        verifier.verify(token)


def test_a_bad_token_is_not_remembered_as_good(key: Ed25519PrivateKey, verifier: TokenVerifier) -> None:
    expired = issue(key, "alice", "viewer", hours=-1)
    for _ in range(2):
        with pytest.raises(BadToken):
            verifier.verify(expired)


def test_without_the_public_key_no_token_is_good(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    with pytest.raises(BadToken, match="public key"):
        TokenVerifier(tmp_path).verify(issue(key, "alice", "viewer", hours=1))
    (tmp_path / "governance.pub").write_bytes(b"no key")
    with pytest.raises(BadToken, match="public key"):
        TokenVerifier(tmp_path).verify(issue(key, "alice", "viewer", hours=1))
