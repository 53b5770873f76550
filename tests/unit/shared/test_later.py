import pyarrow as pa

from shared.later import Later


def test_a_column_is_like_the_list_of_its_values() -> None:
    names: Later[str | None] = Later(pa.array(["a", None, "c"]))
    assert names == ["a", None, "c"]
    assert names == Later[str | None](pa.array(["a", None, "c"]))
    assert names != ["a", None]
    assert (len(names), names[1], names[1:], list(names), "c" in names) == (
        3,
        None,
        [None, "c"],
        ["a", None, "c"],
        True,
    )
