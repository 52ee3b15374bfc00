"""A hub that serves in a thread, for the tests of a file that only need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exchange.hubs import Place, after_first_second, new_hub, served


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A hub in Korea; its log is in `place.log`."""
    one = Place(new_hub(tmp_path_factory.mktemp("hub") / "kr"))
    with served(one.hub, one.log):
        after_first_second()
        yield one
        one.close()
