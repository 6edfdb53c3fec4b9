"""Populations, models and settings so small that personalizations take a moment."""

from dataclasses import dataclass, fields, replace

import numpy as np

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.model import Parameter, checked_parameters
from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.infarct.population import InfarctPopulation

SMALL = ReferenceAnatomy(size=26, endocardial_radius=6.0, epicardial_radius=10.0)
TRUTH = [6.0, 3.0, 4.0, 3.0]
QUICK = PersonalizationSettings(
    lesions=20,
    candidates=6,
    generations=4,
    stagnation=0.0,
    searches=2,
    scouts=8,
    polish_generations=3,
    polish_lesions=40,
)
ONE_SEARCH = {"searches": 1, "scouts": 0, "polish_generations": 0}
SEARCH_ONLY = replace(QUICK, **ONE_SEARCH)


def population_of(lesions, anatomy=SMALL):
    return InfarctPopulation(anatomy, lesions, tuple(f"case {number}" for number in range(len(lesions))))


@dataclass(frozen=True, eq=False)
class Wedge:
    """Sectors of the wall of random width, up to the one parameter, and of random depth."""

    anatomy: ReferenceAnatomy = SMALL
    name: str = "wedge"

    n_uniforms = 2
    parameters = (Parameter("widest", "turns", 0.02, 0.5, 0.1, 0.1),)

    def paint(self, parameters, uniforms):
        half_widths = checked_parameters(self, parameters)[..., 0] * uniforms[:, 0]
        turn = np.abs(np.mod(self.anatomy.circumferential + 0.5, 1) - 0.5)
        inside = turn <= half_widths[:, None]
        return inside & (self.anatomy.radial <= uniforms[:, 1:])

    def sample(self, parameters, n, rng):
        return self.paint(parameters, rng.random((n, self.n_uniforms)))


class Spy:
    """A model that notes the parameters and the uniform numbers of every population, in order of arrival."""

    def __init__(self, model):
        self.name, self.anatomy, self.parameters = model.name, model.anatomy, model.parameters
        self.n_uniforms = model.n_uniforms
        self.model = model
        self.seen = []

    def paint(self, parameters, uniforms):
        self.seen.append((np.array(parameters), uniforms))
        return self.model.paint(parameters, uniforms)

    def sample(self, parameters, n, rng):
        return self.paint(parameters, rng.random((n, self.n_uniforms)))

    @property
    def candidates(self):
        return np.array([parameters for parameters, _ in self.seen])


def same(first, second):
    """Whether two outcomes are equal to the last bit, but for what a resumed run did not compute again."""
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert (first.loss, first.loss_error, first.stop) == (second.loss, second.loss_error, second.stop)
    assert first.history.stage == second.history.stage
    for field in fields(first.history)[1:]:
        np.testing.assert_array_equal(getattr(first.history, field.name), getattr(second.history, field.name))
    return True
