"""Late mechanical activation: reconstruction from sparse slices, strain, onset of shortening, the map."""
