import base64
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.bundle import BundleContents, bundle_digest, open_bundle, write_bundle
from shared.definition import parse_definition
from shared.errors import InvalidInput
from shared.keys import make_keys
from tests.bundles import DATA, definition_text, small_lineage, small_reference


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with keys and one bundle of each trusted signer's."""
    state = tmp_path_factory.mktemp("made")
    make_keys(state)
    write_bundle(state / "bundles", contents(), state / "keys", "operator")
    return state


@pytest.fixture
def state(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "state"))


def contents(owner: str = "tests") -> BundleContents:
    text = definition_text().replace('"tests"', f'"{owner}"')
    return BundleContents(
        onnx=(DATA / "small_binary_a.onnx").read_bytes(),
        definition=text,
        reference=small_reference(parse_definition(text)),
        lineage=small_lineage(),
        evaluation={"metrics": {"log_loss": 0.25}},
    )


DIGEST = bundle_digest(contents().files())


def refusal(state: Path, digest: str = DIGEST) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        open_bundle(state / "bundles", digest, state / "trust")
    return raised.value


def test_what_was_written_is_read(state: Path) -> None:
    bundle = open_bundle(state / "bundles", DIGEST, state / "trust")
    wanted = contents()
    assert (bundle.onnx, bundle.lineage, bundle.evaluation) == (wanted.onnx, wanted.lineage, wanted.evaluation)
    assert bundle.reference.to_json() == wanted.reference.to_json()
    assert bundle.definition == parse_definition(wanted.definition)
    assert (bundle.digest, bundle.signer) == (DIGEST, "operator")


def test_the_same_inputs_give_the_same_digest_whoever_signs(state: Path) -> None:
    shutil.rmtree(state / "bundles")
    assert write_bundle(state / "bundles", contents(), state / "keys", "retrain_trigger") == DIGEST
    assert open_bundle(state / "bundles", DIGEST, state / "trust").signer == "retrain_trigger"


def test_any_other_input_gives_another_digest() -> None:
    known = contents()
    others = [
        replace(known, onnx=known.onnx + b"\0"),
        replace(known, definition=known.definition + "\n"),
        replace(known, lineage=known.lineage.model_copy(update={"seed": 1})),
        replace(known, evaluation={}),
    ]
    assert len({DIGEST, *(bundle_digest(other.files()) for other in others)}) == 5


def test_the_digest_is_that_of_sha256sums_lines() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert bundle_digest({}) == empty
    assert bundle_digest({"b": b"", "a": b"", "model.sig": b"x"}) == bundle_digest({"a": b"", "b": b""})
    assert bundle_digest({"a": b""}) == "fba1930570cf2d33a2a05ff43a4fea532382611f43876988fc9c31fd9ce102d1"


def test_a_bundle_that_is_there_is_left_as_it_is(state: Path) -> None:
    signature = state / "bundles" / DIGEST / "model.sig"
    before = signature.read_bytes()
    assert write_bundle(state / "bundles", contents(), state / "keys", "retrain_trigger") == DIGEST
    assert signature.read_bytes() == before


def test_an_evaluation_that_is_not_finite_is_refused(state: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_bundle(
            state / "bundles", replace(contents(), evaluation={"auc": float("nan")}), state / "keys", "operator"
        )


@pytest.mark.parametrize("step", ["keys", "rename"])
def test_a_write_that_fails_leaves_nothing_that_counts(state: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fails(*_: object) -> None:
        raise OSError("no space left")

    if step == "rename":
        monkeypatch.setattr(Path, "rename", fails)
    keys = state / "none" if step == "keys" else state / "keys"
    with pytest.raises(OSError, match=r"no space left|No such file"):
        write_bundle(state / "bundles", contents("others"), keys, "operator")
    assert [entry.name for entry in (state / "bundles").iterdir()] == [DIGEST]


CRASH = """
import os, pathlib, sys
from shared.bundle import write_bundle
from tests.unit.shared.test_bundle import contents
state = pathlib.Path(sys.argv[1])
pathlib.Path.rename = lambda *_: os._exit(9)
write_bundle(state / "bundles", contents("others"), state / "keys", "operator")
"""


def test_a_crash_in_the_midst_leaves_nothing_that_can_be_opened(state: Path) -> None:
    root = str(Path(__file__).parents[3])
    crashed = subprocess.run([sys.executable, "-c", CRASH, state], cwd=root, check=False)
    assert crashed.returncode == 9
    assert len(list((state / "bundles").iterdir())) == 2
    digest = bundle_digest(contents("others").files())
    assert refusal(state, digest).field == "digest"
    for left in (state / "bundles").iterdir():
        assert left.name == DIGEST or refusal(state, left.name).field == "digest"
    assert write_bundle(state / "bundles", contents("others"), state / "keys", "operator") == digest
    assert open_bundle(state / "bundles", digest, state / "trust").definition.owner == "others"


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "..",
        "../x",
        "../" * 20 + "keys",
        "a" * 63,
        "A" * 64,
        "a" * 64 + "\n",
        "a" * 64,
        "\0" * 64,
        f"../bundles/{DIGEST}",
    ],
)
def test_what_is_no_digest_of_a_bundle_is_not_looked_for_elsewhere(state: Path, digest: str) -> None:
    assert refusal(state, digest).field == "digest"


def test_a_traversal_as_long_as_a_digest_is_refused_before_it_is_followed(state: Path) -> None:
    shutil.copytree(state / "bundles" / DIGEST, state / "x")
    climbing = ("./" * 40)[: 64 - len("../x")] + "../x"
    assert len(climbing) == 64
    assert refusal(state, climbing).expected.startswith("no bundle")


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def symlink(path: Path) -> None:
    moved = path.rename(path.parents[2] / path.name)
    path.symlink_to(moved)


def hard_link(path: Path) -> None:
    os.link(path, path.parents[2] / path.name)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


FILES = ("model.onnx", "definition.toml", "reference.json", "lineage.json", "evaluation.json", "model.sig")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [Path.unlink, symlink, hard_link, folder, pipe])
def test_a_file_that_is_missing_or_no_plain_file_is_named(
    state: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(state / "bundles" / DIGEST / name)
    assert refusal(state).field == name


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_changed_file_does_not_have_the_digest(state: Path, name: str) -> None:
    change(state / "bundles" / DIGEST / name)
    assert refusal(state).field == "digest"


@pytest.mark.parametrize("name", [".hidden", "weights.bin", "zz"])
def test_an_extra_file_or_folder_is_named(state: Path, name: str) -> None:
    (state / "bundles" / DIGEST / name).touch()
    assert refusal(state).field == name
    (state / "bundles" / DIGEST / name).unlink()
    (state / "bundles" / DIGEST / name).mkdir()
    assert refusal(state).field == name


def test_a_bundle_that_is_a_link_to_another_folder_is_refused(state: Path) -> None:
    symlink(state / "bundles" / DIGEST)
    assert refusal(state).field == "digest"


def test_a_bundle_under_the_digest_of_another_is_refused(state: Path) -> None:
    (state / "bundles" / DIGEST).rename(state / "bundles" / ("a" * 64))
    assert refusal(state, "a" * 64).field == "digest"


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
