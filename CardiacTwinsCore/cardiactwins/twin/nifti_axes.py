"""NIfTI files whose axes are not at right angles: told apart before ITK refuses them without the reason."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

__all__ = ["check_nifti_axes"]

FORMS = {348: (254, "h", 280, "f"), 540: (348, "i", 400, "d")}
"""Size of a header -> place and type of the code of its affine map (sform), and of the map's 12 numbers."""
GREATEST_COSINE = 1e-3


def check_nifti_axes(path: str | Path) -> None:
    """ValueError when the axes of a .nii or .nii.gz file are sheared or flat.

    A CT with a tilted gantry has such axes. OSError when the file cannot be read.
    """
    path = Path(path)
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        head = file.read(max(FORMS))
    for order in "<>":
        for size, (code_at, code_kind, map_at, kind) in FORMS.items():
            if len(head) < size or struct.unpack_from(f"{order}i", head)[0] != size:
                continue
            if struct.unpack_from(f"{order}{code_kind}", head, code_at)[0] <= 0:
                return
            axes = np.reshape(struct.unpack_from(f"{order}12{kind}", head, map_at), (3, 4))[:, :3]
            _check(axes, path.name)
            return


def _check(axes: np.ndarray, name: str) -> None:
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(axes).all() or not lengths.all():
        raise ValueError(f"The header of {name} has axes without length. Export the file again.")
    cosines = np.abs((axes / lengths).T @ (axes / lengths) - np.eye(3))
    if cosines.max() > GREATEST_COSINE:
        angle = np.degrees(np.arccos(min(cosines.max(), 1.0)))
        raise ValueError(
            f"The axes of {name} are sheared: two of them meet at {angle:.1f} degrees, as in a CT with a "
            "tilted gantry. Resample the image to a grid of right angles first (for example with 3D Slicer's "
            "Resample Scalar/Vector/DWI Volume, or the DICOM import's regularisation)."
        )
