"""Inference for adversarial nets: pairs and their game, the auxiliary net, parts of codes, edits, the verb `encode`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Encodes, Net, Samples, Spec, Structured, require
from counterfeit.data.labelled_images import headed
from counterfeit.data.sources.captioned_shapes import composed
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.inference.latent import class_means, move, traverse_categories, traverse_continuous
from counterfeit.losses import iic_loss
from counterfeit.models.adversarial.bigan import BiGAN
from counterfeit.models.adversarial.cgan import CGAN
from counterfeit.models.adversarial.infogan import InfoGAN
from counterfeit.models.adversarial.latent_regressor import LatentRegressor
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.sampling_gan import Fake
from counterfeit.nets.conv import ConvPlayers
from counterfeit.report.figures.edits import directions, edit, edits, means, read_direction
from counterfeit.report.figures.run_figures import figures
from counterfeit.report.figures.traversals import traversals
from counterfeit.run.run import Run, train
from flat import flat

SPEC, CLOCK = Spec((1, 8, 8), classes=10), Clock(0, 10)
NETS = ConvPlayers(width=4, discriminator_width=4)
SMALL = {"encoder_width": 4, "nets": NETS, "noise_dim": 3}


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def batch(n: int = 6) -> Batch:
    return Batch(torch.rand(n, *SPEC.shape), torch.arange(n) % 10)


# Pairs ----------------------------------------------------------------------------------------------------------------


class Told(Net):
    """A judge whose output is known: a linear function of the image and of the code."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.image, self.code = nn.Linear(SPEC.dims, 1, bias=False), nn.Linear(size, 1, bias=False)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.image(x.flatten(1)) + self.code(z)


def told(**options: object) -> BiGAN:
    model = flat(BiGAN, SPEC, units=8, **SMALL, **options)
    model.discriminator = Told(3)
    return model.train()


def test_the_judge_sees_codes_of_data_beside_data_and_prior_codes_beside_samples():
    model, real = told(settings=GANSettings(resample_noise=False)), batch()
    with seeded(1):
        first = next(model.updates(lambda: real, CLOCK))
    with seeded(1), torch.no_grad():
        fake = model.generate(real)
        on_real, on_fake = model.discriminator(real.x, fake.real_y), model.discriminator(fake.x, fake.z)
    expected = 0.5 * (nn.functional.softplus(-on_real).mean() + nn.functional.softplus(on_fake).mean())
    assert torch.allclose(first.loss, expected, atol=1e-6)


def test_generator_and_encoder_move_together_and_lower_the_value_that_the_discriminator_raises():
    model, real = told(settings=GANSettings(objective="minimax", resample_noise=False)), batch()
    first, second = list(model.updates(lambda: real, CLOCK))
    assert (first.parts, second.parts) == (("discriminator",), ("generator", "encoder"))
    assert torch.allclose(second.loss, -first.loss, atol=1e-5)  # no step was taken in between


def test_the_discriminators_update_leaves_the_encoder_alone():
    model, real = told(settings=GANSettings(resample_noise=False)), batch()
    next(model.updates(lambda: real, CLOCK)).loss.backward()
    assert all(p.grad is None for part in (model.encoder, model.generator) for p in part.parameters())


def test_the_encoder_gains_where_its_pairs_pass_for_samples():
    model, real = told(), batch()
    out = torch.zeros(6, 1)
    fake = model.generate(real)
    losses = model.generator_losses(real, fake, out)
    logits = model.discriminator(real.x, fake.real_y)
    assert torch.allclose(losses["encoder"], nn.functional.softplus(logits).mean())
    assert {*model.discriminator_losses(real, fake, out, out)} == {"loss"}


def test_the_penalty_is_on_the_slope_in_pairs():
    model, real = told(settings=GANSettings(penalty="r1", penalty_weight=2.0)), batch()
    image, code = model.discriminator.image.weight, model.discriminator.code.weight
    slope = (image / 2).square().sum() + (code / 2).square().sum()  # per unit of [-1, 1], and half a deviation of codes
    found = model.gradient_penalty(real.x, model.generate(real), CLOCK)["penalty"]
    assert float(found.detach()) == pytest.approx(2 * 0.5 * float(slope.detach()), rel=1e-5)


