"""Random infarct models, their divergence from a real population, and their personalization."""
