"""How values of each type are kept in a vtkMRMLScriptedModuleNode: the names and texts that Slicer uses."""

import abc
import enum
import pathlib
import types
import typing

import slicer
from slicer.parameterNodeWrapper.annotations import IsInstance, NotNone, Validator, splitAnnotations

__all__ = ["Checked", "Storage", "register_storage", "storage_of"]

PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)

_makers = []


def register_storage(maker):
    """Let `maker(type)` return the storage of the types that it knows, and None for others."""
    _makers.append(maker)
    return maker


def storage_of(datatype):
    """(storage, annotations left over) of a type that may be Annotated.

    Raises TypeError for a type that cannot be kept.
    """
    kind, annotations = splitAnnotations(datatype)
    checks = [each for each in annotations if _is_check(each)]
    rest = [each for each in annotations if not _is_check(each)]
    for maker in _makers:
        storage = maker(kind)
        if storage is not None:
            return Checked(storage, checks), rest
    raise TypeError(f"Unable to create serializer for type: {kind}")


def _is_check(annotation):
    # A class whose `validate` is static does as well as an object.
    return isinstance(annotation, Validator) or (
        isinstance(annotation, type) and issubclass(annotation, Validator)
    )


class Storage(abc.ABC):
    """Keeps values of one type under a name in a parameter node."""

    checks = ()

    @abc.abstractmethod
    def default(self):
        """The value of a parameter without a default of its own."""

    @abc.abstractmethod
    def write(self, node, name, value): ...

    @abc.abstractmethod
    def read(self, node, name): ...

    def isIn(self, node, name):
        return node.HasParameter(name)

    def remove(self, node, name):
        node.UnsetParameter(name)


class Checked(Storage):
    """A storage that refuses values which fail a check."""

    def __init__(self, storage, checks):
        self.storage = storage
        self.checks = [*storage.checks, *checks]
        self.default, self.read, self.isIn, self.remove = (
            storage.default,
            storage.read,
            storage.isIn,
            storage.remove,
        )

    def default(self): ...

    def read(self, node, name): ...

    def validate(self, value):
        for check in self.checks:
            check.validate(value)

    def write(self, node, name, value):
        self.validate(value)
        self.storage.write(node, name, value)


class TextStorage(Storage):
    """A value that its class makes again of its text."""

    def __init__(self, kind, accepted, default, read=None):
        self.kind, self._default, self._read = kind, default, read or kind
        self.checks = [NotNone(), IsInstance(accepted)]

    def default(self):
        return self._default

    def write(self, node, name, value):
        node.SetParameter(name, str(value))

    def read(self, node, name):
        return self._read(node.GetParameter(name))


class EnumStorage(Storage):
    """An enum, kept by the name of its member; the first is the default."""

    def __init__(self, kind):
        self.kind = kind
        self.checks = [IsInstance(kind)]
        if len(kind) == 0:
            raise ValueError("Cannot serialize empty Enum.")

    def default(self):
        return next(iter(self.kind))

    def write(self, node, name, value):
        node.SetParameter(name, value.name)

    def read(self, node, name):
        text = node.GetParameter(name)
        if text not in self.kind.__members__:
            raise ValueError(f"Found {text!r} in parameter node, which is no name in {self.kind!r}")
        return self.kind[text]


class NodeStorage(Storage):
    """A node, kept as a node reference beside an empty parameter of the same name."""

    def __init__(self, kind):
        self.checks = [IsInstance(kind)]

    def default(self):
        return None

    def write(self, node, name, value):
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, None if value is None else value.GetID())

    def read(self, node, name):
        return node.GetNodeReference(name)

    def remove(self, node, name):
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneStorage(Storage):
    """Nothing."""

    checks = ()

    def default(self):
        return None

    def write(self, node, name, value):
        node.SetParameter(name, "True")

    def read(self, node, name):
        return None


def _may_be(value, kind):
    """Whether a value goes by a type of a union: True is no int there, but 1 is a float."""
    origin = typing.get_origin(kind) or kind
    if origin in (int, float):
        return type(value) in (int, float)
    if origin in (str, bool, type(None)):
        return type(value) is origin
    return isinstance(value, origin)


class UnionStorage(Storage):
    """A value of one of several types, kept under 'name.<number of the type>'."""

    def __init__(self, kinds):
        self.kinds = [splitAnnotations(kind)[0] for kind in kinds]
        self.storages = [storage_of(kind)[0] for kind in kinds]

    def default(self):
        optional = len(self.kinds) == 2 and self.kinds[1] is type(None)
        return None if optional else self.storages[0].default()

    def _index(self, value):
        problem = TypeError(f"Unable to write value '{value}' of type '{type(value)}'")
        for index, (kind, storage) in enumerate(zip(self.kinds, self.storages, strict=True)):
            if _may_be(value, kind):
                try:
                    storage.validate(value)
                except (TypeError, ValueError) as error:
                    problem = error
                else:
                    return index
        raise problem

    def write(self, node, name, value):
        index = self._index(value)
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            self.storages[index].write(node, f"{name}.{index}", value)

    def _present(self, node, name):
        return [
            (storage, f"{name}.{index}")
            for index, storage in enumerate(self.storages)
            if storage.isIn(node, f"{name}.{index}")
        ]

    def isIn(self, node, name):
        return bool(self._present(node, name))

    def read(self, node, name):
        for storage, own_name in self._present(node, name):
            return storage.read(node, own_name)
        raise KeyError(f"Unable to find value for name: {name}")

    def remove(self, node, name):
        for storage, own_name in self._present(node, name):
            storage.remove(node, own_name)


@register_storage
def _plain_storage(kind):
    if kind is int:
        return TextStorage(int, int, 0)
    if kind is float:
        return TextStorage(float, (int, float), 0)
    if kind is str:
        return TextStorage(str, str, "")
    if kind is bool:
        return TextStorage(bool, bool, False, read=lambda text: text == "True")
    if kind in PATHS:
        return TextStorage(kind, kind, kind())
    if kind is type(None):
        return NoneStorage()
    return None


@register_storage
def _class_storage(kind):
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return EnumStorage(kind)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeStorage(kind)
    return None


@register_storage
def _union_storage(kind):
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return UnionStorage(typing.get_args(kind))
    return None
