"""Draw the icons of the extension and of its modules: `python Resources/draw_icons.py`.

InfarctSynth: a short-axis ring of myocardium with an infarct wedge, widest at the endocardium.
CardiacTwins: two such rings, twins of one heart, of which one has the infarct.
InfarctPhantoms, the thumbnail in Sample Data: a population of such rings.
LMAReconstruct: a left ventricle from base to apex, coloured from early (blue) to late (red), with its slices.
LBBBPhantom, the thumbnail in Sample Data: short-axis rings in these colours, late on one side.
TwinEditor: a heart cut through its four chambers, and behind it the outline of a larger sibling.
WholeHeartPhantom, the thumbnail in Sample Data: such a heart with its aorta.
"""

from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Annulus, Arc, Circle, Ellipse, Polygon, Wedge
from numpy import array, cos, linspace, pi, radians, sin, vstack

ROOT = Path(__file__).resolve().parents[1]
PIXELS = 128
MYOCARDIUM, CAVITY, INFARCT, BORDER_ZONE, OUTLINE = "#c0504d", "#7b1f24", "#f6e7c1", "#e0a060", "#4a1013"
ACTIVATION = ("#2b3399", "#4080cc", "#a6d9ed", "#fcf7bf", "#fcad5c", "#db3829", "#990021")
"""From early to late, as the maps of LMAReconstruct have them."""
AORTA, LEFT_ATRIUM, RIGHT_ATRIUM, RIGHT_VENTRICLE = "#e0862f", "#e8a0ac", "#7fb2d9", "#3f7fbf"
SIBLING = "#1b9e77"
ENDOCARDIUM = 0.6
"""Radius of the endocardium where that of the epicardium is 1 (3 : 5, the reference anatomy)."""


def draw_heart(axes, centre, radius, infarct=True):
    """A short-axis ring around `centre`, its epicardium of `radius`, in units of the picture's width."""
    axes.add_patch(Circle(centre, radius, facecolor=CAVITY, zorder=radius))
    axes.add_patch(Annulus(centre, radius, radius * (1 - ENDOCARDIUM), facecolor=MYOCARDIUM, zorder=radius))
    if infarct:
        for color, depth, half_angle in ((BORDER_ZONE, 0.93, 58), (INFARCT, 0.8, 48)):
            outline = array(centre) + radius * wedge(depth, half_angle)
            axes.add_patch(Polygon(outline, facecolor=color, zorder=radius))
    for border in (radius, radius * ENDOCARDIUM):
        axes.add_patch(Circle(centre, border, fill=False, edgecolor=OUTLINE, linewidth=2.2, zorder=radius))


def wedge(depth, half_angle, towards=40):
    """Outline of a lesion, `half_angle` degrees wide on either side and `depth` of the wall deep."""
    turn = linspace(-1, 1, 61)
    front = ENDOCARDIUM + (1 - ENDOCARDIUM) * depth * (1 - abs(turn) ** 4)
    angle = radians(towards + half_angle * turn)
    outer = front * array([cos(angle), sin(angle)])
    inner = ENDOCARDIUM * array([cos(angle), sin(angle)])
    return vstack([outer.T, inner.T[::-1]])


def draw_ventricle(axes):
    """Half an ellipsoid seen from the side, its colours turning from early to late, and five slices."""
    colors = LinearSegmentedColormap.from_list("activation", ACTIVATION)
    turn = linspace(0, pi, 91)
    outline = vstack([0.5 + 0.36 * cos(turn), 0.86 - 0.8 * sin(turn)]).T
    wall = Polygon(outline, facecolor="none", edgecolor="none")
    axes.add_patch(wall)
    extent = (0.14, 0.86, 0.04, 0.9)
    shades = axes.imshow(linspace(0, 1, 256)[None], cmap=colors, extent=extent, aspect="auto", zorder=1)
    shades.set_clip_path(wall)
    for height in (0.74, 0.6, 0.46, 0.32, 0.18):
        half = 0.36 * (1 - ((0.86 - height) / 0.8) ** 2) ** 0.5
        style = {"edgecolor": "white", "linewidth": 2.4, "zorder": 2}
        axes.add_patch(Arc((0.5, height), 2 * half, 0.1, theta1=180, theta2=360, **style))
    border = {"edgecolor": OUTLINE, "linewidth": 2.2}
    axes.add_patch(Polygon(outline, fill=False, zorder=3, **border))
    axes.add_patch(Ellipse((0.5, 0.86), 0.72, 0.2, facecolor=CAVITY, zorder=4, **border))


