"""Pictures of infarct populations and of their personalization, drawn with matplotlib into files."""

from cardiactwins.infarct.figures.charts import (
    distribution_figure,
    heatmap_figure,
    history_figure,
    latent_figure,
)
from cardiactwins.infarct.figures.convergence import convergence_figure
from cardiactwins.infarct.figures.patterns import bullseye_figure, mean_lesions_figure, modes_figure

__all__ = [
    "bullseye_figure",
    "convergence_figure",
    "distribution_figure",
    "heatmap_figure",
    "history_figure",
    "latent_figure",
    "mean_lesions_figure",
    "modes_figure",
]
