"""The tissues of a label map, from the names of its labels, from a known table, or as somebody says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.tissue_names import (
    TOTALSEGMENTATOR_V1,
    TOTALSEGMENTATOR_V2_HEART,
    missing_tissues_text,
    tissue_of_key,
    tissues_of_names,
)

__all__ = ["LABEL_PRESETS", "heart_of_values"]

LABEL_PRESETS: Mapping[str, Mapping[int, Tissue]] = {
    "CardiacTwins": {int(tissue): tissue for tissue in Tissue},
    "TotalSegmentator v1": TOTALSEGMENTATOR_V1,
    "TotalSegmentator v2 heartchambers_highres": TOTALSEGMENTATOR_V2_HEART,
}
"""Label values of maps that carry no names."""

MOST_LABELS = 500
"""Images have more values; whole bodies and brains have up to some hundred labels."""


def heart_of_values(
    title: str,
    values: NDArray,
    tissues: Mapping[str | Tissue, str | int] | str | None,
    names: Mapping[int, str],
) -> tuple[NDArray[np.uint8], dict[Tissue, str]]:
    """Labels (k, j, i) uint8 with the values of Tissue, all six, and the name or value of each one's source.

    title: of the map, for errors. values: (k, j, i), whole numbers. tissues: tissue ('LA') -> label value or
    name, or a key of LABEL_PRESETS; None: from the names. names: label value -> name. ValueError for other
    values, an empty map, an image, a missing tissue, and when there are neither names nor tissues.
    """
    if values.dtype.kind == "f" and not np.array_equal(values, np.round(values)):
        raise ValueError(f"{title} is no label map: its values are no whole numbers.")
    values = values.astype(np.int64, copy=False) if values.dtype.kind == "f" else values
    present = [int(value) for value in np.unique(values) if value]
    if not present:
        raise ValueError(f"{title} is empty: it holds background alone.")
    if len(present) > MOST_LABELS:
        raise ValueError(_image_text(title, present))
    known = {value: names[value] for value in present if names.get(value)}
    chosen = _values_of_tissues(title, tissues, known, present)
    labels = np.zeros(values.shape, dtype=np.uint8)
    for tissue, value in chosen.items():
        labels[values == value] = tissue
    sources = {tissue: known.get(value, str(value)) for tissue, value in chosen.items()}
    missing = {tissue for tissue in Tissue if chosen.get(tissue) not in present}
    if missing:
        rest = [known.get(value, str(value)) for value in present if value not in chosen.values()]
        raise ValueError(missing_tissues_text(title, set(Tissue) - missing, list(known.values()) or rest))
    return labels, {tissue: sources[tissue] for tissue in Tissue}


def _values_of_tissues(
    title: str,
    tissues: Mapping[str | Tissue, str | int] | str | None,
    names: Mapping[int, str],
    present: list[int],
) -> dict[Tissue, int]:
    """Tissue -> label value."""
    if isinstance(tissues, str):
        preset = LABEL_PRESETS.get(tissues)
        if preset is None:
            raise ValueError(f"There is no table of labels '{tissues}'. Known: {', '.join(LABEL_PRESETS)}.")
        return {tissue: value for value, tissue in preset.items()}
    by_name = {name.casefold(): value for value, name in names.items()}
    chosen: dict[Tissue, int] = {}
    for key, value in (tissues or {}).items():
        given = value if isinstance(value, (int, np.integer)) else by_name.get(str(value).casefold())
        if given is None and str(value).isdigit():
            given = int(value)
        if given is None or int(given) not in present:
            listed = ", ".join(f"{number} {names.get(number, '')}".strip() for number in present[:20])
            raise ValueError(f"{title} has no label '{value}'. Its labels: {listed}.")
        chosen[tissue_of_key(key)] = int(given)
    rest = {value: name for value, name in names.items() if value not in chosen.values()}
    for tissue, value in tissues_of_names(rest).items():
        chosen.setdefault(tissue, value)
    if not chosen and not any(names.values()):
        if present[0] < 0:
            raise ValueError(_image_text(title, present))
        listed = ", ".join(str(value) for value in present[:20])
        raise ValueError(
            f"{title} carries no names of its labels ({listed}). Say where they come from (tissues="
            f"'{list(LABEL_PRESETS)[2]}', ...) or which is which (tissues={{'LA': 2, ...}})."
        )
    return chosen


def _image_text(title: str, present: list[int]) -> str:
    return (
        f"{title} looks like an image, not a label map: it has {len(present):,} values from {present[0]} to "
        f"{present[-1]}. Give the segmentation of the image."
    )
