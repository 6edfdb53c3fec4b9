"""3D personalization of the iterative spherical model: 77 subjects, 11 slices, 510 evaluations."""

from personalization_benchmark import benchmark, report
from reference_personalization import spherical_lesions

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.spherical import IterativeSphericalModel

if __name__ == "__main__":
    model = IterativeSphericalModel(ReferenceAnatomy(slices=11))
    report(
        benchmark(
            model,
            truth=(34, 9),
            start=(30, 10),
            subjects=77,
            reference_lesions=spherical_lesions,
            painted_bytes=1 * model.anatomy.n_voxels,  # one flag out
        )
    )
