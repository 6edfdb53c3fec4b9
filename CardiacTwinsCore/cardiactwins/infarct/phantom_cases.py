"""Patients that never were: infarcts of a model painted into different phantoms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.phantoms import LVPhantom, lv_phantom
from cardiactwins.anatomy.reference import INSERTION_ANGLE, ReferenceAnatomy
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.model import InfarctModel, StartZone
from cardiactwins.infarct.population import InfarctCase

__all__ = ["paint_phantom", "phantom_cases"]

CULPRITS = {"LAD": (0.0, 0.48), "RCA": (1 / 3, 0.36), "LCX": (2 / 3, 0.16)}
"""Centre of each territory on the circumference, and how often the artery is the culprit."""
JITTER = 0.03
"""Standard deviation in turns of the centre of an infarct around that of its territory."""
PHANTOM_PARAMETERS = (30.0, 12.0, 14.0, 8.0, 34.0, 14.0)
"""Elliptical model in 3D with infarcts of 17 % of the wall (median; quartiles 10 and 23 %)."""
SMALLEST_WITH_NO_REFLOW = 0.05


def phantom_cases(
    n: int,
    rng: np.random.Generator,
    *,
    model: InfarctModel | None = None,
    parameters: ArrayLike | None = None,
    no_reflow_share: float = 0.6,
    progress: Progress = silent,
) -> list[InfarctCase]:
    """n patients with an infarct in a territory of the LAD, RCA or LCX, each in a heart of its own.

    model: a model on a 3D reference; None: the elliptical one on 11 slices. parameters: its vector (d,);
    None: its defaults, or PHANTOM_PARAMETERS for the model that stands in for None. Each lesion is turned
    from the model's start to the territory of a random culprit artery and painted into a random short-axis
    stack (lv_phantom: oblique; some left-handed, some open at the base). A lesion too small for one voxel
    there is drawn anew. no_reflow_share: share of the patients with a no-reflow core, among those whose
    infarct holds more than 5 % of the wall.

    ValueError for a model on a 2D reference, whose lesions say nothing of the other slices.
    """
    if model is None:
        zone = StartZone(longitudinal=0.55, longitudinal_tolerance=0.2)
        model = EllipticalModel(ReferenceAnatomy(slices=11), zone)
        parameters = PHANTOM_PARAMETERS if parameters is None else parameters
    if not model.anatomy.is_3d:
        raise ValueError("Phantom cases need a model on a 3D reference, such as ReferenceAnatomy(slices=11).")
    if parameters is None:
        parameters = [parameter.default for parameter in model.parameters]
    start = getattr(model, "zone", StartZone()).circumferential
    cases = []
    for index in range(n):
        progress(index, n, f"Phantom {index + 1} of {n}")
        phantom = lv_phantom(
            rng,
            spacing=(*np.full(2, rng.uniform(1.3, 1.8)), rng.uniform(7.0, 9.0)),
            left_handed=rng.random() < 0.3,
            open_base=rng.random() < 0.3,
        )
        territory = str(rng.choice(list(CULPRITS), p=[share for _, share in CULPRITS.values()]))
        turn = CULPRITS[territory][0] + rng.normal(0, JITTER) - start
        infarct = np.zeros(phantom.geometry.shape, dtype=bool)
        while not infarct.any():
            lesion = model.sample(parameters, 1, rng)[0]
            infarct = paint_phantom(lesion, model.anatomy, phantom, turn) >= 0.5
        no_reflow = None
        if rng.random() < no_reflow_share and lesion.mean() > SMALLEST_WITH_NO_REFLOW:
            core = _no_reflow_core(lesion, model.anatomy)
            no_reflow = infarct & (paint_phantom(core, model.anatomy, phantom, turn) >= 0.5)
        cases.append(
            InfarctCase(
                identifier=f"Phantom {index + 1:02d}",
                geometry=phantom.geometry,
                cavity=phantom.cavity,
                myocardium=phantom.myocardium,
                infarct=infarct,
                no_reflow=no_reflow,
                right_ventricle=phantom.right_ventricle,
                insertion_points=phantom.insertion_points,
                territory=territory,
            )
        )
    progress(n, n, f"{n} phantoms made")
    return cases


def paint_phantom(
    values: ArrayLike, anatomy: ReferenceAnatomy, phantom: LVPhantom, turn: float = 0.0
) -> NDArray[np.float64]:
    """Values (N,) of the reference on the wall of a phantom, (k, j, i), 0 elsewhere.

    The phantom's coordinates are known from its making, so that nothing is measured and aligning the result
    is a test of the alignment. Linear in the two neighbouring slices of the reference, mixed linearly between
    them.
    turn: added to the circumferential position of the values.
    """
    nearest = ndimage.distance_transform_edt(
        ~anatomy.mask, sampling=(1e6, 1, 1), return_distances=False, return_indices=True
    )
    image = anatomy.to_image(np.asarray(values, dtype=float))[tuple(nearest)]
    wall = phantom.myocardium
    height = phantom.longitudinal[wall] * anatomy.epicardial_length
    angle = 2 * np.pi * (phantom.circumferential[wall] - turn) + INSERTION_ANGLE
    position = np.clip(anatomy.slices - 0.5 - height / anatomy.slice_spacing, 0, anatomy.slices - 1)
    lower = np.minimum(position.astype(int), anatomy.slices - 2)
    share = position - lower

    painted = np.zeros(phantom.geometry.shape)
    for weight, k in ((1 - share, lower), (share, lower + 1)):
        endocardium, epicardium = (radii[k] for radii in anatomy.slice_radii)
        radius = endocardium + phantom.radial[wall] * (epicardium - endocardium)
        center = (anatomy.size - 1) / 2
        places = (k, center - radius * np.sin(angle), center + radius * np.cos(angle))
        painted[wall] += weight * ndimage.map_coordinates(image, places, order=1, mode="nearest")
    return painted


def _no_reflow_core(lesion: NDArray[np.bool_], anatomy: ReferenceAnatomy) -> NDArray[np.bool_]:
    """The middle of a lesion in the inner half of the wall, (N,), where no-reflow lies."""
    infarcted = anatomy.to_image(lesion) | ~anatomy.mask
    spacing = (anatomy.slice_spacing, 1.0, 1.0)
    depth = anatomy.from_image(ndimage.distance_transform_edt(infarcted, sampling=spacing))
    return lesion & (anatomy.radial < 0.5) & (depth > 0.55 * depth[lesion].max(initial=0))
