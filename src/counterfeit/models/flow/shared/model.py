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

from counterfeit.core import Batch, Clock, Draw, Kind, Model, Spec, Update, check_codes, check_request
from counterfeit.models.autoregressive.shared.model import expect
from counterfeit.models.flow.shared.bases import Base, StandardNormal
from counterfeit.models.flow.shared.layers import ActNorm, Layer, Standardize, back, through

__all__ = ["Flow"]

REAL = "Add `dequantize` and `logit` to data.transforms, or choose points such as two-moons."
LOOKED_AT = 2048  # examples that actnorm begins by


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

    Raises:
        ValueError: where data are not real values.
    """

    transforms: Mapping[Kind, tuple[str, ...]] = {"image": ("dequantize", "logit")}

    def __init__(
        self, spec: Spec, layers: Sequence[Layer], base: Base | None = None, images: bool = False
    ) -> None:  # fmt: skip
        expect(spec, "real", type(self).__name__, REAL)
        super().__init__(spec)
        self.event = spec.shape if images else (spec.dims,)
        self.standardize, self.maps = Standardize(self.event), nn.ModuleList(layers)
        self.base = StandardNormal() if base is None else base

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See the mean and the standard deviation of every value, and, at the places of actnorm, of some examples."""
        x, training = data.x.reshape(-1, *self.event), self.training
        self.standardize.fit(x)
        norms = [layer for layer in self.modules() if isinstance(layer, ActNorm)]
        hooks = [norm.register_forward_pre_hook(lambda norm, given: norm.fit(*given)) for norm in norms]
        if norms:
            through(self.eval().layers, x[torch.randperm(len(x), device=x.device)[:LOOKED_AT]])
        for hook in hooks:
            hook.remove()
        self.train(training)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """One player: descend the negative log-likelihood."""
        z, ladj = self._to_noise(draw().x)
        loss = -(self.base.log_prob(z) + ladj).mean()
        yield Update(loss, logs={"loss": loss.detach()})

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood in nats, (B,).

        Raises:
            ValueError: where it is no number, as on data too far from those of training; says which layer fails.
        """
        self.spec.check(x, f"{type(self).__name__}.log_prob")
        z, ladj = self._to_noise(x)
        value = self.base.log_prob(z) + ladj
        if bool(value.isnan().any()) or not bool(z.isfinite().all()):
            self._blame(x)
        return value

    def encode(self, x: Tensor) -> Tensor:
        """The noise that becomes each example, float64 (B, D).

        Raises:
            ValueError: where it is no number; says which layer fails.
        """
        self.spec.check(x, f"{type(self).__name__}.encode")
        z = self._in_float64(x)
        if not bool(z.isfinite().all()):
            self._blame(x)
        return z

    def decode(self, z: Tensor) -> Tensor:
        """What noise becomes, (B, *shape), in the type of the parameters."""
        check_codes(z, self.spec.dims)
        return self._in_float64(z, inverse=True).reshape(-1, *self.spec.shape).to(self.standardize.loc)

    def prior(self, n: int) -> Tensor:
        """Draw noise, float64 (n, D)."""
        check_request(n)
        return _wide(self.base.sample(self.standardize.loc.new_empty(n, self.spec.dims)))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape)."""
        check_request(n, y)
        return self.decode(self.prior(n))

    def forward(self, h: Tensor, inverse: bool = False) -> Tensor:
        """The noise of examples, (B, *shape) -> (B, D); or back where `inverse`. In the type of the parameters."""
        return back(self.layers, h) if inverse else self._to_noise(h)[0]

    def _in_float64(self, h: Tensor, inverse: bool = False) -> Tensor:
        """The same by parameters and buffers in float64, through which gradients go; the model keeps its own."""
        tensors = chain(self.named_parameters(), self.named_buffers())
        wide = {name: _wide(tensor) for name, tensor in tensors if tensor.is_floating_point()}
        return functional_call(self, wide, (_wide(h), inverse))

    @property
    def layers(self) -> list[nn.Module]:
        """From the data to the noise; the first standardizes."""
        return [self.standardize, *self.maps]

    def _to_noise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Noise, (B, D), and log |det dz/dx|, (B,)."""
        z, ladj = through(self.layers, x.reshape(-1, *self.event))
        return z.flatten(1), ladj

    def _blame(self, x: Tensor) -> None:
        """Raise a ValueError that names the first layer, or the base, whose result is not finite."""
        h, who, reach = (
            x.to(self.standardize.loc).reshape(-1, *self.event),
            f"the base {type(self.base).__name__}",
            float(x.abs().max()),
        )
        for i, layer in enumerate(self.layers):
            h, ladj = layer(h)
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
