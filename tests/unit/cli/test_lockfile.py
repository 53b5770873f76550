import re
import tomllib
from pathlib import Path

import pytest

from cli.kafka.lockfile import LOCK, Jar, read_lock

ENTRY = {"groupId": "org.x", "artifactId": "y", "version": "1.0", "sha256": "0" * 64}


def write(path: Path, *entries: dict[str, str]) -> Path:
    lines = [
        "[[dependencies]]\n" + "".join(f'{key} = "{value}"\n' for key, value in entry.items()) for entry in entries
    ]
    path.write_text("\n".join(lines))
    return path


def test_the_committed_lock_names_every_jar_of_kafka_4_4_with_its_hash() -> None:
    jars = {jar.artifact: jar for jar in read_lock()}
    assert jars["kafka_2.13"].version == jars["kafka-clients"].version == "4.4.0"
    assert "log4j-slf4j-impl" in jars
    assert len(jars) > 40


def test_the_committed_lock_holds_no_address_path_or_time() -> None:
    text = LOCK.read_text("utf-8")
    assert not re.search(r"https?:|://|/|\\|generated|\d{4}-\d\d-\d\dT", text)


def test_the_committed_lock_fits_jgo_toml() -> None:
    from jgo.env import compute_spec_hash

    assert tomllib.loads(LOCK.read_text())["metadata"]["spec_hash"] == compute_spec_hash(LOCK.with_name("jgo.toml"))


def test_a_jar_is_named_as_maven_names_it(tmp_path: Path) -> None:
    assert read_lock(write(tmp_path / "l.toml", ENTRY)) == (Jar("org.x", "y", "1.0", "0" * 64),)
    assert read_lock(tmp_path / "l.toml")[0].filename == "y-1.0.jar"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "abc"}, r"dependencies\[1\].sha256: 'abc' does not match"),
        ({"artifactId": "../../y"}, r"dependencies\[1\].artifactId: '../../y' does not match"),
        ({"packaging": "pom"}, r"dependencies\[1\]: only plain jars"),
        ({"groupId": "org.z"}, "y-1.0.jar stands there twice"),
    ],
)
def test_a_lock_that_cannot_be_trusted_is_refused_and_the_field_named(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_lock(write(tmp_path / "l.toml", ENTRY, ENTRY | change))


def test_an_empty_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no dependencies"):
        read_lock(write(tmp_path / "l.toml"))
