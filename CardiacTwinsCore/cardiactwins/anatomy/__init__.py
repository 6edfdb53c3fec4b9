"""What a heart is, as arrays: image geometry, left-ventricular coordinates, reference anatomy, transport."""
