"""What semi-supervised models share: the few training examples whose labels they may look at."""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.core import Batch, Model, check_labels

__all__ = ["EACH", "FewLabels", "choose_labelled", "labelled_count"]

EACH = 10  # labelled examples of a class, where nobody says how many


class FewLabels(Model):
    """A model that sees the labels of a few training examples, which it holds, and no others."""

    labelled_x: Tensor
    labelled_y: Tensor

    def hold_labelled(self, num_labelled: int | None) -> None:
        """Make room for so many examples; for ten of each class, some repeated where it has fewer, where None.

        Raises:
            ValueError: where the data have no classes, or it is no multiple of them.
        """
        spec, count = self.spec, labelled_count(num_labelled, self.spec.classes)
        self.all_there = num_labelled is not None
        self.register_buffer("labelled_x", torch.zeros(count, *spec.shape))
        self.register_buffer("labelled_y", torch.arange(count) % spec.classes)

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """Choose the examples whose labels are looked at, as many of each class; all others stay hidden."""
        share = len(self.labelled_y) // self.spec.classes
        positions = choose_labelled(data, share, self.spec.classes, repeat=not self.all_there)
        self.labelled_x.copy_(data.x[positions])
        self.labelled_y.copy_(data.labels[positions])


def labelled_count(num_labelled: int | None, classes: int) -> int:
    """How many labels are looked at in all; ten of each class where None.

    Raises:
        ValueError: where there are no classes, or no equal number of each.
    """
    if classes < 1:
        raise ValueError("data without labels came; a classifier expects labels. Choose data with classes.")
    count = EACH * classes if num_labelled is None else num_labelled
    if count < classes or count % classes:
        raise ValueError(f"num_labelled={count} came; a multiple of {classes} classes is expected. Change it.")
    return count


def choose_labelled(data: Batch, share: int, classes: int, repeat: bool) -> Tensor:
    """Positions of the examples whose labels are looked at, those of one class after those of another.

    Arguments:
        data: training examples.
        share: examples of each class.
        classes: how many there are.
        repeat: whether the few examples of a class that has fewer are taken several times.

    Raises:
        ValueError: where a class has too few.
    """
    y = check_labels(data.y, len(data.x), classes)
    shuffled = torch.randperm(len(y), device=y.device)
    chosen = [shuffled[y[shuffled] == label][:share] for label in range(classes)]
    if repeat and all(map(len, chosen)):  # few examples are looked at as often as many
        chosen = [some[torch.arange(share, device=y.device) % len(some)] for some in chosen]
    if any(len(some) < share for some in chosen):
        raise ValueError(
            f"a class with {min(map(len, chosen))} training examples came; at least {share} of each are expected. "
            f"Lower `num_labelled`."
        )
    return torch.cat(chosen)
