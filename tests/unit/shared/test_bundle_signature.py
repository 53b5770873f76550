import base64
import json
import random
import shutil
from pathlib import Path

import pytest

from shared.bundle import open_bundle, write_bundle
from shared.errors import InvalidInput
from shared.keys import make_keys
from tests.unit.shared.bundle_state import DIGEST, contents, make_state, refusal


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("made"))


@pytest.fixture
def state(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "state"))


def test_a_signature_by_one_who_is_not_trusted_is_refused(state: Path, tmp_path: Path) -> None:
    make_keys(tmp_path / "strangers")
    shutil.rmtree(state / "bundles")
    write_bundle(state / "bundles", contents(), tmp_path / "strangers" / "keys", "operator")
    assert refusal(state).field == "model.sig"


def test_the_signature_of_another_bundle_is_refused(state: Path) -> None:
    other = write_bundle(state / "bundles", contents("others"), state / "keys", "operator")
    shutil.copy(state / "bundles" / other / "model.sig", state / "bundles" / DIGEST / "model.sig")
    assert refusal(state).field == "model.sig"


def test_without_any_trusted_key_nothing_is_opened(state: Path) -> None:
    shutil.rmtree(state / "trust")
    assert refusal(state).field == "model.sig"


def test_a_damaged_trusted_key_does_not_hide_the_others(state: Path) -> None:
    (state / "trust" / "aaa.bundle.pub").write_bytes(b"no key")
    assert open_bundle(state / "bundles", DIGEST, state / "trust").signer == "operator"


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"verificationMaterial": []}',
        b'{"verificationMaterial": {}}',
    ],
)
def test_a_signature_that_is_garbage_is_refused(state: Path, signature: bytes) -> None:
    (state / "bundles" / DIGEST / "model.sig").write_bytes(signature)
    assert refusal(state).field == "model.sig"


def signed_part(signature: bytes) -> list[bytes]:
    """What the key signed, and its signature: all that matters of the file."""
    envelope = json.loads(signature)["dsseEnvelope"]
    return [base64.b64decode(text) for text in (envelope["payload"], envelope["signatures"][0]["sig"])]


def test_of_300_damaged_signatures_only_those_with_the_signed_part_intact_are_taken(state: Path) -> None:
    path = state / "bundles" / DIGEST / "model.sig"
    known = path.read_bytes()
    generator = random.Random(20130315)  # noqa: S311  # damage, no secret
    taken = 0
    for _ in range(300):
        path.write_text(json.dumps(damaged(json.loads(known), generator)))
        try:
            open_bundle(state / "bundles", DIGEST, state / "trust")
        except InvalidInput as error:
            assert error.field == "model.sig"  # noqa: PT017  # some may be taken
            continue
        taken += 1
        assert signed_part(path.read_bytes()) == signed_part(known)
    assert taken < 30


def damaged(node: object, generator: random.Random) -> object:
    """A JSON value with one of its parts replaced, removed or changed."""
    if isinstance(node, dict) and node:
        name = generator.choice(sorted(node))
        return {**node, name: damaged(node[name], generator)}
    if isinstance(node, list) and node:
        at = generator.randrange(len(node))
        return [*node[:at], damaged(node[at], generator), *node[at + 1 :]]
    if isinstance(node, str) and node and generator.random() < 0.7:
        at = generator.randrange(len(node))
        return node[:at] + chr((ord(node[at]) + generator.randrange(1, 26)) % 128) + node[at + 1 :]
    return generator.choice((None, -1, [], {}, "", "\x00", "é", 1e300, [[]], {"a": 1}))
