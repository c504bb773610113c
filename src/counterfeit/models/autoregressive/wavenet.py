"""WaveNet: sound, one sample after another, by dilated causal convolutions.

References:
    WaveNet: A Generative Model for Raw Audio, van den Oord et al., 2016 (arXiv 1609.03499).
    Fast WaveNet Generation Algorithm, Le Paine et al., 2016 (arXiv 1611.09482).
"""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from counterfeit.core import Batch, Spec
from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.dilated import DilatedNet, DilatedSizes, Queues, Upsampling
from counterfeit.models.autoregressive.shared.labelled import LabelledAutoregressive
from counterfeit.models.autoregressive.shared.model import expect
from counterfeit.models.autoregressive.shared.mu_law import MuLaw, compand

__all__ = ["WaveNet"]

SOUND = "Choose sound: tones, or a folder of WAV files."
PLACES = 2**14  # at a time: 16 MB of logits


class WaveNet(LabelledAutoregressive):
    """Dilated causal convolutions over sound, whose samples fall into 256 levels of the μ-law.

    Past samples are seen as they are and companded; the next one falls into a level by a softmax, anywhere within it
    alike, so that likelihoods are those of the sound as given: a density on [-1, 1]. The channels of stereo sound take
    turns. Where data have classes, each has its own density, and that of an example is their mixture. Where they have a
    second series (section 2.5), as the notes that sound, there is a density given each, and without one the mixture
    over some series of training.

    References:
        WaveNet: A Generative Model for Raw Audio, van den Oord et al., 2016 (arXiv 1609.03499).
        Fast WaveNet Generation Algorithm, Le Paine et al., 2016 (arXiv 1611.09482).

    Arguments:
        spec: what the data are: sound in [-1, 1], (channels, T) or (T,).
        sizes: of the layers, which say how far back an output sees.
        mu: of the μ-law, which has one level more.
        conditional: whether it is told the class or the second series of each example, where data have some.

    Raises:
        ValueError: where data are no sound, or sizes are too small.

    Example:
        >>> model = WaveNet(Spec((1, 100), "real"), DilatedSizes(layers=3, channels=8, skip=8))
        >>> model.log_prob(torch.zeros(2, 1, 100)).shape, model.receptive_field
        (torch.Size([2]), 9)
    """

    transforms = MappingProxyType({"real": ()})
    levels = True  # likelihoods are even over each of its levels
    places: Tensor

    def __init__(
        self, spec: Spec, sizes: DilatedSizes = DilatedSizes(), mu: int = 255, conditional: bool = True  # noqa: B008
    ) -> None:  # fmt: skip
        expect(spec, "real", "WaveNet", SOUND)
        if len(spec.shape) > 2:
            raise ValueError(f"data of shape {spec.shape} came; WaveNet expects sound, (channels, T). {SOUND}")
        super().__init__(spec, conditional and bool(spec.classes or spec.series))
        self.sizes, self.mu, self.law = sizes, mu, MuLaw(mu + 1)
        self.tracks = 1 if len(spec.shape) == 1 else spec.shape[0]
        self.register_buffer("places", torch.arange(spec.dims).view(self.tracks, -1).T.flatten())
        upsampling = Upsampling(spec.series[0], spec.hop, self.tracks) if self.series else None
        self.net = DilatedNet(3 + self.tracks * (self.tracks > 1), mu + 1, sizes, self.labels, upsampling)

    @property
    def receptive_field(self) -> int:
        """How many samples before it the distribution of a sample depends on, those of all channels counted."""
        return self.sizes.receptive_field

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See how frequent classes are, or keep some series, and see whether the data are sound.

        Raises:
            ValueError: some samples lie beyond -1 and 1.
        """
        if float(data.x.abs().max()) > 1:
            low, high = float(data.x.min()), float(data.x.max())
            raise ValueError(f"the data lie in [{low:.4g}, {high:.4g}]; WaveNet expects sound in [-1, 1]. {SOUND}")
        super().initialize(data)

    def given(self, y: Tensor | None) -> WaveNetChain:
        """The conditionals of examples of classes or series `y`, (B, …) or (1, …) for all, where there are any."""
        return WaveNetChain(self.net, self.places, self.law, self.tracks, y)

    def classify(self, x: Tensor) -> Tensor:
        """Log-probability of each class by Bayes' rule, (B, classes): p(y | x) ∝ p(y) p(x | y).

        Raises:
            ValueError: where it knows no classes.
        """
        self.spec.check(x, "WaveNet.classify")
        if not self.labels:
            raise ValueError("a WaveNet without classes came; one that knows some is expected. Set model.conditional.")
        return self.joint(x).log_softmax(1)


class WaveNetChain(Chain):
    """The conditionals of a net of dilated convolutions; remembered are the queues of its layers.

    The net has at every place the value before it, as it is and companded, and 1; of several tracks also whose turn it
    is.

    Arguments:
        net: gives the logits of every level.
        order: places of the values from the first to the last, int64 (D,): tracks take turns.
        law: the distribution of each value.
        tracks: how many there are.
        y: the class, int64, or the series of each example, (B, …) or (1, …), where the net is told one.
    """

    conditional: MuLaw

    def __init__(self, net: DilatedNet, order: Tensor, law: MuLaw, tracks: int = 1, y: Tensor | None = None) -> None:
        super().__init__(order, law)
        self.net, self.tracks, self.y = net, tracks, y

    def parameters(self, x: Tensor) -> Tensor:
        """Logits of every level, (B, D) -> (B, D, levels)."""
        v = x[:, self.order]
        before = pad(self.seen(v), (0, 0, 1, 0))[:, :-1]  # (B, D, 3), of the value before each
        columns = torch.cat([before, self.turns.expand(len(x), -1, -1)], -1) if self.tracks > 1 else before
        ordered = self.net(columns, self.y)
        return torch.empty_like(ordered).index_copy(1, self.order, ordered)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (B, D) -> (B,), of some examples at a time: their logits are large."""
        rows = max(1, PLACES // x.shape[1])
        ys = [self.y] * len(x) if self.y is None or len(self.y) < len(x) else self.y.split(rows)
        parts = zip(x.split(rows), ys, strict=False)
        return torch.cat([self.told(y).conditional_log_prob(part) for part, y in parts])

    def told(self, y: Tensor | None) -> WaveNetChain:
        """The same of examples of other classes or series."""
        return WaveNetChain(self.net, self.order, self.conditional, self.tracks, y)

    def conditional_log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood of all examples at once, (B, D) -> (B,)."""
        return super().log_prob(x)

    def begin(self, n: int) -> State:
        """Empty queues, nothing before the first place, and what the layers make of that."""
        nothing = self.column(torch.zeros(n, 3, device=self.order.device), 0)
        queues = self.queues.begin(n)
        return queues, nothing, self.queues.advance(queues, 0, torch.cat([nothing, torch.zeros_like(nothing)], 1))

    def ask(self, state: State, i: int) -> Tensor:  # noqa: ARG002
        """Logits of every level of the i-th value, (n, levels)."""
        return self.net.head(state[2])

    def take(self, state: State, i: int, value: Tensor) -> State:
        """What the layers make of the i-th values, and their queues with it."""
        queues, before, _ = state
        if i + 1 == len(self.places):
            return state
        column = self.column(self.seen(value), i + 1)
        return queues, column, self.queues.advance(queues, i + 1, torch.cat([column, before], 1))

    def seen(self, x: Tensor) -> Tensor:
        """What the net has of values, (…) -> (…, 3)."""
        return torch.stack([compand(x, self.conditional.mu), x, torch.ones_like(x)], -1)

    def column(self, seen: Tensor, i: int) -> Tensor:
        """The net's input at place i, (n, inputs), given what it has of the value before, (n, 3)."""
        return torch.cat([seen, self.turns[i].expand(len(seen), -1)], 1) if self.tracks > 1 else seen

    @cached_property
    def turns(self) -> Tensor:
        """Which track each place is of, one-hot, (D, tracks)."""
        return one_hot(torch.arange(len(self.places), device=self.order.device) % self.tracks).float()

    @cached_property
    def queues(self) -> Queues:
        """What is asked for value after value."""
        return Queues(self.net, len(self.places), self.y)
