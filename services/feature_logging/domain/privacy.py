"""What is sensitive is protected before it is written: hashed, encrypted, or left out."""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa

from shared.definition import Feature, ModelDefinition
from shared.feature_log.schema import kept_field
from shared.feature_log.sealing import entity_hash, key_id, keyed_hash, seal


class Secrets(Protocol):
    """The keys."""

    @property
    def secret(self) -> bytes:
        """Of the hashes."""
        ...

    def make_keys(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """The keys with these ids, made and put on disk where there were none."""
        ...


def needs_secrets(definition: ModelDefinition) -> bool:
    """Does it say that anything is to be hashed or encrypted?"""
    return definition.entity_sensitive or bool(definition.kept_as("hash", "encrypt"))


def keyed_ids(rows: pa.Table, definition: ModelDefinition, secrets: Secrets) -> pa.Table:
    """Rows whose ids are hashes of all that they say: were the hashes not keyed, what is sensitive could be guessed and
    tried until the id comes out.
    """
    if not definition.entity_sensitive and not definition.kept_as("hash", "encrypt", "leave_out"):
        return rows
    ids = rows.column("request_id").to_pylist()
    keyed = [bytes.fromhex(keyed_hash(secrets.secret, "id", each.hex()))[: len(each)] for each in ids]
    return rows.set_column(rows.schema.get_field_index("request_id"), "request_id", pa.array(keyed, pa.binary()))


def protect(rows: pa.Table, definition: ModelDefinition, secrets: Secrets | None) -> pa.Table:
    """Rows with plain features as the tables keep them.

    A hash is of the model's name, the feature's and the value as text (of a number the shortest that gives it again as
    float32; -0 is 0). Null stays null, so whether a value is missing can be seen.
    """
    for name in definition.kept_as("leave_out"):
        rows = rows.drop_columns([name])
    if not needs_secrets(definition):
        return rows
    if secrets is None:
        raise ValueError("there are no keys for what is sensitive")
    model, secret = definition.name, secrets.secret
    for feature in definition.features:
        if feature.sensitive == "hash":
            hashed = _each(rows.column(feature.name), _hasher(secret, model, feature.name))
            rows = _with(rows, feature, hashed)
    if definition.kept_as("encrypt"):
        rows = _encrypted(rows, definition, secrets)
    if definition.entity_sensitive:
        hashed = _each(rows.column("entity"), lambda entity: entity_hash(secret, str(entity)))
        rows = rows.set_column(rows.schema.get_field_index("entity"), pa.field("entity", pa.string()), hashed)
    return rows


def _hasher(secret: bytes, model: str, feature: str) -> Callable[[object], str]:
    def hashed(value: object) -> str:
        text = str(np.float32(value) + np.float32(0)) if isinstance(value, float) else str(value)
        return keyed_hash(secret, "feature", model, feature, text)

    return hashed


def _each(column: pa.ChunkedArray, of: Callable[[object], str]) -> pa.Array:
    """What `of` gives for each value, asked once for values that are alike; null for null."""
    coded = column.combine_chunks().dictionary_encode()
    return pa.array([of(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _encrypted(rows: pa.Table, definition: ModelDefinition, secrets: Secrets) -> pa.Table:
    secret, entities = secrets.secret, rows.column("entity").to_pylist()
    ids = {entity: key_id(secret, definition.name, entity_hash(secret, entity)) for entity in set(entities)}
    keys = secrets.make_keys(ids.values())
    of_row = [keys[ids[entity]] for entity in entities]
    for feature in definition.features:
        if feature.sensitive == "encrypt":
            values = map(_bytes, rows.column(feature.name).to_pylist())
            sealed = list(seal(zip(values, of_row, strict=True), f"{definition.name}\0{feature.name}"))
            rows = _with(rows, feature, pa.array(sealed, pa.binary()))
    return rows


def _bytes(value: float | str | None) -> bytes | None:
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else np.float32(value).tobytes()


def _with(rows: pa.Table, feature: Feature, column: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(feature.name), kept_field(feature), column)
