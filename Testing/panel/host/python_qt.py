"""The module `qt` as PythonQt offers it, made of PySide6.

PythonQt, the bridge of the 3D Slicer application, shows Qt's properties as attributes
(`button.text = "Run"`), keeps their setters (`button.setText("Run")`), and connects by the text of a signal
(`button.connect("clicked(bool)", f)`). PySide6 has methods and signal objects instead. Here every Qt
property becomes an attribute, and `qt.QPushButton` and the like become subclasses with PythonQt's `connect`,
`disconnect`, `findChild` and `findChildren`. As in the application, an object of a C++ class takes no
attribute that it does not have.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import QObject, Signal

__all__ = ["QtProperty", "create_qt", "python_qt_class", "show_properties"]

VIRTUAL_GETTERS = frozenset({"sizeHint", "minimumSizeHint", "duration"})
"""Properties whose getter Qt itself calls through Python: these stay methods."""

APPLICATIONS = ("QCoreApplication", "QGuiApplication", "QApplication")


class QtProperty:
    """A Qt property as an attribute; on the class it is still the getter, such as `QTimer.singleShot`."""

    def __init__(self, owner: type, meta: QtCore.QMetaProperty) -> None:
        self.name = meta.name()
        capital = self.name[0].upper() + self.name[1:]
        candidates = (getattr(owner, name, None) for name in (self.name, f"is{capital}", f"has{capital}"))
        self.getter = next((method for method in candidates if callable(method)), None)
        self.setter = getattr(owner, f"set{capital}", None)
        self.writable, self.is_enum = meta.isWritable(), meta.isEnumType()
        self.on_class = getattr(owner, self.name, None)

    def __get__(self, instance: QObject | None, owner: type | None = None) -> Any:
        if instance is None:
            return self.on_class
        return QObject.property(instance, self.name) if self.getter is None else self.getter(instance)

    def __set__(self, instance: QObject, value: Any) -> None:
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of {type(instance).__name__} is read only")
        if self.setter is None or (self.is_enum and isinstance(value, int)):
            QObject.setProperty(instance, self.name, value)
        else:
            self.setter(instance, value)


def show_properties(kind: type[QObject]) -> None:
    """Make every Qt property that `kind` itself declares an attribute of its instances, with a setter."""
    meta = kind.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        declared = meta.property(index)
        name = declared.name()
        present = kind.__dict__.get(name)
        if isinstance(present, QtCore.Property):
            _add_setter(kind, name)
        elif name not in VIRTUAL_GETTERS and not isinstance(getattr(kind, name, None), Signal | QtProperty):
            setattr(kind, name, QtProperty(kind, declared))


def _add_setter(kind: type, name: str) -> None:
    setter = f"set{name[0].upper()}{name[1:]}"
    if not hasattr(kind, setter):
        setattr(kind, setter, lambda self, value: setattr(self, name, value))


class _PythonQtType(type(QObject)):
    """`isinstance(label, qt.QWidget)` asks for Qt's own class: qt.QLabel is no subclass of qt.QWidget."""

    def __instancecheck__(cls, instance: object) -> bool:
        native = cls.__dict__.get("native")
        return isinstance(instance, native) if native else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        native = cls.__dict__.get("native")
        return issubclass(subclass, native) if native else super().__subclasscheck__(subclass)


def python_qt_class(native: type[QObject]) -> type[QObject]:
    """The class that stands for `native` in the module `qt`."""
    members = {
        "native": native,
        "connect": _connect,
        "disconnect": _disconnect,
        "findChild": _find_child,
        "findChildren": _find_children,
        "className": lambda self: self.metaObject().className(),
        "delete": lambda self: self.deleteLater(),
        "__init_subclass__": classmethod(_take_connect),
        "__setattr__": lambda self, name, value: _set_attribute(native, self, name, value),
        "__getattr__": _dynamic_property,
        "__module__": "qt",
    }
    if hasattr(native, "exec") and not hasattr(native, "exec_"):
        members["exec_"] = native.exec
    return _PythonQtType(native.__name__, (native,), members)


def _take_connect(cls: type, **_more: Any) -> None:
    # PySide6 looks for these two in the class itself before it takes those of Qt.
    for name, method in (("connect", _connect), ("disconnect", _disconnect)):
        if name not in cls.__dict__:
            setattr(cls, name, method)


