"""The generative model of hearts, trained and ready for use: autoencoder, scale of latents, denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cardiactwins.compute.memory import memory_error
from cardiactwins.compute.single_convolution import keep_single_convolutions_fast
from cardiactwins.compute.training_state import tensors_under
from cardiactwins.compute.weights import load_weights, save_weights
from cardiactwins.twin.autoencoder import Autoencoder, AutoencoderSettings, build_autoencoder
from cardiactwins.twin.denoiser import (
    DenoiserSettings,
    PaperDenoiser,
    SwiftDenoiser,
    build_denoiser,
)
from cardiactwins.twin.diffusion import denoise
from cardiactwins.twin.latents import LatentScale
from cardiactwins.twin.precision import computes_in_bfloat16

__all__ = ["KIND", "TwinModel"]

KIND = "twin"
LARGEST_FILE = 11_500_000
"""Bytes of weights in one file."""
UNFIT = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What building networks of a damaged card raises."""


class TwinModel:
    """Label maps to standardised latents and back, and the denoiser between (Kadry et al. 2023, 3.2).

    autoencoder, denoiser: trained. scale: of the latents the denoiser was trained on. mixed: whether
    networks compute in bfloat16; None: where the device is made for it. card: what was stored with
    the weights. size: (k, j, i) of the label maps.

    Gradients flow through `decode`, `coarse` and `denoise` to inputs that ask for them; weights ask for none.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        denoiser: SwiftDenoiser | PaperDenoiser,
        scale: LatentScale,
        *,
        mixed: bool | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.autoencoder, self.denoiser, self.scale = autoencoder, denoiser, scale
        self.size = tuple(n * autoencoder.reduction for n in scale.mean.shape[1:])
        self.mixed, self.card = mixed, dict(card or {})

    @classmethod
    def load(
        cls, path: str | Path, device: str | torch.device = "cpu", mixed: bool | None = None
    ) -> TwinModel:
        """Read weights and card. Errors as of `load_weights`; ValueError for weights that do not fit."""
        tensors, card = load_weights(path, KIND)

        def part(prefix: str) -> dict[str, Tensor]:
            found = tensors_under(tensors, prefix)
            return {n: t.float() if t.is_floating_point() else t for n, t in found.items()}

        try:
            autoencoder = build_autoencoder(AutoencoderSettings.of(card["autoencoder"]))
            autoencoder.load_state_dict(part("autoencoder."))
            scale = LatentScale(**part("scale."))
            denoiser = build_denoiser(DenoiserSettings.of(card["denoiser"]), tuple(scale.mean.shape))
            denoiser.load_state_dict(part("denoiser."))
            if ranges := card.get("ranges"):
                card["ranges"] = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}
        except UNFIT as error:
            if (shortage := memory_error(error)) is not None:
                raise shortage from error
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(
                f"{Path(path).name} does not fit the networks of this version ({reason}). Get it again."
            ) from error
        return cls(autoencoder, denoiser, scale, mixed=mixed, card=card).to(device)

    def save(self, path: str | Path, card: Mapping[str, Any]) -> Path:
        """Write weights and card; see `save_weights`. The denoiser, most of it all, in half precision."""
        tensors = {f"autoencoder.{name}": t for name, t in self.autoencoder.state_dict().items()}
        tensors |= {"scale.mean": self.scale.mean, "scale.deviation": self.scale.deviation}
        tensors |= {
            f"denoiser.{name}": t.half() if t.numel() > 1000 else t
            for name, t in self.denoiser.state_dict().items()
        }
        settings = {
            "autoencoder": asdict(self.autoencoder.settings),
            "denoiser": asdict(self.denoiser.settings),
        }
        return save_weights(tensors, path, kind=KIND, card={**settings, **card}, largest=LARGEST_FILE)

    def to(self, device: str | torch.device) -> TwinModel:
        """Move everything to a device, ready for use; returns itself."""
        for network in (self.autoencoder, self.denoiser):
            network.to(device).eval().requires_grad_(False)
            if torch.backends.mkldnn.is_available():
                keep_single_convolutions_fast(network)
        self.scale = LatentScale(self.scale.mean.to(device), self.scale.deviation.to(device))
        return self

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.scale.mean.device

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """(C, d, h, w)."""
        return tuple(self.scale.mean.shape)

    def encode(self, labels: Tensor) -> Tensor:
        """Label maps (B, D, H, W) uint8, values of Tissue -> means of their latents, standardised, float32.

        ValueError for maps of another size.
        """
        if labels.dim() != 4 or tuple(labels.shape[1:]) != self.size:
            raise ValueError(f"The model takes label maps (B, {self.size}); found {tuple(labels.shape)}.")
        with self._precision():
            mean = self.autoencoder.encode(labels.to(self.device))[0]
        return self.scale.standardised(mean.float())

    def decode(self, latents: Tensor) -> Tensor:
        """Standardised latents -> probabilities of background and tissues (B, 7, D, H, W) float32."""
        logits = self._logits(latents)
        if self.autoencoder.coarseness > 1:
            logits = functional.interpolate(logits, size=self.size, mode="trilinear", align_corners=False)
        return logits.softmax(dim=1)

    def decode_labels(self, latents: Tensor) -> Tensor:
        """Standardised latents -> the most likely label maps (B, D, H, W) uint8; less work than `decode`."""
        with self._precision():
            return self.autoencoder.labels(self.scale.restored(latents))

    def coarse(self, latents: Tensor) -> Tensor:
        """Probabilities (B, 7, d, h, w) on the decoder's own grid: of "swift" 64^3 voxels of 2.8 mm."""
        return self._logits(latents).softmax(dim=1)

    def denoise(self, noisy: Tensor, sigma: float | Tensor) -> Tensor:
        """The clean latents expected of noisy ones, (B, C, d, h, w) float32. sigma: one, or (B,)."""
        level = torch.as_tensor(sigma, dtype=torch.float32, device=noisy.device).expand(len(noisy))
        return denoise(self._network, noisy, level)

    def widened(self, noise: Tensor, sigma: float) -> Tensor:
        """Noise of deviation sigma to start sampling from, widened by what it lacks of the data's variance.

        See LatentModes.widened; without modes the noise as it is.
        """
        modes = getattr(self.denoiser, "modes", None)
        return noise if modes is None else modes.widened(noise, sigma)

    def _network(self, scaled: Tensor, noise: Tensor) -> Tensor:
        with self._precision():
            return self.denoiser(scaled, noise).float()

    def _logits(self, latents: Tensor) -> Tensor:
        with self._precision():
            return self.autoencoder.logits(self.scale.restored(latents)).float()

    def _precision(self) -> AbstractContextManager[Any]:
        mixed = computes_in_bfloat16(self.device.type) if self.mixed is None else self.mixed
        return torch.autocast(self.device.type, torch.bfloat16) if mixed else nullcontext()
