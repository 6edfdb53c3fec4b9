"""Image files that 3D Slicer reads as segmentations and label maps: endings, and errors of damaged ones."""

import zlib

__all__ = ["DECOMPRESSION_ERRORS", "LABEL_MAP_ENDINGS", "SEGMENTATION_ENDINGS"]

SEGMENTATION_ENDINGS = (".seg.nrrd", ".seg.nhdr")
LABEL_MAP_ENDINGS = (".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd")
DECOMPRESSION_ERRORS = (OSError, EOFError, zlib.error)
"""What unpacking a damaged file raises."""
