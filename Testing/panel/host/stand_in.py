"""What stand-ins for C++ widgets have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Property, QObject

from host.python_qt import show_properties

__all__ = ["delegated", "stand_in", "stored"]


def stand_in(module: str) -> Callable[[type], type]:
    """Mark a class as standing for one of the C++ library `module`.

    Its properties get setters (`setText` beside `text`), and it takes no attribute that it does not have.
    """

    def mark(kind: type) -> type:
        kind.__module__ = module
        kind.stands_for = kind.__name__
        for base in kind.__mro__:
            if "native" in base.__dict__:
                break
            if issubclass(base, QObject):
                show_properties(base)
        return kind

    return mark


def stored(kind: type | str, default: Any, changed: str = "") -> Property:
    """A property whose value the stand-in keeps; `changed` names the method to call after a new value.

    A list of texts comes back as a tuple, as PythonQt returns it.
    """
    if kind == "QStringList":
        default = tuple(default)
    key = object()

    def values(self: Any) -> dict[object, Any]:
        return self.__dict__.setdefault("_stored", {})

    def read(self: Any) -> Any:
        return values(self).get(key, default)

    def write(self: Any, value: Any) -> None:
        values(self)[key] = tuple(value) if kind == "QStringList" else value
        if changed:
            getattr(self, changed)()

    return Property(kind, read, write)


def delegated(kind: type | str, part: str, name: str) -> Property:
    """A property that is that of a part of the widget: `delegated(str, "_edit", "text")`."""
    return Property(
        kind,
        lambda self: getattr(getattr(self, part), name),
        lambda self, value: setattr(getattr(self, part), name, value),
    )
