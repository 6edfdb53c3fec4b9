"""Image files that 3D Slicer reads as segmentations and label maps: their endings."""

__all__ = ["LABEL_MAP_ENDINGS", "SEGMENTATION_ENDINGS"]

SEGMENTATION_ENDINGS = (".seg.nrrd", ".seg.nhdr")
LABEL_MAP_ENDINGS = (".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd")
