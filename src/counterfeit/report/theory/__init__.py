"""The theory seen to hold: experiments that set measured numbers and figures beside what theory says.

A topic is a file in this folder with a function `lesson`; hyphens of its name are underscores there.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TOPICS", "Topic"]


class Topic(NamedTuple):
    """What a topic shows, how many seconds of one core it takes, and its customary unit of information."""

    summary: str
    seconds: float
    unit: str = "nats"


TOPICS = {
    "families": Topic("the family tree of generative models, as the catalogue has it", 5),
    "likelihood": Topic("the product of densities, the sum of their logarithms, and the KL that both minimize", 4),
    "bayes": Topic("Bayes' rule on digits, conditional independence, softmax, and mixtures as latent variables", 3),
    "elbo": Topic("log p(x) = ELBO + KL on a linear-Gaussian model, its gaps, and importance-weighted bounds", 3),
    "nash": Topic("equilibria: the prisoner's dilemma, matching pennies, D and G, and a game that gradients circle", 5),
    "football": Topic("information content and entropy of two football matches", 3, "bits"),
    "divergences": Topic("entropy, cross-entropy, KL and JSD in four ways, which agree", 3),
    "discriminator": Topic("a trained discriminator against the optimal one on known densities", 35),
    "game": Topic("C(G) = -log 4 + 2 JSD, traced while adversarial nets are trained", 90),
    "figure1": Topic("figure 1 of the founding paper as an animation of a training run", 45),
    "gradients": Topic("what the generator's objectives give it to descend while it is poor", 8),
    "fits": Topic("one Gaussian fitted to two peaks by KL, reverse KL and JSD", 6),
    "convergence": Topic("Algorithm 1 converges over distributions, and may turn in circles over parameters", 5),
    "parameters": Topic("2ⁿ - 1, n and 2n - 1: how many parameters n binary variables take", 4),
    "order": Topic("whether the order of the chain rule matters: exactly, and in nats on small digits", 50),
    "one-to-many": Topic("two right answers to one input: what an error answers, and what adversarial nets", 30),
    "noise-contrast": Topic("noise-contrastive estimation: what noise costs, and the game that it is", 30),
    "codes": Topic("codes of generators and autoencoders: sizes, priors, rank, what fills them, and distances", 50),
    "units": Topic("sigmoid, tanh, rectifier and maxout in one game: gradients by layer, and the result", 40),
    "balance": Topic("moves of each player, both at once, a generator alone, a discriminator that overfits", 40),
    "stability": Topic("what another seed changes: a flow, a VAE, a diffusion model and adversarial nets", 55),
    "helvetica": Topic("mode collapse on the grid of 25: provoked, detected and cured", 70),
}
