"""What the sections of the InfarctSynth panel have in common: the chosen population and model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cardiactwins.compute.worker_process import WorkerProcess
from cardiactwins.infarct.archive import PersonalizedModel
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.mrml.archive_nodes import (
    MODEL_KIND,
    POPULATION_KIND,
    is_kind,
    model_of_node,
    population_of_node,
)
from cardiactwins.mrml.infarct_synth import InfarctSynthLogic
from cardiactwins.panel.context import PanelContext

__all__ = ["InfarctContext"]


class InfarctContext(PanelContext):
    """What the sections share, with the population and the model that are chosen."""

    def __init__(
        self,
        ui: Any,
        logic: InfarctSynthLogic,
        worker: WorkerProcess,
        requirements: Path,
        onChange: Callable[[], None],
    ) -> None:
        super().__init__(
            ui, logic, worker, requirements, "InfarctSynth", "cardiactwins.infarct.jobs", onChange
        )
        self._contents: dict[Callable[[Any], Any], tuple[Any, Any]] = {}

    def population(self) -> Any:
        """The chosen population node; None where there is none, or it is damaged."""
        node = None if self.parameterNode is None else self.parameterNode.population
        return self._readable(node, POPULATION_KIND, population_of_node)

    def populationData(self) -> InfarctPopulation:
        """What the chosen population node holds; read once and kept while the node does not change."""
        return self._read(self.population(), population_of_node)

    def modelData(self) -> PersonalizedModel:
        """What the chosen model node holds; read once and kept while the node does not change."""
        return self._read(self.model(), model_of_node)

    def model(self) -> Any:
        """The chosen model node; None where there is none, or it is damaged."""
        node = None if self.parameterNode is None else self.parameterNode.personalizedModel
        return self._readable(node, MODEL_KIND, model_of_node)

    def _readable(self, node: Any, kind: str, read: Callable[[Any], Any]) -> Any:
        if not is_kind(node, kind):
            return None
        try:
            self._read(node, read)
        except ValueError as error:
            self.say(str(error))
            return None
        return node

    def _read(self, node: Any, read: Callable[[Any], Any]) -> Any:
        version = (node.GetID(), node.GetMTime())
        if self._contents.get(read, (None, None))[0] != version:
            self._contents[read] = (version, read(node))
        return self._contents[read][1]
