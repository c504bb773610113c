"""Unpaired translation: domains and their hidden maps, the pool, the losses, the metric, the verb."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import checks
from counterfeit import catalogue
from counterfeit.catalogue import Recipe
from counterfeit.cli import main
from counterfeit.cli.translate import translated
from counterfeit.config.settings import Data, Evaluation
from counterfeit.core import Batch, Clock, Model, Spec, Update
from counterfeit.data.class_subset import chosen
from counterfeit.data.images import save_png
from counterfeit.data.labelled_images import below_texts
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import InMemory, Source
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.unpaired_digits import LOOKS, MOVES, Paired, UnpairedDigits, domain, move
from counterfeit.engine.previews import picture
from counterfeit.inference.translation import elsewhere, everywhere, few
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.tasks import translation
from counterfeit.metrics.tasks.translation import DOMAIN_ACCURACY, TRANSLATION, absolute_error, there_and_back
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.translation.cyclegan import CycleGAN, by_domain
from counterfeit.models.translation.stargan import StarGAN
from counterfeit.nets.translation import DomainDiscriminator, DomainNorm, ImagePool, PatchDiscriminator, ResnetGenerator
from counterfeit.report.figures.translation import beside, translations
from counterfeit.report.html import plot
from counterfeit.run.run import Run
from flat import flat

DOMAINS = ("plain", "negative+slanted", "red", "blueprint+turned", "sunny+mirrored")
TWO, THREE = Spec((1, 8, 8), classes=2), Spec((3, 8, 8), classes=3)
TINY = {"width": 2, "blocks": 1, "discriminator_width": 2}


@pytest.fixture(scope="module")
def hidden():
    return UnpairedDigits(digits="digits")


class Fixed(Source):
    """The same examples in every split."""

    name, summary = "fixed", "the same in every split"

    def __init__(self, x, y, classes):
        self.spec, self.examples = Spec(tuple(x.shape[1:]), classes=classes), InMemory(x, y)

    def split(self, name):
        return self.examples


class Knows(Model):
    """Translates as the truth does; `shift` is added to all that it gives."""

    def __init__(self, source, shift=0.0):
        super().__init__(source.spec)
        self.domains = source.spec.classes
        self.source, self.shift, self.weight = source, shift, nn.Parameter(torch.zeros(()))

    def updates(self, draw, clock):
        yield Update(self.weight * draw().x.mean())

    def translate(self, x, to):
        negative = x.mean((1, 2, 3)) > 0.5  # which domain it came from shows
        return (self.source.truth(x, negative.long(), to) + self.shift).clamp(0, 1)


# --- data


@pytest.mark.parametrize("name", MOVES)
def test_moves_lose_no_pixel(name):
    x = torch.rand(3, 2, 9, 9)
    assert not torch.equal(move(x, name), x)
    assert torch.equal(move(move(x, name), name, back=True), x)


@pytest.mark.parametrize("name", [*LOOKS, "negative+slanted", "blueprint+turned+mirrored"])
def test_a_domain_can_be_read_back(name):
    x = torch.randint(0, 256, (2, 1, 8, 8)) / 255
    one = domain(name)
    channels = 1 if one.look in (LOOKS["plain"], LOOKS["negative"]) else 3
    torch.testing.assert_close(one.read(one.show(x, channels)), x, atol=1e-6, rtol=0)


def test_truth_there_and_back_is_the_picture_but_for_eight_bits():
    source = UnpairedDigits(domains=DOMAINS, digits="digits")
    x, y = source.split("test").first()
    for label in range(len(DOMAINS)):
        to = torch.full_like(y, label)
        there = source.truth(x, y, to)
        torch.testing.assert_close(source.truth(there, to, y), x, atol=1 / 255, rtol=0)
        own = y == label
        torch.testing.assert_close(there[own], x[own], atol=1 / 255, rtol=0)


def test_domains_hold_disjoint_digits_in_equal_numbers(hidden):
    x, y = hidden.split("test").first()
    plain = hidden.truth(x, y, torch.zeros_like(y))
    torch.testing.assert_close(plain, Digits().split("test").first().x, atol=1 / 255, rtol=0)
    for split in ("train", "valid", "test"):
        counts = torch.bincount(hidden.split(split).first().y)
        assert int(counts.max() - counts.min()) <= 1
    assert isinstance(hidden, Paired)


def test_domains_are_named_by_a_list_or_with_commas():
    listed, text = (
        UnpairedDigits(domains=["plain", "red"], digits="digits"),
        UnpairedDigits(None, "plain,red", "digits"),
    )
    assert listed.fingerprint == text.fingerprint


@pytest.mark.parametrize("options", [
    {"domains": ["plain"]}, {"domains": ["plain", "plain"]}, {"domains": "plain"}, {"domains": ["plain", "green"]},
    {"domains": ["plain", "red+sunny"]}, {"digits": "letters"},
])  # fmt: skip
def test_domains_that_are_none_are_refused(options):
    with pytest.raises(ValueError, match=r"came;.*expected"):
        catalogue.source(Data("unpaired-digits", options={"digits": "digits", **options}))


def test_chosen_classes_become_labels_in_the_order_named():
    whole, pair = Digits(), chosen(Digits(), ["8", "3"])
    x, y = whole.split("train").first()
    ours = pair.split("train").first()
    assert torch.equal(ours.x, x[(y == 8) | (y == 3)])
    assert torch.equal(ours.y, (y[(y == 8) | (y == 3)] == 3).long())
    assert pair.spec.classes == 2
    assert pair.class_names == ("8", "3")
    assert pair.fingerprint != chosen(whole, ["3", "8"]).fingerprint != whole.fingerprint


def test_classes_are_chosen_by_settings():
    settings = {"data": {"name": "digits", "classes": "3,8"}}
    config = catalogue.configure(Recipe("mine", "", {"model": {"name": "cyclegan"}}), settings)
    assert config.data.classes == ("3", "8")
    assert catalogue.source(config.data).class_names == ("3", "8")


@pytest.mark.parametrize(("data", "classes", "says"), [
    ("digits", ("3", "eigth"), "no class of digits"), ("digits", ("3", "3"), "different"),
    ("grid", ("a", "b"), "has no classes"),
])  # fmt: skip
def test_classes_that_are_none_are_refused(data, classes, says):
    with pytest.raises(ValueError, match=says):
        catalogue.source(Data(data, classes=classes))


@pytest.fixture
def pictures(tmp_path):
    for i, kind in enumerate(("deer", "dog", "horse")):
        for j in range(12):
            save_png(tmp_path / "pictures" / kind / f"{j}.png", np.full((10, 12, 3), 20 * j + i, np.uint8))
    return tmp_path / "pictures"


@pytest.mark.parametrize("memory", [0, 4 << 30])
def test_classes_of_a_folder_are_chosen_whether_held_or_streamed(pictures, memory):
    pair = chosen(Folder(pictures, size=8, memory=memory), ["horse", "deer"])
    x, y = pair.split("train").first()
    assert set(((x * 255).round().long().amax((1, 2, 3)) % 20).tolist()) == {0, 2}  # no dogs
    assert torch.equal((x * 255).round().long().amax((1, 2, 3)) % 20 == 0, y == 1)


# --- nets and the pool


@pytest.mark.parametrize("side", [8, 14, 28, 32])
def test_a_generator_keeps_the_shape_and_range(side):
    x = torch.rand(2, 3, side, side)
    y = ResnetGenerator(Spec((3, side, side)), 2, 1)(x).detach()
    assert y.shape == x.shape
    assert 0 <= float(y.min()) <= float(y.max()) <= 1


def test_domains_differ_from_the_start_in_gains_and_biases():
    norms = [m for m in flat(StarGAN, THREE, **TINY).modules() if isinstance(m, DomainNorm)]
    spread = torch.cat([each.std(0) for norm in norms for each in (norm.weight, norm.bias)])
    assert len(norms) > 2
    assert bool((spread > 1e-3).all())


def test_instance_norm_does_not_take_labels_away():
    net, x = ResnetGenerator(THREE, 2, 1, domains=3), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        assert float((net(x, torch.tensor([0])) - net(x, torch.tensor([1]))).abs().max()) > 1e-3


def test_a_patch_depends_on_its_surroundings_alone():
    net = PatchDiscriminator(Spec((1, 64, 64)), 2).eval()
    for module in net.modules():  # whose statistics are of the whole image
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x
    x = torch.rand(1, 1, 64, 64, requires_grad=True)
    out = net(x)
    side = int(out.shape[1] ** 0.5)
    assert side**2 == out.shape[1] > 1
    (gradient,) = torch.autograd.grad(out[0, 0], x)
    rows = torch.where(gradient[0, 0].abs().sum(1) > 0)[0]
    assert int(rows.max()) < 63


def test_a_domain_discriminator_judges_patches_and_domains():
    assert DomainDiscriminator(Spec((3, 32, 32)), 2, 5)(torch.rand(2, 3, 32, 32)).shape == (2, 4 * 4 + 5)


WHOLE = torch.ones(())  # a minibatch that holds both domains


def test_a_pool_hands_back_what_comes_until_it_is_full():
    pool, x = ImagePool(6, (1,)), torch.arange(1.0, 7.0).view(6, 1)
    assert torch.equal(pool(x[:4], WHOLE), x[:4])
    assert torch.equal(pool(x[4:], WHOLE), x[4:])
    assert torch.equal(pool.images, x)


def test_a_full_pool_exchanges_half_and_loses_none():
    torch.manual_seed(0)
    pool, exchanged = ImagePool(50, (1,)), 0
    pool(torch.arange(50.0).view(50, 1), WHOLE)
    for turn in range(100):
        held = pool.images.flatten().tolist()
        new = torch.arange(8.0).view(8, 1) + 50 + 8 * turn
        out = pool(new, WHOLE)
        assert sorted(out.flatten().tolist() + pool.images.flatten().tolist()) == sorted(held + new.flatten().tolist())
        exchanged += int((out != new).sum())
    assert exchanged / 800 == pytest.approx(0.5, abs=0.08)


def test_a_pool_may_be_smaller_than_what_comes_or_empty():
    x = torch.rand(5, 2)
    assert torch.equal(ImagePool(0, (2,))(x, WHOLE), x)
    pool = ImagePool(3, (2,))
    assert torch.equal(pool(x, WHOLE), x)
    assert torch.equal(pool.images, x[:3])
    assert torch.equal(pool(x, WHOLE)[3:], x[3:])


def test_a_pool_keeps_nothing_of_a_minibatch_that_lacks_a_domain():
    pool, x = ImagePool(2, (1,)), torch.tensor([[1.0], [2.0]])
    assert torch.equal(pool(x, 0 * WHOLE), x)
    assert int(pool.seen) == 0
    pool(x, WHOLE)
    assert torch.equal(pool(-x, 0 * WHOLE), -x)
    assert torch.equal(pool.images, x)


def test_a_pool_is_part_of_what_is_saved():
    model = flat(CycleGAN, TWO, **TINY, pool=4)
    assert {"pool.0.images", "pool.0.seen", "pool.1.images", "pool.1.seen"} <= set(model.state_dict())


# --- models


@pytest.mark.parametrize("y", [[0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 0], [1, 1, 1, 1, 1, 0]])
def test_halves_hold_as_many_of_both(y):
    y = torch.tensor(y)
    (first, second), whole = by_domain(Batch(torch.arange(6.0).view(6, 1), y))
    assert first.shape == second.shape == (3, 1)
    assert bool(whole)
    assert set(y[first.flatten().long()].tolist()) == {0}
    assert set(y[second.flatten().long()].tolist()) == {1}


def test_a_minibatch_of_one_domain_teaches_nothing_and_breaks_nothing():
    model = flat(CycleGAN, TWO, **TINY)
    batch = Batch(torch.rand(6, 1, 8, 8), torch.zeros(6, dtype=torch.long))
    assert [float(update.loss.detach()) for update in model.updates(lambda: batch, Clock(0, 1))] == [0.0, 0.0]


def test_the_losses_of_cyclegan_are_those_of_the_paper():
    torch.manual_seed(0)
    model = flat(CycleGAN, TWO, **TINY, pool=0, cycle_weight=10.0, identity_weight=5.0)
    x, y = torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 0, 1, 0, 1])
    (a, b), (to_a, to_b), (judge_a, judge_b) = (x[::2], x[1::2]), model.generator, model.discriminator
    with torch.no_grad():
        square = lambda v: v.square().mean()  # noqa: E731
        distance = lambda v, w: 2 * (v - w).abs().mean()  # noqa: E731
        judged = [0.5 * (square(judge(r) - 1) + square(judge(f))) for judge, r, f in
                  ((judge_a, a, to_a(b)), (judge_b, b, to_b(a)))]  # fmt: skip
        fooled = square(judge_a(to_a(b)) - 1) + square(judge_b(to_b(a)) - 1)  # only D's objective is halved (7.2)
        cycle = distance(to_a(to_b(a)), a) + distance(to_b(to_a(b)), b)
        same = distance(to_a(a), a) + distance(to_b(b), b)
    first, second = model.updates(lambda: Batch(x, y), Clock(0, 1))
    assert float(first.loss.detach()) == pytest.approx(float(sum(judged)), rel=1e-5)
    assert float(second.loss.detach()) == pytest.approx(float(fooled + 10 * cycle + 5 * same), rel=1e-5)


def test_translation_goes_through_the_generator_into_the_domain():
    model, x = flat(CycleGAN, TWO, **TINY).eval(), torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        found = model.translate(x, torch.tensor([1, 0, 1]))
        torch.testing.assert_close(found[1:2], model.generator[0](x[1:2]))
        torch.testing.assert_close(found[::2], model.generator[1](x[::2]))


def test_the_losses_of_stargan_are_those_of_the_paper():
    torch.manual_seed(0)
    model = flat(
        StarGAN, THREE, **TINY, settings=GANSettings(objective="wasserstein"), domain_weight=2.0, cycle_weight=10.0
    )
    x, y, to = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 1]), torch.tensor([1, 2, 0, 1])
    model._anywhere = lambda n: to
    with torch.no_grad():
        out = [model.discriminator(v) for v in (x, model.generator(x, to))]
        named = [nn.functional.cross_entropy(o[:, -3:], v) for o, v in zip(out, (y, to), strict=True)]
        back = 2 * (model.generator(model.generator(x, to), y) - x).abs().mean()
        real, fake = (o[:, :-3].mean() for o in out)
    first, second = model.updates(lambda: Batch(x, y), Clock(0, 1))
    assert float(first.loss.detach()) == pytest.approx(float(fake - real + 2 * named[0]), rel=1e-4)
    assert float(second.loss.detach()) == pytest.approx(float(-fake + 2 * named[1] + 10 * back), rel=1e-4)


@pytest.mark.parametrize(("cls", "weights"), [
    (CycleGAN, {"cycle_weight": 0.0, "identity_weight": 0.0}), (StarGAN, {"cycle_weight": 0.0}),
])  # fmt: skip
def test_the_cycle_can_be_left_out(cls, weights):
    model = flat(cls, TWO, **TINY, **weights)
    batch = Batch(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 1, 0]))
    *_, last = model.updates(lambda: batch, Clock(0, 1))
    assert "generator/cycle" not in last.logs


@pytest.mark.parametrize(("cls", "classes"), [(CycleGAN, 0), (CycleGAN, 3), (StarGAN, 0), (StarGAN, 1)])
def test_data_without_the_right_number_of_domains_are_refused(cls, classes):
    with pytest.raises(ValueError, match=rf"data of {classes} classes came; .* expects 2"):
        flat(cls, Spec((1, 8, 8), classes=classes), **TINY)


@pytest.mark.parametrize("to", [torch.tensor([0, 2]), torch.tensor([0]), torch.tensor([0.0, 1.0])])
@pytest.mark.parametrize("cls", [CycleGAN, StarGAN])
def test_domains_that_are_none_are_refused_by_translate(cls, to):
    with pytest.raises(ValueError, match="expected"):
        flat(cls, TWO, **TINY).translate(torch.rand(2, 1, 8, 8), to)


def test_patches_have_no_features_to_match():
    with pytest.raises(ValueError, match="feature-matching"):
        flat(CycleGAN, TWO, **TINY, settings=GANSettings(objective="feature-matching"))


# --- the metric


def test_the_truth_has_no_error(hidden):
    found = TRANSLATION.compute(Knows(hidden), hidden, Evaluation(max_examples=40, batch_size=7))
    assert found["translation-error"].value == pytest.approx(0, abs=1e-6)
    assert found["cycle-error"].value == pytest.approx(0, abs=1e-6)
    rows = found["translation-error"].references
    assert rows["identity"].value > 0.5
    assert 0.1 < rows["mean image"].value < 0.4


def test_the_error_is_the_mean_distance_to_the_truth(hidden):
    model, limit = Knows(hidden, shift=0.25), 60
    x, y = evenly_spaced(hidden, "test", limit)
    truth = hidden.truth(x, y, 1 - y)
    each = ((truth + 0.25).clamp(0, 1) - truth).abs().flatten(1).mean(1)
    found = TRANSLATION.compute(model, hidden, Evaluation(max_examples=limit))["translation-error"]
    assert found.value == pytest.approx(float(each.mean()), abs=1e-6)
    assert found.error == pytest.approx(float(each.std(correction=0)) / limit**0.5, rel=1e-4)
    assert found.references["identity"].value == pytest.approx(float((x - truth).abs().mean()), abs=1e-5)


def test_without_a_known_truth_only_the_way_back_is_measured():
    source = chosen(Digits(), ["3", "8"])
    assert set(TRANSLATION.compute(flat(CycleGAN, source.spec, **TINY), source, Evaluation(max_examples=20))) == {
        "cycle-error"
    }


def test_every_other_domain_has_its_turn():
    y = torch.arange(3).repeat(8)
    to = elsewhere(y, 3)
    pairs = torch.bincount(3 * y + to, minlength=9).view(3, 3)
    assert torch.equal(pairs, 4 * (1 - torch.eye(3, dtype=torch.long)))


def test_few_examples_are_shared_among_labels(hidden):
    assert few(hidden, "test", 10).y.tolist() == [0] * 5 + [1] * 5


def test_absolute_error_takes_pairs_alone():
    assert absolute_error(torch.zeros(2, 4), torch.tensor([[1.0] * 4, [0.5] * 4])).tolist() == [1.0, 0.5]
    with pytest.raises(ValueError, match="equal ones"):
        absolute_error(torch.zeros(2, 4), torch.zeros(2, 3))


def test_a_classifier_tells_the_domain_asked_for(hidden, monkeypatch):
    by = FeatureExtractor("brightness", "mean of all pixels", lambda x: x.flatten(1).mean(1, keepdim=True),
                          head=lambda features: torch.cat([1 - features, features], 1).log())  # fmt: skip
    monkeypatch.setattr(translation, "classifier", lambda source, weights, device: by)
    found = DOMAIN_ACCURACY.compute(Knows(hidden), hidden, Evaluation(max_examples=60))
    assert found.value > 0.95
    assert found.references["identity"].value < 0.05


def test_translating_leaves_modes_and_random_states(hidden):
    model = flat(CycleGAN, hidden.spec, **TINY).train()
    state = torch.get_rng_state()
    found = there_and_back(model, hidden.split("test").first(5), Evaluation())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert found.there.shape == found.back.shape == found.x.shape


def test_pictures_show_inputs_above_every_domain(hidden):
    model = flat(CycleGAN, hidden.spec, **TINY)
    assert everywhere(model, torch.rand(5, 1, 8, 8), 2).shape == (3, 5, 1, 8, 8)
    assert picture(model, hidden, 12).ndim == 2


# --- the verb

SETTINGS = [
    "--model.width", "2", "--model.blocks", "1", "--model.discriminator_width", "2", "--train.steps", "2",
    "--train.batch_size", "8", "--train.save_every", "2", "--train.tensorboard", "false", "--no-evaluate",
    "--no-report",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translate") / "run"
    settings = ["--data", "unpaired-digits", "--data.options.digits", "digits", *SETTINGS]
    assert main(["train", "cyclegan", "--out", str(folder), *settings]) == 0
    return folder


def size(path):
    with Image.open(path) as image:
        return image.size


def fails(capsys, *words):
    capsys.readouterr()
    assert main(["translate", *map(str, words)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0, error
    return error


def test_a_report_shows_translations(run):
    (figure,) = translations(Run(run))
    assert "plain to negative+shifted; negative+shifted to plain" in figure.alt
    assert "hidden truth" in figure.caption


def test_what_was_given_stands_above_what_it_became():
    before, after = torch.zeros(3, 1, 64, 64), torch.ones(3, 1, 128, 128)
    grid = beside(before, after, columns=2)
    rows = [int(grid[2 + 130 * row + 64, 64]) for row in range(4)]
    assert rows == [0, 255, 0, 255]
    assert int(grid[2 + 130 * 2 + 64, 64 + 130]) == 128  # the fourth is missing


def test_translate_writes_test_images_above_what_they_became(run, tmp_path, capsys):
    out = tmp_path / "out.png"
    words = ["translate", str(run), "--to", "negative+shifted", "--count", "5", "--out", str(out), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == {
        "run": str(run), "to": "negative+shifted", "images": 5, "out": str(out)
    }  # fmt: skip
    assert size(out)[0] == 2 + 5 * (size(out)[1] - 2) // 2  # five columns, two rows


def test_translate_takes_pictures_of_ones_own(run, pictures, tmp_path):
    one, many = tmp_path / "one.png", tmp_path / "many"
    deer = str(pictures / "deer" / "3.png")
    assert main(["translate", str(run), "--to", "0", "--input", deer, "--out", str(one)]) == 0
    assert size(one) == (8, 8)
    assert main(["translate", str(run), "--to", "plain", "--input", str(pictures / "deer"), "--out", str(many)]) == 0
    assert len([*many.iterdir()]) == 12
    array = tmp_path / "all.npy"
    assert main(["translate", str(run), "--to", "plain", "--input", str(pictures), "--out", str(array)]) == 0
    assert np.load(array, allow_pickle=False).shape == (36, 1, 8, 8)


def test_translate_goes_to_several_domains_at_once(run, tmp_path, capsys):
    words = ["translate", str(run), "--count", "5", "--json"]
    rows, array, folder = tmp_path / "rows.png", tmp_path / "all.npy", tmp_path / "each"
    assert main([*words, "--to", "plain,negative+shifted", "--out", str(rows)]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 10
    assert size(rows)[1] > 3 * (size(rows)[0] - 2) // 5  # the images, and a row of each domain, below their names
    assert main([*words, "--to", "1, 0", "--out", str(array)]) == 0
    assert main([*words, "--to", "all", "--out", str(folder)]) == 0
    found = np.load(array, allow_pickle=False)
    assert found.shape == (10, 1, 8, 8)
    assert {path.name: len([*path.iterdir()]) for path in folder.iterdir()} == {"plain": 5, "negative+shifted": 5}
    with Image.open(folder / "plain" / "00000.png") as image:
        assert np.array_equal(np.asarray(image), (255 * found[5, 0]).round().astype(np.uint8))


def test_translate_says_what_is_wrong(run, tmp_path, capsys):
    assert "negative+shifted" in fails(capsys, run)
    assert "class 'green' came" in fails(capsys, run, "--to", "green")
    assert "class 'green' came" in fails(capsys, run, "--to", "plain,green")
    assert "no --to came" in fails(capsys, run, "--to", ",")
    assert "class '2' came" in fails(capsys, run, "--to", "2")
    assert "count 0" in fails(capsys, run, "--to", "0", "--count", "0")
    assert "does not exist" in fails(capsys, run, "--to", "0", "--input", tmp_path / "none.png")
    assert "no run folder" in fails(capsys, tmp_path, "--to", "0")


def test_a_folder_of_two_folders_of_pictures_is_trained_on(pictures, tmp_path):
    out = tmp_path / "run"
    words = ["--data", str(pictures), "--data.size", "8", "--data.classes", "horse,deer", *SETTINGS]
    assert main(["train", "cyclegan", "--out", str(out), *words]) == 0
    assert main(["translate", str(out), "--to", "horse"]) == 0
    assert (out / "translations.png").is_file()
    (figure,) = translations(Run(out))  # a test picture of each domain
    assert figure.alt.startswith("2 bands")


def test_domains_with_few_examples_have_shorter_rows():
    x, y = Digits().split("test").first()
    some = torch.cat([torch.where(y == label)[0][:n] for label, n in enumerate((6, 4, 0, 2))])
    source = Fixed(x[some], y[some], 5)
    run = SimpleNamespace(source=source, model=flat(StarGAN, source.spec, **TINY))
    cycles, everywhere_ = translations(run)
    assert cycles.alt.startswith("3 bands")
    assert "3 to" in cycles.alt
    assert everywhere_.alt == "12 columns; rows: test examples, to 0, to 1, to 2, to 3, to 4."


def test_figures_name_every_row_above_it():
    x, y = Digits().split("test").first(40)
    run = SimpleNamespace(source=Fixed(x, y, 10), model=flat(StarGAN, Digits.native, **TINY))
    _, figure = translations(run)
    names = ["test examples", *(f"to {domain}" for domain in range(8))]
    for shown, theme in ((figure.picture, plot.LIGHT), (figure.dark, plot.DARK)):
        pixels = np.asarray(Image.open(io.BytesIO(shown.data)))
        for row, name in zip(np.split(pixels, 9), names, strict=True):
            alone = below_texts([name], [np.zeros((1, pixels.shape[1]), np.uint8)], theme.ink)
            assert np.array_equal(row[:18], alone[:18])


def test_classes_are_called_by_name_or_number(hidden, pictures):
    assert [hidden.label(name) for name in ("negative+shifted", "1")] == [1, 1]
    assert hidden.called(1) == "negative+shifted"
    unnamed = Fixed(torch.zeros(2, 1, 8, 8), torch.arange(2), 2)
    assert (unnamed.called(1), unnamed.label("0")) == ("1", 0)
    for source, says in ((hidden, "one of plain, negative"), (Folder(pictures / "dog", size=8), "data with classes")):
        with pytest.raises(ValueError, match=f"class '7' came; {says}"):
            source.label("7")


def test_images_of_every_other_domain_are_translated():
    source = Digits()
    run = SimpleNamespace(source=source, translate=lambda x, to: x)
    before, _ = translated(run, SimpleNamespace(input=None, split="test", count=9), to=[4])
    x, y = source.split("test").first()
    found = y[torch.cdist(torch.stack(before).flatten(1), x.flatten(1)).argmin(1)]
    assert {*found.tolist()} == {*range(10)} - {4}


def test_a_folder_in_use_is_told_before_any_work(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.png").write_text("")
    monkeypatch.setattr(Run, "translate", lambda *args: pytest.fail("it began to work"))
    assert "already holds something" in fails(capsys, run, "--to", "0", "--out", tmp_path)


def test_pictures_in_one_folder_are_refused(pictures, tmp_path, capsys):
    words = ["train", "cyclegan", "--data", str(pictures / "deer"), "--data.size", "8", "--out", str(tmp_path / "run")]
    assert main([*words, *SETTINGS]) == 2
    assert "data of 0 classes came; CycleGAN expects 2" in capsys.readouterr().err


def test_both_models_translate():
    assert all("translations" in checks.applicable(cls) for cls in (CycleGAN, StarGAN))
    assert all(isinstance(source, type) and issubclass(source, Source) for source in catalogue.sources().values())
    assert isinstance(UnpairedDigits(digits="digits").split("valid"), InMemory)
