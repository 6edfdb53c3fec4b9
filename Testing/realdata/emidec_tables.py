"""The tables of Docs/emidec.md, made of the study's figures: no number of the document is typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from emidec_rows import (
    at_random,
    best,
    combinations,
    dimensions,
    log_ratios,
    models_of,
    of,
    resampled_interval,
)

from cardiactwins.compute.files import write_text_atomic

__all__ = ["TABLES", "fill", "filled"]

BLOCK = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
LOSSES = ("KL_full", "KL_attr")
FITTED = (*LOSSES, "KL_attr fixed")
ALL_LOSSES = (*LOSSES, "KL_full fixed", "KL_attr fixed", "MMD")

Line = dict[str, object]


def fill(document: Path, figures: Mapping) -> None:
    """Write every marked table of the document anew."""
    write_text_atomic(document, filled(document.read_text(encoding="utf-8"), figures))


def filled(text: str, figures: Mapping) -> str:
    """The text with a table between each pair `<!-- table NAME -->`, `<!-- end -->`."""
    return BLOCK.sub(lambda block: block[1] + markdown(TABLES[block[2]](figures)) + block[3], text)


def markdown(lines: Sequence[Line]) -> str:
    head = list(lines[0])
    rows = [head, ["---"] * len(head), *(line.values() for line in lines)]
    return "".join("| " + " | ".join(str(cell) for cell in row) + " |\n" for row in rows)


def summary(figures: Mapping) -> list[Line]:
    used = {row["dimension"]: row["n"] for row in figures["aligned"] if not row["turn"]}

    def line(what: str, value: Callable[[str], str]) -> Line:
        return {"": what, **{dimension: value(dimension) for dimension in dimensions(figures)}}

    lines = [line("patients used", lambda d: f"{used[d]} of {figures['cases']}")]
    for loss in LOSSES:
        lines += [
            line(f"{loss}, {model}", lambda d, m=model, lo=loss: pair(best(figures, d, m, lo)["losses"][lo]))
            for model in models_of(figures)
        ]
    for loss in FITTED:
        for model in models_of(figures):
            lines.append(
                line(
                    f"{loss}, unseen half, {model}",
                    lambda d, m=model, lo=loss: mean_unseen(figures, d, m, lo),
                )
            )
        ratio = f"{loss}, unseen half, elliptical / wavefront (95 % interval)"
        lines.append(line(ratio, lambda d, lo=loss: interval(log_ratios(figures, d, "elliptical", lo))))
    return lines


def cohort(figures: Mapping) -> list[Line]:
    return [
        {
            "": row["dimension"],
            "insertion": turned(row["turn"]),
            "n": row["n"],
            "LAD, RCA, LCX": ", ".join(str(row["territories"].get(a, 0)) for a in ("LAD", "RCA", "LCX")),
            "changed territory": row["changed_territory"],
            "rotation of RCA, LCX": ", ".join(degrees(row["rotations"].get(a, 0)) for a in ("RCA", "LCX")),
            "start angle": degrees(row["zone"]["circumferential"]),
            "centres around it, RMS": degrees(row["center_spread_turns"]),
            "size (% of the wall)": spread(row["size_percent"]),
            "transmurality (%)": spread(row["transmurality_percent"]),
        }
        for row in figures["aligned"]
    ]


def exclusions(figures: Mapping) -> list[Line]:
    return [
        {"": row["dimension"], "left out": case["identifier"], "reason": case["reason"]}
        for row in figures["aligned"]
        for case in row["excluded"]
        if not row["turn"]
    ]


def fits(figures: Mapping) -> list[Line]:
    lines = []
    for dimension, loss, model in combinations(figures):
        row = best(figures, dimension, model, loss)
        others = [other for other in of(figures["fitted"], dimension, model, loss) if other is not row]
        lines.append(
            {
                "": dimension,
                "loss": loss,
                "model": model,
                "parameters": parameters(row["parameters"]),
                "loss ± SE": pair(row["losses"][loss]),
                "other seeds of the search": ", ".join(number(o["losses"][loss][0]) for o in others),
            }
        )
    return lines


def measures(figures: Mapping) -> list[Line]:
    lines = []
    for dimension, loss, model in combinations(figures):
        row = best(figures, dimension, model, loss)
        widths = row["bandwidths"]
        lines.append(
            {
                "": dimension,
                "fitted with": loss,
                "model": model,
                **{kind: pair(row["losses"][kind]) for kind in ALL_LOSSES},
                "bandwidth pooled, real": f"{widths['pooled']:.3g}, {widths['real']:.3g}",
            }
        )
    return lines


def distributions(figures: Mapping) -> list[Line]:
    lines = []
    for dimension in dimensions(figures):
        real = best(figures, dimension, "wavefront", "KL_full")["compared"]
        line = {"": dimension, "fitted with": "", "model": "real"}
        for name, one in real.items():
            line |= {f"{name} (%)": spread(one["real"]), f"D, p, W1 of {name}": ""}
        lines.append(line)
        for loss, model in [(lo, model) for d, lo, model in combinations(figures) if d == dimension]:
            line = {"": dimension, "fitted with": loss, "model": model}
            for name, one in best(figures, dimension, model, loss)["compared"].items():
                line |= {f"{name} (%)": spread(one["synthetic"]), f"D, p, W1 of {name}": tested(one)}
            lines.append(line)
    return lines


def sensitivity(figures: Mapping) -> list[Line]:
    return [
        {
            "": dimension,
            "loss": loss,
            "model": model,
            "insertion": turned(row["turn"]),
            "loss ± SE": pair(row["losses"][loss]),
            "parameters": parameters(row["parameters"]),
        }
        for dimension, loss, model in combinations(figures)
        if loss in LOSSES
        for row in sorted(of(figures["fitted"], dimension, model, loss, turn=None), key=lambda r: r["turn"])
        if row["seed"] == 0
    ]


def unseen(figures: Mapping) -> list[Line]:
    lines = []
    for dimension in dimensions(figures):
        for loss in FITTED:
            for model in models_of(figures, "held_out", dimension):
                rows = of(figures["held_out"], dimension, model, loss, turn=None)
                named = {row["swap"]: row["unseen"][loss][0] for row in rows if row["split"] == "names"}
                own = np.mean([row["own"][0] for row in rows if row["split"] != "names"])
                ratios = log_ratios(figures, dimension, model, loss)
                other = model != "wavefront"
                lines.append(
                    {
                        "": dimension,
                        "loss": loss,
                        "model": model,
                        "on its own half": number(own),
                        "on the unseen half": mean_unseen(figures, dimension, model, loss),
                        "/ wavefront (95 % interval)": interval(ratios) if other else "",
                        "wavefront better": wins(ratios) if other else "",
                        "first names, on the others": number(named[False]),
                        "other names, on the first": number(named[True]),
                    }
                )
    return lines


def yardstick(figures: Mapping) -> list[Line]:
    """All losses on the unseen half, and what the other half of the patients gets in the model's place."""
    lines = []
    for dimension in dimensions(figures):
        halves = [r for r in figures["halved"] if r["dimension"] == dimension and r["split"] != "names"]
        losses = {kind: number(np.mean([row["losses"][kind] for row in halves])) for kind in ALL_LOSSES}
        first = {"": dimension, "fitted with": "", "model": "the patients of the other half"}
        lines.append({**first, **losses, **distances(halves)})
        for loss in FITTED:
            for model in models_of(figures, "held_out", dimension):
                rows = of(figures["held_out"], dimension, model, loss, turn=None)
                rows = [row for row in rows if row["split"] != "names"]
                small = {k: number(np.mean([row["unseen_small"][k][0] for row in rows])) for k in ALL_LOSSES}
                line = {"": dimension, "fitted with": loss, "model": model}
                lines.append({**line, **small, **distances(rows)})
    return lines


