"""A stack of the results in the scene."""

import pytest

from cardiactwins.mrml.undo import ResultStack


@pytest.fixture
def stack(scene):
    stack = ResultStack(scene)
    yield stack
    stack.close()
