"""Masks, the energy score, conditionals, and everything around completion: metric, pictures, pictures in, command."""

from __future__ import annotations

import json
import math
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import checks
from counterfeit.cli import main
from counterfeit.common.files import DataError
from counterfeit.common.numerics import mean_and_error
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Completes, Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.data.user_images import read_inputs, read_mask
from counterfeit.engine.previews import picture
from counterfeit.metrics.base import Result
from counterfeit.metrics.tasks.completion import COMPLETION, DRAWS, masked_images, nearest_completion, squared_error
from counterfeit.models.adversarial.inpainting_gan import InpaintingGAN, energy_score
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.nets.conv import ConvPlayers
from counterfeit.nets.masks import KINDS, check_mask, mask_of, random_masks
from counterfeit.report.figures.completion import TINT, board, tinted
from counterfeit.run.run import Run, train
from flat import flat

SIGMA, MEAN = 0.1, 0.5
SPEC = Spec((1, 8, 8))


def shaped(spec):
    """Data of that spec, of which nothing else is known."""
    source = Noise()
    source.spec = spec
    return source


class Noise(Source):
    """Independent normal values, so that nothing tells of anything else."""

    name, summary = "noise", "independent normal values"

    def __init__(self, n=400, seed=0):
        self.spec, self.n, self.seed = SPEC, n, seed

    def split(self, name):
        g = torch.Generator().manual_seed(3 * self.seed + ["train", "valid", "test"].index(name))
        return InMemory((MEAN + SIGMA * torch.randn(self.n, *SPEC.shape, generator=g)).clamp(0, 1))


class Filler(Model):
    """Completes with normal values of a deviation, right where that is the data's."""

    def __init__(self, spec=SPEC, sigma=SIGMA):
        super().__init__(spec)
        self.loc, self.sigma = nn.Parameter(torch.tensor(MEAN)), sigma

    def updates(self, draw, clock):
        yield Update((self.loc - draw().x.mean()) ** 2)

    def complete(self, x, mask):
        self.spec.check(x, "Filler.complete")
        mask = check_mask(mask, x, "Filler.complete")
        return torch.where(mask == 1, x, (self.loc + self.sigma * torch.randn_like(x)).clamp(0, 1))


class Knows(Filler):
    def complete(self, x, mask):
        return x


class Sure(Filler):
    def complete(self, x, mask):
        return torch.where(mask == 1, x, self.loc)


class Meddler(Filler):
    def complete(self, x, mask):
        return super().complete(x, mask) * 0.99


class Peeks(Filler):
    def complete(self, x, mask):
        return torch.where(mask == 1, x, x + torch.rand(1)) % 1.001


class Trusting(Filler):
    def complete(self, x, mask):
        return torch.where(mask == 1, x, torch.rand_like(x))


def small(**rules):
    with seeded(0):
        return flat(InpaintingGAN, SPEC, ConvPlayers(8, 8, "none"), noise_dim=4, settings=GANSettings(**rules))


# masks


@pytest.mark.parametrize(("kind", "known"), [("left", (0, 7)), ("right", (0, 0)), ("top", (7, 0)), ("bottom", (0, 0))])
def test_halves_are_missing_where_they_say(kind, known):
    mask = mask_of(kind, (3, 8, 8))
    assert mask.shape == (3, 8, 8)
    assert mask.mean() == 0.5
    assert mask[(0, *known)] == 1


def test_the_center_is_a_quarter_and_pixels_are_three():
    assert mask_of("center", (1, 8, 8)).mean() == 0.75
    assert mask_of("center", (1, 8, 8))[0, 4, 4] == 0
    assert mask_of("pixels", (1, 64, 64)).mean() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(mask_of("pixels", (1, 8, 8)), mask_of("pixels", (1, 8, 8)))


def test_halves_of_odd_sides_leave_the_middle_known():
    assert [int((1 - mask_of(kind, (1, 5, 5))).sum()) for kind in ("left", "right", "top", "bottom")] == [10] * 4


