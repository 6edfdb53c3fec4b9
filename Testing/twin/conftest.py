"""Lets these tests share hearts made by hand and the stand-in of a trained model."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "Benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
