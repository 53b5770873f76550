"""Which versions of the tables must stay readable: those that a bundle in the store was trained on, or will be."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from structlog import get_logger

from shared.bundle import DEFINITION, LINEAGE, named_as_bundle
from shared.definition import decode_definition
from shared.errors import InvalidInput
from shared.events import SnapshotPin
from shared.feature_log.holds import holds
from shared.lineage import Lineage

log = get_logger()
VERSION = "_version"
# Of a table, by its path below the folder of the tables.
Pins = Mapping[str, frozenset[int]]


class PinnedVersions:
    """What the bundles of a store pin, and holds of those to come. A bundle never changes, so each is read once; an
    approval binds to a bundle.
    """

    def __init__(self, bundles: Path) -> None:
        self._bundles = bundles
        self._known: dict[str, Mapping[str, int]] = {}
        self._told: set[str] = set()

    def now(self) -> Pins:
        """The pinned versions by table.

        Raises:
            OSError: the store can't be read or is empty, as if it were another folder, or a bundle or hold in it can't
                be read, for example since it is being copied: nobody knows what is pinned.
        """
        found: dict[str, set[int]] = defaultdict(set)
        bundles = [path for path in self._bundles.iterdir() if not path.name.startswith(".")]
        if not bundles:
            raise FileNotFoundError(f"{self._bundles} holds no bundle, so it is not known which versions are pinned")
        held = [pinned_tables(each.model, each.pin) for each in holds(self._bundles)]
        for tables in (*map(self._of, bundles), *held):
            for table, version in tables.items():
                found[table].add(version)
        return {table: frozenset(versions) for table, versions in found.items()}

    def _of(self, path: Path) -> Mapping[str, int]:
        """Version by table; none for what is not named as a bundle is, which nobody can train on or approve."""
        if path.name not in self._known:
            try:
                self._known[path.name] = _pins(path)
            except (FileNotFoundError, NotADirectoryError, InvalidInput) as error:
                if named_as_bundle(path):
                    raise OSError(f"can't tell what the bundle {path} pins: {error}") from error
                self._tell(path, error)
                return {}
        return self._known[path.name]

    def _tell(self, path: Path, error: Exception) -> None:
        if path.name not in self._told:
            log.warning("pins nothing: it is no bundle", path=str(path), why=str(error))
        self._told.add(path.name)


def _pins(bundle: Path) -> Mapping[str, int]:
    model = decode_definition((bundle / DEFINITION).read_bytes()).name
    return pinned_tables(model, Lineage.from_json((bundle / LINEAGE).read_bytes()).snapshot)


def pinned_tables(model: str, pin: SnapshotPin) -> dict[str, int]:
    """The version of each table that a snapshot was read from."""
    versions = {name: value for name, value in pin.model_dump().items() if name.endswith(VERSION) and value is not None}
    return {f"{model}/{name.removesuffix(VERSION)}": version for name, version in versions.items()}
