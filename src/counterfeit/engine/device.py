"""The device that a name stands for, and what it multiplies fast."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import torch

CPU = torch.device("cpu")
BF16 = ("avx512_bf16", "amx_bf16")  # instructions of processors that multiply bfloat16


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


def pick_precision(name: Literal["fp32", "bf16", "auto"], device: torch.device) -> Literal["fp32", "bf16"]:
    """The precision of that name; "auto" takes bf16 where the device has instructions for it.

    Processors without them make bfloat16 products number by number: a step of `gan-mnist` takes 14 times as long in
    bf16 as in fp32 there, and one of `gsn-mnist` 30 times. Where PyTorch is too
    old to say, and on other devices, auto is fp32.
    """
    if name != "auto":
        return name
    return "bf16" if multiplies_bf16(device) else "fp32"


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for products of bfloat16, so far as PyTorch says."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return any(known.get(one) for one in BF16)
