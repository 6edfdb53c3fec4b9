"""Stands for slicer.parameterNodeWrapper: typed parameters in a vtkMRMLScriptedModuleNode, bound to widgets.

Values are kept as Slicer keeps them, so that scenes go to and fro. Not here: QColor, typing.Any,
serializers of a module's own, and createGui.
"""

from slicer.parameterNodeWrapper.annotations import *  # noqa: F403
from slicer.parameterNodeWrapper.connectors import *  # noqa: F403
from slicer.parameterNodeWrapper.containers import *  # noqa: F403
from slicer.parameterNodeWrapper.packs import *  # noqa: F403
from slicer.parameterNodeWrapper.wrapper import *  # noqa: F403
