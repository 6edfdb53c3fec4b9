"""@parameterPack: several parameters as one object, kept as 'pack.field'."""

import typing

import slicer
from slicer.parameterNodeWrapper.annotations import (
    Default,
    IsInstance,
    NotNone,
    findFirstAnnotation,
    unannotatedType,
)
from slicer.parameterNodeWrapper.storage import Storage, register_storage, storage_of

__all__ = ["FloatRange", "fields_of", "isParameterPack", "nestedParameterNames", "parameterPack"]


class Field:
    """One parameter: name, type as written, storage, and default."""

    def __init__(self, owner, name, datatype):
        self.basename, self.unalteredType = name, datatype
        self.serializer, rest = storage_of(datatype)
        given = findFirstAnnotation(rest, Default)
        if name in vars(owner):
            self.default = Default(vars(owner)[name])
        elif given is not None:
            self.default = given
        else:
            self.default = Default(generator=self.serializer.default)


def fields_of(owner):
    """The parameters that a class declares, by name.

    Raises Exception for a type that cannot be kept.
    """
    fields = {}
    for name, datatype in typing.get_type_hints(owner, include_extras=True).items():
        try:
            fields[name] = Field(owner, name, datatype)
        except TypeError as error:
            raise Exception(f"Unable to create serializer for {owner} member {name}") from error
    return fields


def isParameterPack(thing):
    """Whether a class is a pack, or an object of one."""
    return getattr(thing, "_is_parameterPack", False)


def nestedParameterNames(pack):
    """The names of a pack's parameters, those of packs within it as 'pack.field'."""
    names = []
    for name, field in unannotatedType(pack).allParameters.items():
        kind = unannotatedType(field.unalteredType)
        names += (
            [f"{name}.{inner}" for inner in nestedParameterNames(kind)] if isParameterPack(kind) else [name]
        )
    return names


def _property(name):
    def write(self, value):
        self.allParameters[name].serializer.validate(value)
        self.__dict__["_values"][name] = value
        self._save()

    return property(lambda self: self.__dict__["_values"][name], write)


def _fill(self, values):
    unknown = set(values) - set(self.allParameters)
    if unknown:
        raise TypeError(f"__init__() got an unexpected keyword argument '{unknown.pop()}'")
    self.__dict__.setdefault("_values", {})
    for name, field in self.allParameters.items():
        value = values.get(name, field.default.value)
        field.serializer.validate(value)
        self._values[name] = value


def _init(own):
    def initialize(self, *arguments, **named):
        if own is not None:
            _fill(self, {})
            own(self, *arguments, **named)
            return
        positional = dict(zip(self.allParameters, arguments, strict=False))
        if twice := positional.keys() & named.keys():
            raise TypeError(f"__init__() got multiple values for argument '{twice.pop()}'")
        _fill(self, {**positional, **named})

    return initialize


def _equal(self, other):
    return isParameterPack(other) and self._pack is other._pack and self._values == other._values


def _text(self):
    values = ", ".join(f"{name}={value!r}" for name, value in self._values.items())
    return f"{self._pack.__name__}({values})"


def _member(pack, name):
    top, _, rest = name.partition(".")
    if not hasattr(pack, top):
        raise ValueError(f"{pack} has no member '{top}'")
    return top, rest


def _get_value(self, name):
    top, rest = _member(self, name)
    value = getattr(self, top)
    if rest and not isParameterPack(value):
        raise ValueError(f"'{top}' is no parameter pack, but is asked for '{rest}'")
    return value.getValue(rest) if rest else value


def _set_value(self, name, value):
    top, rest = _member(self, name)
    if rest:
        getattr(self, top).setValue(rest, value)
        self._save()
    else:
        setattr(self, top, value)


def _data_type(pack):
    def data_type(name):
        top, rest = _member(pack, name)
        datatype = pack.allParameters[top].unalteredType
        return unannotatedType(datatype).dataType(rest) if rest else datatype

    return staticmethod(data_type)


