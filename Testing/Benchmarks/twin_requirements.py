"""What twin_quality.py asks of the generative model, and whether it is enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def requirements(values: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """What is asked of the model, what was found, whether it is enough; without what was not measured."""
    rows: list[tuple[str, str, bool]] = []

    def ask(name: str, found: str, held: bool) -> None:
        rows.append((name, found, bool(held)))

    if "vae_dice" in values:
        least, worst = min(values["vae_dice"].values()), min(values["vae_dice_worst"].values())
        ask("autoencoder: mean Dice of every tissue >= 0.97", f"{least:.3f}", least >= 0.97)
        ask("autoencoder: worst Dice >= 0.95", f"{worst:.3f}", worst >= 0.95)
    if "tv_synthetic" in values:
        raw, guarded = values["tv_synthetic"], values["tv_guarded"]
        if "tv_autoencoded" in values:
            most = values["tv_autoencoded"] + 3
            ask(f"TV raw <= {most:.1f} % (autoencoded + 3)", f"{raw:.2f} %", raw <= most)
        ask("TV guarded <= 1 %", f"{guarded:.2f} %", guarded <= 1)
        for name in ("precision", "recall", "frechet"):
            low, high = values[f"{name}_halves"]
            found = values[name]
            ask(f"{name} within two halves, {low:.3g} to {high:.3g}", f"{found:.3g}", low <= found <= high)
    if "nearest_train" in values:
        near, own = values["nearest_train"], values["nearest_heldout"]
        ask(f"nearest training heart >= {own:.3g} (held out)", f"{near:.3g}", near >= own)
    if "nearest_to_unseen" in values:
        far, own = values["nearest_to_unseen"], values["nearest_to_training"]
        within = f"{own['low']:.3g} to {own['high']:.3g}"
        ask(
            f"nearest unseen heart <= {own['high']:.3g} (as many of the training: {within})",
            f"{far:.3g}",
            far <= own["high"],
        )
    if "perturbational" in values:
        errors = [row["dice_error"] for row in values["perturbational"]]
        text = " ".join(f"{error:.3f}" for error in errors)
        ask("1 - Dice grows with psi", text, all(np.diff(errors) > 0))
        twice = 2 * values["autoencoder_error"]
        ask(f"1 - Dice at psi 0.35 >= {twice:.3f}", f"{errors[0]:.3f}", errors[0] >= twice)
        shares = [row["smooth_share"] for row in values["perturbational"]]
        text = " ".join(f"{share:.2f}" for share in shares)
        ask("spatial scale grows with psi", text, shares[-1] > shares[0])
        kept = values["localized_kept_dice"]
        ask("kept tissues: Dice >= 0.98", f"{kept:.3f}", kept >= 0.98)
        exact = values["localized_exact_dice"]
        ask("kept exactly: Dice 1", f"{exact:.4f}", exact == 1)
        spread = list(values["localized_volume_sd"].values())
        ask("edited volume SD >= half of the population's", f"{np.mean(spread):.2f}", np.mean(spread) >= 0.5)
    if "targets_met_percent" in values:
        met, held = values["targets_met_percent"], values["targets_held_percent"]
        ask("targets met within 5 % in >= 90 %", f"{met:.0f} %", met >= 90)
        ask("other chambers within 5 % in >= 90 %", f"{held:.0f} %", held >= 90)
    if "designed_volume_sd" in values:
        least = min(values["designed_volume_sd"].values())
        ask("designed volume SD >= half of the population's in every cohort", f"{least:.2f}", least >= 0.5)
        kept = values["designed_kept_dice"]
        ask("designed edits, kept tissues: Dice >= 0.98", f"{kept:.3f}", kept >= 0.98)
    return rows
