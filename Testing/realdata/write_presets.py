"""Write the presets of InfarctSynth: the papers' optima, and the fits that emidec_study.py has made.

    python Testing/realdata/write_presets.py [--fits build/emidec/presets]

Each becomes a file of cardiactwins/infarct/presets. Run emidec_study.py first for the fits; without them only
the papers' are written.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.files import write_json_atomic
from cardiactwins.infarct.archive import load_model
from cardiactwins.infarct.model import StartZone
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.presets import Preset, preset_of

ROOT = Path(__file__).resolve().parents[2]
PRESETS = ROOT / "CardiacTwinsCore" / "cardiactwins" / "infarct" / "presets"
KONIK = (
    "Konik et al., Pattern Recognition Letters 2024: optimum given in the text. The paper's data is not "
    "public; the start zone lies at the anterior insertion."
)
QUOTED = "Numbers quoted from the paper"
EMIDEC = (
    "Fit of CardiacTwins to the infarct patients of EMIDEC (Lalande et al., Data 2020, 5(4):89); see "
    "Docs/emidec.md"
)
EMIDEC_LICENCE = "CC BY-NC-SA 4.0, as the data it was made from"
EMIDEC_PATIENTS = 38
SHIPPED = [
    (dimension, model, loss)
    for dimension in ("2D", "3D")
    for model, losses in {
        "elliptical": ("KL_full", "KL_attr"),
        "wavefront": ("KL_full", "KL_attr"),
        "spherical": ("KL_full",),
    }.items()
    for loss in losses
]


def paper_preset(name: str, model: str, slices: int, values: tuple[float, ...], loss: str) -> Preset:
    """An optimum that a paper prints; 118 subjects in 2D, 77 in 3D."""
    anatomy = ReferenceAnatomy(slices=slices)
    names = [parameter.name for parameter in make_model(model, anatomy).parameters]
    return Preset(
        name=name,
        model=model,
        anatomy=asdict(anatomy),
        zone=asdict(StartZone()),
        parameters=dict(zip(names, map(float, values), strict=True)),
        loss_kind=loss,
        subjects=118 if slices == 1 else 77,
        source=KONIK,
        licence=QUOTED,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fits", type=Path, default=ROOT / "build" / "emidec" / "presets")
    fits = parser.parse_args().fits
    written = [
        paper_preset("Paper 2D elliptical, KL_full", "elliptical", 1, (18, 10, 13, 18), "KL_full"),
        paper_preset("Paper 2D elliptical, KL_attr", "elliptical", 1, (18, 9, 13, 17), "KL_attr"),
        paper_preset("Paper 2D spherical, KL_full", "spherical", 1, (1, 32), "KL_full"),
        paper_preset("Paper 2D spherical, KL_attr", "spherical", 1, (2, 21), "KL_attr"),
        paper_preset("Paper 3D spherical, KL_full", "spherical", 11, (34, 9), "KL_full"),
        paper_preset("Paper 3D spherical, KL_attr", "spherical", 11, (33, 8), "KL_attr"),
    ]
    for dimension, model, loss in SHIPPED:
        file = fits / f"emidec-{dimension}-{model}-{loss}.json"
        if file.exists():
            name = f"EMIDEC {dimension} {model}, {loss}"
            written.append(preset_of(load_model(file), name, EMIDEC_PATIENTS, EMIDEC, EMIDEC_LICENCE))
    for preset in written:
        stem = preset.name.lower().replace(",", "").replace(" ", "-")
        print(write_json_atomic(PRESETS / f"{stem}.json", preset.description()).relative_to(ROOT))


if __name__ == "__main__":
    main()
