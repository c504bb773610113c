"""The processes that share a run, as started by `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Processes", "processes"]


@dataclass(frozen=True)
class Processes:
    """The `rank` of this process among `world`."""

    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run folder and speaks to the user."""
        return self.rank == 0

    def share(self, micro_batches: int) -> range:
        """The numbers of the micro-batches that fall to this process, of `micro_batches` for each."""
        return range(self.rank * micro_batches, (self.rank + 1) * micro_batches)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.world
        for t, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(mean.view_as(t))

    def all_reduce_max(self, value: int, device: torch.device) -> int:
        """The largest `value` of any process."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value, device=device)
        torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX)
        return int(tensor)

    def broadcast(self, text: str) -> str:
        """The leader's `text`, in every process."""
        if self.world == 1:
            return text
        size = self.all_reduce_max(len(text.encode()) if self.is_main else 0, torch.device("cpu"))
        if not size:
            return ""
        letters = torch.tensor([*text.encode().ljust(size)[:size]], dtype=torch.uint8)
        torch.distributed.broadcast(letters, 0)
        return bytes(letters.tolist()).decode()

    def barrier(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            torch.distributed.barrier()


def processes() -> Processes:
    """Join the group that `torchrun` describes; alone without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Processes()
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return Processes(torch.distributed.get_rank(), world)
