"""Which of the six tissues a structure is, from its name, its code or TotalSegmentator's label values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import TypeVar

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.words import holds, words_of

__all__ = [
    "LONG_NAMES",
    "TISSUE_CODES",
    "TOTALSEGMENTATOR_NAMES",
    "TOTALSEGMENTATOR_V1",
    "TOTALSEGMENTATOR_V2_HEART",
    "missing_tissues_text",
    "tissue_of_key",
    "tissue_of_name",
    "tissues_of_names",
]

Key = TypeVar("Key", bound=Hashable)

LONG_NAMES: Mapping[Tissue, str] = MappingProxyType(
    {
        Tissue.AO: "aorta",
        Tissue.MYO: "LV myocardium",
        Tissue.RV: "right ventricle",
        Tissue.LV: "left ventricle",
        Tissue.RA: "right atrium",
        Tissue.LA: "left atrium",
    }
)
"""Names for people."""

TOTALSEGMENTATOR_NAMES: Mapping[Tissue, str] = MappingProxyType(
    {
        Tissue.AO: "aorta",
        Tissue.MYO: "heart_myocardium",
        Tissue.RV: "heart_ventricle_right",
        Tissue.LV: "heart_ventricle_left",
        Tissue.RA: "heart_atrium_right",
        Tissue.LA: "heart_atrium_left",
    }
)
"""What TotalSegmentator calls them, in version 1 and in the task heartchambers_highres of version 2."""

TOTALSEGMENTATOR_V1: Mapping[int, Tissue] = MappingProxyType(
    {
        7: Tissue.AO,
        44: Tissue.MYO,
        45: Tissue.LA,
        46: Tissue.LV,
        47: Tissue.RA,
        48: Tissue.RV,
    }
)
"""Label values of the task total of TotalSegmentator 1 (104 structures)."""

TOTALSEGMENTATOR_V2_HEART: Mapping[int, Tissue] = MappingProxyType(
    {1: Tissue.MYO, 2: Tissue.LA, 3: Tissue.LV, 4: Tissue.RA, 5: Tissue.RV, 6: Tissue.AO}
)
"""Label values of the task heartchambers_highres of TotalSegmentator 2; 7 is the pulmonary artery."""

TISSUE_CODES: Mapping[tuple[str, str], Tissue] = MappingProxyType(
    {
        ("SCT", "15825003"): Tissue.AO,
        ("SCT", "54247002"): Tissue.AO,
        ("SCT", "74281007"): Tissue.MYO,
        ("SCT", "49848007"): Tissue.MYO,
        ("SCT", "53085002"): Tissue.RV,
        ("SCT", "87878005"): Tissue.LV,
        ("SCT", "73829009"): Tissue.RA,
        ("SCT", "82471001"): Tissue.LA,
    }
)
"""(scheme, code) in SNOMED CT: aorta, ascending aorta, myocardium, myocardium of the LV, and the chambers."""

LEFT = r"left|l|lv\w*|la\w*|gauche|link\w*|sinist\w*"
RIGHT = r"right|r|rv\w*|ra\w*|droite?|recht\w*|dext\w*"
VENTRICLE = r"ventric\w*|ventrikel\w*|kammer|[lr]v|[lr]v(?:c|bp|cavity|endo)"
ATRIUM = r"atri\w*|oreillette|vorhof\w*|[lr]a|[lr]abp"
WALL = r"\w*myo\w*|lvm|lvw|wall|muscle|muskel|\w*muskel|paroi|wand"
AORTA = r"ao|aort\w*"
TASK_TOTAL_V2 = {
    "atrial_appendage_left",
    "costal_cartilages",
    "pulmonary_vein",
    "spinal_cord",
    "superior_vena_cava",
}
"""Names that TotalSegmentator's task total has since version 2 alone."""
OTHER = (
    r"append\w*|auric\w*|valv\w*|klappe\w*|annul\w*|pulm\w*|ven[ae]\w*|vein\w*|caval?|papill\w*|trabec\w*"
    r"|septum|fat|epi\w*|peri\w*|coronar\w*|thromb\w*|scar|infarct\w*|fibros\w*|plaque|calc\w*|stent|laa|raa"
    r"|lad|abdominal|iliac\w*|lung|lobe|descending"
)


