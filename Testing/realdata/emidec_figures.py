"""The pictures of Docs/emidec.md: aggregates of the real lesions, and synthetic ones; no patient's image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from emidec_cells import FRESH_SEED, MANY, WIDE
from numpy.typing import NDArray

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.archive import PersonalizedModel, load_model, load_population
from cardiactwins.infarct.embedding import LatentSpace, shared_scatter
from cardiactwins.infarct.figures import (
    distribution_figure,
    history_figure,
    latent_figure,
    mean_lesions_figure,
    modes_figure,
)
from cardiactwins.infarct.figures.canvas import (
    INK,
    PATTERN_COLORS,
    SERIES,
    new_figure,
    quiet_axes,
    save_figure,
)
from cardiactwins.infarct.population import InfarctPopulation

__all__ = ["draw_all"]

EMBEDDED = 100
SHOWN = 8

Rows = Sequence[Mapping]
Fits = Mapping[tuple[str, str, str], Mapping]


def draw_all(found: Mapping[str, Rows], fits: Fits, folder: Path) -> None:
    """Every picture into `folder`; found: rows of the cells, fits: rows by (dimension, model, loss)."""
    for dimension in dict.fromkeys(row["dimension"] for row in found["aligned"]):
        turned = {
            row["turn"]: load_population(row["population"])
            for row in found["aligned"]
            if row["dimension"] == dimension
        }
        for loss in ("KL_full", "KL_attr"):
            models = {
                model: load_model(row["file"])
                for (of_dimension, model, of_loss), row in fits.items()
                if (of_dimension, of_loss) == (dimension, loss)
            }
            draw_populations(
                turned[0], models, folder, f"{dimension}-{loss}", f"{dimension}, fitted with {loss}"
            )
            if loss == "KL_full":
                draw_latent(turned[0], models, folder, dimension)
                draw_history(models["wavefront"], folder, dimension)
        mean_lesions_figure(
            {label(turn): population.lesions.mean(axis=0) for turn, population in sorted(turned.items())},
            turned[0].anatomy,
            folder / f"insertion-{dimension}.png",
            title="Mean of the real lesions, insertion turned",
        )
        unseen = [row for row in found["held_out"] if row["dimension"] == dimension]
        draw_held_out(unseen, folder / f"held-out-{dimension}.png")
    draw_axes(found["individual"][0], fits, folder / "axes-2D.png")


def label(turn: int) -> str:
    """How far the insertion was turned, for people."""
    return "as estimated" if not turn else f"{turn:+d}°".replace("-", "\N{MINUS SIGN}")


def draw_populations(
    real: InfarctPopulation, models: Mapping[str, PersonalizedModel], folder: Path, name: str, title: str
) -> None:
    """Distributions of size and transmurality, mean lesions, and a few lesions of each model."""
    lesions = {model: fit.sample(MANY, np.random.default_rng(FRESH_SEED)) for model, fit in models.items()}
    everything = {"real": real.lesions, **lesions}
    distribution_figure(everything, real.anatomy, folder / f"distributions-{name}.png", title=title)
    means = {population: images.mean(axis=0) for population, images in everything.items()}
    mean_lesions_figure(means, real.anatomy, folder / f"mean-lesions-{name}.png", title=title)
    draw_samples(lesions, real.anatomy, folder / f"samples-{name}.png", title)


def draw_latent(
    real: InfarctPopulation, models: Mapping[str, PersonalizedModel], folder: Path, dimension: str
) -> None:
    """Modes of variation of each population in its own latent space, and all of them in one."""
    images = {model: fit.sample(EMBEDDED, np.random.default_rng(FRESH_SEED)) for model, fit in models.items()}
    images = {"real": real.lesions, **images}
    spaces = {name: LatentSpace.fit(population) for name, population in images.items()}
    for name, space in spaces.items():
        path = folder / f"modes-{dimension}-{name}.png"
        modes_figure(space.modes(), real.anatomy, path, title=f"{dimension}, {name}")
    latent_figure(
        shared_scatter(images),
        {name: space.eigenvalue_decrease for name, space in spaces.items()},
        folder / f"latent-{dimension}.png",
        title=f"{dimension}, fitted with KL_full",
    )


def draw_history(fit: PersonalizedModel, folder: Path, dimension: str) -> None:
    names = [f"{p.name} ({p.unit})" if p.unit else p.name for p in fit.model.parameters]
    path = folder / f"history-{dimension}-wavefront.png"
    title = f"{dimension}, wavefront model, {fit.personalization.loss_kind}"
    history_figure(fit.personalization.history, names, path, title=title)


def draw_samples(lesions: Mapping[str, NDArray], anatomy: ReferenceAnatomy, path: Path, title: str) -> None:
    """The first draws of each model, one model a row; in 3D their mid-level slices."""
    figure = new_figure(1.15 * SHOWN + 0.6, 1.3 * len(lesions) + 0.5)
    cells = figure.subplots(len(lesions), SHOWN, squeeze=False)
    level = anatomy.slices // 2
    reach = anatomy.slice_radii[1][level] + 1
    half = anatomy.size / 2
    for row, (name, images) in zip(cells, lesions.items(), strict=True):
        for axes, lesion in zip(row, images[:SHOWN], strict=True):
            image = np.where(anatomy.mask[level], anatomy.to_image(lesion)[level], np.nan)
            axes.imshow(image, cmap=PATTERN_COLORS, vmin=0, vmax=1, extent=(-half, half, half, -half))
            axes.set(xlim=(-reach, reach), ylim=(reach, -reach), xticks=[], yticks=[])
            axes.set_frame_on(False)
        row[0].set_ylabel(name, fontsize=10, color=INK)
    what = "Synthetic lesions at mid-level" if anatomy.is_3d else "Synthetic lesions"
    figure.suptitle(f"{what}: {title}", fontsize=12, color=INK)
    save_figure(figure, path)


def draw_held_out(rows: Rows, path: Path) -> None:
    """Loss on the unseen half, a line a split, so that models are compared on the same patients."""
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    run = {row["model"] for row in rows}
    models = [model for model in ("spherical", "elliptical", WIDE, "wavefront") if model in run]
    figure = new_figure(4.6 * len(losses), 4.0)
    for axes, loss in zip(figure.subplots(1, len(losses), squeeze=False)[0], losses, strict=True):
        splits: dict[tuple, dict[str, float]] = {}
        for row in rows:
            if row["loss"] == loss:
                splits.setdefault((row["split"], row["swap"]), {})[row["model"]] = row["unseen"][loss][0]
        for (split, _), values in splits.items():
            look = {"color": "#999999", "linewidth": 0.8, "label": "random halves", "zorder": 2}
            if split == "names":
                look = {"color": SERIES[1], "linewidth": 1.6, "label": "halves by name", "zorder": 3}
            axes.plot(range(len(models)), [values[m] for m in models], marker="o", markersize=4, **look)
        axes.set_yscale("log")
        axes.set_xticks(range(len(models)), [model.replace(", ", ",\n") for model in models], fontsize=9)
        axes.set_ylabel(f"{loss} on the other half")
        lines, labels = axes.get_legend_handles_labels()
        unique = dict(zip(labels, lines, strict=True))
        axes.legend(unique.values(), unique.keys(), fontsize=8, frameon=False)
        quiet_axes(axes)
    save_figure(figure, path)


def draw_axes(individual: Mapping, fits: Fits, path: Path) -> None:
    """Semi-axes of the ellipses fitted to each patient, and their distribution in the personalized model."""
    figure = new_figure(8.0, 3.4)
    rng = np.random.default_rng(0)
    names = ("circumferential", "radial")
    for number, axes, name in zip((1, 2), figure.subplots(1, 2), names, strict=True):
        axes.ecdf(individual[f"axis{number}"], color=SERIES[0], linewidth=1.8, label="patients, one by one")
        for loss, color in (("KL_full", SERIES[1]), ("KL_attr", SERIES[2])):
            parameters = fits["2D", "elliptical", loss]["parameters"]
            lengths = np.abs(rng.normal(parameters[f"{name} mean"], parameters[f"{name} std"], 20000))
            axes.ecdf(lengths, color=color, linewidth=1.4, label=f"population, {loss}")
        axes.set(xlabel=f"{name.capitalize()} semi-axis (pixels)", ylabel="Share below")
        axes.set(xlim=(0, 80), ylim=(0, 1))
        axes.legend(fontsize=8, frameon=False, loc="lower right")
        quiet_axes(axes)
    save_figure(figure, path)
