"""What the segments of a heart and of an infarct are called, how they are coloured, and their DICOM codes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cardiactwins.anatomy.heart_tissues import Tissue

__all__ = [
    "SEGMENT_ROLES",
    "TERMINOLOGY_NAME",
    "TISSUE_ROLES",
    "CodedConcept",
    "SegmentRole",
    "register_terminology",
    "terminology_context",
]

TERMINOLOGY_NAME = "CardiacTwins heart and infarct"


@dataclass(frozen=True)
class CodedConcept:
    """One entry of a coding scheme. SCT is SNOMED CT; schemes that start with 99 are private ones."""

    value: str
    scheme: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.scheme}^{self.value}^{self.meaning}"


NO_CODE = CodedConcept("", "", "")
ANATOMICAL_STRUCTURE = CodedConcept("123037004", "SCT", "Anatomical Structure")
ALTERED_STRUCTURE = CodedConcept("49755003", "SCT", "Morphologically Altered Structure")
LV_MYOCARDIUM = CodedConcept("49848007", "SCT", "Myocardium of left ventricle")


@dataclass(frozen=True)
class SegmentRole:
    """One kind of segment.

    key: name in this library ('infarct'). name: name of the segment for people. color: RGB in 0..1. opacity:
    in 3D views. category, type, region: what it is in DICOM; the region is where an alteration lies.
    """

    key: str
    name: str
    color: tuple[float, float, float]
    opacity: float
    category: CodedConcept
    type: CodedConcept
    region: CodedConcept = NO_CODE

    @property
    def terminology(self) -> str:
        """The entry as 3D Slicer writes it into a segment's terminology tag."""
        parts = (self.category, self.type, NO_CODE)
        region_context = TERMINOLOGY_NAME if self.region.value else ""
        return "~".join((TERMINOLOGY_NAME, *map(str, parts), region_context, str(self.region), str(NO_CODE)))


SEGMENT_ROLES = {
    role.key: role
    for role in (
        SegmentRole(
            "cavity",
            "LV cavity",
            (0.80, 0.25, 0.25),
            0.35,
            ANATOMICAL_STRUCTURE,
            CodedConcept("87878005", "SCT", "Left ventricle"),
        ),
        SegmentRole(
            "myocardium", "LV myocardium", (0.87, 0.72, 0.60), 0.35, ANATOMICAL_STRUCTURE, LV_MYOCARDIUM
        ),
        SegmentRole(
            "right_ventricle",
            "RV cavity",
            (0.30, 0.47, 0.72),
            0.35,
            ANATOMICAL_STRUCTURE,
            CodedConcept("53085002", "SCT", "Right ventricle"),
        ),
        SegmentRole(
            "border_zone",
            "Border zone",
            (0.96, 0.55, 0.15),
            0.60,
            ALTERED_STRUCTURE,
            CodedConcept("border-zone", "99CTWINS", "Border zone of infarct"),
            LV_MYOCARDIUM,
        ),
        SegmentRole(
            "infarct",
            "Infarct",
            (0.98, 0.85, 0.20),
            0.90,
            ALTERED_STRUCTURE,
            CodedConcept("55641003", "SCT", "Infarct"),
            LV_MYOCARDIUM,
        ),
        SegmentRole(
            "no_reflow",
            "No-reflow",
            (0.35, 0.12, 0.50),
            1.00,
            ALTERED_STRUCTURE,
            CodedConcept("no-reflow", "99CTWINS", "Microvascular obstruction"),
            LV_MYOCARDIUM,
        ),
    )
}
"""The standard segments by key, each drawn over those before it. Border zone and no-reflow have no SNOMED CT
code in the DICOM context groups and carry a private one."""

TISSUE_ROLES: Mapping[Tissue, SegmentRole] = MappingProxyType(
    {
        Tissue.AO: SegmentRole(
            "aorta",
            "Aorta",
            (0.85, 0.42, 0.21),
            1.0,
            ANATOMICAL_STRUCTURE,
            CodedConcept("15825003", "SCT", "Aorta"),
        ),
        Tissue.MYO: SEGMENT_ROLES["myocardium"],
        Tissue.RV: replace(SEGMENT_ROLES["right_ventricle"], name="Right ventricle", opacity=1.0),
        Tissue.LV: replace(SEGMENT_ROLES["cavity"], name="Left ventricle", opacity=1.0),
        Tissue.RA: SegmentRole(
            "right_atrium",
            "Right atrium",
            (0.45, 0.70, 0.85),
            1.0,
            ANATOMICAL_STRUCTURE,
            CodedConcept("73829009", "SCT", "Right atrium"),
        ),
        Tissue.LA: SegmentRole(
            "left_atrium",
            "Left atrium",
            (0.93, 0.55, 0.62),
            1.0,
            ANATOMICAL_STRUCTURE,
            CodedConcept("82471001", "SCT", "Left atrium"),
        ),
    }
)
"""The six tissues of a whole heart."""


def terminology_context() -> dict[str, Any]:
    """The table as a segmentation context that 3D Slicer's terminology logic can load."""
    categories: dict[CodedConcept, list[dict[str, Any]]] = {}
    atria_and_aorta = [TISSUE_ROLES[tissue] for tissue in (Tissue.AO, Tissue.RA, Tissue.LA)]
    for role in (*SEGMENT_ROLES.values(), *atria_and_aorta):
        entry = {
            **_code(role.type),
            "3dSlicerLabel": role.name,
            "recommendedDisplayRGBValue": [round(255 * channel) for channel in role.color],
        }
        categories.setdefault(role.category, []).append(entry)
    return {
        "SegmentationCategoryTypeContextName": TERMINOLOGY_NAME,
        "@schema": "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#",
        "SegmentationCodes": {
            "Category": [
                {**_code(category), "showAnatomy": category == ALTERED_STRUCTURE, "Type": types}
                for category, types in categories.items()
            ]
        },
    }


def register_terminology(logic: Any) -> None:
    """Make the table known to a vtkSlicerTerminologiesModuleLogic, which reads it from a file only."""
    if logic.IsTerminologyContextLoaded(TERMINOLOGY_NAME):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "CardiacTwins.term.json")
        path.write_text(json.dumps(terminology_context()), encoding="utf-8")
        logic.LoadTerminologyFromFile(str(path))


def _code(concept: CodedConcept) -> dict[str, str]:
    return {
        "CodeMeaning": concept.meaning,
        "CodingSchemeDesignator": concept.scheme,
        "CodeValue": concept.value,
    }
