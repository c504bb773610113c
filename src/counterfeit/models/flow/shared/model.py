"""What every flow does with its layers: likelihoods, codes, samples.

References:
    Normalizing Flows for Probabilistic Modeling and Inference, Papamakarios et al., 2021 (arXiv 1912.02762).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import one_hot

from counterfeit.core import (
    Batch,
    Clock,
    Draw,
    Kind,
    Model,
    Spec,
    Update,
    check_codes,
    check_labels,
    check_request,
    check_told,
    labels_seen,
)
from counterfeit.models.autoregressive.shared.model import expect
from counterfeit.models.flow.shared.bases import Base, StandardNormal
from counterfeit.models.flow.shared.layers import ActNorm, Layer, Standardize, back, through

__all__ = ["Flow"]

REAL = "Add `dequantize` and `logit` to data.transforms, or choose points such as two-moons."
LOOKED_AT = 2048  # examples that actnorm begins by
AT_ONCE = 2**18  # values that pass in float64 at once, in which convolutions take many times their memory


class Flow(Model):
    """An invertible map of data to noise: log p(x) = log p(z) + log |det dz/dx| for z = f(x).

    The first layer standardizes each value by its mean and its standard deviation in the training data. Training and
    likelihoods have the precision of the parameters; codes and what they decode to are computed in float64, since
    layers that stretch space far from the data lose the digits of float32 on the way back.

    Arguments:
        spec: what the data are; real values.
        layers: from the data to the noise.
        base: distribution of the noise; a standard normal one where None.
        images: whether layers expect events as they are, and not as vectors.
        conditional: whether layers see labels, one-hot: then log p(x | y) is learned, and log p(x) sums over labels.

    Raises:
        ValueError: where data are not real values, or have no labels and the flow is conditional.
    """

    frequencies: Tensor

    transforms: Mapping[Kind, tuple[str, ...]] = {"image": ("dequantize", "logit")}

    def __init__(
        self, spec: Spec, layers: Sequence[Layer], base: Base | None = None, images: bool = False,
        conditional: bool = False,
    ) -> None:  # fmt: skip
        expect(spec, "real", type(self).__name__, REAL)
        labels = labels_seen(spec, conditional)
        super().__init__(spec)
        self.conditional, self.labels = conditional, labels
        if conditional:
            self.register_buffer("frequencies", torch.full((spec.classes,), 1 / spec.classes))
        self.event = spec.shape if images else (spec.dims,)
        self.standardize, self.maps = Standardize(self.event), nn.ModuleList(layers)
        self.base = StandardNormal() if base is None else base

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See the moments of every value, how frequent labels are, and, at the places of actnorm, some examples."""
        x, training = data.x.reshape(-1, *self.event), self.training
        self.standardize.fit(x)
        if self.labels:
            y = check_labels(data.y, len(x), self.labels)
            self.frequencies.copy_(torch.bincount(y, minlength=self.labels) / len(y))
        norms = [layer for layer in self.modules() if isinstance(layer, ActNorm)]
        hooks = [norm.register_forward_pre_hook(lambda norm, given: norm.fit(*given)) for norm in norms]
        if norms:
            some = torch.randperm(len(x), device=x.device)[:LOOKED_AT]
            self.eval()._to_noise(x[some], self._condition(data.labels[some]) if self.labels else None)
        for hook in hooks:
            hook.remove()
        self.train(training)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """One player: descend the negative log-likelihood, given the label where the flow is conditional."""
        batch = draw()
        z, ladj = self._to_noise(batch.x, self._condition(batch.labels) if self.labels else None)
        loss = -(self.base.log_prob(z) + ladj).mean()
        yield Update(loss, logs={"loss": loss.detach()})

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood in nats, (B,): of all labels together, where the flow is conditional.

        Raises:
            ValueError: where it is no number, as on data too far from those of training; says which layer fails.
        """
        self.spec.check(x, f"{type(self).__name__}.log_prob")
        return self.joint(x).logsumexp(1) if self.labels else self._log_prob(x, None)

    def log_prob_given(self, x: Tensor, y: Tensor) -> Tensor:
        """Exact log-likelihood in nats given labels `y`, int64 (B,), where the flow is conditional: (B,)."""
        self.spec.check(x, f"{type(self).__name__}.log_prob_given")
        check_told(self)
        return self._log_prob(x, self._condition(check_labels(y, len(x), self.labels)))

    def joint(self, x: Tensor) -> Tensor:
        """Joint log-likelihood with each label in nats, (B, labels), by a pass each; p(y) is the label's frequency."""
        every = torch.arange(self.labels, device=x.device)
        given = [self._log_prob(x, self._condition(y.expand(len(x)))) for y in every]
        return torch.stack(given, 1) + self.frequencies.log()

    def encode(self, x: Tensor) -> Tensor:
        """The noise that becomes each example, float64 (B, D); then its likeliest label, one-hot, where there are some.

        Raises:
            ValueError: where it is no number; says which layer fails.
        """
        self.spec.check(x, f"{type(self).__name__}.encode")
        condition = self._condition(self.joint(x).argmax(1)) if self.labels else None
        z = self._in_float64(x, condition)
        if not bool(z.isfinite().all()):
            self._blame(x, condition)
        return z if condition is None else torch.cat([z, condition.to(z)], 1)

    def decode(self, z: Tensor) -> Tensor:
        """What codes become, (B, *shape), in the type of the parameters."""
        check_codes(z, self.spec.dims + self.labels)
        x = self._in_float64(*self._parts(z), inverse=True)
        return x.reshape(-1, *self.spec.shape).to(self.standardize.loc)

    def _parts(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """The noise and the condition of codes, (B, D + labels)."""
        noise, condition = z.tensor_split([self.spec.dims], 1)
        return noise, condition if self.labels else None

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw codes, float64 (n, D + labels): noise, then the labels `y`, (n,), one-hot where there are labels.

        Labels are as frequent as in the data where `y` is None.
        """
        check_request(n)
        z = _wide(self.base.sample(self.standardize.loc.new_empty(n, self.spec.dims)))
        if not self.labels:
            return z
        y = torch.multinomial(self.frequencies, n, replacement=True) if y is None else y
        return torch.cat([z, self._condition(y).to(z)], 1)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape), of the labels `y`, (n,), where there are labels and they are given.

        In the type of the parameters, several times as fast as `decode`, from which draws differ by its rounding.
        """
        noise, condition = self._asked(n, y)
        return self(noise, condition, inverse=True).reshape(-1, *self.spec.shape)

    @property
    def sampling_steps(self) -> int:
        """The noise, and what each layer makes of it."""
        return len(self.layers)

    def trajectory(self, n: int, y: Tensor | None = None) -> Iterator[Tensor]:
        """The noise of `n` examples, and what is left of it after each layer, (n, *shape), in the unit of the data."""
        noise, condition = self._asked(n, y)
        return self._back_from(noise, condition)

    @torch.no_grad()
    def _back_from(self, h: Tensor, condition: Tensor | None) -> Iterator[Tensor]:
        yield self._outward(h)
        for layer in reversed(self.maps):
            h = back([layer], h, condition)
            yield self._outward(h)

    def _outward(self, h: Tensor) -> Tensor:
        """Standardized values in the unit of the data, (n, *shape)."""
        return self.standardize.inverse(h.reshape(-1, *self.event)).reshape(-1, *self.spec.shape)

    def _asked(self, n: int, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Noise and the condition of `n` examples, in the type of the parameters."""
        check_request(n, y if not self.labels else None)
        y = None if y is None else check_labels(y, n, self.labels).to(self.device)
        return self._parts(self.prior(n, y).to(self.standardize.loc))

    def forward(self, h: Tensor, condition: Tensor | None = None, inverse: bool = False) -> Tensor:
        """The noise of examples, (B, *shape) -> (B, D); or back where `inverse`. In the type of the parameters."""
        return back(self.layers, h, condition) if inverse else self._to_noise(h, condition)[0]

    def _in_float64(self, h: Tensor, condition: Tensor | None, inverse: bool = False) -> Tensor:
        """The same by parameters and buffers in float64, through which gradients go; the model keeps its own."""
        tensors = chain(self.named_parameters(), self.named_buffers())
        wide = {name: _wide(tensor) for name, tensor in tensors if tensor.is_floating_point()}
        rows = len(h) if self.training else max(1, AT_ONCE // self.spec.dims)  # norms that learn want whole minibatches
        given = [None] * len(h) if condition is None else _wide(condition).split(rows)
        pieces = zip(_wide(h).split(rows), given, strict=False)
        return torch.cat([functional_call(self, wide, (x, condition, inverse)) for x, condition in pieces])

    @property
    def layers(self) -> list[nn.Module]:
        """From the data to the noise; the first standardizes."""
        return [self.standardize, *self.maps]

    def _condition(self, y: Tensor) -> Tensor:
        """Labels, (B,), as layers see them: one-hot, (B, labels)."""
        return one_hot(y, self.labels).to(self.standardize.loc)

    def _log_prob(self, x: Tensor, condition: Tensor | None) -> Tensor:
        z, ladj = self._to_noise(x, condition)
        value = self.base.log_prob(z) + ladj
        if bool(value.isnan().any()) or not bool(z.isfinite().all()):
            self._blame(x, condition)
        return value

    def _to_noise(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Noise, (B, D), and log |det dz/dx|, (B,)."""
        z, ladj = through(self.layers, x.reshape(-1, *self.event), condition)
        return z.flatten(1), ladj

    def _blame(self, x: Tensor, condition: Tensor | None) -> None:
        """Raise a ValueError that names the first layer, or the base, whose result is not finite."""
        h, who, reach = x.to(self.standardize.loc), f"the base {type(self.base).__name__}", float(x.abs().max())
        h = h.reshape(-1, *self.event)
        for i, layer in enumerate(self.layers):
            h, ladj = through([layer], h, condition)
            if not bool(h.isfinite().all() & ladj.isfinite().all()):
                who = f"layer {i} ({_name(layer)})"
                break
        raise ValueError(
            f"values up to {reach:.4g} came, of which {who} of {type(self).__name__} makes no finite number; data near "
            "those of training are expected. Leave out what lies far away."
        )


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.device.type == "mps" else x.double()  # mps has no float64


def _name(layer: nn.Module) -> str:
    inner = getattr(layer, "layer", None)
    return f"{type(layer).__name__} of {type(inner).__name__}" if inner is not None else type(layer).__name__