def _signal_signature(emitter: QObject, signal: str) -> str:
    """The signature of the signal that `signal` names; its types may be spelled otherwise."""
    name, _, rest = signal.partition("(")
    types_ = [part for part in rest.rstrip(") ").split(",") if part.strip()]
    meta = emitter.metaObject()
    found = []
    for index in range(meta.methodCount()):
        method = meta.method(index)
        if (
            method.methodType() == QtCore.QMetaMethod.MethodType.Signal
            and method.name() == name.strip().encode()
        ):
            found.append(method.methodSignature().data().decode())
    normal = QtCore.QMetaObject.normalizedSignature(signal).data().decode()
    if normal in found:
        return normal
    for signature in found:
        if len([part for part in signature.partition("(")[2].rstrip(")").split(",") if part]) == len(types_):
            return signature
    raise AttributeError(
        f"{type(emitter).__name__} has no signal '{signal}' (the application would connect nothing and say "
        f"nothing). Signals of that name: {found or 'none'}."
    )


def _accepted(slot: Callable[..., Any]) -> int:
    """How many positional arguments `slot` takes: PythonQt leaves out what it cannot take."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):
        return sys.maxsize
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return sys.maxsize
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in positional for parameter in parameters)


def _connect(self: QObject, *arguments: Any) -> bool:
    if len(arguments) != 2 or not isinstance(arguments[0], str):
        # How the connect of a signal object comes back to its sender.
        sender = () if isinstance(arguments[0], QObject) else (self,)
        return QObject.connect(*sender, *arguments)
    signal, slot = arguments
    signature = _signal_signature(self, signal)
    given = len([part for part in signal.partition("(")[2].rstrip(") ").split(",") if part.strip()])
    count = min(given, _accepted(slot))

    def receive(*values: Any) -> None:
        slot(*values[:count])

    self.__dict__.setdefault("_receivers", []).append((signature, slot, receive))
    return bool(QObject.connect(self, QtCore.SIGNAL(signature), receive))


def _disconnect(self: QObject, *arguments: Any) -> bool:
    if len(arguments) != 2 or not isinstance(arguments[0], str):
        sender = () if arguments and isinstance(arguments[0], QObject) else (self,)
        return QObject.disconnect(*sender, *arguments)
    signal, slot = arguments
    signature = _signal_signature(self, signal)
    receivers = self.__dict__.get("_receivers", [])
    for entry in receivers:
        if entry[0] == signature and entry[1] == slot:
            receivers.remove(entry)
            return bool(QObject.disconnect(self, QtCore.SIGNAL(signature), entry[2]))
    return False


def _native(kind: type | str) -> type:
    if isinstance(kind, str):
        kind = getattr(sys.modules["qt"], kind)
    return kind.__dict__.get("native", kind)


def _find_children(self: QObject, kind: type | str = QObject, name: str = "") -> list[QObject]:
    found = QObject.findChildren(self, _native(kind))
    return [child for child in found if not name or QObject.objectName(child) == name]


def _find_child(self: QObject, kind: type | str = QObject, name: str = "") -> QObject | None:
    return next(iter(_find_children(self, kind, name)), None)


def _set_attribute(native: type, self: QObject, name: str, value: Any) -> None:
    plain = "native" in type(self).__dict__ or "stands_for" in type(self).__dict__
    if plain and not (name.startswith("_") or hasattr(type(self), name) or "_loading" in self.__dict__):
        if name.encode() not in [bytes(known) for known in self.dynamicPropertyNames()]:
            raise AttributeError(
                f"{type(self).__name__} has no attribute '{name}': PythonQt sets none on a C++ object"
            )
        self.setProperty(name, value)
        return
    native.__setattr__(self, name, value)


def _dynamic_property(self: QObject, name: str) -> Any:
    if not name.startswith("_") and name.encode() in [bytes(known) for known in self.dynamicPropertyNames()]:
        return self.property(name)
    raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


def create_qt() -> types.ModuleType:
    """The module `qt`; PySide6's classes get their properties as attributes on the way."""
    qt = types.ModuleType("qt", __doc__)
    for library in (QtCore, QtGui, QtWidgets, QtUiTools):
        for name in dir(library):
            if not name.startswith("_"):
                setattr(qt, name, getattr(library, name))
    for kind in _classes_bases_first(qt):
        show_properties(kind)
    QObject.name = property(
        lambda self: QObject.property(self, "objectName"), lambda self, text: self.setObjectName(text)
    )
    for name, kind in list(vars(qt).items()):
        if isinstance(kind, type) and issubclass(kind, QObject) and name not in APPLICATIONS:
            try:
                setattr(qt, name, python_qt_class(kind))
            except TypeError:  # a class that Qt allows nobody to derive from
                continue
    return qt


def _classes_bases_first(qt: types.ModuleType) -> list[type[QObject]]:
    kinds = {kind for kind in vars(qt).values() if isinstance(kind, type) and issubclass(kind, QObject)}
    return sorted(kinds, key=lambda kind: (len(kind.__mro__), kind.__name__))
