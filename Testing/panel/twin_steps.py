"""What tests of the TwinEditor panel do more than once."""

import hashlib
import json

import numpy as np
from stretched_hearts import save, stretched

NAME = "Whole heart phantom"


def parameters(editor):
    return editor.panel.context.parameterNode


def occupied(editor):
    return editor.panel.edit.controls.occupied


def finish(host, editor, button, seconds=240):
    """Click a button that runs something and wait until nothing runs any more."""
    host.click(button)
    host.wait(lambda: not occupied(editor), seconds)


def nodes(scene):
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def texts(table):
    """The rows of a table."""
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def give_weights(editor, labels, delay=0.0, name="stretched"):
    """Put a stand-in for trained weights and its card where the panel keeps files of the user."""
    folder = editor.panel.context.ownWeights()
    folder.mkdir(parents=True, exist_ok=True)
    path = save(folder / f"{name}.safetensors", labels, delay)
    write_card(path)
    editor.logic.loader = "stretched_hearts:load"
    editor.panel.update()
    return path


def write_card(path, **more):
    content = path.read_bytes()
    card = {"format": "cardiactwins weights 1", "kind": "twin", "file": path.name, "bytes": len(content)}
    card |= {"sha256": hashlib.sha256(content).hexdigest(), "licence": "CC0", "data": "one phantom"}
    path.with_suffix(".json").write_text(json.dumps({**card, **more}), encoding="utf-8")


def sibling_of(case, seed=0, speck=False, size=1.0):
    """A sibling made by hand: the twin stretched, with a speck where the guard has something to do."""
    from cardiactwins.anatomy.heart_topology import topology_checks
    from cardiactwins.twin.recipe import Recipe
    from cardiactwins.twin.siblings import Sibling
    from cardiactwins.twin.topology_guard import guard_topology

    factors = size + 0.03 * np.random.default_rng(seed).uniform(-1, 1, 3)
    raw = stretched(case.current, factors)
    if speck:
        raw[2:5, 2:5, 2:5] = 3
    recipe = Recipe("perturbational", seed, psi=0.5, twin=case.name)
    guarded = guard_topology(raw)
    return Sibling(recipe, guarded.labels, raw, guarded.after, topology_checks(raw), guarded)


def show_siblings(host, editor, *siblings):
    """Bring siblings into the scene as those of a run are."""
    editor.panel.edit._show(editor.panel.context.case(), siblings, None)
    host.wait(lambda: not occupied(editor))


def write_hearts(folder, labels, count, seed):
    """Stretched hearts as label maps of a folder; returns it."""
    from cardiactwins.twin.label_files import write_heart
    from cardiactwins.twin.twin_grid import TWIN_GRID

    rng = np.random.default_rng(seed)
    for number in range(count):
        heart = stretched(labels, rng.normal(1, 0.05, 3).clip(0.85, 1.15))
        write_heart(folder / f"heart {number}.nrrd", heart, TWIN_GRID)
    return folder
