"""2D personalization, elliptical model: 118 subjects, 100 synthetic, 1,892 pixels, 510 evaluations."""

from personalization_benchmark import benchmark, report
from reference_personalization import elliptical_lesions

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel

if __name__ == "__main__":
    model = EllipticalModel(ReferenceAnatomy())
    report(
        benchmark(
            model,
            truth=(18, 10, 13, 18),
            start=(22, 10, 16, 20),
            subjects=118,
            reference_lesions=elliptical_lesions,
            painted_bytes=(2 * 8 + 1) * model.anatomy.n_voxels,  # two squared offsets in, one flag out
        )
    )
