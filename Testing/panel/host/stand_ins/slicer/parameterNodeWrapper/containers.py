"""Lists, tuples and dictionaries in a parameter node; a change of one in place is written to the node."""

import collections.abc
import typing

import slicer
from slicer.parameterNodeWrapper.storage import Storage, register_storage, storage_of

__all__ = ["ObservedDict", "ObservedList"]


class ObservedList(collections.abc.MutableSequence):
    """A list that keeps its parameter node up to date."""

    def __init__(self, node, storage, name, values):
        self._node, self._storage, self._name, self._list = node, storage, name, values

    def _save(self):
        try:
            self._storage.write(self._node, self._name, self._list)
        finally:
            self._list = self._storage.read(self._node, self._name)._list

    def __repr__(self):
        return f"ObservedList({self._list})"

    def __eq__(self, other):
        return self._list == (other._list if isinstance(other, ObservedList) else other)

    __hash__ = None

    def __len__(self):
        return len(self._list)

    def __getitem__(self, index):
        return self._list[index]

    def __setitem__(self, index, value):
        self._list[index] = value
        self._save()

    def __delitem__(self, index):
        del self._list[index]
        self._save()

    def insert(self, index, value):
        self._list.insert(index, value)
        self._save()

    def extend(self, values):
        self._list.extend(values)
        self._save()

    def __iadd__(self, values):
        self.extend(values)
        return self

    def __imul__(self, times):
        self._list *= times
        self._save()
        return self

    def _refuse(self, _other):
        raise NotImplementedError("An ObservedList is changed in place, by += and *=")

    __add__ = __radd__ = __mul__ = __rmul__ = _refuse

    def clear(self):
        self._list.clear()
        self._save()

    def sort(self, **options):
        self._list.sort(**options)
        self._save()


class ObservedDict(collections.abc.MutableMapping):
    """A dictionary that keeps its parameter node up to date."""

    def __init__(self, node, storage, name, values):
        self._node, self._storage, self._name, self._dict = node, storage, name, values

    def _save(self):
        try:
            self._storage.write(self._node, self._name, self._dict)
        finally:
            self._dict = self._storage.read(self._node, self._name)._dict

    def __repr__(self):
        return f"ObservedDict({self._dict})"

    def __eq__(self, other):
        return self._dict == (other._dict if isinstance(other, ObservedDict) else other)

    __hash__ = None

    def __len__(self):
        return len(self._dict)

    def __iter__(self):
        return iter(self._dict)

    def __getitem__(self, key):
        return self._dict[key]

    def __setitem__(self, key, value):
        self._dict[key] = value
        self._save()

    def __delitem__(self, key):
        del self._dict[key]
        self._save()

    def popitem(self):
        item = self._dict.popitem()
        self._save()
        return item


class ListStorage(Storage):
    """Kept as 'name.len' and 'name.0', 'name.1', ..."""

    def __init__(self, element):
        self.element = element

    def default(self):
        return []

    def _length(self, node, name):
        return int(node.GetParameter(f"{name}.len")) if self.isIn(node, name) else 0

    def isIn(self, node, name):
        return node.HasParameter(f"{name}.len")

    def _elements(self, node, name):
        return [self.element.read(node, f"{name}.{index}") for index in range(self._length(node, name))]

    def write(self, node, name, values):
        values = list(values)
        with slicer.util.NodeModify(node):
            before = self._elements(node, name) if self.isIn(node, name) else None
            try:
                self._fill(node, name, values)
            except Exception:
                self.remove(node, name)
                if before is not None:
                    self._fill(node, name, before)
                raise

    def _fill(self, node, name, values):
        for index, value in enumerate(values):
            self.element.write(node, f"{name}.{index}", value)
        for index in range(len(values), self._length(node, name)):
            self.element.remove(node, f"{name}.{index}")
        node.SetParameter(f"{name}.len", str(len(values)))

    def read(self, node, name):
        return ObservedList(node, self, name, self._elements(node, name))

    def remove(self, node, name):
        for index in range(self._length(node, name)):
            self.element.remove(node, f"{name}.{index}")
        node.UnsetParameter(f"{name}.len")


class TupleStorage(Storage):
    """Kept as 'name.0', 'name.1', ..."""

    def __init__(self, elements):
        self.elements = elements

    def default(self):
        return tuple(element.default() for element in self.elements)

    def isIn(self, node, name):
        return self.elements[0].isIn(node, f"{name}.0")

    def write(self, node, name, values):
        values = tuple(values)
        if len(values) != len(self.elements):
            raise ValueError(f"Expected {len(self.elements)} tuple values, found {len(values)}")
        with slicer.util.NodeModify(node):
            for index, (value, element) in enumerate(zip(values, self.elements, strict=True)):
                element.write(node, f"{name}.{index}", value)

    def read(self, node, name):
        return tuple(element.read(node, f"{name}.{index}") for index, element in enumerate(self.elements))

    def remove(self, node, name):
        for index, element in enumerate(self.elements):
            element.remove(node, f"{name}.{index}")


class DictStorage(Storage):
    """Kept as a list of (key, value)."""

    def __init__(self, key, value):
        self.items = ListStorage(TupleStorage([key, value]))
        self.isIn, self.remove = self.items.isIn, self.items.remove

    def default(self):
        return {}

    def write(self, node, name, values):
        self.items.write(node, name, values.items())

    def read(self, node, name):
        return ObservedDict(node, self, name, dict(self.items.read(node, name)))


@register_storage
def _container_storage(kind):
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    elements = [storage_of(argument)[0] for argument in arguments] if origin in (list, tuple, dict) else []
    if origin is list:
        return ListStorage(elements[0])
    if origin is tuple:
        return TupleStorage(elements)
    if origin is dict:
        return DictStorage(*elements)
    return None
