"""Plain reference: the papers' procedure, vectorised inside one image or one pair of images, no more.

konik-2024, sections 2.2 and 2.3: lesions are drawn one after the other, distances are taken pair by pair, the
bandwidth is recomputed for every evaluation. Every lesion is driven by one row of uniform numbers, so that
the library can be compared with it lesion by lesion.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp, ndtri


def elliptical_lesions(parameters, uniforms, positions, start_voxels):
    """Ellipses (2D) centred near the endocardium; parameters are (mean, std) of each semi-axis."""
    lesions = []
    for row in uniforms:
        centre = positions[start_voxels[int(row[0] * len(start_voxels))]]
        radius = np.hypot(centre[0], centre[1])
        radial = np.array([centre[0] / radius, centre[1] / radius, 0.0])
        tangent = np.array([-radial[1], radial[0], 0.0])
        frame = [tangent, radial]
        offset = positions - centre
        inside = np.zeros(len(positions))
        for axis in range(2):
            mean, std = parameters[2 * axis : 2 * axis + 2]
            length = max(abs(mean + std * ndtri(row[1 + axis])), 1e-6)
            inside += (offset @ frame[axis] / length) ** 2
        lesions.append(inside <= 1)
    return np.array(lesions)


def spherical_lesions(parameters, uniforms, positions, start_voxels):
    """Union of spheres, each centred on a random myocardial voxel of the one before."""
    count, largest = round(parameters[0]), parameters[1]
    lesions = []
    for row in uniforms:
        centre = positions[start_voxels[int(row[0] * len(start_voxels))]]
        lesion = np.zeros(len(positions), dtype=bool)
        for step in range(count):
            radius = 1 + (largest - 1) * row[1 + 2 * step]
            sphere = ((positions - centre) ** 2).sum(axis=1) <= radius**2
            lesion |= sphere
            candidates = np.flatnonzero(sphere)
            centre = positions[candidates[int(row[2 + 2 * step] * len(candidates))]]
        lesions.append(lesion)
    return np.array(lesions)


def pooled_distances(synthetic, real):
    """Euclidean distances between all pairs of the pooled images, one pair at a time."""
    pooled = [image.astype(float) for image in (*synthetic, *real)]
    distances = np.zeros((len(pooled), len(pooled)))
    for a in range(len(pooled)):
        for b in range(a):
            distances[a, b] = distances[b, a] = np.sqrt(((pooled[a] - pooled[b]) ** 2).sum())
    return distances


def kullback_leibler(synthetic, real, neighbours=9):
    """KL(synthetic || real) of Gaussian kernel densities at the pooled images (konik-2024, 2.3.3 and 3.1)."""
    distances = pooled_distances(synthetic, real)
    bandwidth = np.mean([np.sort(row)[1 : neighbours + 1].mean() for row in distances])
    log_synthetic = np.array(
        [logsumexp(-(row[: len(synthetic)] ** 2) / (2 * bandwidth**2)) for row in distances]
    )
    log_real = np.array([logsumexp(-(row[len(synthetic) :] ** 2) / (2 * bandwidth**2)) for row in distances])
    log_synthetic -= logsumexp(log_synthetic)
    log_real -= logsumexp(log_real)
    return float((np.exp(log_synthetic) * (log_synthetic - log_real)).sum())
