import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.bundle import bundle_digest, open_bundle, write_bundle
from shared.definition import parse_definition
from tests.unit.shared.bundle_state import DIGEST, contents, make_state, refusal


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("made"))


@pytest.fixture
def state(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "state"))


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
from tests.unit.shared.bundle_state import DIGEST, contents, make_state, refusal
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
