"""The few training examples whose labels a semi-supervised model may look at."""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.core import Batch, check_labels

__all__ = ["EACH", "choose_labelled", "labelled_count"]

EACH = 10  # labelled examples of a class, where nobody says how many


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
