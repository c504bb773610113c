"""Finds every model, source and recipe, and builds a run's parts from settings. Nothing is registered by hand."""

from counterfeit.catalogue.building import build, prepare, same_data, training_data, usual
from counterfeit.catalogue.classes import UnknownClassError, able, capabilities, family, model_class, models, own
from counterfeit.catalogue.data_sources import source, sources
from counterfeit.catalogue.recipe_files import SETTINGS, Recipe, configure, recipe, recipes

__all__ = [
    "SETTINGS", "Recipe", "UnknownClassError", "able", "build", "capabilities", "configure", "family", "model_class",
    "models", "own", "prepare", "recipe", "recipes", "same_data", "source", "sources", "training_data", "usual",
]  # fmt: skip
