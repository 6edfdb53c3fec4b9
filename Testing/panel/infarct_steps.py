"""What tests of the InfarctSynth panel do more than once."""

from contextlib import contextmanager

CASES = 9
RUNS = {
    "align": "alignButton",
    "personalize": "personalizeButton",
    "generate": "generateButton",
    "modes": "modesButton",
    "compare": "compareButton",
    "study": "studyButton",
}


def parameters(synth):
    return synth.panel.context.parameterNode


def occupied(synth):
    return synth.panel.population.controls.occupied


def finish(host, synth, button, seconds=240):
    """Click a button that runs something and wait until nothing runs any more."""
    host.click(button)
    host.wait(lambda: not occupied(synth), seconds)


@contextmanager
def held(synth):
    """Runs that start within stand still in their middle until they are cancelled or killed."""
    context = synth.panel.context
    jobs, context.jobs = context.jobs, "held_jobs"
    yield
    context.jobs = jobs


def in_the_middle(synth):
    """Whether the worker is at work and has told a step. Only runs that are `held` are sure to be seen so."""
    return synth.panel.worker.busy and synth.ui.progressBar.maximum > 0


def nodes(scene):
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def state(scene):
    """Nodes, subject hierarchy and the panel's values: what has to be as it was."""
    from vtkmodules.vtkCommonCore import vtkIdList

    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    hierarchy = scene.GetSubjectHierarchyNode()
    items = vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    ids = [items.GetId(index) for index in range(items.GetNumberOfIds())]
    values = {}
    for node in nodes:
        if node.IsA("vtkMRMLScriptedModuleNode"):
            values |= {(node.GetID(), name): node.GetParameter(name) for name in node.GetParameterNames()}
            roles = [
                node.GetNthNodeReferenceRole(index) for index in range(node.GetNumberOfNodeReferenceRoles())
            ]
            values |= {(node.GetID(), role): node.GetNodeReferenceID(role) for role in roles}
    return {
        "nodes": {node.GetID(): node.GetName() for node in nodes},
        "items": {item: (hierarchy.GetItemName(item), hierarchy.GetItemParent(item)) for item in ids},
        "values": values,
    }


def leftovers(temporary):
    return list(temporary.iterdir()) if temporary.exists() else []


def prepare(host, synth, lesions, tmp_path):
    from cardiactwins.mrml.archive_nodes import new_population_node

    parameters(synth).population = new_population_node("Population", lesions)
    host.choose(synth.ui.presetBox, "Paper 2D elliptical, KL_full")
    host.click(synth.ui.loadPresetButton)
    host.type(synth.ui.countBox, 40)
    host.choose(synth.ui.studyBox, "Loss")
    host.type(synth.ui.workersBox, 1)
    host.type(synth.ui.studyFolderPath, tmp_path / "study")


def add_patients(host, synth, hearts):
    import slicer

    from cardiactwins.mrml.lesions import new_heart_segmentation

    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patients")
    for heart in hearts:
        node = new_heart_segmentation(heart)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    host.choose(synth.ui.hierarchyItemBox, "Patients")
    host.choose(synth.ui.targetBox, "A patient's ventricle")
    host.choose(synth.ui.patientSelector, "Phantom 01")


def choose_search(host, synth, generations):
    """One search of so many generations and nothing else."""
    synth.ui.searchGroup.collapsed = False
    host.choose(synth.ui.searchPresetBox, "Own numbers")
    numbers = {"generationsBox": generations, "searchesBox": 1, "scoutsBox": 0, "polishBox": 0}
    for box, value in numbers.items():
        host.type(getattr(synth.ui, box), value)


def assert_usable(host, synth):
    """A preset is loaded and its first infarct painted, in whatever scene there is now."""
    import slicer

    host.choose(synth.ui.targetBox, "Reference ventricle")
    host.click(synth.ui.loadPresetButton)
    finish(host, synth, synth.ui.previewButton)
    assert slicer.mrmlScene.GetFirstNodeByName("Preview 001") is not None
    assert host.dialogs.texts("error") == []
