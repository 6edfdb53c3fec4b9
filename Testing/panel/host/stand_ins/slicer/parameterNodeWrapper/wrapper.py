"""@parameterNodeWrapper: the parameters of a module as attributes, kept in its node, bound to its widgets."""

import weakref

import qt
import slicer
from slicer.parameterNodeWrapper.annotations import unannotatedType
from slicer.parameterNodeWrapper.connectors import GuiConnector, createGuiConnector
from slicer.parameterNodeWrapper.packs import fields_of, isParameterPack
from vtkmodules.vtkCommonCore import vtkCommand

__all__ = ["SlicerParameterNamePropertyName", "isParameterNodeWrapper", "parameterNodeWrapper"]

SlicerParameterNamePropertyName = "SlicerParameterName"


def isParameterNodeWrapper(thing):
    """Whether a class is a wrapper, or an object of one."""
    return getattr(thing, "_is_parameter_node_wrapper", False)


def parameterNodeWrapper(classtype=None):
    """Make a class with annotated members a wrapper; use with or without parentheses."""
    return _make if classtype is None else _make(classtype)


class _Value:
    """One parameter of one node, read again when the node has changed."""

    def __init__(self, field, node, prefix):
        self.field, self.node = field, node
        self.name = f"{prefix}{field.basename}"
        self.default = field.default
        if not field.serializer.isIn(node, self.name):
            field.serializer.write(node, self.name, self.default.value)
        self.writing = False
        self.refresh()
        # The node must not keep this object alive.
        reference = weakref.ref(self)
        self.tag = node.AddObserver(vtkCommand.ModifiedEvent, lambda caller, event: reference().refresh())

    def __del__(self):
        if hasattr(self, "tag"):
            self.node.RemoveObserver(self.tag)

    def refresh(self):
        if self.writing:
            return
        if not self.field.serializer.isIn(self.node, self.name):
            self.field.serializer.write(self.node, self.name, self.default.value)
        self.value = self.field.serializer.read(self.node, self.name)

    def write(self, value):
        self.writing = True
        try:
            # Whoever observes the node finds the new value here.
            with slicer.util.NodeModify(self.node):
                self.field.serializer.write(self.node, self.name, value)
                self.value = self.field.serializer.read(self.node, self.name)
        finally:
            self.writing = False


def _property(name):
    return property(
        lambda self: self._parameters[name].value, lambda self, value: self._parameters[name].write(value)
    )


def _check_name(wrapper, name):
    top, _, rest = name.partition(".")
    if top not in wrapper.allParameters:
        raise ValueError(
            f"Cannot find a param with the given name: {top}; found {list(wrapper.allParameters)}"
        )
    kind = unannotatedType(wrapper.allParameters[top].unalteredType)
    for part in rest.split(".") if rest else ():
        if not isParameterPack(kind) or part not in kind.allParameters:
            raise ValueError(f"{kind} has no member '{part}'")
        kind = unannotatedType(kind.allParameters[part].unalteredType)


def _data_type(wrapper):
    def data_type(name):
        _check_name(wrapper, name)
        top, _, rest = name.partition(".")
        datatype = wrapper.allParameters[top].unalteredType
        return unannotatedType(datatype).dataType(rest) if rest else datatype

    return staticmethod(data_type)


def _init(self, parameterNode, prefix=None):
    self.parameterNode = parameterNode
    self._connectors, self._observers = {}, {}
    self._next_tag, self._showing = 0, False
    self._parameters = {
        name: _Value(field, parameterNode, prefix or "") for name, field in self.allParameters.items()
    }


class _Members:
    """The methods of every wrapper."""

    def default(self, paramName):
        """The Default of a parameter."""
        _check_name(self, paramName)
        return self._parameters[paramName].default

    def isCached(self, paramName):
        """Whether a parameter is read only when its node changes; all types here are."""
        _check_name(self, paramName)
        return True

    def getValue(self, name):
        """The value of 'parameter' or 'pack.field'."""
        _check_name(self, name)
        top, _, rest = name.partition(".")
        value = self._parameters[top].value
        return value.getValue(rest) if rest else value

    def setValue(self, name, value):
        """Set 'parameter' or 'pack.field'."""
        _check_name(self, name)
        top, _, rest = name.partition(".")
        if rest:
            self._parameters[top].value.setValue(rest, value)
        else:
            self._parameters[top].write(value)

    def connectGui(self, gui):
        """Bind every widget with the property SlicerParameterName; a tag for `disconnectGui`.

        gui: a widget, or what slicer.util.childWidgetVariables returns. Raises ValueError for an unknown
        parameter, RuntimeError for a widget that cannot show its type.
        """
        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(qt.QWidget) if is_widget else vars(gui).values()
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping):
        """Bind parameters to widgets, {name: widget or connector}; a tag for `disconnectGui`."""
        for name in mapping:
            _check_name(self, name)
        connectors = {
            name: widget
            if isinstance(widget, GuiConnector)
            else createGuiConnector(widget, self.dataType(name))
            for name, widget in mapping.items()
        }
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        self._connectors[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(_on_widget(self, name, connector))
        self._observers[tag] = self.AddObserver(vtkCommand.ModifiedEvent, lambda caller, event: _show(self))
        return tag

    def disconnectGui(self, guiTag):
        """Undo a `connectGui`."""
        for connector in self._connectors.pop(guiTag, {}).values():
            connector.onChanged(None)
        if guiTag in self._observers:
            self.RemoveObserver(self._observers.pop(guiTag))

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        return self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        return self.parameterNode.Modified()


def _on_widget(wrapper, name, connector):
    def take():
        if not wrapper._showing:
            with slicer.util.NodeModify(wrapper):
                wrapper.setValue(name, connector.read())

    return take


def _show(wrapper):
    """Bring all bound widgets to the values of the node."""
    if wrapper._showing:
        return
    wrapper._showing = True
    try:
        with slicer.util.NodeModify(wrapper):
            for connectors in wrapper._connectors.values():
                for name, connector in connectors.items():
                    connector.write(wrapper.getValue(name))
    finally:
        wrapper._showing = False


def _make(wrapper):
    fields = fields_of(wrapper)
    members = {name: member for name, member in vars(_Members).items() if not name.startswith("__")}
    members |= {
        "allParameters": fields,
        "_is_parameter_node_wrapper": True,
        "dataType": _data_type(wrapper),
    }
    for name in members:
        if hasattr(wrapper, name) or name in fields:
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
    members |= {name: _property(name) for name in fields} | {"__init__": _init}
    for name, member in members.items():
        setattr(wrapper, name, member)
    return wrapper