def test_unknown_masks_are_refused():
    checks.rejects(partial(mask_of, "north", (1, 8, 8)), "'north'")
    checks.rejects(partial(mask_of, "left", (8,)), "(8,)")


def test_random_masks_cover_every_pixel_and_the_whole_image():
    with seeded(0):
        masks = random_masks(4_000, (2, 12, 12))
    assert masks.shape == (4_000, 2, 12, 12)
    assert {*masks.unique().tolist()} == {0.0, 1.0}
    assert torch.equal(masks[:, 0], masks[:, 1])
    rates = masks.mean(0)
    assert 0.3 < rates.min() < rates.max() < 0.7
    assert float((masks.flatten(1).sum(1) == 0).float().mean()) == pytest.approx(0.1, abs=0.03)


def test_random_masks_follow_the_seed():
    with seeded(1):
        a = random_masks(9, (1, 8, 8))
    with seeded(1):
        assert torch.equal(a, random_masks(9, (1, 8, 8)))


# the energy score


def energy(loc, scale):
    """Energy score of N(loc, scale²) for data N(0, 1) in one dimension, in closed form."""
    phi = torch.distributions.Normal(0.0, 1.0)

    def gap(mean, variance):  # E |N(mean, variance)|
        u, s = torch.tensor(mean) / variance**0.5, variance**0.5
        return float(2 * s * phi.log_prob(u).exp() + mean * (2 * phi.cdf(u) - 1)) if variance else abs(mean)

    return gap(loc, 1 + scale**2) - 0.5 * gap(0.0, 2 * scale**2)


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (0.0, 0.5), (0.7, 1.3)])
def test_energy_score_is_what_its_closed_form_says(loc, scale):
    g, n = torch.Generator().manual_seed(0), 40_000
    x, a, b = torch.randn(3, n, 1, generator=g)
    value = float(energy_score(x, loc + scale * a, loc + scale * b, torch.zeros(n, 1)))
    assert value == pytest.approx(energy(loc, scale), abs=5 / math.sqrt(n))


def test_energy_score_is_lowest_for_the_right_distribution():
    right = energy(0.0, 1.0)
    assert all(energy(*other) > right for other in [(0.0, 0.0), (0.0, 0.8), (0.0, 1.2), (0.2, 1.0), (-0.2, 1.0)])


def test_energy_score_looks_at_what_is_missing_only():
    g = torch.Generator().manual_seed(0)
    x, a, b = torch.rand(3, 5, 6, generator=g)
    mask = torch.tensor([1.0, 1, 1, 0, 0, 0]).expand(5, 6)
    same = (torch.where(mask == 1, x, y) for y in (a, b))
    assert energy_score(x, a, b, mask) == pytest.approx(float(energy_score(x, *same, mask)))
    assert energy_score(x, a, b, torch.ones(5, 6)) == pytest.approx(0, abs=1e-5)


# the model


def test_completions_see_only_what_is_known():
    torch.manual_seed(0)
    model = small().eval()
    x, mask = torch.rand(2, 1, 8, 8, requires_grad=True), random_masks(2, (1, 8, 8))
    y = model.generator(model.prior(2), x, mask)
    (gradient,) = torch.autograd.grad((y * (1 - mask)).sum(), x)
    assert gradient[mask == 0].abs().max() == 0
    assert gradient[mask == 1].abs().max() > 0


def test_a_sample_is_a_completion_of_nothing():
    model = small().eval()
    with torch.no_grad(), seeded(3):
        x = model.sample(4)
    with torch.no_grad(), seeded(3):
        assert torch.equal(x, model.complete(torch.ones_like(x), torch.zeros_like(x)))


