"""The middle slice of a heart while it comes about, as a picture in the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import qt
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOImage import vtkPNGWriter

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml.twin_segmentation import SegmentStyle

__all__ = ["StepPicture", "colored"]

ENLARGED = 2
BACKGROUND = (0, 0, 0)


class StepPicture:
    """Shows the label map of one slice in a QLabel; nothing of it comes into the scene."""

    def __init__(self, label: Any) -> None:
        self.label = label
        self._shown: tuple[int, int] | None = None
        label.setVisible(False)

    def show(self, path: Path) -> None:
        """Show the slice (.npy, rows upward, values of Tissue) of a file, if it is a new one."""
        state = path.stat()
        if (state.st_mtime_ns, state.st_size) == self._shown:
            return
        self._shown = (state.st_mtime_ns, state.st_size)
        picture = path.with_suffix(".png")
        write_png(picture, colored(np.load(path, allow_pickle=False)))
        self.label.setPixmap(qt.QPixmap(str(picture)))
        self.label.setVisible(True)

    def clear(self) -> None:
        """Take the picture away."""
        self._shown = None
        self.label.setPixmap(qt.QPixmap())
        self.label.setVisible(False)


def colored(labels: np.ndarray) -> np.ndarray:
    """Pixels (rows, columns, RGB) uint8 of a slice of labels, enlarged, in the colours of new segments."""
    table = np.zeros((max(Tissue) + 1, 3), dtype=np.uint8)
    table[0] = BACKGROUND
    for tissue in Tissue:
        table[tissue] = np.round(np.array(SegmentStyle.standard(tissue).color) * 255)
    return table[labels].repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write pixels (rows from below, columns, RGB) as .png."""
    image = vtkImageData()
    image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    image.GetPointData().SetScalars(numpy_to_vtk(pixels.reshape(-1, 3), deep=True))
    writer = vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.Write()
