"""The stream of minibatches: whole epochs, positions, slices."""

import torch

from counterfeit.data.loader import Stream
from counterfeit.data.source import InMemory, Streamed

CPU = torch.device("cpu")


def numbers(n):
    return InMemory(torch.arange(n, dtype=torch.float32)[:, None], torch.arange(n))


def drawn(stream, count):
    draw = stream.draws()[0]
    return torch.stack([draw().x.flatten() for _ in range(count)])


def test_an_epoch_holds_every_example_once():
    batches = drawn(Stream(numbers(12), 4, 0, CPU), 6)
    assert batches[:3].flatten().sort().values.tolist() == list(range(12))
    assert batches[3:].flatten().sort().values.tolist() == list(range(12))
    assert not torch.equal(batches[:3], batches[3:])


def test_a_stream_goes_on_from_its_position():
    whole = drawn(Stream(numbers(10), 3, 5, CPU), 7)
    first = Stream(numbers(10), 3, 5, CPU)
    drawn(first, 4)
    assert first.position == 4
    assert torch.equal(drawn(Stream(numbers(10), 3, 5, CPU, position=4), 3), whole[4:])


def test_slices_make_up_the_whole_batch():
    whole = drawn(Stream(numbers(12), 4, 0, CPU), 3)
    halves = [drawn(Stream(numbers(12), 4, 0, CPU, slices=2, mine=range(j, j + 1)), 3) for j in range(2)]
    assert torch.equal(torch.cat(halves, 1), whole)


def test_seeds_differ():
    assert not torch.equal(drawn(Stream(numbers(50), 10, 0, CPU), 5), drawn(Stream(numbers(50), 10, 1, CPU), 5))


def test_batches_larger_than_the_data():
    assert drawn(Stream(numbers(3), 8, 0, CPU), 2).shape == (2, 8)


def test_labels_stay_with_their_examples():
    x, y = Stream(numbers(20), 5, 0, CPU).draws()[0]()
    assert torch.equal(x.flatten().long(), y)


class Slow(Streamed):
    def __len__(self):
        return 12

    def read(self, index):
        return torch.tensor([index], dtype=torch.uint8), index


def test_workers_draw_what_memory_would():
    expected = drawn(Stream(InMemory(torch.arange(12, dtype=torch.uint8)[:, None]), 4, 0, CPU), 5)
    assert torch.equal(drawn(Stream(Slow(), 4, 0, CPU, workers=0), 5), expected)
    assert torch.equal(drawn(Stream(Slow(), 4, 0, CPU, workers=2, position=2), 3), expected[2:])
