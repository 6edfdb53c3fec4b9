"""Which widget can show a parameter of which type, and how the value goes to and fro."""

import enum
import types
import typing

import ctk
import qt
import slicer
from slicer.parameterNodeWrapper.annotations import (
    Choice,
    Decimals,
    Default,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
    findFirstAnnotation,
    splitAnnotations,
    unannotatedType,
)
from slicer.parameterNodeWrapper.packs import FloatRange
from slicer.parameterNodeWrapper.storage import PATHS

__all__ = [
    "GuiConnector",
    "createGuiConnector",
    "getNodeTypes",
    "isNodeOrUnionOfNodes",
    "parameterNodeGuiConnector",
]

INTEGER_WIDGETS = (qt.QSlider, qt.QSpinBox)
SLIDERS = (ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)
NUMBER_WIDGETS = (
    qt.QDoubleSpinBox,
    *SLIDERS,
    ctk.ctkDoubleSlider,
    ctk.ctkDoubleSpinBox,
    slicer.qMRMLSpinBox,
)
RANGE_WIDGETS = (ctk.ctkRangeWidget, ctk.ctkDoubleRangeSlider, slicer.qMRMLRangeWidget)

_connectors = []


def parameterNodeGuiConnector(classtype=None):
    """Class decorator: offer a connector to `createGuiConnector`."""

    def register(connector):
        _connectors.append(connector)
        return connector

    return register if classtype is None else register(classtype)


def createGuiConnector(widget, datatype):
    """The connector of a widget and a type; raises RuntimeError when that widget cannot show that type."""
    for connector in _connectors:
        if connector.canRepresent(widget, datatype):
            return connector.create(widget, datatype)
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{datatype}' to widget type '{type(widget)}'."
    )


class GuiConnector:
    """A value in a widget. SIGNAL names the widget's signal, None when it never changes by itself."""

    SIGNAL = None

    @staticmethod
    def canRepresent(widget, datatype):
        """Whether the widget can show the type."""
        raise NotImplementedError

    @classmethod
    def create(cls, widget, datatype):
        return cls(widget, datatype)

    def __init__(self, widget, datatype):
        self._widget = widget
        self._type, self._annotations = splitAnnotations(datatype)
        self._callback = None

    def _annotation(self, kind):
        return findFirstAnnotation(self._annotations, kind)

    def onChanged(self, callback):
        """Call `callback()` when the widget's value changes; None ends it."""
        signal = None if self.SIGNAL is None else getattr(self._widget, self.SIGNAL)
        if signal is not None and self._callback is not None:
            signal.disconnect(self.changed)
        if signal is not None and callback is not None:
            signal.connect(self.changed)
        self._callback = callback

    def changed(self):
        if self._callback is not None:
            self._callback()

    def widget(self):
        return self._widget

    def read(self):
        raise NotImplementedError

    def write(self, value):
        raise NotImplementedError


@parameterNodeGuiConnector
class CheckedConnector(GuiConnector):
    """A bool: a check box, or a button that stays down."""

    @staticmethod
    def canRepresent(widget, datatype):
        kinds = (qt.QCheckBox, ctk.ctkCheckBox, qt.QPushButton, ctk.ctkCheckablePushButton)
        return unannotatedType(datatype) is bool and type(widget) in kinds

    def __init__(self, widget, datatype):
        super().__init__(widget, datatype)
        box = type(widget) in (qt.QCheckBox, ctk.ctkCheckBox)
        self.SIGNAL = "stateChanged" if box else "toggled"
        if not box:
            widget.checkable = True

    def read(self):
        return self._widget.checked

    def write(self, value):
        self._widget.checked = value


@parameterNodeGuiConnector
class NumberConnector(GuiConnector):
    """An int or a float in a spin box or a slider, which take the bounds, the step and the digits."""

    SIGNAL = "valueChanged"

    @staticmethod
    def canRepresent(widget, datatype):
        kind = unannotatedType(datatype)
        return (kind is int and type(widget) in INTEGER_WIDGETS) or (
            kind in (int, float) and type(widget) in NUMBER_WIDGETS
        )

    def __init__(self, widget, datatype):
        super().__init__(widget, datatype)
        self._show_digits()
        step = self._annotation(SingleStep)
        if step is not None:
            widget.singleStep = step.value
        within = self._annotation(WithinRange)
        low, high = within or self._annotation(Minimum), within or self._annotation(Maximum)
        if type(widget) in (qt.QSlider, *SLIDERS) and None in (low, high):
            raise RuntimeError(
                f"Cannot have a connection to {type(widget).__name__} where the type is unbounded."
            )
        whole = type(widget) in INTEGER_WIDGETS
        least, most = (-(2**31), 2**31 - 1) if whole else (float("-inf"), float("inf"))
        widget.setMinimum(least if low is None else low.minimum)
        widget.setMaximum(most if high is None else high.maximum)

    def _show_digits(self):
        if type(self._widget) not in NUMBER_WIDGETS or type(self._widget) is ctk.ctkDoubleSlider:
            return
        digits = self._annotation(Decimals)
        if self._type is int:
            self._widget.decimals = 0
        elif digits is not None:
            self._widget.decimals = digits.value

    def read(self):
        return self._type(self._widget.value) if self._type is int else self._widget.value

    def write(self, value):
        self._widget.value = int(value) if self._type is int else value


class _EntriesConnector(GuiConnector):
    """One of several values, each an entry of a combo box."""

    SIGNAL = "currentIndexChanged"

    def _fill(self, entries):
        self._values = [value for _label, value in entries]
        self._widget.clear()
        for label, _value in entries:
            self._widget.addItem(label)

    def read(self):
        return self._values[self._widget.currentIndex]

    def write(self, value):
        if value not in self._values:
            raise ValueError(f"Unable to find value {value} in choices {self._values}")
        self._widget.currentIndex = self._values.index(value)


