"""Run the self-tests of the modules inside the 3D Slicer application; exit with 1 if one fails."""

import traceback

import slicer

failed = []
for module in ("CardiacTwinsCore", "InfarctSynth", "LMAReconstruct", "TwinEditor"):
    try:
        slicer.selfTests[module]()
    except Exception:
        traceback.print_exc()
        failed.append(module)
    else:
        print(f"{module}: self-test passed")
slicer.util.exit(1 if failed else 0)
