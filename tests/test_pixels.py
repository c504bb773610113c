"""Models of pixels: enumeration, what each conditional sees, both ways through each layer, caches, labels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Spec
from counterfeit.models.autoregressive.diagonal_bilstm import DiagonalBiLSTM, Direction, diagonals
from counterfeit.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from counterfeit.models.autoregressive.pixelcnn import PixelCNN
from counterfeit.models.autoregressive.row_lstm import RowLSTM, RowLSTMLayer
from counterfeit.models.autoregressive.shared.causal import CausalConv2d, Reach, channel_mask
from counterfeit.models.autoregressive.shared.chain import Recomputed, draw
from counterfeit.models.autoregressive.shared.pixels import PixelModel, PixelSettings
from probes import descend

MODELS = {"pixelcnn": PixelCNN, "gated-pixelcnn": GatedPixelCNN, "row-lstm": RowLSTM, "diagonal-bilstm": DiagonalBiLSTM}
SHAPES = [(1, 3, 4), (2, 2, 3), (3, 2, 2)]
SETTINGS = PixelSettings(first_kernel=3, head=16)
GIVEN = PixelSettings(first_kernel=3, head=16, conditional=True)
PLACED = PixelSettings(first_kernel=3, head=16, positions=True)


def made(
    name: str, spec: Spec, settings: PixelSettings = SETTINGS, size: int = 6, layers: int = 2, seed: int = 0
) -> PixelModel:
    with seeded(seed):
        model = MODELS[name](spec, size, layers, settings=settings)
        for p in model.parameters():  # far from the even coins that nets begin as
            p.data.add_(0.2 * torch.randn_like(p))
    return model.eval()


def binary(shape: tuple[int, ...], classes: int = 0) -> Spec:
    return Spec(shape, "binary", classes)


def states(shape: tuple[int, ...]) -> Tensor:
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * math.prod(shape)).view(-1, *shape)


def sees(name: str, shape: tuple[int, ...], tries: int = 6, **settings: int) -> Tensor:
    """Which value, in order, has a gradient in which, bool (D, D), for some weights and some values."""
    reach = torch.zeros(math.prod(shape), math.prod(shape), dtype=torch.bool)
    for seed in range(tries):
        model = made(name, binary(shape), PixelSettings(settings.get("first_kernel", 3), 16), 9, seed=seed).double()
        chain = model.chain(0)
        one = torch.autograd.functional.jacobian(
            lambda v, chain=chain: chain.parameters(v[None])[0], torch.rand(len(reach), dtype=torch.float64)
        )
        reach |= (one != 0)[chain.order][:, chain.order]
    return reach


# Probabilities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [SETTINGS, GIVEN, PLACED], ids=["alone", "labels", "places"])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 3, 3)])
@pytest.mark.parametrize("name", MODELS)
def test_probabilities_of_all_pictures_sum_to_one(name, shape, settings):
    model = made(name, binary(shape, 3), settings)
    with torch.no_grad():
        assert float(model.log_prob(states(shape)).double().exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("likelihood", ["categorical", "logistic"])
@pytest.mark.parametrize("name", MODELS)
def test_densities_of_every_level_integrate_to_one(name, likelihood):
    spec = Spec((3, 2, 2))
    model = made(name, spec, PixelSettings(3, 16, likelihood))
    before, chain = torch.rand(12), model.chain(0)
    for place in (0, 5, 11):
        x = before.expand(256, 12).clone()
        x[:, place] = torch.arange(256) / 255
        with torch.no_grad():
            each = chain.conditional.log_prob(chain.parameters(x), x)[:, place]
        assert float(each.double().exp().mean()) == pytest.approx(1, abs=1e-4)  # a level is 1/256 of [0, 1] wide
    assert model.levels
    x = 255 * model.sample(3)
    torch.testing.assert_close(x, x.round())


@pytest.mark.parametrize("name", MODELS)
def test_training_raises_the_likelihood_and_keeps_the_sum(name):
    torch.manual_seed(0)
    x = (torch.rand(300, 1, 3, 4) < torch.linspace(0.05, 0.95, 4)).float()
    x[:, :, 2] = x[:, :, 0]
    model = made(name, binary((1, 3, 4))).train()
    before = float(model.log_prob(x).mean().detach())
    descend(model, x, 60)
    with torch.no_grad():
        assert float(model.log_prob(x).mean()) > before + 1
        assert float(model.log_prob(states((1, 3, 4))).double().exp().sum()) == pytest.approx(1, abs=1e-4)


# What a conditional sees ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 4, 5), (2, 3, 3), (3, 3, 2)])
@pytest.mark.parametrize("name", MODELS)
def test_no_conditional_sees_its_own_value_or_a_later_one(name, shape):
    assert not bool(sees(name, shape, tries=2).triu().any())


@pytest.mark.parametrize("shape", [(1, 4, 5), (2, 3, 3), (3, 3, 2)])
def test_two_stacks_see_all_that_comes_before(shape):
    found = sees("gated-pixelcnn", shape, first_kernel=7)
    assert torch.equal(found, torch.ones_like(found).tril(-1))


@pytest.mark.parametrize("shape", [(1, 4, 6), (2, 3, 4)])
def test_two_directions_see_all_that_comes_before_but_the_end_of_the_row_above(shape):
    channels, height, width = shape
    found = sees("diagonal-bilstm", shape)
    expected = torch.ones_like(found).tril(-1).view(height, width, channels, height, width, channels)
    for row in range(1, height):  # the first convolution sees one pixel to the right, and no feature its own pixel
        expected[row, : width - 2, :, row - 1, -1, -1] = False
    assert torch.equal(found, expected.view_as(found))


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 3, 3)])
def test_a_gated_pixelcnn_sees_all_within_its_layers_reach(shape):
    channels, height, width = shape
    found = sees("gated-pixelcnn", shape).view(height, width, channels, height, width, channels)
    for row in range(height):
        for column in range(width):
            above = found[row, column, 0, :row, :, 0]  # two layers of three by three: two rows and columns each
            dr = row - torch.arange(row)[:, None]
            dc = (torch.arange(width) - column).abs()
            # between the stacks a row is left behind, so that rows reach further up by one than columns to the side
            assert torch.equal(above, (dr <= 3) & (dc <= 2)), (row, column)


@pytest.mark.parametrize("first_kernel", [3, 5])
def test_a_pixelcnn_is_blind_to_the_right(first_kernel):
    height, width = 5, 8
    found = sees("pixelcnn", (1, height, width), first_kernel=first_kernel).view(height, width, height, width)
    half, layers = first_kernel // 2, 2
    for row in range(height):
        for column in range(width):
            dr = row - torch.arange(row)[:, None]
            dc = torch.arange(width) - column
            seen = (dr <= half + layers) & (dc <= half + (dr - 1).clamp(max=layers)) & (-dc <= half + layers)
            assert torch.equal(found[row, column, :row], seen), (row, column)


def test_a_row_lstm_sees_a_triangle():
    height, width = 4, 8
    found = sees("row-lstm", (1, height, width)).view(height, width, height, width)
    for row in range(height):
        for column in range(width):
            right = torch.arange(width) - column
            dr = row - torch.arange(row)[:, None]
            assert not bool(found[row, column, :row][right > dr].any())
            near = (right <= dr) & (-right <= dr)
            assert bool(found[row, column, :row][near].all())


def test_channels_of_a_pixel_see_those_before_them():
    for name in MODELS:
        found = sees(name, (3, 2, 2)).view(4, 3, 4, 3)
        for pixel in range(4):
            assert torch.equal(found[pixel, :, pixel], torch.ones(3, 3).bool().tril(-1)), name


# Layers ---------------------------------------------------------------------------------------------------------------


def test_masks_let_groups_see_those_before_and_themselves():
    assert channel_mask(3, 3, 3, "A").tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert channel_mask(3, 6, 3, "B").tolist() == [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]
    assert channel_mask(4, 2, 2, "B", parts=2).tolist() == [[1, 0], [1, 1]] * 2
    assert channel_mask(1, 1, 1, "A").tolist() == [[0]]


@pytest.mark.parametrize("mask", ["A", "B"])
def test_a_kernel_without_rows_below_is_the_masked_square_one(mask):
    layer, x = CausalConv2d(3, 6, Reach(1, 1, 1), mask, 3), torch.randn(2, 3, 4, 5)
    square = torch.zeros(6, 3, 3, 3)
    square[:, :, 0] = layer.weight[:, :, 0]
    square[:, :, 1, 0] = layer.weight[:, :, 1, 0]
    square[:, :, 1, 1] = layer.weight[:, :, 1, 1] * channel_mask(6, 3, 3, mask)
    torch.testing.assert_close(layer(x), conv2d(x, square, layer.bias, padding=1))


def step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    o, f, i, g = gates.view(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def test_a_row_lstm_is_the_recurrence_of_the_paper():
    layer, x, width = RowLSTMLayer(4, 3, 3, 1), torch.randn(1, 4, 3, 5), 5
    h, c = torch.zeros(4, 3, width + 2), torch.zeros(4, 3, width + 2)  # a row above, a column at each side
    gates = layer.inputs(x)[0]
    for row in range(3):
        for column in range(width):
            said = torch.einsum("oik,ik->o", layer.state.weight, h[row, :, column : column + 3])
            found = step(gates[:, row, column] + said, c[row, :, column + 1])
            h[row + 1, :, column + 1], c[row + 1, :, column + 1] = (t.detach() for t in found)
    torch.testing.assert_close(layer(x)[0], h[1:, :, 1:-1].transpose(0, 1))


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (4, 2), (1, 3), (3, 1)])
def test_a_diagonal_lstm_is_the_recurrence_of_the_paper(right, shape):
    height, width = shape
    layer, x = Direction(4, 3, 1, right), torch.randn(1, 4, height, width)
    gates = layer.inputs(x.flip(3) if right else x)[0]
    h, c = torch.zeros(height + 1, width + 1, 3), torch.zeros(height + 1, width + 1, 3)
    for row in range(height):
        for column in range(width):
            said = layer.state(torch.cat([h[row + 1, column], h[row, column + 1]]))
            found = step(gates[:, row, column] + said, c[row + 1, column])
            h[row + 1, column + 1], c[row + 1, column + 1] = (t.detach() for t in found)
    expected = h[1:, 1:].permute(2, 0, 1)
    torch.testing.assert_close(layer(x)[0], expected.flip(2) if right else expected)


def test_diagonals_are_the_columns_of_the_skewed_picture():
    height, width = 3, 4
    skewed = torch.full((height, width + height - 1), -1)
    for row in range(height):
        skewed[row, row : row + width] = row * width + torch.arange(width)
    assert diagonals(height, width).tolist() == [p for p in skewed.t().flatten().tolist() if p >= 0]


# Sampling -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [SETTINGS, GIVEN], ids=["alone", "labels"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_cached_samples_are_those_of_recomputing_everything(name, shape, settings):
    model = made(name, binary(shape, 3), settings)
    chain = model.chain(model.chains - 1)
    with torch.no_grad():
        with seeded(5):
            cached = draw(chain, 200)
        with seeded(5):
            naive = draw(Recomputed(chain), 200)
    assert torch.equal(cached, naive)
    assert len(cached.unique(dim=0)) > 50


@pytest.mark.parametrize("settings", [SETTINGS, PLACED, PixelSettings(5, 16, "logistic", conditional=True)])
@pytest.mark.parametrize("name", MODELS)
def test_what_the_cache_says_is_what_a_pass_says(name, settings):
    model = made(name, Spec((2, 4, 3), classes=3), settings).double()
    x = torch.rand(4, 24, dtype=torch.float64)
    chain = model.given(torch.tensor([0, 2, 1, 1]) if settings.conditional else None)
    with torch.no_grad():
        state, said = chain.begin(4), []
        for i, place in enumerate(chain.places):
            said.append(chain.ask(state, i))
            state = chain.take(state, i, x[:, place])
        torch.testing.assert_close(torch.stack(said, 1), chain.parameters(x)[:, chain.order], atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("name", ["pixelcnn", "gated-pixelcnn"])
def test_positions_tell_what_borders_out_of_reach_cannot(name):
    """One pixel is always on, in the middle of nothing: only a net that knows where it is can know which."""
    x = torch.zeros(20, 1, 9, 9)
    x[:, :, 5, 4] = 1
    found = {}
    for settings in (SETTINGS, PLACED):
        model = made(name, binary((1, 9, 9)), settings, layers=1)
        with seeded(0):
            descend(model, x, 300, 0.03)
        with torch.no_grad():
            found[settings.positions] = float(model.eval().log_prob(x[:1]))
    assert found[False] < -2
    assert found[True] > -0.7


@pytest.mark.parametrize("name", MODELS)
def test_samples_are_as_frequent_as_they_are_probable(name):
    model, n, shape = made(name, binary((2, 1, 2))), 20_000, (2, 1, 2)
    with torch.no_grad(), seeded(0):
        x = model.sample(n).flatten(1)
        p = model.log_prob(states(shape)).exp()
    found = (x[:, None] == states(shape).flatten(1)).all(2).float().mean(0)
    assert bool(((found - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all())


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_given_labels_the_density_is_a_mixture_of_those_of_each(name):
    model, x = made(name, binary((1, 2, 3), 3), GIVEN), states((1, 2, 3))
    model.initialize(Batch(x[:4], torch.tensor([0, 2, 2, 1])))
    with torch.no_grad():
        each = torch.stack([model.chain(k).log_prob(x.flatten(1)).exp() for k in range(3)])
        torch.testing.assert_close(each.sum(1), torch.ones(3), atol=1e-4, rtol=0)
        assert float((each[0] - each[1]).abs().max()) > 1e-3
        torch.testing.assert_close(model.log_prob(x).exp(), torch.tensor([0.25, 0.25, 0.5]) @ each)


def test_samples_of_a_label_follow_its_density():
    model, x = made("gated-pixelcnn", binary((1, 2, 2), 2), GIVEN), states((1, 2, 2))
    for k in range(2):
        with torch.no_grad(), seeded(0):
            drawn = model.sample(10_000, torch.full((10_000,), k)).flatten(1)
            p = model.chain(k).log_prob(x.flatten(1)).exp()
        found = (drawn[:, None] == x.flatten(1)).all(2).float().mean(0)
        assert bool(((found - p).abs() < 5 * (p * (1 - p) / 10_000).sqrt()).all())


def test_training_raises_the_likelihood_given_the_label():
    model, x, y = made("gated-pixelcnn", binary((1, 2, 3), 3), GIVEN), states((1, 2, 3)), torch.arange(64) % 3
    (update,) = model.updates(lambda: Batch(x, y), Clock(0, 1))
    each = torch.stack([model.chain(k).log_prob(x.flatten(1)) for k in range(3)], 1)
    torch.testing.assert_close(update.loss, -each.gather(1, y[:, None]).mean())


def test_completions_of_a_model_of_labels_are_exact_where_what_is_known_comes_first():
    shape, n = (1, 2, 2), 20_000
    model, x = made("gated-pixelcnn", binary(shape, 2), GIVEN), torch.tensor([1.0, 0.0, 1.0, 1.0])
    known = torch.tensor([1.0, 1.0, 0.0, 0.0])
    with torch.no_grad(), seeded(0):
        every = states(shape)
        agrees = ((every.flatten(1) == x) | (known == 0)).all(1)
        p = torch.where(agrees, model.log_prob(every), -torch.inf).softmax(0)
        y = model.complete(x.view(1, *shape).expand(n, *shape), known.view(1, *shape).expand(n, *shape)).flatten(1)
    found = (y[:, None] == every.flatten(1)).all(2).float().mean(0)
    assert bool(((found - p).abs() <= 5 * (p * (1 - p) / n).sqrt()).all())


# Settings and refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_codes_are_features_averaged_over_the_picture(name):
    model = made(name, binary((1, 3, 4), 3), GIVEN)
    assert model.encode(states((1, 3, 4))[:5]).shape[0] == 5


def test_auto_takes_coins_for_bits_and_256_levels_for_pictures():
    assert PixelSettings().chosen(binary((1, 2, 2))).name == "bernoulli"
    assert PixelSettings().chosen(Spec((3, 2, 2))).name == "categorical"
    assert PixelSettings(likelihood="logistic").chosen(Spec((3, 2, 2))).name == "logistic"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PixelCNN(Spec((4,), "binary")), "pictures"),
        (lambda: PixelCNN(Spec((1, 2, 2), "real")), "Leave dequantize"),
        (lambda: PixelCNN(Spec((1, 2, 2)), kernel=2), "odd side"),
        (lambda: GatedPixelCNN(Spec((1, 2, 2)), layers=0), "1 or more"),
        (lambda: GatedPixelCNN(Spec((1, 2, 2)), settings=PixelSettings(first_kernel=4)), "odd side"),
        (lambda: GatedPixelCNN(Spec((1, 2, 2)), settings=PixelSettings(conditional=True)), "without labels"),
        (lambda: RowLSTM(Spec((3, 2, 2)), hidden=2), "Make layers wider"),
        (lambda: DiagonalBiLSTM(binary((1, 2, 2)), settings=PixelSettings(likelihood="logistic")), "bernoulli"),
        (lambda: PixelCNN(Spec((1, 2, 2)), settings=PixelSettings(likelihood="gaussian")), "categorical or logistic"),
    ],
)
def test_settings_that_make_no_model_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