def test_cycle_errors_vanish_where_the_encoder_inverts_the_generator():
    sizes = {**SMALL, "noise_dim": 64}
    model = flat(BiGAN, Spec((1, 8, 8)), image_weight=2.0, code_weight=3.0, units=8, **sizes)
    model.generator, model.encoder = nn.Unflatten(1, (1, 8, 8)), nn.Flatten()
    real = Batch(torch.rand(4, 1, 8, 8))
    losses = model.generator_losses(real, model.generate(real), torch.zeros(4, 1))
    assert float(losses["image"].detach()) == float(losses["code"].detach()) == 0
    model.encoder = nn.Sequential(nn.Flatten(), Off(0.5))
    losses = model.generator_losses(real, model.generate(real), torch.zeros(4, 1))
    assert float(losses["image"].detach()) == pytest.approx(2 * 0.25)
    assert float(losses["code"].detach()) == pytest.approx(3 * 0.25, rel=1e-5)


class Off(nn.Module):
    """Adds a constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


def test_random_codes_follow_the_gaussian_that_was_inferred():
    model = flat(BiGAN, SPEC, random=True, units=8, **SMALL)
    parameters = torch.tensor([1.0, -2.0, 0.5, 0.0, math.log(2.0), math.log(0.1)])
    model.encoder = Constant(parameters)
    z = model.infer(torch.zeros(20_000, *SPEC.shape))
    assert torch.allclose(z.mean(0), parameters[:3], atol=0.06)
    assert torch.allclose(z.std(0), torch.tensor([1.0, 2.0, 0.1]), rtol=0.03)
    assert torch.equal(model.encode(torch.zeros(2, *SPEC.shape)), parameters[:3].expand(2, 3))


class Constant(nn.Module):
    """The same for every example."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(len(x), -1)


def test_a_code_ends_with_the_likeliest_category_which_the_game_does_not_move():
    model = flat(BiGAN, SPEC, categories=4, random=True, units=8, **SMALL)
    mean, category = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.1, 0.9, -3.0, 0.2], requires_grad=True)
    model.encoder = Constant(torch.cat([mean, torch.full((3,), -20.0), category]))
    for found in (model.encode(batch().x), model.infer(batch().x)):
        torch.testing.assert_close(found, torch.tensor([1.0, -2.0, 0.5, 0, 1, 0, 0]).expand(6, 7))
        assert torch.autograd.grad(found.sum(), category, allow_unused=True)[0].abs().sum() == 0
    assert model.prior(5, torch.tensor([0, 1, 2, 3, 3]))[:, 3:].argmax(1).tolist() == [0, 1, 2, 3, 3]


def test_an_encoder_learns_categories_from_two_views_of_data():
    losses, real = {}, batch()
    for views in ((), ("flip",)):
        model = flat(BiGAN, SPEC, categories=4, iic_weight=3.0, view_augmentations=views, units=8, **SMALL)
        model.encoder = Sides()
        losses[views] = float(model.generator_losses(real, model.generate(real), torch.zeros(6, 1))["views"])
    read = model.encoder(real.x)[:, 3:].softmax(1)
    assert losses[()] == pytest.approx(3 * float(iic_loss(read, read)), rel=1e-5)
    assert losses["flip",] > losses[()] + 1e-3  # what is left and right tells less of itself mirrored
    assert "views" not in model.discriminator_losses(real, model.generate(real), torch.zeros(6, 1), torch.zeros(6, 1))


@pytest.mark.parametrize("wrong", [{"categories": 1}, {"categories": -1}, {"iic_weight": -1.0}, {"image_weight": -1.0}])
def test_weights_and_categories_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=-?1"):
        flat(BiGAN, SPEC, units=8, **SMALL, **wrong)


class Sides(nn.Module):
    """Codes of zeros, and categories by the mean shades of quarters from left to right."""

    def forward(self, x: Tensor) -> Tensor:
        quarters = x.flatten(1).unflatten(1, (8, 4, 2)).mean((1, 3))
        return torch.cat([torch.zeros(len(x), 3), 20 * quarters], 1)


def test_data_alone_are_judged_with_the_codes_that_encode_finds():
    model, x = flat(BiGAN, SPEC, units=8, **SMALL).eval(), batch().x
    assert torch.equal(model.discriminator_outputs(x), model.discriminator_outputs(x, model.encode(x)))
    with pytest.raises(ValueError, match="`z` has shape"):
        model.discriminator_outputs(x, torch.zeros(6, 4))


