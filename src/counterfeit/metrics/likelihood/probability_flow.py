"""Log-likelihoods by a differential equation between noise and data.

References:
    Score-Based Generative Modeling through Stochastic Differential Equations, Song et al., 2021 (arXiv 2011.13456).
    FFJORD: Free-Form Continuous Dynamics for Scalable Reversible Generative Models, Grathwohl et al., 2019
        (arXiv 1810.01367).
"""

from __future__ import annotations

from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, ProbabilityFlow, require
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.likelihood.bounds import averaged

__all__ = ["PROBABILITY_FLOW", "probability_flow"]


def probability_flow(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean log-likelihood of the model's differential equation; 8-bit values are spread over their 1/256."""
    log_prob = require(model, ProbabilityFlow).flow_log_prob
    what = "log-likelihood of the probability flow, in small steps"
    of = lambda batch: log_prob(batch.x)  # noqa: E731
    return averaged(model, source, evaluation, of, evaluation.batch_size, what)


PROBABILITY_FLOW = Metric(
    "probability-flow", "log-likelihood of the differential equation between noise and data", "nats", "higher",
    ProbabilityFlow, probability_flow, kinds=("image", "real"),
)  # fmt: skip
