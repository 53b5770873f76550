"""Reading what the log keeps encrypted, and saying which features it does not keep as they were."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shared.definition import ModelDefinition, Sensitive
from shared.feature_log.keystore import KeyReader
from shared.feature_log.schema import ENCRYPTED
from shared.feature_log.sealing import entity_hash, key_id, unseal

_TYPES = {b"float": pa.float32(), b"string": pa.string()}


def withheld(definition: ModelDefinition, *forms: Sensitive) -> str | None:
    """Why the log can't give the features that it keeps in one of these forms; None if there are none."""
    names = definition.kept_as(*forms)
    if not names:
        return None
    kept = ", ".join(
        f"{feature.name} ({feature.sensitive})" for feature in definition.features if feature.name in names
    )
    return f"{kept}: sensitive, so the feature log does not give their values"


def is_encrypted(field: pa.Field) -> bool:
    """Does this column of a table hold encrypted values?"""
    return bool(field.metadata and ENCRYPTED in field.metadata)


def reveal(table: pa.Table, model: str, keys: KeyReader | None) -> pa.Table:
    """The same rows (with `entity`), encrypted columns in the clear: null where the entity's key is gone, or all where
    there are no keys.

    Raises:
        NoKeys: there should be keys, and they can't be read.
    """
    hidden = [field for field in table.schema if is_encrypted(field)]
    if not hidden:
        return table
    found = [None] * len(table) if keys is None else _keys(table.column("entity").to_pylist(), model, keys)
    for field in hidden:
        position, kind = table.schema.get_field_index(field.name), _TYPES[field.metadata[ENCRYPTED]]
        sealed = zip(table.column(field.name).to_pylist(), found, strict=True)
        values = list(unseal(sealed, f"{model}\0{field.name}"))
        table = table.set_column(position, pa.field(field.name, kind), _plain(values, kind))
    return table


def _keys(entities: Sequence[str | None], model: str, keys: KeyReader) -> list[bytes | None]:
    """The key of each row. An entity stands there as itself or, where that is sensitive, as its hash."""
    secret = keys.secret
    plain = {entity: key_id(secret, model, entity_hash(secret, entity)) for entity in set(entities)}
    hashed = {entity: key_id(secret, model, entity or "") for entity in set(entities)}
    found = keys.keys_of({*plain.values(), *hashed.values()})
    return [found.get(plain[entity]) or found.get(hashed[entity]) for entity in entities]


def _plain(values: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return pa.array([None if value is None else value.decode() for value in values], kind)
    numbers = [None if value is None else float(np.frombuffer(value, "<f4")[0]) for value in values]
    return pa.array(numbers, kind)