@pytest.mark.parametrize("objective", ["least-squares", "feature-matching", "kl"])
def test_objectives_whose_parts_do_not_mirror_each_other_are_refused(objective):
    with pytest.raises(ValueError, match=objective):
        flat(BiGAN, SPEC, units=8, settings=GANSettings(objective=objective), **SMALL)


# The auxiliary net ----------------------------------------------------------------------------------------------------


def parts(step: int, generator_frozen_from: float) -> list[tuple[str, ...]]:
    model = flat(LatentRegressor, SPEC, generator_frozen_from=generator_frozen_from, **SMALL).train()
    return [update.parts for update in model.updates(batch, Clock(step, 10))]


def test_from_some_step_on_the_generator_stands_still():
    assert parts(5, generator_frozen_from=0.6) == [("discriminator",), ("generator",), ("encoder",)]
    assert parts(6, generator_frozen_from=0.6) == [("encoder",)]


class Mix(Net):
    """Codes (B, 3) -> examples (B, 2): a fixed linear map, which loses one direction."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, z: Tensor) -> Tensor:
        return z @ self.matrix


class Read(Net):
    """Examples (B, 2) -> codes (B, 3): linear."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def test_the_encoder_finds_the_mean_of_the_code_given_the_sample():
    """Of a linear generator x = z A and z ~ N(0, I) that mean is x (AᵀA)⁻¹ Aᵀ."""
    matrix = torch.tensor([[1.0, 0.5], [0.0, 1.0], [1.0, -1.0]])
    model = flat(LatentRegressor, SPEC, generator_frozen_from=0.0, **SMALL)
    model.generator, model.encoder = Mix(matrix.clone()), Read()
    stepper = Stepper(model, Train(lr=0.1, schedule="linear", steps=100, batch_size=256), Processes())
    for step in range(100):
        stepper.step([lambda: batch(256)], Clock(step, 100))
    expected = torch.linalg.solve(matrix.mT @ matrix, matrix.mT)
    assert torch.allclose(model.encoder.linear.weight.mT, expected, atol=0.02)
    assert torch.equal(model.generator.matrix.data, matrix)


def test_the_players_learn_nothing_from_the_encoder():
    model = flat(LatentRegressor, SPEC, image_weight=1.0, **SMALL).train()
    *_, last = model.updates(batch, CLOCK)
    last.loss.backward()
    assert all(p.grad is None for part in (model.generator, model.discriminator) for p in part.parameters())


def test_the_encoder_learns_from_samples_with_noise_and_encodes_without():
    model, seen = flat(LatentRegressor, SPEC, generator_frozen_from=0.0, encoder_noise=0.5, **SMALL).train(), []
    model.generator = nn.Sequential(Constant(torch.full((64,), 0.5)), nn.Unflatten(1, SPEC.shape))
    model.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    next(model.updates(lambda: batch(200), CLOCK))
    assert float(seen[0].std()) == pytest.approx(0.5, rel=0.03)
    x = batch().x
    model.eval().encode(x)
    assert torch.equal(seen[1], x)


def test_no_fraction_of_training_is_refused():
    with pytest.raises(ValueError, match="fraction of training"):
        flat(LatentRegressor, SPEC, generator_frozen_from=1.5)


def test_features_are_means_over_places_and_the_probe_tells_of_them_too(run):
    x, encoder = run.source.split("test").first(20).x, run.model.encoder
    with torch.no_grad():
        assert torch.allclose(encoder.pooled(x, 1), encoder.features(x).unflatten(1, (-1, 16)).mean(2), atol=1e-6)
        assert run.model.features(x).shape == (20, 9 * 4)
    assert {*run.evaluate("linear-probe")["linear-probe"].references} == {"pixels", "features"}


# Parts of codes -------------------------------------------------------------------------------------------------------


class Plain:
    """Decodes codes of 2 noises, 3 categories and 2 continuous values to themselves."""

    def structure(self) -> tuple[int, int, int]:
        return 2, 3, 2

    def prior(self, n: int) -> Tensor:
        return torch.rand(n, 7)

    def decode(self, z: Tensor) -> Tensor:
        return z.view(-1, 1, 1, 7)


def test_a_traversal_of_categories_changes_nothing_else():
    z = traverse_categories(Plain(), 4).view(4, 3, 7)
    assert torch.equal(z[:, :, 2:5], torch.eye(3).expand(4, 3, 3))
    assert bool((z[:, :1] == z)[..., [0, 1, 5, 6]].all())
    assert not torch.equal(z[0, 0], z[1, 0])


