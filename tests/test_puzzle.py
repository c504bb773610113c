"""Puzzles: key patches, their places, the images around them, and how all that is measured."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from counterfeit import catalogue
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Assembles, Batch, Clock, Spec
from counterfeit.data.source import transformed
from counterfeit.data.sources.digits import Digits
from counterfeit.inference.assembly import assemble
from counterfeit.metrics.tasks.patch_assembly import (
    ASSEMBLY,
    Puzzle,
    at_random,
    nearest_assembly,
    placed,
    puzzles,
)
from counterfeit.models.adversarial.puzzlegan import PuzzleGAN, PuzzleSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.conv import ConvPlayers
from counterfeit.nets.patches import Locator, covered, key_patches, paste, take
from counterfeit.report.figures.patch_assembly import assemblies
from counterfeit.run.run import train
from counterfeit.transforms import build
from flat import flat

SPEC, CLOCK = Spec((1, 16, 16)), Clock(0, 10)
TINY = {"noise_dim": 3, "features": 8,
        "nets": ConvPlayers(width=4, discriminator_width=4, discriminator_norm="none")}  # fmt: skip


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def model(spec: Spec = SPEC, **arguments) -> PuzzleGAN:
    return flat(PuzzleGAN, spec, **TINY | {"num_patches": 2, "patch_size": 4} | arguments)


def one_hot(corners: Tensor, rows: int, columns: int) -> Tensor:
    """Distributions that are sure of `corners`, (B, K, 2): (B, K, rows, columns)."""
    place = corners[..., 0] * columns + corners[..., 1]
    return torch.nn.functional.one_hot(place, rows * columns).view(*place.shape, rows, columns).float()


# Patches --------------------------------------------------------------------------------------------------------------


def test_key_patches_lie_where_the_edges_are_and_never_overlap():
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 3, 11], x[0, 0, 12, 4] = 1.0, 0.5
    patches, corners = key_patches(x, 2, 4)
    assert patches.shape == (1, 2, 1, 4, 4)
    assert patches.amax((2, 3, 4)).tolist() == [[1.0, 0.5]]
    noise = torch.rand(20, 3, 16, 20)
    _, corners = key_patches(noise, 4, 4)
    apart = (corners[:, :, None] - corners[:, None]).abs().amax(3)
    assert bool((apart + 4 * torch.eye(4).long() >= 4).all())
    assert bool((corners >= 0).all())
    assert corners[..., 0].max() <= 12
    assert corners[..., 1].max() <= 16


def test_key_patches_have_more_edges_than_any_other():
    x = torch.rand(5, 2, 10, 12)
    _, corners = key_patches(x, 1, 3)

    def edges(image: Tensor, row: int, column: int) -> float:
        down, across = image.diff(dim=1).abs().sum(0), image.diff(dim=2).abs().sum(0)
        window = (slice(row, row + 3), slice(column, column + 3))
        return float(down[window].sum() + across[window].sum())

    for image, (row, column) in zip(x, corners[:, 0].tolist(), strict=True):
        every = [edges(image, r, c) for r, c in itertools.product(range(8), range(10))]
        assert edges(image, row, column) == pytest.approx(max(every), rel=1e-5)


def test_patches_pasted_where_they_were_taken_are_the_image_again():
    x = torch.rand(3, 2, 8, 10)
    corners = torch.tensor([[0, 0], [4, 6]]).expand(3, -1, -1)
    patches = take(x, corners, 4)
    torch.testing.assert_close(patches[:, 1], x[:, :, 4:8, 6:10])
    laid, weight = paste(patches, one_hot(corners, 5, 7), (2, 8, 10))
    mask = covered(corners, 4, (2, 8, 10))
    torch.testing.assert_close(weight, mask)
    assert mask.sum((1, 2, 3)).tolist() == [32.0] * 3
    torch.testing.assert_close(laid, x * mask)


def test_patches_that_are_unsure_are_laid_thinly_and_meet_as_means():
    patches = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])[None]
    places = torch.full((1, 2, 1, 2), 0.5)  # each half here, half one to the right
    laid, weight = paste(patches, places, (1, 2, 3))
    assert weight[0, 0].tolist() == [[1.0] * 3] * 2
    torch.testing.assert_close(laid, torch.full((1, 1, 2, 3), 0.5))
    assert paste(patches[:, :1], places[:, :1], (1, 2, 3))[1][0, 0, 0].tolist() == [0.5, 1.0, 0.5]


def test_the_order_of_patches_does_not_matter():
    net, patches = Locator(SPEC, 4, 8), torch.rand(2, 3, 1, 4, 4)
    order = torch.tensor([2, 0, 1])
    assert net(patches).shape == (2, 3, 13, 13)
    torch.testing.assert_close(net(patches[:, order]), net(patches)[:, order])
    made, noise = model(num_patches=3).eval(), torch.randn(2, 3)
    both = [made.generator.paint(noise, p, made.generator.places(p)) for p in (patches, patches[:, order])]
    torch.testing.assert_close(*both)


# The model ------------------------------------------------------------------------------------------------------------


def test_assembling_gives_an_image_and_where_each_patch_may_lie():
    made, x = model().eval(), torch.rand(3, 1, 16, 16)
    assert isinstance(made, Assembles)
    patches, corners = made.cut(x)
    assert corners.shape == (3, 2, 2)
    image, places = made.assemble(patches)
    assert image.shape == x.shape
    torch.testing.assert_close(places.sum((2, 3)), torch.ones(3, 2))


def test_what_lies_surely_where_it_was_cut_costs_nothing():
    made = model()
    real = Batch(torch.rand(4, 1, 16, 16))
    _, corners = made.cut(real.x)
    made.generator.locator.forward = lambda patches: 1e4 * one_hot(corners, 13, 13)
    fake = made.generate(real)._replace(x=real.x)
    found = made.generator_losses(real, fake, torch.zeros(4, 1))
    assert float(found["spatial"]) == pytest.approx(0, abs=1e-6)
    assert float(found["appearance"]) == 0
    other = fake._replace(x=(real.x - 0.5 * covered(corners, 4, SPEC.shape)))
    assert float(made.generator_losses(real, other, torch.zeros(4, 1))["appearance"]) == pytest.approx(5.0)


def test_places_known_of_nothing_cost_the_logarithm_of_their_number():
    made, real = model(spatial_weight=2.0), Batch(torch.rand(4, 1, 16, 16))
    made.generator.locator.forward = lambda patches: torch.zeros(4, 2, 13, 13)
    found = made.generator_losses(real, made.generate(real), torch.zeros(4, 1))
    assert float(found["spatial"]) == pytest.approx(2 * math.log(169), rel=1e-5)
    assert {*made.discriminator_losses(real, made.generate(real), torch.zeros(4, 1), torch.zeros(4, 1))} == {"loss"}


def test_the_pixels_it_shows_teach_where_patches_lie():
    """The appearance loss reaches the places, since patches are laid where they are likely."""
    made, real = model(spatial_weight=0.0), Batch(torch.rand(4, 1, 16, 16))
    loss = made.generator_losses(real, made.generate(real), torch.zeros(4, 1))["appearance"]
    gradient = torch.autograd.grad(loss, made.generator.locator.last.weight)[0]
    assert float(gradient.abs().max()) > 0


def test_samples_are_made_of_the_patches_of_training_images():
    made, x = model().eval(), torch.rand(2, 1, 16, 16)
    made.initialize(Batch(x))
    kept = made.cut(x)[0].flatten(1)
    assert torch.cdist(made.prior(20)[:, 3:], kept).amin(1).max() < 1e-4
    assert made.sample(5).shape == (5, 1, 16, 16)


@pytest.mark.parametrize(
    "patches", [torch.rand(2, 3, 1, 4, 4), torch.rand(2, 1, 4, 4), torch.zeros(2, 2, 1, 4, 4).long()]
)
def test_patches_that_do_not_fit_are_refused(patches):
    with pytest.raises(ValueError, match=r"patches.*\(B, 2, 1, 4, 4\).* expected"):
        model().eval().assemble(patches)


@pytest.mark.parametrize("arguments", [{"num_patches": 0}, {"patch_size": 9}, {"num_patches": 5},
                                       {"num_patches": 7, "patch_size": 2}, {"spatial_weight": -1.0}])  # fmt: skip
def test_puzzles_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        model(**arguments)


# Metric, figure -------------------------------------------------------------------------------------------------------


def test_patches_are_placed_right_within_a_tolerance():
    true = torch.tensor([[[0, 0], [8, 8]], [[4, 4], [2, 9]]])
    found = torch.tensor([[[2, 0], [8, 11]], [[4, 4], [2, 7]]])
    assert placed(found, true, 2).tolist() == [0.5, 1.0]
    assert placed(found, true, 1).tolist() == [0.0, 0.5]


def test_patches_pasted_at_random_lie_anywhere():
    patches = torch.ones(2_000, 1, 1, 2, 2)
    x, corners = at_random(patches, (1, 4, 5))
    counts = torch.bincount(corners[:, 0, 0] * 4 + corners[:, 0, 1], minlength=12)
    assert float((counts - 2_000 / 12).abs().max()) < 60
    torch.testing.assert_close(x, covered(corners, 2, (1, 4, 5)))


def test_the_nearest_image_is_found_in_whatever_order_its_patches_come():
    known = torch.rand(7, 1, 8, 8)
    patches, corners = key_patches(known, 3, 2)
    chosen, order = torch.tensor([4, 1, 6]), torch.tensor([2, 0, 1])
    asked = patches[chosen][:, order] + 0.01 * torch.rand(3, 3, 1, 2, 2)
    x, found = nearest_assembly(asked, Puzzle(known, patches, corners))
    assert torch.equal(x, known[chosen])
    assert torch.equal(found, corners[chosen][:, order])


def test_every_order_of_every_image_is_tried():
    known, asked = torch.rand(5, 3, 1, 2, 2), torch.rand(300, 3, 1, 2, 2)
    x, corners = torch.arange(5.0), torch.arange(3).expand(5, 3)[..., None].expand(-1, -1, 2)
    image, found = nearest_assembly(asked, Puzzle(x, known, corners))
    orders = [*itertools.permutations(range(3))]
    totals = torch.stack([(asked[:, None] - known[:, order]).square().flatten(2).sum(2) for order in orders], 2)
    best = totals.flatten(1).argmin(1)
    assert torch.equal(image, x[best // 6])
    assert torch.equal(found[..., 0], torch.tensor(orders)[best % 6])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_orders_are_sought_where_the_patches_are():
    x = torch.rand(5, 1, 8, 8, device="cuda")
    patches, corners = key_patches(x, 2, 3)
    assert torch.equal(nearest_assembly(patches.flip(1), Puzzle(x, patches, corners))[1], corners.flip(1))


class Knows(PuzzleGAN):
    """Has seen every digit, and finds each by its patches."""

    def __init__(self) -> None:
        nets, prior = ConvPlayers(4, 4), Prior(noise_dim=3)
        super().__init__(Spec((1, 8, 8)), PuzzleSettings(2, 2, features=8), nets, prior)
        self.known = puzzles(self, Digits().split("test").first().x, 500)

    def assemble(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        x, corners = nearest_assembly(patches, self.known)
        return x, one_hot(corners, 7, 7)


def test_who_knows_the_images_is_right_and_those_who_do_not_stand_beside():
    found = ASSEMBLY.compute(Knows(), Digits(), Evaluation(features="pixels", resamples=2))
    places, distance = found["places"], found["patch-assembly-fid"]
    rows = places.references
    assert places.value > 0.99
    assert rows["nearest neighbour"].value > rows["pasted at random"].value
    # of 49 places, those at most one off: 9 in the middle, fewer at the border
    assert rows["pasted at random"].value == pytest.approx((19 / 49) ** 2, abs=0.05)
    assert distance.value < distance.references["pasted at random"].value
    assert distance.value == pytest.approx(distance.references["real"].value, rel=0.3)
    assert json.loads(json.dumps(places.to_dict())) == places.to_dict()
    assert places.n == 250


def test_solving_is_seeded_and_leaves_the_model_as_it_was():
    made = model().train()
    patches, _ = made.cut(torch.rand(5, 1, 16, 16))
    first, again = (assemble(made, patches, 2)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert made.training


def test_a_figure_shows_puzzles_as_columns(tmp_path):
    recipe = catalogue.recipe("puzzlegan")
    run = train("puzzlegan", out=tmp_path / "run", settings=recipe.smoke, show=False)
    figure = assemblies(run)
    assert "rows: patches where they are, patches where the model puts them, draw 1, draw 2, the true" in figure.alt
    assert figure.picture.data.startswith(b"\x89PNG")


def test_metrics_take_pictures_only():
    assert ASSEMBLY.applies(Digits())
    assert not ASSEMBLY.applies(transformed(Digits(), build(("flatten",))))
