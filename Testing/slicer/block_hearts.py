"""A stand-in for trained weights, and hearts of ellipsoids, for the tests of the command line."""

import numpy as np

from cardiactwins.anatomy.heart_tissues import Tissue


class BlockHearts:
    """A stand-in for trained weights: latents are mean shares of each label in blocks of 8 voxels along each
    axis, and the data are normally distributed around one heart, so that the best denoiser is a formula."""

    def __init__(self, labels, deviation=0.01):
        import torch

        self.size = (128, 128, 128)
        self.latent_shape = (7, 16, 16, 16)
        self.device = torch.device("cpu")
        self.deviation = deviation
        self.mean = self.encode(torch.from_numpy(labels.copy())[None])[0]

    def encode(self, labels):
        import torch

        masks = torch.stack([(labels == n).float() for n in range(7)], dim=1)
        return torch.nn.functional.avg_pool3d(masks, 8)

    def coarse(self, latents):
        return (12 * latents).softmax(dim=1)

    def decode_labels(self, latents):
        import torch

        wide = torch.nn.functional.interpolate(latents, scale_factor=4, mode="trilinear")
        labels = wide.argmax(dim=1).to(torch.uint8)
        return labels.repeat_interleave(2, 1).repeat_interleave(2, 2).repeat_interleave(2, 3)

    def denoise(self, noisy, sigma):
        share = self.deviation**2 / (self.deviation**2 + sigma**2)
        return self.mean + share * (noisy - self.mean)

    def widened(self, noise, sigma):
        return noise * (1 + (self.deviation / sigma) ** 2) ** 0.5


def load(path):
    """The stand-in around the heart that an archive (.npz) holds as `labels`, with its `deviation` if any."""
    with np.load(path) as archive:
        return BlockHearts(**archive)


def heart_of(rng, apart=False):
    """A heart of ellipsoids of random radii around the centre of the grid; `apart`: with a second LV."""
    k, j, i = np.ogrid[:128, :128, :128]

    def ball(center, radii):
        return sum(((x - c) / r) ** 2 for x, c, r in zip((k, j, i), center, radii, strict=True)) < 1

    labels = np.zeros((128,) * 3, np.uint8)
    size = rng.normal(1, 0.08, 4)
    labels[ball((50, 64, 45), 4 + np.array([28, 18, 18]) * size[0])] = Tissue.MYO
    labels[ball((50, 64, 80), np.array([20, 16, 16]) * size[1]) & (labels == 0)] = Tissue.RV
    labels[ball((50, 64, 45), np.array([28, 18, 18]) * size[0])] = Tissue.LV
    labels[ball((90, 64, 42), np.array([14, 16, 14]) * size[2])] = Tissue.LA
    labels[ball((88, 64, 84), np.array([14, 15, 15]) * size[3])] = Tissue.RA
    labels[90:120, 60:68, 58:66] = Tissue.AO
    if apart:
        labels[2:5, 2:5, 2:5] = Tissue.LV
    return labels


def stretched(labels, rng):
    """A heart wider or narrower along each axis, as sound as it was."""
    sizes = np.array(labels.shape)
    places = [
        np.clip(np.rint(size / 2 + (np.arange(size) - size / 2) / factor), 0, size - 1).astype(int)
        for size, factor in zip(sizes, rng.normal(1, 0.06, 3), strict=True)
    ]
    return labels[np.ix_(*places)]
