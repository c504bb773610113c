"""The device that a name stands for."""

from __future__ import annotations

import os

import torch

CPU = torch.device("cpu")


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU where there is one."""
    if name == "auto":  # under torchrun, each process takes the GPU of its rank
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else CPU
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"device {name!r} is not usable here. Use auto or cpu; `counterfeit doctor` lists devices."
        ) from None
    return device
