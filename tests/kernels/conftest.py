"""Which tests of the kernels `make test` leaves to `make test-long PART=fuzz`."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the exact walk on the second architecture: its streams are those of the first, on more columns."""
    for item in items:
        if "/designs/" in str(item.path) and "NPU2" in item.name and "exact" in item.name:
            item.add_marker(pytest.mark.long)
