"""The trained model of left ventricles: an atlas and the network that deforms it to slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cardiactwins.compute.single_convolution import keep_single_convolutions_fast
from cardiactwins.compute.training_state import tensors_under
from cardiactwins.compute.weights import load_weights, save_weights
from cardiactwins.lma.atlas_borders import AtlasBorders
from cardiactwins.lma.atlas_building import AtlasBuilder
from cardiactwins.lma.band import Band
from cardiactwins.lma.condition import condition, wall_distances
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.shape_diffusion import ShapeDiffusion
from cardiactwins.lma.velocity_covariance import VelocityCovariance
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["KIND", "ReconstructionModel", "TrainingSettings"]

KIND = "lma reconstruction"
PRIOR = "diffusion.network."
MOST_TOLD = 200
"""Characters of an error of torch that are passed on; it names every tensor."""
UNCALIBRATED = 6.0, 0.02
"""Gain (a voxel) and floor (voxels) of the shipped weights, about."""


@dataclass(frozen=True)
class TrainingSettings:
    """How the networks are trained.

    pretraining: steps of the reconstruction on hearts drawn from the prior, whose velocities are known.
    steps: of both optimizers in turn afterwards, on the hearts themselves. batch: volumes a step. rate:
    learning rate of Adam at the start, falling to 0 along a cosine. width, atlas_width: features of both
    networks.
    band_size, margin: of the velocity's band. dice_weight: lambda of Eq. 10. reconstruction_weight: alpha of
    Eq. 12. averaging: decay of the running mean of the reconstruction's weights, which is what is validated
    and kept. validate_every: steps. jitter: largest shift of a slice along the axis, in voxels. prior_shapes:
    volumes to which the atlas is registered beforehand, for the prior of the velocities; 0: the atlas starts
    as the mean volume and the prior is the metric's. atlas_every: steps from one of the atlas to the next.
    """

    pretraining: int = 2000
    steps: int = 500
    batch: int = 4
    rate: float = 1e-3
    width: int = 32
    atlas_width: int = 24
    band_size: int = 18
    margin: int = 4
    dice_weight: float = 0.03
    reconstruction_weight: float = 1.0
    averaging: float = 0.99
    validate_every: int = 250
    jitter: int = 2
    prior_shapes: int = 64
    atlas_every: int = 4

    def band(self, shape: tuple[int, int, int]) -> Band:
        """The velocity's band on volumes of a shape (k, j, i)."""
        return Band(shape, self.band_size, self.margin)


class ReconstructionModel:
    """Atlas and reconstruction network, built from settings and saved with them.

    deviation_gain, deviation_floor: of `SurfaceDeviation`, from the calibration on validation hearts.
    """

    def __init__(self, atlas: Tensor, settings: TrainingSettings, prior: VelocityPrior | None = None) -> None:
        self.settings = settings
        self.deviation_gain, self.deviation_floor = UNCALIBRATED
        self.band, self.metric = settings.band(tuple(atlas.shape[-3:])), Metric()
        self.builder = AtlasBuilder(atlas, self.band, self.metric, width=settings.atlas_width, prior=prior)
        self.diffusion = ShapeDiffusion(self.band, self.metric, width=settings.width, prior=prior)
        if torch.backends.mkldnn.is_available():
            keep_single_convolutions_fast(self.diffusion)
        self._seen: tuple[Tensor, Tensor] | None = None
        self._borders: tuple[Tensor, AtlasBorders] | None = None
        self._covariance: tuple[Tensor, VelocityCovariance] | None = None

    @property
    def prior(self) -> VelocityPrior:
        """The prior of the velocities that deform the atlas."""
        return self.diffusion.network.prior

    def to(self, device: str) -> ReconstructionModel:
        """This model, moved to a device by its name in torch."""
        self.builder.to(device)
        self.diffusion.to(device)
        self._seen = None
        return self

    @property
    def atlas(self) -> Tensor:
        """The mean shape, (2, k, j, i)."""
        return self.builder.atlas.detach()

    def condition(self, cavity: Tensor, myocardium: Tensor, positions: Tensor) -> Tensor:
        """What the network is shown of slices; see `condition`."""
        atlas = self.atlas
        if self._seen is None or not torch.equal(self._seen[0], atlas):
            self._seen = atlas.clone(), wall_distances(atlas)
        return condition(self._seen[1], cavity, myocardium, positions)

    @property
    def borders(self) -> AtlasBorders:
        """Signed distances to the borders of the atlas' wall; made once for an atlas."""
        atlas = self.atlas.cpu()
        if self._borders is None or not torch.equal(self._borders[0], atlas):
            self._borders = atlas.clone(), AtlasBorders.of(atlas)
        return self._borders[1]

    @property
    def covariance(self) -> VelocityCovariance:
        """Covariances of displacements under the prior; made once for a prior."""
        prior = self.prior
        kept = torch.cat([part.detach().flatten() for part in (prior.deviation, prior.gains)]).cpu()
        if self._covariance is None or not torch.equal(self._covariance[0], kept):
            self._covariance = kept, VelocityCovariance.of(self.band, prior)
        return self._covariance[1]

    def tensors(self) -> dict[str, Tensor]:
        """What a reconstruction needs: the atlas and the network's weights."""
        return {"atlas": self.atlas} | {
            f"diffusion.{name}": tensor for name, tensor in self.diffusion.state_dict().items()
        }

    def save(self, path: str | Path, card: Mapping[str, Any]) -> Path:
        """Write atlas, network and card; see `save_weights`."""
        card = {"settings": asdict(self.settings), **card}
        return save_weights(self.tensors(), path, kind=KIND, card=card)

    @classmethod
    def load(cls, path: str | Path) -> ReconstructionModel:
        """Read what `save` wrote; errors as of `load_weights`, and ValueError for weights that do not fit."""
        tensors, card = load_weights(path, KIND)
        try:
            prior = VelocityPrior.of_tensors(tensors, PRIOR)
            model = cls(tensors["atlas"], TrainingSettings(**card["settings"]), prior)
            model.diffusion.load_state_dict(tensors_under(tensors, "diffusion."))
            model.deviation_gain = float(card.get("deviation_gain", model.deviation_gain))
            model.deviation_floor = float(card.get("deviation_floor", model.deviation_floor))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
            raise ValueError(
                f"{path} does not fit the reconstruction of this version ({reason[:MOST_TOLD]}). Use the "
                "weights that come with this version, or train anew."
            ) from error
        model.diffusion.eval()
        return model
