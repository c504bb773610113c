"""Flow matching: a net learns the velocity of straight paths from noise to data, and samples follow it.

References:
    Flow Matching for Generative Modeling, Lipman, Chen, Ben-Hamu, Nickel & Le, 2023 (arXiv 2210.02747).
    Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow, Liu, Gong & Liu, 2023
        (arXiv 2209.03003).
    Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport, Tong et al., 2024
        (arXiv 2302.00482).
    Scaling Rectified Flow Transformers for High-Resolution Image Synthesis, Esser et al., 2024 (arXiv 2403.03206).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from counterfeit.core import Clock, Draw, Net, Spec, Update
from counterfeit.models.diffusion.shared.model import DiffusionModel, LabelSettings
from counterfeit.models.diffusion.shared.nets import DenoiserNets
from counterfeit.models.diffusion.shared.noise import NoiseLevel
from counterfeit.models.diffusion.shared.samplers import STRAIGHT, Prediction, SamplingSettings, walk

__all__ = ["FlowMatching"]


class FlowMatching(DiffusionModel):
    """A model of velocities: on x_t = (1 - t) ε + t x from noise to data, the net predicts x - ε.

    Its field takes the normal distribution at t = 0 to the data's at t = 1 (Lipman et al., 2023, section 4.1, with
    σ_min = 0). Rectification goes on with straight paths between noise and what the field made of it, so that paths
    cross less and few steps suffice (Liu et al., 2023).

    References:
        Flow Matching for Generative Modeling, Lipman et al., 2023 (arXiv 2210.02747).
        Flow Straight and Fast, Liu et al., 2023 (arXiv 2209.03003).

    Arguments:
        spec: what the data are.
        times: at which it is trained: uniform, or logit-normal, which prefers the middle (Esser et al., 2024).
        rectified_fraction: share of the steps, at the end, in which the data are samples of the model as it was before.
        rectified_steps: of Euler's method, by which these are drawn.
        labels: whether the net sees labels.
        sampling: how samples are drawn.
        nets: what the net is.

    Raises:
        ValueError: where a setting is out of range.

    Example:
        >>> model = FlowMatching(Spec((2,), "real"), nets=DenoiserNets(hidden=(16,)))
        >>> model.sample(3).shape
        torch.Size([3, 2])
    """

    path = STRAIGHT

    def __init__(
        self, spec: Spec, times: Literal["uniform", "logit-normal"] = "uniform", rectified_fraction: float = 0.0,
        rectified_steps: int = 20, labels: LabelSettings = LabelSettings(),  # noqa: B008
        sampling: SamplingSettings = SamplingSettings("midpoint", 10), nets: DenoiserNets = DenoiserNets(),  # noqa: B008
    ) -> None:  # fmt: skip
        if not 0 <= rectified_fraction < 1 or rectified_steps < 1:
            came = f"rectified_fraction={rectified_fraction}, rectified_steps={rectified_steps} came"
            raise ValueError(f"{came}; a share below 1, and at least 1 step, are expected. Correct them.")
        super().__init__(spec, nets, labels, sampling)
        self.times, self.rectified_fraction, self.rectified_steps = times, rectified_fraction, rectified_steps
        self.before = as_buffers(self.net) if rectified_fraction else None

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Descend the squared error of the velocity (Lipman et al., 2023, eq. 23)."""
        m, noise, y = self.noisy(draw())
        start = round((1 - self.rectified_fraction) * clock.steps)
        if self.before is not None and clock.step >= start:
            if clock.step == start:
                self.before.load_state_dict(self.net.state_dict())
            m = self._led(self.before, noise, y)
        t = self._drawn(m).view(-1, *[1] * (m.ndim - 1))
        errors = (self._velocity(self.net, torch.lerp(noise, m, t), t, y) - (m - noise)).square()
        yield Update.of("net", {"squared_error": errors.mean()})

    def _drawn(self, m: Tensor) -> Tensor:
        """A time for each of `m`, (B, *shape): (B,)."""
        if self.times == "uniform":
            return torch.rand(len(m), device=m.device, dtype=m.dtype)
        return torch.randn(len(m), device=m.device, dtype=m.dtype).sigmoid()

    @torch.no_grad()
    def _led(self, net: nn.Module, noise: Tensor, y: Tensor | None) -> Tensor:
        """What the field of a net makes of noise, (B, *shape)."""
        levels = self.levels_of(self.rectified_steps)
        *_, (_, end) = walk(lambda z, level: self._found(net, z, level, y), noise, levels, "euler")
        return end

    def _velocity(self, net: nn.Module, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """The velocity x - ε, (B, *shape), as a net says of x_t at times `t` that multiply it."""
        log_snr = NoiseLevel.between(t, 1 - t).log_snr.to(x).flatten().expand(len(x))
        return net(x, log_snr, y)[:, 0]

    def level_at(self, t: Tensor) -> NoiseLevel:
        """The level of noise at 1 - `t`: here 0 is the data, as for other models, and 1 the noise."""
        return NoiseLevel.between(1 - t, t)

    def denoised(self, z: Tensor, level: NoiseLevel, y: Tensor | None) -> Prediction:
        """What data and noise are in `z`, (B, *shape), as the net says; `y` as it sees labels, (B,)."""
        return self._found(self.net, z, level, y)

    def _found(self, net: nn.Module, z: Tensor, level: NoiseLevel, y: Tensor | None) -> Prediction:
        t, x = STRAIGHT.time(level), STRAIGHT.scale(level) * z
        velocity = self._velocity(net, x, t, y)
        return Prediction(x + (1 - t) * velocity, x - t * velocity)


def as_buffers(net: Net) -> Net:
    """A copy of a net whose parameters are buffers, which nothing descends in."""
    twin = copy.deepcopy(net)
    for module in twin.modules():
        for name, parameter in [*module.named_parameters(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, parameter.detach())
    return twin