def draw_late_heart(axes, centre, radius):
    """A short-axis ring, early on one side and late on the other."""
    colors = LinearSegmentedColormap.from_list("activation", ACTIVATION)
    axes.add_patch(Circle(centre, radius, facecolor=CAVITY, zorder=radius))
    for begin in range(0, 360, 20):
        late = (1 + cos(radians(begin + 10))) / 2
        ring = Wedge(centre, radius, begin, begin + 20, width=radius * (1 - ENDOCARDIUM), zorder=radius)
        ring.set(facecolor=colors(late), edgecolor=OUTLINE, linewidth=0.5)
        axes.add_patch(ring)
    for border in (radius, radius * ENDOCARDIUM):
        axes.add_patch(Circle(centre, border, fill=False, edgecolor=OUTLINE, linewidth=2.2, zorder=radius))


def draw_four_chambers(axes, centre, size, sibling=True):
    """Four chambers and the aorta from the front, the apex to the lower right; with a sibling's outline."""
    x, y = centre

    def oval(across, up, width, height, turn, **style):
        place = (x + size * across, y + size * up)
        axes.add_patch(Ellipse(place, size * width, size * height, angle=turn, **style))

    border = {"edgecolor": OUTLINE, "linewidth": 2.2}
    if sibling:
        dashes = {"fill": False, "edgecolor": SIBLING, "linewidth": 2.6, "linestyle": (0, (2.2, 1.2))}
        oval(0.16, -0.18, 0.8, 1.1, 32, zorder=5, **dashes)
    oval(-0.02, 0.4, 0.22, 0.5, -8, facecolor=AORTA, zorder=1, **border)
    oval(-0.33, 0.18, 0.4, 0.4, 0, facecolor=RIGHT_ATRIUM, zorder=2, **border)
    oval(0.27, 0.28, 0.4, 0.38, 0, facecolor=LEFT_ATRIUM, zorder=2, **border)
    oval(-0.12, -0.16, 0.56, 0.78, 42, facecolor=RIGHT_VENTRICLE, zorder=3, **border)
    oval(0.16, -0.2, 0.56, 0.86, 32, facecolor=MYOCARDIUM, zorder=4, **border)
    oval(0.15, -0.14, 0.28, 0.58, 32, facecolor=CAVITY, zorder=4, **border)


def save(path, hearts, width=1.0, draw=draw_heart):
    figure = Figure(figsize=(width, 1), dpi=PIXELS)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, 1), aspect="equal")
    axes.set_axis_off()
    for heart in hearts:
        draw(axes, *heart)
    axes.set(xlim=(0, width), ylim=(0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, transparent=True, metadata={"Software": None})


if __name__ == "__main__":
    save(ROOT / "InfarctSynth" / "Resources" / "Icons" / "InfarctSynth.png", [((0.5, 0.5), 0.47, True)])
    save(
        ROOT / "Resources" / "Icons" / "CardiacTwins.png",
        [((0.32, 0.66), 0.3, False), ((0.63, 0.37), 0.35, True)],
    )
    save(
        ROOT / "InfarctSynth" / "Resources" / "Icons" / "InfarctPhantoms.png",
        [
            ((x, y), radius, True)
            for x, y, radius in ((0.25, 0.74, 0.2), (0.75, 0.72, 0.23), (1.25, 0.74, 0.19))
        ]
        + [
            ((x, y), radius, True)
            for x, y, radius in ((0.26, 0.26, 0.22), (0.75, 0.25, 0.19), (1.24, 0.26, 0.21))
        ],
        width=1.5,
    )
    icons = ROOT / "LMAReconstruct" / "Resources" / "Icons"
    save(icons / "LMAReconstruct.png", [()], draw=draw_ventricle)
    save(
        icons / "LBBBPhantom.png",
        [((x, 0.5), radius) for x, radius in ((0.32, 0.28), (0.86, 0.22), (1.29, 0.17))],
        width=1.5,
        draw=draw_late_heart,
    )
    icons = ROOT / "TwinEditor" / "Resources" / "Icons"
    save(icons / "TwinEditor.png", [((0.44, 0.48), 0.74)], draw=draw_four_chambers)
    save(
        icons / "WholeHeartPhantom.png",
        [((x, 0.5), size, False) for x, size in ((0.4, 0.72), (1.08, 0.62))],
        width=1.5,
        draw=draw_four_chambers,
    )
