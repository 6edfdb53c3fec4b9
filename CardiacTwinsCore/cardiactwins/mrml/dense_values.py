"""Stored values of phase images: which of them stand for -pi and pi, and the phase in rad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.lma.dense import phase_from_pixels

__all__ = ["GUESS", "guessed_stored_range", "phase_in_rad"]

GUESS = "guess"
"""In place of a stored range: find it out from the values."""
SLACK = 1e-3
UNSIGNED = (2 * np.pi, 256.0, 360.0, 1024.0, 4096.0, 16384.0, 65536.0)
"""Where values end that begin at 0: a turn in rad or degrees, and what scanners store in 8 to 16 bits."""
SIGNED = (128.0, 180.0, 512.0, 2048.0, 1000 * np.pi, 4096.0, 8192.0, 32768.0)
"""Where those end that are as often negative: half a turn in degrees or milliradians, and what scanners
store; 4096 is that of 12 bits rescaled by 2."""
FILLED = 0.95
"""Phase fills so much of its range, as noise outside of the body takes every value."""
PLAINLY_STORED = 16.0
"""Stored values that span more than this do not all lie within -pi..pi."""


def guessed_stored_range(
    parts: Sequence[ArrayLike], wall: ArrayLike | None = None
) -> tuple[float, float] | None:
    """Stored values of -pi and pi of the components of one slice (arrays of any shape); None for rad.

    Values within -pi..pi in the myocardium are rad, whatever stands outside. Others that are never negative
    run from 0 to the next of `UNSIGNED`, such as 4096, those with both signs from minus to plus the next of
    `SIGNED`. What is not finite does not count. wall: of the shape of all parts, above 0 in the
    myocardium; None: look at all pixels.
    ValueError where the values do not fill that range, so that another may be meant, or exceed 16 bits.
    """
    values = [np.asarray(part, dtype=float) for part in parts]
    if wall is not None and _is_rad(_inside(values, wall)):
        return None
    given = np.concatenate([part[np.isfinite(part)] for part in values])
    if _is_rad(given):
        return None
    low, high = float(given.min()), float(given.max())
    ends, reached = (UNSIGNED, high) if low >= 0 else (SIGNED, max(-low, high))
    end = next((end for end in ends if reached <= end * (1 + SLACK)), None)
    if end is None or reached < FILLED * end:
        raise ValueError(
            f"The phase holds values from {low:.6g} to {high:.6g}, which does not tell for certain what they "
            "mean. Check that these are phase images, and say which values stand for -pi and pi (in Python: "
            "stored_range=(0, 4096))."
        )
    return (0.0, end) if low >= 0 else (-end, end)


def phase_in_rad(
    parts: Sequence[NDArray], wall: ArrayLike, stored_range: Sequence[float] | str | None
) -> tuple[list[NDArray], tuple[float, float] | None]:
    """Components of the phase in rad, and the stored values that were read as -pi and pi (None: rad).

    parts: arrays (T, J, I). wall: (T, J, I), above 0 in the myocardium. stored_range: values of -pi and pi,
    `GUESS` for those of `guessed_stored_range`, None for phase in rad. ValueError when values in the
    myocardium cannot be what they are said to be.
    """
    fits = all(part.shape == np.shape(wall) for part in parts)
    if isinstance(stored_range, str):
        if stored_range != GUESS:
            raise ValueError(f"A stored range is two numbers, or '{GUESS}'; found '{stored_range}'.")
        stored_range = guessed_stored_range(parts, wall if fits else None)
    elif fits:
        _check_values(_inside(parts, wall), stored_range)
    if stored_range is None:
        return list(parts), None
    lowest, highest = (float(value) for value in stored_range)
    return [phase_from_pixels(part, lowest, highest) for part in parts], (lowest, highest)


def _check_values(inside: NDArray, stored_range: Sequence[float] | None) -> None:
    """Whether the values in the myocardium can be what they are said to be."""
    inside = inside[np.isfinite(inside)]
    if not inside.size:
        return
    low, high = float(inside.min()), float(inside.max())
    rad = _is_rad(inside)
    if stored_range is None:
        if not rad:
            raise ValueError(
                f"Phase must lie in -pi..pi rad; found {low:.6g} to {high:.6g} in the myocardium. These look "
                "like stored values: say which of them stand for -pi and pi (in Python: "
                "stored_range=(0, 4096))."
            )
        return
    first, last = stored_range
    if rad and last - first > PLAINLY_STORED:
        raise ValueError(
            f"The phase lies in -pi..pi rad already (found {low:.3g} to {high:.3g} in the myocardium); it is "
            f"not stored as {first:g} to {last:g}. Leave the stored range away."
        )
    if last > first and (low < first or high > last):
        raise ValueError(
            f"Stored values were to lie from {first:g} (-pi) to {last:g} (pi); found {low:.6g} to {high:.6g} "
            "in the myocardium. Say which of them stand for -pi and pi (in Python: stored_range=(0, 4096))."
        )


def _inside(parts: Sequence[NDArray], wall: ArrayLike) -> NDArray:
    """What arrays of the wall's shape hold in the myocardium."""
    myocardium = np.asarray(wall) > 0
    return np.concatenate([part[myocardium] for part in parts])


def _is_rad(values: NDArray) -> bool:
    """Whether all that is finite lies within -pi..pi; so it does where nothing is."""
    finite = values[np.isfinite(values)]
    return not finite.size or float(np.abs(finite).max()) <= np.pi + SLACK