def test_a_traversal_of_a_continuous_value_changes_it_alone_in_each_category():
    z = traverse_continuous(Plain(), which=1, steps=5, rows=2).view(2, 5, 7)
    assert torch.equal(z[:, :, 6], torch.linspace(-2, 2, 5).expand(2, 5))
    assert torch.equal(z[:, :, 2:5], torch.eye(3)[:2, None].expand(2, 5, 3))
    assert bool((z[:1, :1] == z)[..., [0, 1, 5]].all())


@pytest.mark.parametrize("model", [InfoGAN, CGAN, BiGAN])
def test_the_parts_of_a_code_add_up(model):
    made = flat(model, SPEC, nets=NETS, noise_dim=3)
    assert isinstance(made, Structured)
    assert sum(made.structure()) == made.prior(2).shape[1]


def test_the_report_shows_traversals_of_what_a_code_is_made_of(tmp_path):
    made = train("infogan", out=tmp_path / "run", settings=catalogue.recipes()["infogan"].smoke, show=False)
    names = [figure.name for figure in traversals(made)]
    assert names == ["traversal-categories", "traversal-continuous-1", "traversal-continuous-2"]


# Edits ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    smoke = catalogue.recipes()["bigan"].smoke
    return train("bigan", out=tmp_path_factory.mktemp("inference") / "run", settings=smoke, show=False)


def test_moved_codes_lie_on_the_line():
    z, way = torch.randn(2, 7), torch.randn(7)
    moved = move(Plain(), z, way, torch.tensor([0.0, 1.0, -0.5])).view(2, 3, 7)
    assert torch.allclose(moved, z[:, None] + torch.tensor([0.0, 1.0, -0.5]).view(1, 3, 1) * way)


def test_means_are_those_of_each_class():
    z, y = torch.randn(50, 4), torch.arange(50) % 3
    expected = torch.stack([z[y == label].mean(0) for label in range(3)])
    assert torch.allclose(class_means(z, y, 3), expected, atol=1e-6)


def test_a_direction_leads_from_one_mean_to_another_and_an_edit_starts_at_the_reconstruction(run):
    found = means(run)
    way, away = directions(run, "3", "8")
    assert away == 8
    assert torch.allclose(way, found[3] - found[8])
    assert torch.allclose(directions(run, "3")[0], found[3] - found.mean(0))
    x = run.source.split("test").first(2).x
    changed = edit(run, x, way, torch.tensor([0.0, 1.0]))
    with torch.no_grad():
        assert torch.allclose(changed[:, 0], run.model.decode(run.model.encode(x)), atol=1e-5)
        assert torch.allclose(changed[:, 1], run.model.decode(run.model.encode(x) + way), atol=1e-5)


def test_the_report_shows_edits_and_reconstructions(run):
    assert {"reconstructions", "edits"} <= {figure.name for figure in figures(run)}
    assert edits(run).alt.count(" to ") >= 10


def test_a_direction_of_ones_own_is_a_vector_or_two_codes(tmp_path):
    codes = np.arange(6, dtype=np.float32).reshape(2, 3)
    for array, expected in ((codes, codes[1] - codes[0]), (codes[1], codes[1])):
        np.save(tmp_path / "way.npy", array)
        assert read_direction(tmp_path / "way.npy", 3).tolist() == expected.tolist()
    for array in (np.zeros((3, 3)), np.array([None] * 3)):
        np.save(tmp_path / "way.npy", array, allow_pickle=True)
        with pytest.raises(ValueError, match="way"):
            read_direction(tmp_path / "way.npy", 3)


# The verb -------------------------------------------------------------------------------------------------------------