def _make(pack):
    fields = fields_of(pack)
    if not fields:
        raise ValueError("Unable to find any members in parameterPack")
    for field in fields.values():
        try:
            field.serializer.validate(field.default.value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The default of '{field.basename}' fails its checks: {error}") from error
    own = vars(pack)
    members = {
        "allParameters": fields,
        "_is_parameterPack": True,
        "_pack": pack,
        "getValue": _get_value,
        "setValue": _set_value,
        "dataType": _data_type(pack),
    }
    for name in members:
        if hasattr(pack, name) or name in fields:
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterPack")
    members |= {name: _property(name) for name in fields}
    members |= {"__init__": _init(own.get("__init__")), "_save": lambda self: None, "__hash__": None}
    for name, default in (("__eq__", _equal), ("__str__", _text), ("__repr__", _text)):
        if name not in own:
            members[name] = default
    for name, member in members.items():
        setattr(pack, name, member)
    return pack


def parameterPack(classtype=None):
    """Make a class with annotated members a pack; use with or without parentheses."""
    return _make if classtype is None else _make(classtype)


def _observed(pack):
    """The class of packs that a parameter node hands out: what is changed in one is written to the node."""

    class ObservedParameterPack(pack):
        def __init__(self, node, storage, name, values):
            self.__dict__["_where"] = None
            _fill(self, values)
            self.__dict__["_where"] = (node, storage, name)

        def __setattr__(self, name, value):
            if not hasattr(self, name):
                raise AttributeError(f"'{self}' has no attribute '{name}'")
            super().__setattr__(name, value)

        def _save(self):
            if self._where is None:
                return
            node, storage, name = self._where
            with slicer.util.NodeModify(node):
                try:
                    storage.write(node, name, self)
                finally:
                    self._values.update(storage.values(node, name))

    return ObservedParameterPack


class PackStorage(Storage):
    """Keeps each field of a pack as 'name.field'."""

    def __init__(self, pack):
        self.pack, self.observed = pack, _observed(pack)
        self.checks = [NotNone(), IsInstance(pack)]

    def default(self):
        return self.pack()

    def isIn(self, node, name):
        first = next(iter(self.pack.allParameters.values()))
        return first.serializer.isIn(node, f"{name}.{first.basename}")

    def write(self, node, name, value):
        with slicer.util.NodeModify(node):
            for field, field_value in zip(
                self.pack.allParameters.values(), value._values.values(), strict=True
            ):
                field.serializer.write(node, f"{name}.{field.basename}", field_value)

    def values(self, node, name):
        return {
            key: field.serializer.read(node, f"{name}.{key}")
            for key, field in self.pack.allParameters.items()
        }

    def read(self, node, name):
        return self.observed(node, self, name, self.values(node, name))

    def remove(self, node, name):
        for key, field in self.pack.allParameters.items():
            field.serializer.remove(node, f"{name}.{key}")


@register_storage
def _pack_storage(kind):
    return PackStorage(kind) if isinstance(kind, type) and isParameterPack(kind) else None


@parameterPack
class FloatRange:
    """Two numbers, the first not above the second; raises ValueError otherwise."""

    _minimum: float
    _maximum: float

    def __init__(self, minimum=0, maximum=0):
        self.setRange(minimum, maximum)

    @staticmethod
    def checkRange(minimum, maximum):
        if not minimum <= maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")

    def setRange(self, minimum, maximum):
        self.checkRange(minimum, maximum)
        self._minimum, self._maximum = minimum, maximum

    @property
    def minimum(self):
        return self._minimum

    @minimum.setter
    def minimum(self, value):
        self.checkRange(value, self._maximum)
        self._minimum = value

    @property
    def maximum(self):
        return self._maximum

    @maximum.setter
    def maximum(self, value):
        self.checkRange(self._minimum, value)
        self._maximum = value
