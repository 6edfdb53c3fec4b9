"""The settings of the search: one of those that are known to work, or the user's own."""

from __future__ import annotations

from dataclasses import replace

from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.panel.infarct.context import InfarctContext

__all__ = ["SearchChoices"]

QUICK = PersonalizationSettings(generations=20, searches=1, scouts=0, polish_generations=0)
PRESETS = {"DEFAULT": PersonalizationSettings(), "QUICK": QUICK, "PAPER": PersonalizationSettings.paper()}
FIELDS = {
    "lesions": ("searchLesions", "lesionsBox"),
    "candidates": ("searchCandidates", "candidatesBox"),
    "parents": ("searchParents", "parentsBox"),
    "generations": ("searchGenerations", "generationsBox"),
    "searches": ("searchSearches", "searchesBox"),
    "scouts": ("searchScouts", "scoutsBox"),
    "polish_generations": ("searchPolish", "polishBox"),
    "threshold": ("searchThreshold", "thresholdBox"),
}
"""Field of the settings -> parameter of the node and its widget; draws are a choice."""


class SearchChoices:
    """Shows the numbers of the chosen settings; they can be changed where "own" is chosen."""

    def __init__(self, context: InfarctContext) -> None:
        self.context = context

    def settings(self) -> PersonalizationSettings:
        """The settings of the next search. ValueError when own numbers contradict each other."""
        node = self.context.parameterNode
        if node.searchPreset.name != "OWN":
            return PRESETS[node.searchPreset.name]
        values = {field: getattr(node, name) for field, (name, _widget) in FIELDS.items()}
        return replace(PRESETS["DEFAULT"], **values, draws=node.searchDraws.value)

    def update(self) -> None:
        """Show the numbers of a known setting, and whether they can be changed."""
        node, ui = self.context.parameterNode, self.context.ui
        own = node.searchPreset.name == "OWN"
        for field, (name, widget) in FIELDS.items():
            getattr(ui, widget).enabled = own
            if not own:
                value = getattr(PRESETS[node.searchPreset.name], field)
                if getattr(node, name) != value:
                    setattr(node, name, value)
        ui.drawsBox.enabled = own
        if not own:
            draws = PRESETS[node.searchPreset.name].draws
            if node.searchDraws.value != draws:
                node.searchDraws = type(node.searchDraws)(draws)
