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
UNSIGNED = (256.0, 1024.0, 4096.0, 16384.0, 65536.0)
"""Where the stored values of scanners end that begin at 0: 8 to 16 bits."""
SIGNED = (128.0, 512.0, 2048.0, 4096.0, 8192.0, 32768.0)
"""Where those end that are as often negative; 4096 is that of 12 bits rescaled by 2."""
OTHER_UNITS = (180.0, 1000 * np.pi)
"""Half a turn in degrees and in thousandths of a radian, as some scanners write it."""
FILLED = 0.9
"""Phase fills so much of a range of another unit, as noise outside of the body takes every value."""
PLAINLY_STORED = 16.0
"""Stored values that span more than this do not all lie within -pi..pi."""


def guessed_stored_range(parts: Sequence[ArrayLike]) -> tuple[float, float] | None:
    """Stored values of -pi and pi of the components of one slice (arrays of any shape); None for rad.

    Values within -pi..pi are rad. Others that are never negative run from 0 to the next of `UNSIGNED`, such
    as 4096; those with both signs from minus to plus half a turn in degrees or milliradians, if they fill
    that range, else to the next of `SIGNED`, such as -4096 to 4096. What is not finite does not count.
    ValueError when the values exceed 16 bits.
    """
    finite = [values[np.isfinite(values)] for values in (np.asarray(part, dtype=float) for part in parts)]
    given = [values for values in finite if values.size]
    if not given:
        return None
    low, high = min(values.min() for values in given), max(values.max() for values in given)
    largest = max(-low, high)
    if largest <= np.pi + SLACK:
        return None
    if low >= 0:
        return 0.0, _next(UNSIGNED, high)
    for half in OTHER_UNITS:
        if FILLED * half <= largest <= half * (1 + SLACK):
            return -half, half
    half = _next(SIGNED, largest)
    return -half, half


def phase_in_rad(
    parts: Sequence[NDArray], wall: ArrayLike, stored_range: Sequence[float] | str | None
) -> tuple[list[NDArray], tuple[float, float] | None]:
    """Components of the phase in rad, and the stored values that were read as -pi and pi (None: rad).

    parts: arrays (T, J, I). wall: (T, J, I), above 0 in the myocardium. stored_range: values of -pi and pi,
    `GUESS` for those of `guessed_stored_range`, None for phase in rad. ValueError when values in the
    myocardium cannot be what they are said to be.
    """
    if isinstance(stored_range, str):
        if stored_range != GUESS:
            raise ValueError(f"A stored range is two numbers, or '{GUESS}'; found '{stored_range}'.")
        stored_range = guessed_stored_range(parts)
    inside = np.asarray(wall) > 0
    if all(part.shape == inside.shape for part in parts):
        _check_values(np.concatenate([part[inside] for part in parts]), stored_range)
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
    rad = max(-low, high) <= np.pi + SLACK
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


def _next(ends: Sequence[float], value: float) -> float:
    """The first of some rising numbers that is not below a value; ValueError above all."""
    for end in ends:
        if value <= end:
            return end
    raise ValueError(
        f"The phase holds values up to {value:.6g}, which no scanner stores. Check that these are phase "
        "images, or say which values stand for -pi and pi (in Python: stored_range=(0, 4096))."
    )
