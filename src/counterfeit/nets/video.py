"""Nets for videos: one that predicts frames, and a discriminator of whole videos.

References:
    Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting, Shi et al., 2015 (arXiv
        1506.04214).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, one_hot

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import ConvDiscriminator, ConvNorm
from counterfeit.nets.layers import with_planes

__all__ = ["ConvLSTM", "FramePredictor", "TransitionDiscriminator", "VideoDiscriminator", "VideoPlayers"]

State = tuple[Tensor, Tensor]
SHRUNK = 4  # times fewer pixels a side at which the state lies


class ConvLSTM(nn.Module):
    """An LSTM whose maps are convolutions: what it remembers lies in places.

    Arguments:
        inputs: channels of what it reads.
        channels: of its state.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.gates, self.channels = nn.Conv2d(inputs + channels, 4 * channels, 3, padding=1), channels

    def forward(self, x: Tensor, state: State | None = None) -> State:
        """(B, inputs, H, W) and the state before -> hidden and cell state, (B, channels, H, W) each."""
        zeros = x.new_zeros(len(x), self.channels, *x.shape[2:])
        h, c = state or (zeros, zeros.float())
        entry, keep, leave, new = self.gates(torch.cat([x, h.to(x.dtype)], 1)).float().chunk(4, 1)
        c = keep.sigmoid() * c + entry.sigmoid() * new.tanh()  # float32: it is a sum over all frames
        return leave.sigmoid() * c.tanh(), c


