"""Networks that others use for the same task, to be compared with: they draw voxels instead of deforming."""
