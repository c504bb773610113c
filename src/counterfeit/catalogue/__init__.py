"""Finds every model, source and recipe, and builds a run's parts from settings. Nothing is registered by hand."""

from counterfeit.catalogue.building import build, prepare, same_data, training_data, usual
from counterfeit.catalogue.classes import (
    BRANCHES,
    UnknownClassError,
    able,
    branch,
    capabilities,
    family,
    model_class,
    models,
    own,
)
from counterfeit.catalogue.data_sources import source, sources
from counterfeit.catalogue.recipe_files import SETTINGS, Recipe, configure, recipe, recipes

__all__ = [
    "BRANCHES", "SETTINGS", "Recipe", "UnknownClassError", "able", "branch", "build", "capabilities", "configure",
    "family", "model_class", "models", "own", "prepare", "recipe", "recipes", "same_data", "source", "sources",
    "training_data", "usual",
]  # fmt: skip