class FramePredictor(Net):
    """Frames (B, T, C, H, W) in [0, 1] -> those that follow, (B, steps, C, H, W).

    A convolutional encoder of each frame, a convolutional LSTM, and a decoder of its state and of the last frame's
    finer features, which the state need not hold. Beyond the first frame it goes on from what it foresaw, or from the
    truth where it is forced to.

    Arguments:
        channels: of a frame.
        width: channels of the state.
        actions: how many there are, one of which is taken after each frame; 0 for none.
    """

    def __init__(self, channels: int, width: int, actions: int = 0) -> None:
        super().__init__()
        half, self.actions = max(1, width // 2), actions
        self.fine, self.coarse = nn.Conv2d(channels, half, 4, 2, 1), nn.Conv2d(half, width, 4, 2, 1)
        self.cell = ConvLSTM(width + actions, width)
        self.up = nn.Sequential(nn.Conv2d(width, 4 * half, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.2))
        self.last = nn.Sequential(
            nn.Conv2d(2 * half, width, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 4 * channels, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip
        for layer in self.modules():  # weaker signals would fade on their way, and all videos look alike for long
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.2)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def begin(self, shade: Tensor) -> None:
        """Foresee pixels around the scalar `shade`, in (0, 1), before training."""
        self.last[2].bias.copy_(shade.logit().expand_as(self.last[2].bias))  # type: ignore[operator, arg-type]

    def forward(
        self, x: Tensor, steps: int, truth: Tensor | None = None, forced: Tensor | None = None,
        actions: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """(B, T, C, H, W) -> (B, steps, C, H, W), reading `truth`, of that shape, where `forced`, (B, steps).

        `actions`, (B, T - 1 + steps), are those after the frames given and those foreseen.
        """
        state: State | None = None
        frames: list[Tensor] = []
        taken: Sequence[Tensor | None] = [None] * (x.shape[1] - 1 + steps)
        if actions is not None:
            taken = one_hot(actions, self.actions).unbind(1)
        for frame, action in zip(x.unbind(1), taken, strict=False):
            fine, state = self._read(frame, state, action)
        for step in range(steps):
            if frames:
                read = frames[-1]
                if truth is not None and forced is not None:
                    read = torch.where(forced[:, step - 1].view(-1, 1, 1, 1), truth[:, step - 1], read)
                fine, state = self._read(read, state, taken[x.shape[1] - 1 + step])
            frames.append(self._drawn(state[0], fine))  # type: ignore[index]
        return torch.stack(frames, 1)

    def _read(self, x: Tensor, state: State | None, action: Tensor | None) -> tuple[Tensor, State]:
        """Fine features of a frame, (B, width / 2, H / 2, W / 2), and the state after it and an action, one-hot."""
        fine = leaky_relu(self.fine(2 * x - 1), 0.2)
        coarse = leaky_relu(self.coarse(fine), 0.2)
        return fine, self.cell(coarse if action is None else with_planes(coarse, action), state)

    def _drawn(self, h: Tensor, fine: Tensor) -> Tensor:
        up = self.up(h.to(fine.dtype))
        return self.last(torch.cat([up, fine.to(up.dtype)], 1)).float().sigmoid()


class VideoDiscriminator(ConvDiscriminator):
    """Videos (B, T, C, H, W) in [0, 1] -> (B, 1): strided convolutions that see all frames at once, and all actions.

    Arguments:
        spec: what the videos are.
        width: channels after the first convolution; every smaller level has twice those of the one before.
        norm: of every level but the first ("batch"), or of every weight ("spectral").
    """

    def __init__(self, spec: Spec, width: int, norm: ConvNorm) -> None:
        frames, channels, *sides = spec.shape
        super().__init__(Spec((frames * channels + (frames - 1) * len(spec.actions), *sides)), width, norm)
        self.actions = len(spec.actions)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, T, C, H, W) and actions (B, T - 1) where there are any -> (B, features), what the output is linear in."""
        x = x.flatten(1, 2)
        if self.actions and y is not None:
            x = with_planes(x, one_hot(y, self.actions).flatten(1))
        return super().features(x)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Videos, and actions where there are any -> (B, 1)."""
        return self.head(self.others(self.features(x, y)))


class TransitionDiscriminator(Net):
    """Videos (B, T, C, H, W) in [0, 1] -> (B, T - given): of each frame but those given, whether it may follow.

    It sees a frame, the one before, and the action between them, and is the same net at all times: what it learns of
    one transition holds for every other.

    Arguments:
        spec: what the videos are.
        width: channels after the first convolution.
        norm: as for the discriminator of videos.
        given: frames at the start of which nothing is asked.
    """

    def __init__(self, spec: Spec, width: int, norm: ConvNorm, given: int) -> None:
        super().__init__()
        self.pairs = VideoDiscriminator(replace(spec, shape=(2, *spec.shape[1:])), width, norm)
        self.given = given

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Videos, and actions (B, T - 1) where there are any -> (B, T - given)."""
        first = self.given - 1
        pairs = torch.stack([x[:, first:-1], x[:, first + 1 :]], 2)  # (B, T - given, 2, C, H, W)
        actions = None if y is None else y[:, first:].flatten()[:, None]
        return self.pairs(pairs.flatten(0, 1), actions).view(len(x), -1)


@dataclass(frozen=True)
class VideoPlayers:
    """The sizes of a net that predicts frames and of its discriminator, and what that looks at.

    Arguments:
        width: channels of the recurrent state, which lies at a quarter of the sides.
        discriminator_width: channels of the discriminator after its first convolution.
        discriminator_norm: of the discriminator's levels ("batch") or weights ("spectral").
        judged: what the discriminator looks at: whole videos, or transitions, each frame beside the one before.
    """

    width: int = 64
    discriminator_width: int = 32
    discriminator_norm: ConvNorm = "none"
    judged: Literal["videos", "transitions"] = "videos"

    def generator(self, spec: Spec) -> FramePredictor:
        """The net that predicts."""
        return FramePredictor(spec.shape[1], self.width, len(spec.actions))

    def discriminator(self, spec: Spec, given: int) -> VideoDiscriminator | TransitionDiscriminator:
        """The one that judges videos of which some frames are given."""
        sizes = self.discriminator_width, self.discriminator_norm
        if self.judged == "transitions":
            return TransitionDiscriminator(spec, *sizes, given)
        return VideoDiscriminator(spec, *sizes)