@pytest.mark.parametrize("n", [1, 4, 5])
def test_each_image_of_the_first_half_is_completed_twice(n):
    model, x = small(), torch.rand(n, 1, 8, 8)
    fake = model.generate(Batch(x))
    half = (n + 1) // 2
    contexts = torch.cat([x[:half]] * 2)[:n]
    assert fake.x.shape == x.shape
    assert torch.equal(fake.x[fake.y == 1], contexts[fake.y == 1])
    assert torch.equal(fake.y[: n // 2], fake.y[half:])


def test_masks_move_with_their_images():
    model = small(augment=("flip", "translation", "cutout")).train()
    told = []
    model.discriminator.forward = lambda x, mask: told.append((x, mask)) or x.flatten(1)[:, :1]
    mask = random_masks(16, (1, 8, 8))
    model.discriminator_outputs(mask, mask)
    moved, told_mask = told[0]
    assert torch.equal((moved > 0.5).float(), told_mask)  # gray is filled into images, and nothing is known there
    assert not torch.equal(told_mask, mask)


def test_colors_of_masks_stay():
    model = small(augment=("color",), instance_noise=0.5).train()
    told = []
    model.discriminator.forward = lambda x, mask: told.append((x, mask)) or x.flatten(1)[:, :1]
    x, mask = torch.rand(4, 1, 8, 8), random_masks(4, (1, 8, 8))
    model.discriminator_outputs(x, mask)
    assert torch.equal(told[0][1], mask)
    assert not torch.equal(told[0][0], x)


def test_without_a_score_only_the_game_is_played():
    model = flat(InpaintingGAN, SPEC, ConvPlayers(8, 8, "none"), score_weight=0.0, noise_dim=4)
    fake = model.generate(Batch(torch.rand(4, 1, 8, 8)))
    assert {*model.generator_losses(Batch(torch.rand(4, 1, 8, 8)), fake, torch.zeros(4, 1))} == {"loss"}
    checks.rejects(partial(flat, InpaintingGAN, SPEC, score_weight=-1.0), "score_weight=-1.0")


def test_binary_completions_are_binary():
    model = flat(InpaintingGAN, Spec((1, 8, 8), "binary"), ConvPlayers(8, 8, "none"), noise_dim=4).eval()
    y = model.complete(torch.rand(2, 1, 8, 8).round(), random_masks(2, (1, 8, 8)))
    assert {*y.unique().tolist()} <= {0.0, 1.0}


# the common check


@pytest.mark.parametrize(
    ("cls", "words"),
    [(Meddler, "known changes"), (Peeks, "missing matter"), (Sure, "another seed"), (Trusting, "RuntimeError")],
)
def test_the_check_sees_the_fault(cls, words):
    with pytest.raises(AssertionError, match=words):
        checks.completions(cls())


def test_the_check_passes_what_is_right():
    assert isinstance(Filler(), Completes)
    checks.completions(Filler())


# the metric


def measured(model, n=400, samples=4_000):
    return COMPLETION.compute(model, Noise(n), Evaluation(samples=samples, features="pixels", resamples=4))


def test_error_and_diversity_of_the_right_distribution_are_known():
    found = measured(Filler())
    error, diversity = found["completion-error"], found["completion-diversity"]
    assert error.value == pytest.approx(math.sqrt(2) * SIGMA, rel=0.02)
    assert diversity.value == pytest.approx(SIGMA, rel=0.02)
    rows = error.references
    assert rows["mean image"].value == pytest.approx(SIGMA, rel=0.03)
    assert rows[f"mean of {DRAWS} draws"].value == pytest.approx(SIGMA * math.sqrt(1 + 1 / DRAWS), rel=0.02)
    assert rows["nearest neighbour"].value == pytest.approx(math.sqrt(2) * SIGMA, rel=0.02)
    assert rows[f"best of {DRAWS} draws"].value < error.value
    assert diversity.references["truth"].value == pytest.approx(SIGMA, rel=0.03)


def test_one_who_is_sure_has_no_diversity_and_less_error():
    found = measured(Sure())
    assert found["completion-diversity"].value == 0
    assert found["completion-diversity"].error == 0
    assert found["completion-error"].value == pytest.approx(SIGMA, rel=0.02)


def test_the_distance_knows_the_right_distribution_from_a_sure_one():
    right, sure = (measured(model, 2_000, 20_000)["completion-fid"] for model in (Filler(), Sure()))
    real = right.references["real"].value
    assert right.value == pytest.approx(real, abs=4 * right.error)
    assert real < sure.value / 3
    assert sure.references["mean image"].value == pytest.approx(sure.value, rel=0.1)


def test_what_is_completed_never_meets_itself():
    """Whoever knows the truth is as far from other held-out images as training images are, not at 0."""
    truth = measured(Knows(), 2_000, 20_000)["completion-fid"]
    assert truth.value == pytest.approx(truth.references["real"].value, rel=0.1)
    assert truth.n == 1_000
    assert "to 1000 images of which none is made" in truth.protocol


def test_each_image_counts_once_in_the_distance():
    found = measured(Filler(), 20, 10_000)  # each comes under all kinds of mask
    assert "20 images, 120 masks" in found["completion-error"].protocol
    assert found["completion-fid"].n == 10


def test_the_error_of_the_distance_is_that_of_other_images():
    found = [COMPLETION.compute(Filler(), Noise(800, seed), Evaluation(samples=16_000, features="pixels"))
             ["completion-fid"] for seed in range(12)]  # fmt: skip
    deviation = torch.tensor([result.value for result in found]).std()
    assert float(deviation) == pytest.approx(sum(result.error for result in found) / 12, rel=0.5)


def test_too_few_images_have_no_distance():
    found = measured(Filler(), 3, 100)
    assert [name for name, one in found.items() if isinstance(one, Result)] == [*COMPLETION.rows][:2]
    assert "fewer than two in a half" in found["completion-fid"]


def test_results_are_numbers_with_protocols():
    found = measured(Filler(), samples=600)
    assert set(found) == set(COMPLETION.rows)
    for result in found.values():
        assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert all("60 images, 60 masks" in found[f"completion-{name}"].protocol for name in ("error", "diversity"))
    assert "one draw under one mask of each" in found["completion-fid"].protocol


def test_errors_are_those_of_repeated_draws():
    asked = masked_images(Noise(), Evaluation(samples=4_000))
    values = torch.rand(400, generator=torch.Generator().manual_seed(0))
    root, error = asked.rms(values)
    mean, spread = mean_and_error(values)
    assert (root, error) == pytest.approx((mean**0.5, spread / (2 * mean**0.5)))


def test_few_images_come_under_several_kinds_of_mask():
    asked = masked_images(Noise(n=5), Evaluation(samples=10_000))
    assert (len(asked.x), asked.images) == (5 * len(KINDS), 5)
    pairs = {(i % 5, int(kind)) for i, kind in enumerate(asked.kind)}
    assert len(pairs) == 5 * len(KINDS)
    assert torch.equal(asked.x[:5], asked.x[5:10])
    assert torch.equal(asked.mask[3], mask_of(KINDS[3], SPEC.shape))


def test_many_images_come_under_one_kind_each():
    asked = masked_images(Noise(), Evaluation(samples=1_000))
    assert (len(asked.x), asked.images) == (100, 100)
    assert sorted(torch.bincount(asked.kind).tolist()) == [16, 16, 17, 17, 17, 17]
    assert {*asked.kind[::2].tolist()} == {*asked.kind[1::2].tolist()} == {*range(6)}


def test_the_nearest_completion_is_the_one_found_by_search():
    source = Noise(n=30)
    asked, examples = masked_images(source, Evaluation(samples=120)), source.split("train")
    found, all_of = nearest_completion(asked, examples), examples.first().x
    for x, mask, y in zip(asked.x, asked.mask, found, strict=True):
        best = min(all_of, key=lambda other: float(((other - x) * mask).square().sum()))
        assert torch.equal(y, torch.where(mask == 1, x, best))


def test_squared_error_averages_what_is_missing():
    x, mask = torch.zeros(2, 4), torch.tensor([[1.0, 1, 0, 0], [1.0, 1, 1, 1]])
    assert squared_error(torch.tensor([[9.0, 9, 1, 3], [9.0, 9, 9, 9]]), x, mask).tolist() == [5, 0]


# pictures


def test_training_shows_images_what_is_given_and_completions():
    seen = picture(Filler(), Noise(), 16)
    assert seen.shape == (4 * 58 + 2, 4 * 58 + 2)
    first = Noise().split("valid")[torch.tensor([0])].x[0, 0]
    assert seen[2, 2 + 7 * 7] == pytest.approx(round(255 * float(first[0, 7])), abs=1)
    assert seen[30, 62] == 128  # its left half is missing


def test_a_board_shows_truth_and_tint():
    x, mask, draws = torch.ones(2, 1, 8, 8), torch.ones(2, 1, 8, 8), torch.zeros(2, 3, 1, 8, 8)
    mask[..., 0] = 0
    assert tinted(x, mask)[0, :, 0, 0].tolist() == pytest.approx(TINT)
    assert board(x, mask, draws).shape[1] == 5 * 58 + 2
    assert board(x, mask, draws, truth=False).shape[1] == 4 * 58 + 2


# pictures in


def test_a_picture_is_binary_where_the_data_are(tmp_path):
    Image.fromarray(np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    x = read_inputs(tmp_path / "a.png", shaped(Spec((1, 8, 8), "binary"))).x
    Spec((1, 8, 8), "binary").check(x, "the model")
    assert 0 < float(x.mean()) < 1


def test_transparent_pixels_are_missing(tmp_path):
    rgba = np.full((16, 16, 4), 255, np.uint8)
    rgba[:, :8, 3] = 0
    rgba[..., :3] = 51
    Image.fromarray(rgba).save(tmp_path / "a.png")
    x, mask, _ = read_inputs(tmp_path / "a.png", shaped(SPEC))
    assert x.shape == mask.shape == (1, 1, 8, 8)
    assert mask.mean(2).flatten().tolist() == [0] * 4 + [1] * 4
    assert float(x[0, 0, 0, 7]) == pytest.approx(0.2)


def test_pictures_of_a_folder_are_all_known(tmp_path):
    for i in range(3):
        Image.new("L", (20, 12), 50 * i).save(tmp_path / f"{i}.png")
    x, mask, _ = read_inputs(tmp_path, shaped(Spec((3, 8, 8))))
    assert x.shape == (3, 3, 8, 8)
    assert mask.min() == 1
    assert x[:, 0, 0, 0].tolist() == pytest.approx([0, 50 / 255, 100 / 255])


def test_white_is_missing_in_a_mask(tmp_path):
    hole = np.zeros((16, 16), np.uint8)
    hole[8:] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    assert torch.equal(read_mask(tmp_path / "hole.png", Spec((3, 8, 8))), mask_of("bottom", (3, 8, 8)))


def test_what_is_no_mask_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match="damaged or no picture"):
        read_mask(tmp_path / "text.png", SPEC)
    for i in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"{i}.png")
    (tmp_path / "text.png").unlink()
    with pytest.raises(DataError, match="holds 2 pictures"):
        read_mask(tmp_path, SPEC)
    with pytest.raises(DataError, match="8x8 pixels; 10x8 are expected"):
        read_mask(tmp_path / "0.png", Spec((1, 8, 10)))


# the command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = {"data.name": "digits", "model.width": 4, "model.discriminator_width": 4, "model.noise_dim": 4}
    settings |= {"train.batch_size": 8, "train.save_every": 2, "train.tensorboard": False, "train.device": "cpu"}
    return train("inpainting-gan", steps=2, out=tmp_path_factory.mktemp("runs") / "a", settings=settings, show=False)


def test_a_run_completes_as_often_as_asked(run):
    x = run.source.split("test").first(3).x
    mask = mask_of("left", x.shape[1:])
    y = run.complete(x, mask, n=2, seed=5)
    assert y.shape == (3, 2, 1, 8, 8)
    assert torch.equal(y[:, 1][..., 4:], x[..., 4:])
    assert torch.equal(y, run.complete(x, mask.expand_as(x), n=2, seed=5))
    assert not torch.equal(y[:, 0], y[:, 1])


def test_the_command_writes_a_picture_of_every_kind(run, tmp_path, capsys):
    out = tmp_path / "c.png"
    assert main(["complete", str(run.path), "--count", "7", "--n", "2", "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["n"], found["mask"], found["out"]) == (7, 2, None, str(out))
    with Image.open(out) as image:
        assert image.size == (4 * 58 + 2, 7 * 58 + 2)


def test_the_command_writes_arrays_and_folders(run, tmp_path):
    words = ["complete", str(run.path), "--mask", "top", "--count", "3", "--n", "2"]
    assert main([*words, "--out", str(tmp_path / "c.npy")]) == 0
    assert np.load(tmp_path / "c.npy", allow_pickle=False).shape == (3, 2, 1, 8, 8)
    assert main([*words, "--out", str(tmp_path / "pictures")]) == 0
    assert len([*(tmp_path / "pictures").glob("*.png")]) == 6


def test_the_command_fills_what_is_transparent(run, tmp_path, capsys):
    rgba = np.full((8, 8, 4), 255, np.uint8)
    rgba[4:, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "torn.png")
    words = ["complete", str(run.path), "--input", str(tmp_path / "torn.png"), "--out", str(tmp_path / "c.npy")]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 0.5
    y = np.load(tmp_path / "c.npy", allow_pickle=False)
    assert y[..., :4, :].min() == 1
    assert y[..., 4:, :].max() < 1


def test_the_command_takes_a_mask_that_is_a_picture(run, tmp_path):
    hole = np.zeros((8, 8), np.uint8)
    hole[:, :4] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    words = ["complete", str(run.path), "--count", "2"]
    assert main([*words, "--mask", str(tmp_path / "hole.png"), "--out", str(tmp_path / "a.npy")]) == 0
    assert main([*words, "--mask", "left", "--out", str(tmp_path / "b.npy")]) == 0
    assert np.array_equal(*(np.load(tmp_path / f"{name}.npy", allow_pickle=False) for name in "ab"))


@pytest.mark.parametrize(
    ("words", "came"),
    [
        (["--mask", "north"], "--mask north"),
        (["--n", "0"], "--n 0"),
        (["--count", "-1"], "--count -1"),
        (["--input", "{tmp}/plain.png"], "nothing transparent"),
        (["--input", "{tmp}/none.png"], "does not exist"),
        (["--out", "{tmp}/plain.png/c.png"], "cannot be written"),
        (["--out", "{tmp}/c.txt"], ".txt"),
    ],
)
def test_bad_input_is_one_clear_line(run, tmp_path, capsys, words, came):
    Image.new("L", (8, 8)).save(tmp_path / "plain.png")
    assert main(["complete", str(run.path), *(word.format(tmp=tmp_path) for word in words)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0, error
    assert came in error


def test_a_folder_in_use_is_told_before_any_work(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.png").write_text("")
    monkeypatch.setattr(Run, "complete", lambda *args: pytest.fail("it began to work"))
    assert main(["complete", str(run.path), "--out", str(tmp_path)]) == 2
    assert "already holds something" in capsys.readouterr().err


def test_a_model_that_does_not_complete_says_so(tmp_path, capsys):
    settings = {"model.hidden": [8], "model.discriminator_hidden": [8], "train.tensorboard": False}
    train("gan", steps=1, out=tmp_path / "gan", settings=settings, show=False)
    assert main(["complete", str(tmp_path / "gan")]) == 2
    assert "GAN came; a model that completes is expected" in capsys.readouterr().err
