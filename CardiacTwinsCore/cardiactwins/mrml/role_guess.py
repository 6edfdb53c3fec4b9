"""Which segment of a segmentation is what, from its codes and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiactwins.anatomy.words import holds, words_of
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import find_segment, segment_code, segment_names

__all__ = ["guess_roles", "role_of_name", "roles_by_name"]

ROLE_OF_CODE = {
    **{(role.type.scheme, role.type.value): key for key, role in SEGMENT_ROLES.items()},
    ("SCT", "74281007"): "myocardium",
    ("SCT", "22298006"): "infarct",
    ("DCM", "122113"): "infarct",
}
"""(scheme, code) of a segment's type -> role: the standard codes, myocardium, myocardial infarction, scarred
myocardium."""

OTHER_STRUCTURES = (
    r"atri\w*|oreillette|vorhof|aort\w*|papill\w*|trabec\w*|trabek\w*|remote|valve|pulm\w*|fat|thromb\w*"
)
RIGHT = r"rv\w*|right|vd|droite?|recht\w*"
WALL = r"\w*myo\w*|lvm|lvw|wall|muscle|muskel|\w*muskel|paroi|wand|epi|epic\w*|epik\w*"

NAME_PATTERNS = (
    (
        "no_reflow",
        r"no ?reflow|mvo|omv|pmo|microvascular obstruction|obstruction microvasculaire"
        r"|mikrovaskular\w* obstruktion",
    ),
    (
        "border_zone",
        r"border ?zone|bz|gz|gr[ae]y ?zone|peri ?infar[ck]t\w*|zone grise|zone (de )?bordure"
        r"|randzone|grauzone",
    ),
    (
        "infarct",
        r"\w*infar[ck]t\w*|mi|scars?|\w*narbe\w*|cicatri\w*|lge|(hyper|late) ?enhancement|fibros\w*"
        r"|necros\w*|nekrose",
    ),
    ("right_ventricle", RIGHT),
    ("myocardium", WALL),
    (
        "cavity",
        r"lv|lvc|lvbp|lvv|vg|left|gauche|link\w*|bp|blood ?pool|blut\w*|cavit\w*|cavum|kavum|lumen|endo"
        r"|endoc\w*|endok\w*",
    ),
)
"""Role -> what its name holds as whole words, the more particular roles first: an 'infarcted myocardium' is
an infarct. English, French and German."""


def guess_roles(node: Any, roles: Mapping[str, str] | None = None) -> dict[str, str]:
    """Role (a key of `SEGMENT_ROLES`) -> segment id, from the segments' terminology, then from their names.

    roles: segments by id or name that the user has assigned; they are not guessed. Segments that nothing is
    known of are left out. ValueError when two segments look the same, or an assigned one is missing.
    """
    unknown = sorted(set(roles or ()) - set(SEGMENT_ROLES))
    if unknown:
        raise ValueError(f"Unknown segment roles: {', '.join(unknown)}. Known: {', '.join(SEGMENT_ROLES)}.")
    assigned = {role: find_segment(node, segment) for role, segment in (roles or {}).items()}
    candidates: dict[str, list[str]] = {}
    for segment_id, name in segment_names(node).items():
        role = ROLE_OF_CODE.get(segment_code(node, segment_id)) or role_of_name(name)
        if role and role not in assigned and segment_id not in assigned.values():
            candidates.setdefault(role, []).append(segment_id)
    names = segment_names(node)
    for role, segments in candidates.items():
        standard = [segment for segment in segments if names[segment] == SEGMENT_ROLES[role].name]
        chosen = standard if len(standard) == 1 else segments
        if len(chosen) > 1:
            listed = " and ".join(f"'{names[segment]}'" for segment in chosen)
            raise ValueError(
                f"Segments {listed} of '{node.GetName()}' both look like the role '{role}'. "
                f"Say which it is, for example roles={{'{role}': '{names[chosen[0]]}'}}."
            )
        assigned[role] = chosen[0]
    return {role: assigned[role] for role in SEGMENT_ROLES if role in assigned}


def roles_by_name(node: Any, roles: Mapping[str, str] | None) -> dict[str, str]:
    """Of the roles that were assigned in one segmentation, those whose segment another one has by its name.

    Ids count for the segmentation that they are of alone: others have 'Segment_1' too.
    """
    names = {name.casefold() for name in segment_names(node).values()}
    return {role: segment for role, segment in (roles or {}).items() if segment.casefold() in names}


def role_of_name(name: str) -> str | None:
    """Role that a segment's name tells, or None: 'LV_Myo' -> 'myocardium', 'MVO' -> 'no_reflow'."""
    words = words_of(name)
    if holds(words, OTHER_STRUCTURES) or (holds(words, RIGHT) and holds(words, WALL)):
        return None
    return next((role for role, pattern in NAME_PATTERNS if holds(words, pattern)), None)
