"""What users write after options: lists of numbers and pairs key=value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardiactwins.infarct.personalization import PersonalizationSettings

__all__ = ["labels_from", "numbers_from", "pairs_from", "roles_from", "settings_from"]

PRESETS = ("robust", "paper")


def numbers_from(text: str | None, option: str) -> list[float] | None:
    """'18,10,13,18' as numbers; None as None. ValueError that names the option."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(
            f"{option} takes numbers with commas between, as 18,10,13,18; found '{text}'."
        ) from error


def pairs_from(texts: Sequence[str], option: str) -> dict[str, str]:
    """'a=b,c=d' and repeated options as {a: b, c: d}. ValueError that names the option."""
    pairs = {}
    for part in (part for text in texts for part in text.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise ValueError(f"{option} takes pairs key=value; found '{part}'.")
        if key in pairs:
            raise ValueError(f"{option} names '{key}' twice.")
        pairs[key] = value
    return pairs


def labels_from(texts: Sequence[str]) -> dict[int, str] | None:
    """'1=cavity,2=myocardium' as label value -> role; None when nothing is given."""
    labels = {}
    for value, role in pairs_from(texts, "--labels").items():
        if not value.lstrip("-").isdigit():
            raise ValueError(f"--labels takes label values as 1=cavity,2=myocardium; found '{value}={role}'.")
        labels[int(value)] = _known_role(role, "--labels")
    return labels or None


def roles_from(texts: Sequence[str]) -> dict[str, str] | None:
    """'infarct=Scar' as role -> segment name; None when nothing is given."""
    roles = pairs_from(texts, "--roles")
    return {_known_role(role, "--roles"): segment for role, segment in roles.items()} or None


def _known_role(role: str, option: str) -> str:
    from cardiactwins.mrml.segment_roles import SEGMENT_ROLES

    if role not in SEGMENT_ROLES:
        raise ValueError(f"{option} knows the roles {', '.join(SEGMENT_ROLES)}; found '{role}'.")
    return role


def settings_from(preset: str, changes: Sequence[str]) -> PersonalizationSettings:
    """Settings of a preset with changes 'name=value'. ValueError for unknown names and unfit values."""
    from cardiactwins.infarct.personalization import PersonalizationSettings

    if preset not in PRESETS:
        raise ValueError(f"--preset is one of {', '.join(PRESETS)}; found '{preset}'.")
    settings = PersonalizationSettings.paper() if preset == "paper" else PersonalizationSettings()
    kinds = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    values = {}
    for name, text in pairs_from(changes, "--set").items():
        if name not in kinds:
            raise ValueError(f"--set knows {', '.join(kinds)}; found '{name}'.")
        try:
            values[name] = kinds[name](text)
        except ValueError as error:
            kind = "a whole number" if kinds[name] is int else "a number"
            raise ValueError(f"--set {name}=... takes {kind}; found '{text}'.") from error
    return replace(settings, **values)
