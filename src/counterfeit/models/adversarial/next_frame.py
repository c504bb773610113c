"""Next-frame prediction with an adversary.

References:
    Unsupervised Learning of Visual Structure using Predictive Generative Networks, Lotter, Kreiman and Cox, 2015
        (arXiv 1511.06380).
    Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks, Bengio et al., 2015 (arXiv 1506.03099).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Draw, Spec, Update, check_actions
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.paired_gan import PairedGAN
from counterfeit.nets.video import SHRUNK, FramePredictor, VideoPlayers

__all__ = ["NextFrame"]

SETTINGS = GANSettings(penalty="r1", penalty_weight=0.4, penalty_every=4)


class NextFrame(PairedGAN):
    """Foresees how a video goes on: an encoder, a recurrent net and a decoder, trained by squared error and a game.

    The squared error alone gives the mean of all that may come, which is blurred. The discriminator is shown a video
    whose first frames are true, and so asks for frames that are sharp and fit what was before. Training begins with the
    next frame alone, as in the paper: true ones are read in the place of those predicted, ever fewer of them, until it
    goes on from its own as in a rollout.

    Where the data have actions, both players are told the one after each frame: what is predicted is what would follow
    if these were taken.

    References:
        Unsupervised Learning of Visual Structure using Predictive Generative Networks, Lotter, Kreiman and Cox, 2015
            (arXiv 1511.06380).

    Arguments:
        spec: what the data are: videos (frames, C, H, W) in [0, 1].
        context_frames: frames that are seen in training; it predicts the others.
        teacher_forcing: share of training over which true frames, read in the place of predicted ones, become rarer;
            0 for none.
        nets: sizes of both players, and what the discriminator looks at.
        adversarial_weight: weight of the adversarial loss beside the mean squared error; at 0 only that is left.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no videos, their sides are no multiples of 4, or no frame is left to predict.

    Example:
        >>> NextFrame(Spec((8, 1, 16, 16)), nets=VideoPlayers(4)).predict(torch.rand(2, 3, 1, 16, 16), steps=10).shape
        torch.Size([2, 10, 1, 16, 16])
    """

    generator: FramePredictor

    def __init__(
        self, spec: Spec, context_frames: int = 5, teacher_forcing: float = 0.5,
        nets: VideoPlayers = VideoPlayers(), adversarial_weight: float = 0.01,  # noqa: B008
        settings: GANSettings = SETTINGS,
    ) -> None:  # fmt: skip
        if len(spec.shape) != 4 or not spec.bounded or any(side % SHRUNK for side in spec.shape[2:]):
            raise ValueError(
                f"data of kind {spec.kind} and shape {spec.shape} came; videos (frames, C, H, W) in [0, 1] whose sides "
                f"are multiples of {SHRUNK} are expected. Take data moving-digits, say."
            )
        if not 1 <= context_frames < spec.shape[0]:
            raise ValueError(
                f"context_frames={context_frames} came; 1 to {spec.shape[0] - 1} of {spec.shape[0]} frames are "
                "expected. Change it, or data.frames."
            )
        if not 0 <= teacher_forcing <= 1:
            raise ValueError(f"teacher_forcing={teacher_forcing} came; a share from 0 to 1 is expected. Correct it.")
        generator, discriminator = nets.generator(spec), nets.discriminator(spec, context_frames)
        super().__init__(spec, generator, discriminator, adversarial_weight, settings)
        self.nets, self.context_frames = nets, context_frames
        self.teacher_forcing, self.true_share = teacher_forcing, 0.0

    def initialize(self, data: Batch) -> None:
        """Start at the mean shade of the data: in dark videos, most of the first steps would go there."""
        self.generator.begin(data.x.mean().clamp(0.01, 0.99))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """The game and the errors, with as many true frames read as this time of training has."""
        self.true_share = (
            max(0.0, 1 - clock.step / (self.teacher_forcing * clock.steps)) if self.teacher_forcing else 0.0
        )
        yield from super().updates(draw, clock)

    def generate(self, real: Batch) -> Tensor:
        """The videos of a minibatch with all but their first frames predicted."""
        x = real.x
        context, truth = x.tensor_split([self.context_frames], 1)
        steps = truth.shape[1]
        forced = torch.rand(len(x), steps, device=x.device) < self.true_share if self.true_share else None
        actions = real.labels if self.spec.actions else None
        return torch.cat([context, self.generator(context, steps, truth, forced, actions)], 1)

    def judged(self, real: Batch, x: Tensor) -> Tensor:
        """What the discriminator says of videos that go on by a minibatch's actions, or of their transitions."""
        return self.discriminator(self.settings.augmented(x), real.y if self.spec.actions else None)

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's logit of videos `x` beside actions `y`, (B, frames - 1), if the data have any, (B, 1)."""
        self.spec.check(x, "NextFrame.discriminator_outputs")
        actions = check_actions(y, (len(x), x.shape[1] - 1), self.spec)
        return self.discriminator(x, actions).mean(1, keepdim=True)

    def errors(self, x: Tensor, fake: Tensor) -> Losses:
        """The mean squared error of the predicted frames."""
        return {"frames": (fake - x)[:, self.context_frames :].square().mean()}

    def predict(self, x: Tensor, steps: int, actions: Tensor | None = None) -> Tensor:
        """The `steps` frames that follow the frames `x`, (B, any number, C, H, W), as (B, steps, C, H, W).

        Each is predicted from all before it, whether given or predicted, and from the `actions` taken after those, (B,
        number - 1 + steps), where the data have any.
        """
        given = max(1, x.shape[1]) if isinstance(x, Tensor) and x.ndim == 5 else self.context_frames
        replace(self.spec, shape=(given, *self.spec.shape[1:])).check(x, "NextFrame.predict")
        if steps < 1:
            raise ValueError(f"steps={steps} came; at least 1 is expected. Ask for more.")
        return self.generator(x, steps, actions=check_actions(actions, (len(x), x.shape[1] - 1 + steps), self.spec))
