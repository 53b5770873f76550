from pathlib import Path

import pytest

from shared.errors import Unreadable
from shared.kafka.message import Headers
from shared.keys import make_keys
from shared.signing import KEY, SIGNATURE, Signer, Trust, load_private_key, load_public_key

VALUE = b'{"revision":3}'


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    make_keys(folder)
    return folder


@pytest.fixture
def signed(state: Path) -> Headers:
    return Signer.load(state / "keys", "governance").sign(VALUE)


def test_a_signature_is_good_for_the_exact_bytes_only(state: Path, signed: Headers) -> None:
    trust = Trust(state / "trust")
    trust.check(VALUE, signed, "governance")
    for other in (b"", VALUE + b" ", VALUE.replace(b"3", b"4")):
        with pytest.raises(Unreadable, match="not a valid signature by governance"):
            trust.check(other, signed, "governance")


def test_another_services_signature_is_refused_whatever_it_says(state: Path) -> None:
    forged = Signer.load(state / "keys", "inference").sign(VALUE)
    claimed = ((SIGNATURE, dict(forged)[SIGNATURE]), (KEY, b"governance"))
    trust = Trust(state / "trust")
    with pytest.raises(Unreadable, match="expected governance"):
        trust.check(VALUE, forged, "governance")
    with pytest.raises(Unreadable, match="not a valid signature"):
        trust.check(VALUE, claimed, "governance")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((SIGNATURE, b"x"),),
        ((KEY, b"governance"),),
        ((SIGNATURE, b""), (KEY, b"governance")),
        ((SIGNATURE, b"\0" * 64), (KEY, b"governance")),
        ((SIGNATURE, b"x" * 10_000), (KEY, b"governance")),
        ((SIGNATURE, b"x" * 64), (KEY, b"\xff\xfe")),
        ((SIGNATURE, b"x" * 64), (KEY, b"../keys/governance")),
    ],
)
def test_headers_that_carry_no_signature_are_unreadable(state: Path, headers: Headers) -> None:
    with pytest.raises(Unreadable):
        Trust(state / "trust").check(VALUE, headers, "governance")


def test_without_the_public_key_nothing_is_taken(state: Path, signed: Headers, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="can't be read"):
        Trust(tmp_path).check(VALUE, signed, "governance")
    (tmp_path / "governance.pub").write_bytes((state / "trust" / "operator.bundle.pub").read_bytes())
    with pytest.raises(Unreadable, match="can't be read"):
        Trust(tmp_path).check(VALUE, signed, "governance")


def test_a_key_of_another_kind_is_refused(state: Path) -> None:
    with pytest.raises(ValueError, match="Ed25519 private key"):
        load_private_key(state / "keys" / "operator.bundle.pem")
    with pytest.raises(ValueError, match="Ed25519 public key"):
        load_public_key(state / "trust" / "operator.bundle.pub")
