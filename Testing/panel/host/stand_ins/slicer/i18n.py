"""Stands for slicer.i18n: texts go through the application's translation, which has none here."""

__all__ = ["getContext", "tr", "translate"]

import inspect
from pathlib import Path


def translate(context, text):
    """`text` in the language of the application."""
    import slicer

    application = getattr(slicer, "app", None)
    return application.translate(context, text) if hasattr(application, "translate") else text


def getContext(sourceFile):
    """The name under which the texts of a file are translated: its own, after that of its package if any."""
    path = Path(sourceFile)
    return f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").is_file() else path.stem


def tr(text):
    """`text`, translated in the context of the file that asks."""
    asking = inspect.currentframe().f_back
    return translate(getContext(asking.f_code.co_filename), text)
