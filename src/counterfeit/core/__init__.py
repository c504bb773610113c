"""The vocabulary of the project: what a batch, an update, a model and a capability are.

A model is the only place that knows *what* is descended and *in which order*; the engine is the only place that knows
*how*. A model yields updates and resumes after the engine has applied each, so it reads like a paper's Algorithm 1.
"""

from counterfeit.core import capabilities
from counterfeit.core.capabilities import *  # noqa: F403 - all of them: a new one is named in its own file only
from counterfeit.core.checks import (
    check_actions,
    check_captions,
    check_codes,
    check_labels,
    check_request,
    check_series,
    check_told,
    labels_seen,
)  # fmt: skip
from counterfeit.core.modes import frozen, without_statistics
from counterfeit.core.vocabulary import (
    NUMBERS,
    Batch,
    Clock,
    Draw,
    Generator,
    Kind,
    Model,
    Net,
    Scaled,
    Spec,
    Update,
)

__all__ = [
    "NUMBERS",
    "Batch", "Clock", "Draw", "Generator", "Kind", "Model", "Net", "Scaled", "Spec", "Update", "check_actions",
    "check_captions", "check_codes", "check_labels", "check_request", "check_series", "check_told", "frozen",
    "labels_seen", "without_statistics",
]  # fmt: skip
__all__ += capabilities.__all__
