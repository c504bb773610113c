"""The chain of a net of pixels: one pass for all conditionals, or one pixel after another from rows that are kept."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from counterfeit.models.autoregressive.shared.causal import Causal, Memory
from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.conditionals import Likely
from counterfeit.models.autoregressive.shared.pixel_nets import PixelNet

__all__ = ["PixelChain"]


class PixelChain(Chain):
    """The conditionals of a net of pixels; remembered are rows of its layers, so that each value costs one pixel.

    Arguments:
        net: gives the parameters.
        shape: of a picture, (C, H, W).
        order: row by row, all channels of a pixel following each other, int64 (D,).
        conditional: the distribution of each value.
        condition: labels, one-hot, of all examples, (1, labels), or of each; None where there are none.
    """

    def __init__(
        self, net: PixelNet, shape: Sequence[int], order: Tensor, conditional: Likely, condition: Tensor | None = None
    ) -> None:  # fmt: skip
        super().__init__(order, conditional)
        self.net, self.shape, self.condition, self.layers = net, tuple(shape), condition, net.causal

    def parameters(self, x: Tensor) -> Tensor:
        """Parameters of every value, (B, D) -> (B, D), or (B, D, parameters) where there are several."""
        return self.net(x.unflatten(1, self.shape), self._condition(len(x))).flatten(1, 3)

    def begin(self, n: int) -> State:
        """An empty picture, (n, C, H, W), and what layers remember before the first row."""
        canvas = self.net.head.last.weight.new_zeros(n, *self.shape)
        return (canvas, *(part for layer in self.layers for part in layer.blank(n, self.shape[2])))

    def ask(self, state: State, i: int) -> Tensor:
        """A pass through the layers at one pixel: (n,) or (n, parameters)."""
        row, column, channel = self._place(i)
        memories = self._memories(state)
        if row and not column and not channel:
            for layer in self.layers:
                layer.turn(memories[layer])

        def pixel(layer: Causal, x: Tensor, shift: Tensor | None = None) -> Tensor:
            return layer.pixel(memories[layer], column, x, shift)

        x = self._seen(state, row, column)
        return self.net.head(self.net.features(x, pixel, self._condition(len(x))))[:, channel, 0, 0]

    def take(self, state: State, i: int, value: Tensor) -> State:
        """The picture with the value, and layers that see it."""
        row, column, channel = self._place(i)
        state[0][:, channel, row, column] = value
        memories = self._memories(state)
        for layer in self.net.entries:
            layer.put(memories[layer], column, self._seen(state, row, column))
        return state

    def _seen(self, state: State, row: int, column: int) -> Tensor:
        """A pixel as layers see it, (n, C, 1, 1)."""
        return 2 * state[0][:, :, row : row + 1, column : column + 1] - 1

    def _place(self, i: int) -> tuple[int, int, int]:
        """Row, column and channel of the i-th value in order."""
        pixel, channel = divmod(i, self.shape[0])
        return (*divmod(pixel, self.shape[2]), channel)

    def _memories(self, state: State) -> dict[Causal, Memory]:
        """What each layer remembers."""
        parts = iter(state[1:])
        return {layer: tuple(next(parts) for _ in range(layer.remembered)) for layer in self.layers}

    def _condition(self, n: int) -> Tensor | None:
        return None if self.condition is None else self.condition.expand(n, -1)
