"""The words of a structure's name, however it was written."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["holds", "words_of"]


def words_of(name: str) -> str:
    """Lower-case words without accents: 'LVMyo', 'lv-myo' and 'LV_Myo' all become 'lv myo'."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z0-9]+", plain))


def holds(words: str, pattern: str) -> bool:
    """Whether the pattern matches whole words."""
    return re.search(rf"\b(?:{pattern})\b", words) is not None
