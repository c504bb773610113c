"""The vocabulary of the project: what a batch, an update, a model and a capability are.

A model is the only place that knows *what* is descended and *in which order*; the engine is the only place that knows
*how*. A model yields updates and resumes after the engine has applied each, so it reads like a paper's Algorithm 1.
"""

from counterfeit.core.capabilities import (
    CAPABILITIES,
    Assembles,
    Bounds,
    Classifies,
    Clusters,
    Completes,
    Decodes,
    Density,
    Discriminates,
    Encodes,
    Energy,
    Initializes,
    Labelled,
    Predicts,
    Samples,
    Scores,
    Structure,
    Structured,
    Translates,
    Upscales,
    capability,
    labels_of,
    require,
)
from counterfeit.core.checks import check_captions, check_codes, check_labels, check_request
from counterfeit.core.modes import frozen, without_statistics
from counterfeit.core.vocabulary import Batch, Clock, Draw, Generator, Kind, Model, Net, Scaled, Spec, Update

__all__ = [
    "CAPABILITIES", "Assembles", "Batch", "Bounds", "Classifies", "Clock", "Clusters", "Completes", "Decodes",
    "Density", "Discriminates", "Draw", "Encodes", "Energy", "Generator", "Initializes", "Kind", "Labelled", "Model",
    "Net", "Predicts", "Samples", "Scaled", "Scores", "Spec", "Structure", "Structured", "Translates", "Update",
    "Upscales", "capability", "check_captions", "check_codes", "check_labels", "check_request", "frozen", "labels_of",
    "require", "without_statistics",
]  # fmt: skip
