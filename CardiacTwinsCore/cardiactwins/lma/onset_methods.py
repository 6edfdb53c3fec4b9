"""TOS of a slice by the method of choice: the trained network, or the change point without PyTorch."""

from __future__ import annotations

from importlib.util import find_spec

from numpy.typing import ArrayLike

from cardiactwins.lma.onset import OnsetEstimate, estimate_onset

__all__ = ["ONSET_METHODS", "chosen_onset_method", "estimate_onset_by"]

ONSET_METHODS = ("auto", "network", "change point")


def chosen_onset_method(method: str = "auto", weights: str | None = None) -> str:
    """ "network" or "change point": what `method` means here.

    "auto" is the network where PyTorch is installed and the weights are there. weights: a file in place of
    those that come with the library. ValueError for an unknown method, or for the network without PyTorch.
    """
    if method not in ONSET_METHODS:
        raise ValueError(f"A method is one of {', '.join(ONSET_METHODS)}; found {method!r}.")
    if method == "change point":
        return method
    if find_spec("torch") is None:
        if method == "network":
            raise ValueError(
                "The TOS network needs PyTorch, which is not installed. Install it, or use 'change point'."
            )
        return "change point"
    if method == "network":
        return method
    from cardiactwins.lma.tos_network import WEIGHTS

    return "network" if weights is not None or WEIGHTS.is_file() else "change point"


def estimate_onset_by(
    strain: ArrayLike,
    times: ArrayLike,
    *,
    method: str = "auto",
    sectors: int | None = None,
    weights: str | None = None,
) -> OnsetEstimate:
    """TOS of each sector of a strain matrix (S, T) with times (T,) in ms.

    method: see `chosen_onset_method`; the network's estimate holds the probability of late activation too.
    Errors as of `estimate_onset` and `estimate_onset_network`.
    """
    if chosen_onset_method(method, weights) == "change point":
        return estimate_onset(strain, times, sectors=sectors)
    from cardiactwins.lma.tos_network import estimate_onset_network

    return estimate_onset_network(strain, times, sectors=sectors, weights=weights)
