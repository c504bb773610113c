"""Augmentations of what a discriminator sees: what they keep, what they change, and that gradients pass."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from counterfeit.common.seeding import seeded
from counterfeit.nets.augment import AUGMENTATIONS, Augmentation, augment, color, cutout, flip, moved, translation


@pytest.fixture(autouse=True)
def same_numbers():
    with seeded(0):
        yield


def test_every_name_is_there_and_none_leaves_images_alone():
    assert {*AUGMENTATIONS} == {*get_args(Augmentation)}
    x = torch.rand(3, 1, 8, 8)
    assert augment(x, ()) is x


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (5, 3, 9, 7)])
def test_shape_is_kept_and_gradients_pass(name, shape):
    x = torch.rand(*shape, requires_grad=True)
    y = augment(x, (name,))
    assert y.shape == x.shape
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().sum()) > 0


def test_flip_mirrors_half_of_the_images():
    x = torch.rand(2_000, 1, 2, 3)
    y = flip(x)
    mirrored = (y == x.flip(-1)).flatten(1).all(1)
    assert bool((mirrored | (y == x).flatten(1).all(1)).all())
    assert float(mirrored.float().mean()) == pytest.approx(0.5, abs=0.05)


def test_translation_moves_by_up_to_an_eighth_each_way():
    x = torch.zeros(3_000, 1, 16, 16)
    x[:, :, 8, 8] = 1.0
    found = translation(x).flatten(1).argmax(1)
    moves = torch.stack([found // 16 - 8, found % 16 - 8], 1)
    assert {*map(tuple, moves.tolist())} == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def test_translation_takes_all_channels_along():
    x = torch.rand(20, 1, 16, 16).expand(-1, 3, -1, -1)
    y = translation(x)
    assert torch.equal(y[:, 0], y[:, 1])


@pytest.mark.parametrize("change", [translation, cutout])
def test_what_is_filled_in_is_the_middle_of_the_range(change):
    """The paper fills with the 0 of [-1, 1]."""
    y = change(torch.rand(200, 2, 16, 16) / 4)
    assert float(y.max()) == 0.5
    assert 0.02 < float((y == 0.5).float().mean()) < 0.3
    assert bool(((y == 0.5) | (y < 0.25)).all())
    filled = change(torch.ones(200, 2, 16, 16), torch.tensor([0.25, 0.0])[:, None, None])
    assert filled.amin((0, 2, 3)).tolist() == [0.25, 0.0]
    assert torch.equal(filled[:, 0] == 0.25, filled[:, 1] == 0)


def test_color_is_that_of_the_paper_in_its_unit():
    """DiffAugment's rand_brightness, rand_saturation and rand_contrast, of images in [-1, 1]."""
    x = torch.rand(20, 3, 4, 4)
    with seeded(1):
        found = 2 * color(x) - 1
    with seeded(1):
        u = 2 * x - 1
        u = u + (torch.rand(20, 1, 1, 1) - 0.5)
        mean = u.mean(dim=1, keepdim=True)
        u = (u - mean) * (torch.rand(20, 1, 1, 1) * 2) + mean
        mean = u.mean(dim=[1, 2, 3], keepdim=True)
        u = (u - mean) * (torch.rand(20, 1, 1, 1) + 0.5) + mean
    torch.testing.assert_close(found, u, atol=1e-5, rtol=1e-5)


def test_cutout_blanks_a_square_of_half_the_side_at_most():
    y = cutout(torch.ones(2_000, 2, 8, 8))
    blank = (y != 1).sum((2, 3))
    assert torch.equal(blank[:, 0], blank[:, 1])
    assert int(blank.max()) == 16
    assert int(blank.min()) >= 4


def test_color_keeps_where_values_differ():
    x = torch.rand(50, 3, 4, 4)
    y = color(x)
    assert bool(((y.std((1, 2, 3)) > 0) & ((y - x).abs().amax((1, 2, 3)) < 2)).all())
    gray = color(torch.full((50, 3, 4, 4), 0.3))
    torch.testing.assert_close(gray.amax((1, 2, 3)), gray.amin((1, 2, 3)))


def test_each_image_has_draws_of_its_own():
    x = torch.rand(1, 1, 16, 16).expand(40, -1, -1, -1)
    for name in AUGMENTATIONS:
        assert len(augment(x, (name,)).flatten(1).unique(dim=0)) > 1


def test_points_cannot_be_augmented():
    with pytest.raises(ValueError, match="images"):
        augment(torch.rand(4, 2), ("flip",))


@pytest.mark.parametrize("shape", [(4, 1, 8, 8), (4, 3, 9, 7)])
def test_affine_maps_are_those_of_grid_sample(shape):
    x, maps = torch.rand(*shape), torch.eye(2, 3) + 0.3 * torch.randn(4, 2, 3)
    grid = torch.nn.functional.affine_grid(maps, list(shape), align_corners=False)
    expected = torch.nn.functional.grid_sample(x, grid, align_corners=False)
    torch.testing.assert_close(moved(x, maps), expected, atol=1e-5, rtol=1e-4)


def test_a_quarter_turn_is_exact():
    x = torch.rand(2, 3, 6, 6)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]).expand(2, 2, 3)
    torch.testing.assert_close(moved(x, turn), x.rot90(1, (2, 3)), atol=1e-5, rtol=1e-5)


def test_affine_maps_pass_second_derivatives():
    x, maps = torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True), torch.eye(2, 3, dtype=torch.float64)
    maps = (maps + 0.2 * torch.randn(2, 3, dtype=torch.float64))[None]
    assert torch.autograd.gradgradcheck(lambda x: moved(x, maps).square().sum(), (x,))
