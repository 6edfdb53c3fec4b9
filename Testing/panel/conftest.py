"""The Qt host for all tests of this folder: an empty scene and a clean slate before each of them.

`qt`, `ctk` and what imports them, such as `cardiactwins.panel`, exist once the fixture `host` has started:
test files import them inside their functions and fixtures.
"""

import gc
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def started_host():
    """The host of this process; skips when PySide6 is absent."""
    if importlib.util.find_spec("PySide6") is None:
        pytest.skip("PySide6 is not installed: pip install PySide6-Essentials")
    from host import start

    host = start()
    yield host
    host.close()


@pytest.fixture
def host(started_host):
    """The host with an empty scene and nothing said.

    The test fails when an error ended in a slot, a timer or an observer without being shown to the user; a
    test that expects one takes it out of `host.errors`.
    """
    started_host.reset()
    yield started_host
    errors = list(started_host.errors)
    started_host.reset()
    assert not errors, f"errors that nobody caught: {errors!r}"


@pytest.fixture
def panel(host):
    """`panel("InfarctSynth")`: the open panel of a module of the extension, closed after the test.

    A path opens the module of that file instead.
    """

    def open_panel(name):
        path = Path(name) if str(name).endswith(".py") else ROOT / name / f"{name}.py"
        host.loadModule(path)
        return host.widgetOf(path.stem)

    return open_panel


@pytest.fixture(autouse=True, scope="module")
def little_to_collect():
    """What is there before the tests of a file, as all imported modules are, is not searched after each."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def no_widgets_left_to_other_threads():
    """Qt's windows die in the main thread only: a garbage collection that begins in another one hangs."""
    yield
    gc.collect()
