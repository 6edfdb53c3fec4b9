"""What stands in the `Annotated[...]` of a parameter: checks of its value, its default, how it is shown."""

import abc
import typing
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "Validator",
    "WithinRange",
    "findFirstAnnotation",
    "splitAnnotations",
    "unannotatedType",
]


def splitAnnotations(datatype):
    """(type, annotations) of a type that may be Annotated."""
    if typing.get_origin(datatype) is typing.Annotated:
        kind, *annotations = typing.get_args(datatype)
        return kind, tuple(annotations)
    return datatype, ()


def unannotatedType(datatype):
    """The type without its annotations."""
    return splitAnnotations(datatype)[0]


def findFirstAnnotation(annotations, kind):
    """The first annotation of class `kind`; None without one."""
    return next((annotation for annotation in annotations if isinstance(annotation, kind)), None)


class Validator(abc.ABC):
    """A check of a value."""

    @abc.abstractmethod
    def validate(self, value):
        """Raise ValueError or TypeError when `value` must not be."""


class NotNone(Validator):
    def validate(self, value):
        if value is None:
            raise ValueError("Value must not be None")


@dataclass(eq=False)
class IsInstance(Validator):
    classtype: Any

    def validate(self, value):
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type '{self.classtype}', is '{value}' of type '{type(value)}'")


@dataclass(eq=False)
class WithinRange(Validator):
    minimum: float
    maximum: float

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within [{self.minimum}, {self.maximum}], is {value}")


@dataclass(eq=False)
class Minimum(Validator):
    minimum: float

    def validate(self, value):
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass(eq=False)
class Maximum(Validator):
    maximum: float

    def validate(self, value):
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass(eq=False)
class Choice(Validator):
    choices: Any

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of {self.choices}")


@dataclass(eq=False)
class Exclude(Validator):
    excludedValues: Any

    def validate(self, value):
        if value in self.excludedValues:
            raise ValueError(f"Value is {value}, but must be none of {self.excludedValues}")


@dataclass(eq=False)
class RangeBounds(Validator):
    minimum: float
    maximum: float

    def validate(self, value):
        if not self.minimum <= value.minimum <= value.maximum <= self.maximum:
            found = f"[{value.minimum}, {value.maximum}]"
            raise ValueError(f"Range must be within [{self.minimum}, {self.maximum}], is {found}")


@dataclass(frozen=True)
class Decimals:
    """Digits after the point that a widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """What one step of a widget adds."""

    value: float


class Default:
    """The value of a parameter that nobody has set; a generator makes it anew each time."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    @property
    def value(self):
        return self._generator() if self._generator is not None else self._value

    def __eq__(self, other):
        same = isinstance(other, Default)
        return same and (self._value, self._generator) == (other._value, other._generator)

    __hash__ = None
