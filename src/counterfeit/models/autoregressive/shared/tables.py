"""Tables of conditionals: for every value, the probability of 1 after each of the contexts that can stand before it.

References:
    On Gibbs Sampling for State Space Models, Carter & Kohn, 1994: exact draws given all observations, by a pass in one
        direction that filters, and a pass of draws in the other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from counterfeit.core import Batch, Spec
from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.conditionals import Bernoulli
from counterfeit.models.autoregressive.shared.model import Autoregressive, expect
from counterfeit.models.autoregressive.shared.orders import OrderName, ordering

__all__ = ["BINARY", "Tables", "check_memory", "check_smoothing"]

BINARY = "Add `binarize` to data.transforms."
MOST = 2**26  # numbers in all tables together
CELLS = 2**24  # of all tables of some examples, which are completed together


def check_smoothing(smoothing: float) -> float:
    """The pseudo-count, or a ValueError unless it is more than 0."""
    if not smoothing > 0:
        raise ValueError(
            f"smoothing={smoothing} came; more than 0 is expected, since 0 gives what was never seen no probability at "
            "all. The smaller, the nearer to maximum likelihood: 1e-6."
        )
    return smoothing


def check_memory(memory: int) -> int:
    """How many values before each it depends on, or a ValueError where they are fewer than none."""
    if memory < 0:
        raise ValueError(f"memory={memory} came; 0 or more values before each are expected. 0 is `independent`.")
    return memory


class Tables(Autoregressive):
    """Binary values, each of which depends on the `memory` values before it, by tables.

    Arguments:
        spec: what the data are; binary.
        memory: how many values before a value its probability depends on.
        smoothing: added to the counts of 0 and of 1 in every context.
        order: of the values.
        order_seed: of a random order.

    Raises:
        ValueError: where data are not binary, the memory is negative or its tables are too large.
    """

    places: Tensor
    starts: Tensor

    def __init__(self, spec: Spec, memory: int, smoothing: float, order: OrderName, order_seed: int) -> None:
        expect(spec, "binary", type(self).__name__, BINARY)
        check_memory(memory)
        super().__init__(spec)
        sizes = [2 ** min(i, memory) for i in range(spec.dims)]
        if sum(sizes) > MOST:
            raise ValueError(
                f"memory={memory} came; {spec.dims} values expect tables of {sum(sizes):.3g} probabilities then, more "
                f"than {MOST:.3g}. Lower it, or choose data of fewer values."
            )
        self.memory, self.smoothing = min(memory, spec.dims - 1), check_smoothing(smoothing)
        self.register_buffer("places", ordering(spec.shape, order, order_seed))
        self.register_buffer("starts", torch.tensor([0, *sizes[:-1]]).cumsum(0))
        self.logits = nn.Parameter(torch.randn(sum(sizes)).mul_(0.1))

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """Set every probability to how often 1 came in its context: maximum likelihood, with smoothing."""
        x = data.x.flatten(1)
        self.spec.check(data.x, f"{type(self).__name__}.initialize")
        ones, counts = (self.logits.new_zeros(len(self.logits), dtype=torch.float64) for _ in range(2))
        for part in x.split(4096):
            index = addresses(part[:, self.places], self.starts, self.memory).flatten()
            ones += torch.bincount(index, part[:, self.places].double().flatten(), len(ones))
            counts += torch.bincount(index, minlength=len(counts))
        self.logits.copy_((ones + self.smoothing).log() - (counts - ones + self.smoothing).log())

    def chain(self, k: int) -> TableChain:  # noqa: ARG002
        """The only chain."""
        return TableChain(self)

    def filled(self, x: Tensor, known: Tensor) -> Tensor:
        """Exact draws of what is missing of `x` where `known` is 0, both (B, D), given all that is known."""
        rows, chain = max(1, CELLS // len(self.logits)), self.chain(0)
        return torch.cat([chain.completed(*part) for part in zip(x.split(rows), known.split(rows), strict=True)])


class TableChain(Chain):
    """The conditionals of tables; remembered is the context, as the number that its values are the bits of."""

    def __init__(self, model: Tables) -> None:
        super().__init__(model.places, Bernoulli())
        self.logits, self.starts, self.memory = model.logits, model.starts, model.memory
        self.first = self.starts.tolist()

    def parameters(self, x: Tensor) -> Tensor:
        """Log-odds of every value, (B, D) -> (B, D)."""
        ordered = self.logits[addresses(x[:, self.order], self.starts, self.memory)]
        return torch.empty_like(ordered).index_copy(1, self.order, ordered)

    def begin(self, n: int) -> State:
        """The empty context."""
        return (torch.zeros(n, dtype=torch.int64, device=self.order.device),)

    def ask(self, state: State, i: int) -> Tensor:
        """The entry of the context, (n,)."""
        return self.logits[self.first[i] + state[0]]

    def take(self, state: State, i: int, value: Tensor) -> State:  # noqa: ARG002
        """The context with the value, and without the one that is too far back."""
        return ((2 * state[0] + value.long()) % 2**self.memory,)

    def completed(self, x: Tensor, known: Tensor) -> Tensor:
        """Exact draws given what is known, before and after, (B, D)."""
        ahead, state, x = self.ahead(x, known), self.begin(len(x)), x.clone()
        for i, place in enumerate(self.places):
            after = ahead[i + 1].gather(1, self.followers(state).T)  # (B, 2)
            p = (self.ask(state, i) + after[:, 1] - after[:, 0]).sigmoid()
            x[:, place] = torch.where(known[:, place] == 1, x[:, place], (torch.rand_like(p) < p).to(x))
            state = self.take(state, i, x[:, place])
        return x

    def ahead(self, x: Tensor, known: Tensor) -> list[Tensor]:
        """How likely what is known from the i-th value on is after each context, in nats: (B, contexts) for i to D."""
        every = torch.arange(2**self.memory, device=self.order.device)
        found = [torch.zeros(len(x), min(len(every), 2 ** len(self.places)), device=x.device)]
        for i in reversed(range(len(self.places))):
            contexts = every[: 2**i]
            odds, place = self.logits[self.first[i] + contexts], self.places[i]
            log_p = torch.stack([logsigmoid(-odds), logsigmoid(odds)])  # (2, contexts)
            joint = log_p + found[-1][:, self.followers((contexts,))]  # (B, 2, contexts)
            told = torch.stack([1 - x[:, place], x[:, place]], 1)[..., None] == 1
            possible = told | (known[:, place] == 0)[:, None, None]
            found.append(torch.where(possible, joint, -torch.inf).logsumexp(1))
        return found[::-1]

    def followers(self, state: State) -> Tensor:
        """The contexts after 0 and after 1, int64 (2, n)."""
        return torch.stack([self.take(state, 0, torch.full_like(state[0], v))[0] for v in (0, 1)])


def addresses(x: Tensor, starts: Tensor, memory: int) -> Tensor:
    """Where in all tables the probability of each value stands, for binary `x` in order: int64 (B, D).

    Example:
        >>> addresses(torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([0, 1, 3]), 1)
        tensor([[0, 2, 3]])
    """
    bits, context = x.detach().long(), torch.zeros_like(x, dtype=torch.int64)
    for back in range(1, memory + 1):
        context[:, back:] += bits[:, :-back] * 2 ** (back - 1)
    return starts + context
