"""What tests of the LMAReconstruct panel do more than once."""

from dataclasses import replace

import numpy as np

SECTORS = 18
LATE_AT = 3
"""Sector around which the hearts here are late."""


def parameters(lma):
    return lma.panel.context.parameterNode


def controls(lma):
    return lma.panel.reconstruction.controls


def finish(host, lma, button, seconds=240):
    """Click a button that runs something and wait until nothing runs any more."""
    host.click(button)
    host.wait(lambda: not controls(lma).occupied, seconds)


def nodes(scene):
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def late_around(sectors=SECTORS, slices=6):
    """TOS (slices, sectors) in ms, 40 to 130, latest in the middle of one sector."""
    turn = (np.arange(sectors) - (LATE_AT - 1)) / sectors
    return np.tile(85 + 45 * np.cos(2 * np.pi * turn), (slices, 1))


def tos_file(lma, slices=6, heights=True):
    """A CSV file of late TOS below the folder of the settings."""
    path = lma.panel.context.ownWeights().parents[1] / "tos.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["slice,longitudinal,sector,TOS" if heights else "slice,sector,TOS"]
    for number, row in enumerate(late_around(slices=slices), start=1):
        height = f"{(number - 0.5) / slices:.3f}," if heights else ""
        lines += [f"{number},{height}{sector},{value:.1f}" for sector, value in enumerate(row, start=1)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def with_result(monkeypatch, **changes):
    """Let the next reconstruction come back with other fields."""
    from cardiactwins.panel.lma import reconstruction_section

    load = reconstruction_section.load_reconstruction

    def changed(path):
        found = load(path)
        return replace(found, **{key: new(found) if callable(new) else new for key, new in changes.items()})

    monkeypatch.setattr(reconstruction_section, "load_reconstruction", changed)
