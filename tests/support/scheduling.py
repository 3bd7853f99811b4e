"""Which xdist worker runs what: a file is one unit, tests/browser another: costly fixtures are made once.

xdist 3.8's own `--dist loadgroup` does not group under pytest 9.2: it writes to an attribute that is gone.
"""

from __future__ import annotations

from typing import Any

import pytest

BROWSER = "tests/browser/"
# Files with tests that start processes come first, or one worker would be left with them at the end.
SLOW_FIXTURES = {"live", "page_at", "demo", "web"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = {item.path for item in items if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return BROWSER if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]

    return ByFile(config, log)