def tissue_of_name(name: str) -> Tissue | None:
    """The tissue that a name tells, or None: 'heart_atrium_left' -> LA, 'LV_Myo' -> MYO, 'Ao' -> AO.

    English, French and German. The myocardium of the RV, walls of atria and of the aorta, appendages,
    valves and veins are other structures.
    """
    words = words_of(name)
    if holds(words, OTHER):
        return None
    left, right = holds(words, LEFT), holds(words, RIGHT)
    atrium, wall = holds(words, ATRIUM), holds(words, WALL)
    if holds(words, AORTA):
        return None if wall or atrium else Tissue.AO
    if left and right:
        return None
    if wall:
        return None if right or atrium else Tissue.MYO
    if atrium:
        return {(True, False): Tissue.LA, (False, True): Tissue.RA}.get((left, right))
    if holds(words, VENTRICLE):
        return {(True, False): Tissue.LV, (False, True): Tissue.RV}.get((left, right))
    return None


def tissues_of_names(names: Mapping[Key, str]) -> dict[Tissue, Key]:
    """Tissue -> key of the structure that it is, from the names of structures by key (label value, id).

    A name of TotalSegmentator or one of TISSUE_NAMES goes before other names. ValueError when two names
    look like one tissue.
    """
    found: dict[Tissue, Key] = {}
    exact = {name.casefold(): tissue for tissue, name in TOTALSEGMENTATOR_NAMES.items()}
    exact |= {name.casefold(): tissue for tissue, name in TISSUE_NAMES.items()}
    for recognised in (lambda name: exact.get(name.strip().casefold()), tissue_of_name):
        candidates: dict[Tissue, list[Key]] = {}
        for key, name in names.items():
            tissue = recognised(name)
            if tissue is not None and tissue not in found:
                candidates.setdefault(tissue, []).append(key)
        for tissue, keys in candidates.items():
            if len(keys) > 1:
                listed = " and ".join(f"'{names[key]}'" for key in keys)
                raise ValueError(
                    f"{listed} both look like the {LONG_NAMES[tissue]}. Say which it is, for example "
                    f"tissues={{'{TISSUE_NAMES[tissue]}': '{names[keys[0]]}'}}."
                )
            found[tissue] = keys[0]
    return {tissue: found[tissue] for tissue in Tissue if tissue in found}


def tissue_of_key(key: str | int | Tissue) -> Tissue:
    """The tissue that a person names: a Tissue, 'LA', 'left atrium' or TotalSegmentator's name.

    ValueError when it is none of the six.
    """
    if isinstance(key, Tissue):
        return key
    names = [
        (name.casefold(), tissue)
        for table in (TISSUE_NAMES, LONG_NAMES, TOTALSEGMENTATOR_NAMES)
        for tissue, name in table.items()
    ]
    found = dict(names).get(str(key).strip().casefold())
    if found is None:
        raise ValueError(f"'{key}' is none of the six tissues: {', '.join(TISSUE_NAMES.values())}.")
    return found


def missing_tissues_text(source: str, found: set[Tissue], names: list[str]) -> str:
    """Why a map or segmentation without all six tissues is refused, and what to do.

    source: what was read, for the begin of the sentence. found: tissues that have voxels. names: all names
    of the structures that have voxels.
    """
    missing = [tissue for tissue in Tissue if tissue not in found]
    parts = [
        f"{source} has no {_listed([LONG_NAMES[tissue] for tissue in missing])}: a twin needs all six "
        f"tissues ({', '.join(LONG_NAMES.values())})."
    ]
    known = [LONG_NAMES[tissue] for tissue in Tissue if tissue in found]
    parts.append(f"Found: {', '.join(known)}." if known else "None of them was found.")
    plain = {name.casefold() for name in names}
    if "heart" in plain or plain & TASK_TOTAL_V2:
        parts.append(
            "These are names of TotalSegmentator's task 'total', which in version 2 has the heart in one "
            "piece, without chambers. Run its task heartchambers_highres on the image, or version 1."
        )
    elif names:
        shown = ", ".join(f"'{name}'" for name in names[:12]) + (", ..." if len(names) > 12 else "")
        parts.append(
            f"Its structures: {shown}. Say which is which, for example tissues={{"
            f"'{TISSUE_NAMES[missing[0]]}': '{names[0]}'}}."
        )
    return " ".join(parts)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", no ".join(words[:-1]) + " and no " + words[-1]
