"""For pytest: of each folder the first test alone. What an environment lacks shows when the files are imported, or
there; all tests are run once by `make test`.
"""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the others."""
    first = {item.path.parent: item for item in reversed(items)}
    others = [item for item in items if item is not first[item.path.parent]]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item is first[item.path.parent]]
