"""ctkSliderWidget, ctkRangeWidget and their kin: numbers by slider and by typing."""

from __future__ import annotations

import math

import qt
from PySide6.QtCore import Property, Signal

from host.stand_in import stand_in, stored

__all__ = ["ctkDoubleRangeSlider", "ctkDoubleSlider", "ctkDoubleSpinBox", "ctkRangeWidget", "ctkSliderWidget"]

POSITIONS = 1_000_000
"""Most positions of a slider, so that an unbounded range still fits its integers."""


class _BoundedValue(qt.QWidget):
    """A number within bounds, shown by a slider and, where the widget has one, a spin box."""

    valueChanged = Signal(float)
    valueChanging = Signal(float)
    HAS_SPIN_BOX = True

    def __init__(self, *arguments: object) -> None:
        parent = next((argument for argument in arguments if isinstance(argument, qt.QWidget)), None)
        super().__init__(parent)
        self._value = 0.0
        self._updating = False
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = qt.QSlider(qt.Qt.Horizontal)
        self._slider.valueChanged.connect(self._on_slider)
        self._slider.sliderMoved.connect(lambda position: self.valueChanging.emit(self._at(position)))
        layout.addWidget(self._slider, 1)
        self._spin_box = qt.QDoubleSpinBox()
        self._spin_box.keyboardTracking = False
        self._spin_box.valueChanged.connect(self._on_spin_box)
        if self.HAS_SPIN_BOX:
            layout.addWidget(self._spin_box)
            self.setFocusProxy(self._spin_box)
        self._show()

    def _positions(self) -> int:
        steps = (self.maximum - self.minimum) / (self.singleStep or 1.0)
        return POSITIONS if not math.isfinite(steps) else max(0, min(POSITIONS, round(steps)))

    def _at(self, position: int) -> float:
        count = self._positions()
        return self.minimum + position * (self.maximum - self.minimum) / count if count else self.minimum

    def _on_slider(self, position: int) -> None:
        if not self._updating:
            self._set_value(self._at(position))

    def _on_spin_box(self, value: float) -> None:
        if not self._updating:
            self._set_value(value)

    def _show(self) -> None:
        """Bring both parts to the bounds and the value."""
        self._updating = True
        self._spin_box.decimals = self.decimals
        self._spin_box.setRange(self.minimum, self.maximum)
        self._spin_box.singleStep = self.singleStep
        self._spin_box.prefix, self._spin_box.suffix = self.prefix, self.suffix
        self._spin_box.value = self._value
        count = self._positions()
        self._slider.setRange(0, count)
        share = (self._value - self.minimum) / (self.maximum - self.minimum) if count else 0.0
        self._slider.value = round(share * count) if math.isfinite(share) else 0
        self._updating = False
        self._set_value(self._value)

    def _set_value(self, value: float) -> None:
        value = min(max(float(value), self.minimum), self.maximum)
        if value != self._value:
            self._value = value
            self._show()
            self.valueChanged.emit(value)

    value = Property(float, lambda self: self._value, _set_value)
    minimum = stored(float, 0.0, changed="_show")
    maximum = stored(float, 99.0, changed="_show")
    singleStep = stored(float, 1.0, changed="_show")
    pageStep = stored(float, 10.0)
    decimals = stored(int, 2, changed="_show")
    prefix = stored(str, "", changed="_show")
    suffix = stored(str, "", changed="_show")
    tracking = stored(bool, True)
    tickInterval = stored(float, 0.0)
    spinBoxVisible = stored(bool, True)
    popupSlider = stored(bool, False)

    def setRange(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def reset(self) -> None:
        self.value = 0.0

    def slider(self) -> qt.QSlider:
        return self._slider

    def spinBox(self) -> qt.QDoubleSpinBox:
        return self._spin_box


@stand_in("ctk")
class ctkSliderWidget(_BoundedValue):
    """A slider with a spin box."""


@stand_in("ctk")
class ctkDoubleSlider(_BoundedValue):
    """A slider alone."""

    HAS_SPIN_BOX = False


@stand_in("ctk")
class ctkDoubleSpinBox(qt.QDoubleSpinBox):
    """A spin box."""


class _Range(qt.QWidget):
    """Two numbers, the first not above the second."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)

    def __init__(self, *arguments: object) -> None:
        parent = next((argument for argument in arguments if isinstance(argument, qt.QWidget)), None)
        super().__init__(parent)
        self._values = (0.0, 99.0)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._boxes = (qt.QDoubleSpinBox(), qt.QDoubleSpinBox())
        for box in self._boxes:
            layout.addWidget(box, 1)
            box.keyboardTracking = False
            box.valueChanged.connect(self._on_typed)
        layout.insertWidget(1, qt.QLabel("–"))
        self._updating = False
        self._show()

    def _on_typed(self, _value: float) -> None:
        if not self._updating:
            self.setValues(*(box.value for box in self._boxes))

    def _show(self) -> None:
        self._updating = True
        for box, value in zip(self._boxes, self._values, strict=True):
            box.decimals, box.singleStep, box.suffix = self.decimals, self.singleStep, self.suffix
            box.setRange(self.minimum, self.maximum)
            box.value = value
        self._updating = False
        self.setValues(*self._values)

    def setValues(self, minimum: float, maximum: float) -> None:
        low, high = sorted(min(max(float(value), self.minimum), self.maximum) for value in (minimum, maximum))
        if (low, high) != self._values:
            before, self._values = self._values, (low, high)
            self._show()
            if low != before[0]:
                self.minimumValueChanged.emit(low)
            if high != before[1]:
                self.maximumValueChanged.emit(high)
            self.valuesChanged.emit(low, high)

    def setRange(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    minimumValue = Property(
        float, lambda self: self._values[0], lambda self, value: self.setValues(value, self._values[1])
    )
    maximumValue = Property(
        float, lambda self: self._values[1], lambda self, value: self.setValues(self._values[0], value)
    )
    minimum = stored(float, 0.0, changed="_show")
    maximum = stored(float, 99.0, changed="_show")
    singleStep = stored(float, 1.0, changed="_show")
    decimals = stored(int, 2, changed="_show")
    suffix = stored(str, "", changed="_show")
    prefix = stored(str, "")
    tracking = stored(bool, True)


@stand_in("ctk")
class ctkRangeWidget(_Range):
    """A range with two spin boxes."""


@stand_in("ctk")
class ctkDoubleRangeSlider(_Range):
    """A range; in CTK a slider with two handles."""
