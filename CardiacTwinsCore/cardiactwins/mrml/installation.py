"""The `slicer` package that the rest of mrml uses, checked on import."""

from __future__ import annotations

__all__ = ["slicer"]

REMEDY = (
    "Run `python -m pip uninstall -y slicer` and `python -m pip install --force-reinstall slicer-core`, "
    "or work in the Python of the 3D Slicer application."
)

try:
    import slicer
except ImportError as error:
    raise ImportError(
        f"3D Slicer's MRML is not installed in this Python ({error}). "
        "Run `python -m pip install slicer-core`, or work in the Python of the 3D Slicer application."
    ) from error

if not hasattr(slicer, "vtkMRMLScene"):
    raise ImportError(
        f"The package 'slicer' at {slicer.__file__} is not 3D Slicer's: another project on PyPI has the same "
        f"name (shap installs it), and both use the folder 'slicer'. {REMEDY}"
    )