@parameterNodeGuiConnector
class ChoiceConnector(_EntriesConnector):
    """One of the values of a Choice."""

    @staticmethod
    def canRepresent(widget, datatype):
        kinds = (qt.QComboBox, ctk.ctkComboBox)
        return type(widget) in kinds and unannotatedType(datatype) in (int, float, str, bool)

    def __init__(self, widget, datatype):
        super().__init__(widget, datatype)
        choice = self._annotation(Choice)
        if choice is None:
            raise RuntimeError("A combo box requires the Choice annotation to be used.")
        self._fill([(str(value), value) for value in choice.choices])


@parameterNodeGuiConnector
class EnumConnector(_EntriesConnector):
    """One of the members of an enum, shown by its name or by what its method `label` says."""

    @staticmethod
    def canRepresent(widget, datatype):
        kind = unannotatedType(datatype)
        is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum)
        return type(widget) in (qt.QComboBox, ctk.ctkComboBox) and is_enum

    def __init__(self, widget, datatype):
        super().__init__(widget, datatype)
        label = getattr(self._type, "label", lambda member: member.name)
        self._fill([(label(member), member) for member in self._type])


@parameterNodeGuiConnector
class LineConnector(GuiConnector):
    """A str in a line."""

    SIGNAL = "textChanged"

    @staticmethod
    def canRepresent(widget, datatype):
        return unannotatedType(datatype) is str and type(widget) is qt.QLineEdit

    def read(self):
        return self._widget.text

    def write(self, value):
        if value != self._widget.text:  # setting the text moves the cursor
            self._widget.text = value


@parameterNodeGuiConnector
class LabelConnector(GuiConnector):
    """A str in a label, which nobody edits."""

    @staticmethod
    def canRepresent(widget, datatype):
        return unannotatedType(datatype) is str and type(widget) is qt.QLabel

    def read(self):
        return self._widget.text

    def write(self, value):
        self._widget.text = value


@parameterNodeGuiConnector
class TextConnector(GuiConnector):
    """A str of several lines."""

    SIGNAL = "textChanged"

    @staticmethod
    def canRepresent(widget, datatype):
        return unannotatedType(datatype) is str and type(widget) is qt.QTextEdit

    def read(self):
        return self._widget.toPlainText()

    def write(self, value):
        self._widget.setPlainText(value)


@parameterNodeGuiConnector
class RangeConnector(GuiConnector):
    """A FloatRange, which needs RangeBounds."""

    SIGNAL = "valuesChanged"

    @staticmethod
    def canRepresent(widget, datatype):
        return type(widget) in RANGE_WIDGETS and unannotatedType(datatype) is FloatRange

    def __init__(self, widget, datatype):
        super().__init__(widget, datatype)
        bounds = self._annotation(RangeBounds)
        if bounds is None:
            raise RuntimeError("Cannot have a connection to a range widget without a RangeBounds annotation.")
        if self._annotation(Default) is None and not bounds.minimum <= 0 <= bounds.maximum:
            raise RuntimeError("RangeBounds that do not cover the value 0 need a Default() value")
        digits, step = self._annotation(Decimals), self._annotation(SingleStep)
        if digits is not None and type(widget) is not ctk.ctkDoubleRangeSlider:
            widget.decimals = digits.value
        if step is not None:
            widget.singleStep = step.value
        widget.setRange(bounds.minimum, bounds.maximum)

    def read(self):
        return FloatRange(self._widget.minimumValue, self._widget.maximumValue)

    def write(self, value):
        self._widget.setValues(value.minimum, value.maximum)


@parameterNodeGuiConnector
class PathConnector(GuiConnector):
    """A path."""

    SIGNAL = "currentPathChanged"

    @staticmethod
    def canRepresent(widget, datatype):
        return type(widget) is ctk.ctkPathLineEdit and unannotatedType(datatype) in PATHS

    def read(self):
        return self._type(self._widget.currentPath)

    def write(self, value):
        self._widget.currentPath = str(value)


@parameterNodeGuiConnector
class DirectoryConnector(PathConnector):
    """A path of a directory."""

    SIGNAL = "directoryChanged"

    @staticmethod
    def canRepresent(widget, datatype):
        return type(widget) is ctk.ctkDirectoryButton and unannotatedType(datatype) in PATHS

    def read(self):
        return self._type(self._widget.directory)

    def write(self, value):
        self._widget.directory = str(value)


@parameterNodeGuiConnector
class NodeConnector(GuiConnector):
    """A node of the scene."""

    SIGNAL = "currentNodeChanged"

    @staticmethod
    def canRepresent(widget, datatype):
        return type(widget) is slicer.qMRMLNodeComboBox and isNodeOrUnionOfNodes(datatype)

    def __init__(self, widget, datatype):
        super().__init__(widget, datatype)
        widget.nodeTypes = getNodeTypes(datatype)

    def read(self):
        return self._widget.currentNode()

    def write(self, value):
        self._widget.setCurrentNode(value)


def _kinds(datatype):
    kind = unannotatedType(datatype)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [unannotatedType(argument) for argument in typing.get_args(kind)]
    return [kind]


def _is_node(kind):
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def isNodeOrUnionOfNodes(datatype):
    """Whether a type is a node class or a union of such, with or without None."""
    return all(_is_node(kind) or kind is type(None) for kind in _kinds(datatype))


def getNodeTypes(datatype):
    """The class names of a node class or a union of such."""
    return tuple(kind().GetClassName() for kind in _kinds(datatype) if _is_node(kind))