def individuals(figures: Mapping) -> list[Line]:
    rows = []
    for row in figures["individual"]:
        what = f"each patient, centres within {degrees(row['spread'])} of the start"
        rows.append((what, row["summary"], f"{row['dice'][0]:.2f}", row["losses"]))
    for loss in LOSSES:
        row = best(figures, "2D", "elliptical", loss)
        rows.append((f"population, {loss}", list(row["parameters"].values()), "", row["losses"]))
    return [
        {
            "": what,
            "axis 1, mean and std": f"{axes[0]:.1f}, {axes[1]:.1f}",
            "axis 2, mean and std": f"{axes[2]:.1f}, {axes[3]:.1f}",
            "mean Dice": dice,
            **{f"{loss} of the model there": pair(losses[loss]) for loss in LOSSES},
        }
        for what, axes, dice, losses in rows
    ]


def optima(figures: Mapping) -> list[Line]:
    return [
        {
            "": row["dimension"],
            "model": row["model"],
            "the papers' optimum": ", ".join(f"{value:g}" for value in row["parameters"]),
            "KL_full there": pair(row["losses"]["KL_full"]),
            "KL_full of the fit": pair(
                best(figures, row["dimension"], row["model"], "KL_full")["losses"]["KL_full"]
            ),
        }
        for row in figures["evaluated"]
    ]


TABLES: Mapping[str, Callable[[Mapping], list[Line]]] = MappingProxyType(
    {
        "summary": summary,
        "cohort": cohort,
        "exclusions": exclusions,
        "fits": fits,
        "measures": measures,
        "distributions": distributions,
        "sensitivity": sensitivity,
        "unseen": unseen,
        "yardstick": yardstick,
        "individuals": individuals,
        "optima": optima,
    }
)


def mean_unseen(figures: Mapping, dimension: str, model: str, loss: str) -> str:
    return number(np.mean(list(at_random(figures, dimension, model, loss).values())))


def distances(rows: Sequence[Mapping]) -> Line:
    """Mean Wasserstein distances over splits, in percent of the wall and of its thickness."""
    return {
        f"W1 of {name}": f"{np.mean([row['compared'][name]['W1'] for row in rows]):.1f}"
        for name in ("size", "transmurality")
    }


def tested(one: Mapping) -> str:
    chance = "< 0.001" if one["p"] < 0.001 else f"{one['p']:.3f}"
    return f"{one['D']:.2f}, {chance}, {one['W1']:.1f}"


def number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"


def pair(values: Sequence[float]) -> str:
    return f"{number(values[0])} ± {values[1]:.4f}"


def spread(values: Sequence[float]) -> str:
    return f"{values[0]:.1f} ± {values[1]:.1f}"


def interval(logarithms: Sequence[float]) -> str:
    """Geometric mean of ratios and its 95 % interval."""
    mean, low, high = (f"{value:.3g}" for value in np.exp(resampled_interval(logarithms)))
    return f"{mean} ({low} to {high})"


def wins(logarithms: Sequence[float]) -> str:
    return f"{sum(value > 0 for value in logarithms)} of {len(logarithms)}"


def degrees(turns: float) -> str:
    return f"{360 * turns:.0f}°"


def turned(angle: int) -> str:
    return "as estimated" if not angle else f"{angle:+d}°"


def parameters(values: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values.values())