def test_codes_are_written_with_their_labels(run, tmp_path, capsys):
    words = ["encode", str(run.path), "--count", "30", "--out", str(tmp_path / "z.npz"), "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["n"], said["latent"]) == (30, 14)
    with np.load(tmp_path / "z.npz", allow_pickle=False) as file:
        assert file["z"].shape == (30, 14)
        assert file["y"].shape == (30,)


def test_codes_alone_are_those_of_the_run(run, tmp_path):
    assert main(["encode", str(run.path), "--split", "valid", "--out", str(tmp_path / "z.npy")]) == 0
    x = run.source.split("valid").first().x
    assert np.array_equal(np.load(tmp_path / "z.npy"), Run(run.path).encode(x).numpy())


def test_pictures_of_ones_own_are_reconstructed_and_changed(run, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    for i in range(2):
        Image.new("L", (20, 20), 100 * i).save(tmp_path / "mine" / f"{i}.png")
    files = [str(tmp_path / name) for name in ("z.npz", "pairs.png", "changed.png")]
    words = ["encode", str(run.path), "--input", str(tmp_path / "mine"), "--out", files[0], "--reconstruct", files[1]]
    assert main([*words, "--edit", files[2], "--to", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["n"] == 2
    assert 0 < said["mse"] < 1
    for file in files[1:]:
        with Image.open(file) as picture:
            assert min(picture.size) > 2 * 8
            shown = np.asarray(picture)
    heads = ["given", "0", "0.11", "0.22", "0.33", "0.44", "0.56", "0.67", "0.78", "0.89", "1"]
    blank = np.full((1, shown.shape[1]), 255, np.uint8)  # each column of pictures stands below how far it went
    assert np.array_equal(shown[18:35], headed(heads, blank, "#000000", "#ffffff")[:17])
    with np.load(files[0], allow_pickle=False) as file:
        assert file.files == ["z"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "z.txt"], "a .npy or .npz is expected"),
        (["--count", "0"], "at least 1 is expected"),
        (["--edit", "new.png"], "either --to or --direction"),
        (["--edit", "new.png", "--to", "1", "--direction", "way.npy"], "either --to or --direction"),
        (["--edit", "new.gif", "--to", "1"], "a .png is expected"),
        (["--to", "1"], "without --edit"),
        (["--count", "5", "--edit", "new.png", "--to", "eleven"], "class 'eleven' came"),
        (["--count", "5", "--edit", "new.png", "--to", "1", "--from", "12"], "class '12' came"),
        (["--count", "5", "--edit", "new.png", "--direction", "way.npy"], "way.npy is no array file"),
        (["--count", "1", "--edit", "new.png", "--to", "1", "--from", "0"], "is of class 0"),
        (["--input", "nothing.png"], "nothing.png"),
    ],
)
def test_bad_input_is_one_line(words, says, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["encode", str(run.path), *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("counterfeit encode: error: ")
    assert says in error
    assert not (run.path / "codes.npz").exists()  # refused before any work


def test_a_model_that_does_not_decode_to_images_is_told_before_any_work(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("counterfeit.report.html.grids.has_images", lambda run: False)
    for words in (["--reconstruct", "pairs.png"], ["--edit", "new.png", "--to", "1"]):
        assert main(["encode", str(run.path), "--out", str(tmp_path / "z.npy"), *words]) == 2
        assert "decodes to images is expected" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_reconstructions_need_not_fill_their_rows(run, tmp_path):
    words = ["encode", str(run.path), "--count", "14", "--out", str(tmp_path / "z.npy")]
    assert main([*words, "--reconstruct", str(tmp_path / "pairs.png")]) == 0
    with Image.open(tmp_path / "pairs.png") as picture:
        assert picture.size == (12 * 58 + 2, 2 * (2 * 58 + 2) + 12)


def test_a_model_that_does_not_encode_is_named(tmp_path, capsys):
    made = train("gan", out=tmp_path / "gan", steps=1, show=False)
    assert main(["encode", str(made.path)]) == 2
    assert "GAN came; a model that encodes is expected" in capsys.readouterr().err


def test_labels_of_the_fake_stand_for_data_too_where_no_others_are_given():
    fake = Fake(torch.zeros(1), torch.zeros(1), torch.ones(1))
    assert all(torch.equal(y, torch.ones(1)) for y in fake.conditioning() if y is not None)
    assert Fake(torch.zeros(1), torch.zeros(1), None).conditioning() == (None, None)


def test_labels_are_those_of_a_batch_and_their_lack_is_named():
    y = torch.tensor([2, 0])
    assert Batch(torch.rand(2, 3), y).labels is y
    with pytest.raises(ValueError, match="examples without labels came"):
        _ = Batch(torch.rand(2, 3)).labels


def test_a_model_without_an_ability_is_named():
    model = catalogue.model_class("gan")(Spec((1, 8, 8)))
    assert require(model, Samples) is model
    with pytest.raises(ValueError, match="GAN came; a model that encodes is expected"):
        require(model, Encodes)


def test_a_source_of_which_no_attributes_are_known_is_named():
    shapes = catalogue.source("captioned-shapes")
    assert composed(shapes) is shapes
    with pytest.raises(ValueError, match="digits came; captions of known attributes are expected"):
        composed(catalogue.source("digits"))
