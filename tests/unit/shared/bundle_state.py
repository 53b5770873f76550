"""A small bundle in a state folder that a test may damage."""

from pathlib import Path

import pytest

from shared.bundle import BundleContents, bundle_digest, open_bundle, write_bundle
from shared.definition import parse_definition
from shared.errors import InvalidInput
from shared.keys import make_keys
from tests.bundles import DATA, definition_text, small_lineage, small_reference


def make_state(state: Path) -> Path:
    """Keys and one bundle, signed by operator."""
    make_keys(state)
    write_bundle(state / "bundles", contents(), state / "keys", "operator")
    return state


def contents(owner: str = "tests") -> BundleContents:
    """What goes into it; another owner makes another bundle."""
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
    """How the bundle is refused."""
    with pytest.raises(InvalidInput) as raised:
        open_bundle(state / "bundles", digest, state / "trust")
    return raised.value
