"""Pictures with captions: what the words mean, what was never seen together, and a model that is told them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.files import DataError
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Config, Data, Evaluation
from counterfeit.core import Batch, Clock, Spec, check_captions
from counterfeit.data.audit import check
from counterfeit.data.images import tile
from counterfeit.data.labelled_images import below_texts
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.data.sources.captioned_folder import CaptionedFolder, read_captions
from counterfeit.data.sources.captioned_shapes import COLORS, POSITIONS, CaptionedDigits, CaptionedShapes
from counterfeit.data.sources.digits import Digits
from counterfeit.data.tokenizer import caption, encode, split, vocabulary
from counterfeit.engine.previews import picture
from counterfeit.evaluation.measure import measure
from counterfeit.evaluation.subject import Subject
from counterfeit.metrics.features import train_classifier as engine
from counterfeit.metrics.tasks import caption_attributes as module
from counterfeit.metrics.tasks.caption_attributes import ATTRIBUTES, Depicts, Named, shares
from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.text2image import KEPT, Text2Image, crossed
from counterfeit.nets.conv import ConvPlayers
from counterfeit.nets.text import CaptionEncoder, TextDiscriminator
from counterfeit.report.figures import captions as report
from counterfeit.report.figures.captions import captions
from counterfeit.report.html.texts import labelled
from counterfeit.run.run import Run, train
from flat import flat
from planted import painted

SPEC, CLOCK = Spec((3, 8, 8), vocabulary=("a", "blue", "cat", "dog", "red"), max_tokens=4), Clock(0, 10)
TINY = ConvPlayers(width=4, discriminator_width=4, discriminator_norm="none")


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


@pytest.fixture(scope="module")
def shapes() -> CaptionedShapes:
    return CaptionedShapes(16)


@pytest.fixture(scope="module")
def digits() -> CaptionedDigits:
    return CaptionedDigits(digits="bundled")


def model(**arguments) -> Text2Image:
    return flat(Text2Image, SPEC, nets=TINY, **{"noise_dim": 3, "caption_dim": 5} | arguments)


def batch(n: int = 6) -> Batch:
    return Batch(torch.rand(n, *SPEC.shape), torch.randint(1, 6, (n, 4)))


# Words ----------------------------------------------------------------------------------------------------------------


def test_tokens_are_places_in_the_vocabulary_and_say_what_was_said():
    words = vocabulary(["A red cat.", "the cat's red hat"])
    assert words == ("a", "cat", "cat's", "hat", "red", "the")
    tokens = encode(["A RED cat!"], words, 5)
    assert tokens.tolist() == [[1, 5, 2, 0, 0]]
    assert caption(tokens[0], words) == "a red cat"


def test_an_unknown_word_is_told_with_the_nearest_known_one():
    with pytest.raises(ValueError, match=r"'sevven' came; .* expected\. Try 'seven'"):
        encode(["a sevven"], ("a", "seven", "zero"), 3)


@pytest.mark.parametrize("text", ["", "?!", "a a a a"])
def test_captions_of_no_words_or_too_many_are_refused(text):
    with pytest.raises(ValueError, match="expected"):
        encode([text], ("a",), 3)


@pytest.mark.parametrize("y", [None, torch.zeros(2, 3).long(), torch.zeros(2, 4), torch.full((2, 4), 6)])
def test_tokens_that_do_not_fit_the_data_are_refused(y):
    with pytest.raises(ValueError, match="expected"):
        check_captions(y, 2, SPEC)


# Composed pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shapes", "digits"])
def test_captions_say_nothing_but_the_truth(name, request):
    source = request.getfixturevalue(name)
    for part in ("train", "test"):
        said, truth = source.asked(source.split(part).first().y), source.truth(part)
        assert bool(((said == truth) | (said == -1)).all())
        assert bool((said[:, 0] >= 0).all())
        assert float((said[:, 1:] < 0).double().mean()) == pytest.approx(0.1, abs=0.03)


def test_every_phrase_of_the_grammar_is_understood(shapes):
    every = torch.cartesian_prod(*(torch.arange(len(values)) for values in shapes.attributes.values()))
    texts = shapes.describe(every)
    assert len({*texts}) == len(every) == 6 * 6 * 2 * 9
    assert torch.equal(shapes.asked(encode(texts, shapes.spec.vocabulary, shapes.spec.max_tokens)), every)
    other = ["at the middle a tiny ring", "a big circle in blue at the bottom right"]
    found = shapes.asked(encode(other, shapes.spec.vocabulary, shapes.spec.max_tokens))
    assert found.tolist() == [[5, -1, 0, 4], [0, 2, 1, 8]]


def test_a_digit_may_be_called_by_its_number(digits):
    y = encode(["a green 7", "a green seven"], digits.spec.vocabulary, digits.spec.max_tokens)
    assert torch.equal(*digits.asked(y))


def test_pairs_kept_out_are_in_the_test_split_alone(shapes):
    assert not bool(shapes.unseen(shapes.truth("train")).any())
    assert not bool(shapes.unseen(shapes.truth("valid")).any())
    share = 1 - (1 - 1 / 6) * (1 - 1 / 9)
    assert float(shapes.unseen(shapes.truth("test")).double().mean()) == pytest.approx(share, abs=0.03)


def test_every_value_of_every_attribute_is_seen_with_every_kind_but_one(shapes):
    truth = shapes.truth("train")
    for column, values, kept_out in ((1, len(COLORS), 1), (2, 2, 0), (3, len(POSITIONS), 1)):
        pairs = {*zip(truth[:, 0].tolist(), truth[:, column].tolist(), strict=True)}
        assert len(pairs) == 6 * (values - kept_out)


def test_pictures_have_the_color_size_and_place_that_they_should(shapes):
    x, truth = shapes.split("test").first().x, shapes.truth("test")
    light = x.amax(1)  # (N, 16, 16)
    brightest = x.flatten(2).amax(2)
    expected = torch.tensor([*COLORS.values()])[truth[:, 1]] / 255
    solid = truth[:, 0] != 5  # rings of 7 pixels are thinner than a pixel
    torch.testing.assert_close(brightest[solid], expected[solid], atol=0.02, rtol=0)
    total = light.sum((1, 2))
    for i, axis in enumerate((1, 2)):
        centre = (light.sum(3 - axis) * torch.arange(16.0)).sum(1) / total
        third = truth[:, 3] // 3 if i == 0 else truth[:, 3] % 3
        means = [float(centre[third == place].mean()) for place in range(3)]
        assert means[0] < means[1] - 1.5 < means[2] - 3
    for kind in range(6):
        areas = [float(total[(truth[:, 0] == kind) & (truth[:, 2] == size)].mean()) for size in (0, 1)]
        assert areas[1] == pytest.approx((11 / 7) ** 2 * areas[0], rel=0.1)


def test_digits_are_those_of_their_caption(digits):
    assert torch.equal(digits.truth("train")[:, 0], Digits().split("train").first().y)
    assert digits.spec.shape == (3, 32, 32)


def test_sources_are_the_same_every_time_and_differ_by_their_options():
    same, whole = CaptionedDigits(16, digits="bundled"), CaptionedDigits(16, digits="bundled").unabridged()
    other = CaptionedDigits(8, digits="bundled")
    assert CaptionedDigits(16, digits="bundled").fingerprint == same.fingerprint
    assert len({same.fingerprint, whole.fingerprint, other.fingerprint}) == 3


@pytest.mark.parametrize(("options", "words"), [({"pairs": "none"}, "pairs"), ({"digits": "own"}, "digits")])
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(ValueError, match=f"data.options.{words}.* expected"):
        CaptionedDigits(**options)
    with pytest.raises(ValueError, match="8 pixels"):
        CaptionedShapes(4)


def test_a_check_of_the_data_takes_captions_for_no_labels(tmp_path):
    assert check(folder(tmp_path)).splits["train"].classes == {}


# Folders --------------------------------------------------------------------------------------------------------------


def write(root, lines, pictures=("a.png", "below/b.png", "c.png")):
    for i, name in enumerate(pictures):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), (60 * i, 9, 9), np.uint8)).save(root / name)
    (root / "captions.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return root


def line(file, text):
    return json.dumps({"file": file, "caption": text})


def folder(root) -> CaptionedFolder:
    lines = [line("a.png", "A cat"), line("below/b.png", "a big dog"), line("a.png", "one cat, again")]
    return catalogue.source(Data(str(write(root, ["", *lines]))))


def test_a_folder_with_captions_has_an_example_for_each(tmp_path):
    source = folder(tmp_path)
    assert isinstance(source, CaptionedFolder)
    assert source.spec == Spec((3, 8, 8), vocabulary=("a", "again", "big", "cat", "dog", "one"), max_tokens=3)
    x, y = source.split("train").first()
    shades = (255 * x[:, 0, 0, 0]).round().tolist()
    found = {caption(row, source.spec.vocabulary): shade for row, shade in zip(y, shades, strict=True)}
    assert found == {"a cat": 0, "a big dog": 60, "one cat again": 0}
    assert "1 pictures have no caption" in source.warning


def test_pictures_too_many_for_memory_are_streamed_with_their_captions(tmp_path):
    held = folder(tmp_path).split("train")
    streamed = CaptionedFolder(tmp_path, memory=1).split("train")
    assert streamed.streamed
    assert not held.streamed
    index = torch.tensor([2, 0])
    assert all(torch.equal(a, b) for a, b in zip(held[index], streamed[index], strict=True))


def test_captions_are_part_of_the_fingerprint(tmp_path):
    before = folder(tmp_path).fingerprint
    write(tmp_path, [line("a.png", "a dog")])
    assert CaptionedFolder(tmp_path).fingerprint != before


@pytest.mark.parametrize(
    ("lines", "words"),
    [([], "no captions"), (["{"], "line 1: it is not JSON"), (['{"file": "a.png"}'], "line 1: it lacks"),
     (["[1]"], "line 1"), ([line("a.png", "...")], "line 1"), ([line("z.png", "a cat")], "'z.png'")],
)  # fmt: skip
def test_captions_that_cannot_be_used_are_told(tmp_path, lines, words):
    with pytest.raises(DataError, match=words):
        CaptionedFolder(write(tmp_path, lines))


def test_captions_that_cannot_be_read_are_told(tmp_path):
    write(tmp_path, [])
    (tmp_path / "captions.jsonl").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="UTF-8"):
        CaptionedFolder(tmp_path)
    with pytest.raises(DataError, match="captions cannot be read"):
        read_captions(b"\xff", "captions")


@pytest.mark.parametrize("root", ["", "all/"])
def test_captions_are_read_from_a_zip_as_from_a_folder(tmp_path, root):
    held, archive = folder(tmp_path / "pictures"), tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted((tmp_path / "pictures").rglob("*.*")):
            file.write(path, root + path.relative_to(tmp_path / "pictures").as_posix())
    source = catalogue.source(Data(str(archive)))
    assert source.spec == held.spec
    assert source.warning == held.warning
    pairs = [sorted(zip(x.flatten(1).tolist(), y.tolist(), strict=True))
             for x, y in (each.split("train").first() for each in (source, held))]  # fmt: skip
    assert pairs[0] == pairs[1]


def test_a_folder_without_captions_is_told(tmp_path):
    write(tmp_path, [])
    (tmp_path / "captions.jsonl").unlink()
    with pytest.raises(DataError, match=r"holds no captions\.jsonl"):
        CaptionedFolder(tmp_path)


# The model ------------------------------------------------------------------------------------------------------------


def test_codes_of_captions_are_as_long_as_the_noise_beside_them():
    net = CaptionEncoder(5, 6)
    with torch.no_grad():
        net.last.weight.mul_(100)
    codes = net(torch.tensor([[1, 2, 0], [3, 4, 5]])).detach()
    torch.testing.assert_close(codes.square().mean(1), torch.ones(2))


def test_an_encoder_reads_nothing_off_the_padding_and_heeds_every_word_and_its_neighbours():
    net = CaptionEncoder(5, 6)
    y = torch.tensor([[1, 2, 3, 0, 0], [1, 3, 2, 0, 0], [1, 2, 4, 0, 0]])
    code = net(y)
    torch.testing.assert_close(net(y[:, :4]), code)
    assert not torch.allclose(code[0], code[1])
    assert not torch.allclose(code[0], code[2])


def test_the_discriminator_also_judges_with_the_caption_nearest_to_the_right_one():
    net, (x, y) = TextDiscriminator(SPEC, TINY, 5), batch()
    out = net(x, y)
    torch.testing.assert_close(out[:, 1], net(x, y[nearest(net, y)])[:, 0])
    torch.testing.assert_close(out, net(x, net.encoder(y)))


def test_the_same_words_are_no_other_caption():
    net, (x, y) = TextDiscriminator(SPEC, TINY, 5), batch(3)
    y[2] = y[0]
    out = net(x, y)
    torch.testing.assert_close(out[:, 1], net(x, y[[1, 0, 1]])[:, 0])  # 1 is as far from 0 as from 2, their copy


def test_a_caption_that_may_be_true_of_the_picture_is_no_wrong_one(shapes):
    y = encode(
        ["a large red circle at the top left", "at the top left a big circle in red", "a red circle", "a large circle",
         "a circle at the top", "a blue square"], shapes.spec.vocabulary, shapes.spec.max_tokens,
    )  # fmt: skip
    net, x = TextDiscriminator(shapes.spec, TINY, 5), torch.rand(6, 3, 16, 16)
    wrong = net._wrong(x, y)
    assert wrong[0].tolist() == [False, False, False, False, True, True]  # "top" is another place than "top left"
    assert wrong[2].tolist() == [False] * 5 + [True]
    assert torch.equal(wrong, wrong.mT)


def test_no_caption_taken_for_wrong_is_true(shapes):
    real, truth = shapes.split("train").first(200), shapes.truth("train")[:200]
    net = TextDiscriminator(shapes.spec, TINY, 5)
    asked = shapes.asked(real.y)
    true = ((asked[None] < 0) | (asked[None] == truth[:, None])).all(2)  # of pictures, in rows, by captions, in columns
    assert not bool((net._wrong(real.x, real.y) & true).any())
    assert int(true.sum()) > 400  # of others, too


def test_a_row_without_a_wrong_caption_is_left_out(shapes):
    said = ["a red circle", "a circle", "a blue circle"]
    y = encode(said, shapes.spec.vocabulary, shapes.spec.max_tokens)
    net = flat(Text2Image, shapes.spec, nets=TINY, noise_dim=3, caption_dim=5)
    real = Batch(torch.rand(3, 3, 16, 16), y)
    on_real = net.discriminator(real.x, y)
    assert on_real[:, 1].isnan().tolist() == [False, True, False]
    found = net.discriminator_losses(real, net.generate(real), on_real, on_real)["mismatch"]
    red, blue = (net.discriminator(real.x, y[[i] * 3])[:, 0] for i in (0, 2))
    softplus = torch.nn.functional.softplus
    expected = (softplus(-on_real[[0, 2], 0]) + softplus(torch.stack([blue[0], red[2]]))).mean() / 2
    torch.testing.assert_close(found, expected)
    net.zero_grad()
    found.backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in net.discriminator.parameters() if p.grad is not None)
    assert {*net.discriminator_losses(real, net.generate(real), on_real[1:2], on_real)} == {"loss"}


def test_several_captions_of_one_picture_are_all_true():
    net, (x, y) = TextDiscriminator(SPEC, TINY, 5), batch(3)
    x[2] = x[0]
    out = net(x, y)
    torch.testing.assert_close(out[:, 1], net(x, y[[1, nearest(net, y)[1], 1]])[:, 0])


def nearest(net: TextDiscriminator, y: Tensor) -> list[int]:
    """For each caption another of the minibatch, whose code has the smallest angle to its own."""
    codes = net.encoder(y)
    alike = cosine_similarity(codes[:, None], codes[None], dim=2).tolist()
    return [max((j for j in range(len(y)) if j != i), key=row.__getitem__) for i, row in enumerate(alike)]


def test_the_discriminator_descends_the_loss_of_three_kinds_of_pairs():
    """Algorithm 1: log s_r + (log (1 - s_w) + log (1 - s_f)) / 2."""
    net, real = model(), batch()
    update = next(net.updates(lambda: real, CLOCK))
    with seeded(0):
        net = model()  # the same weights and, below, the same noise
        fake = net.generate(real)
    sigmoid = lambda x, y: net.discriminator(x, y)[:, :1].sigmoid()  # noqa: E731
    right, fooled = sigmoid(real.x, real.y).log(), (1 - sigmoid(fake.x, real.y)).log()
    wrong = (1 - sigmoid(real.x, real.y[nearest(net.discriminator, real.y)])).log()
    expected = -(right + (wrong + fooled) / 2).mean()
    assert update.parts == ("discriminator",)
    assert float(update.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


def test_interpolation_lies_between_the_captions_of_two():
    net, real = model(interpolation=1.0), batch()
    seen: list[Tensor] = []
    net.discriminator_outputs = lambda x, y: (seen.append(y), torch.zeros(len(x), 2))[1]
    fake = net.generate(real)
    found = net.generator_losses(real, fake, torch.zeros(6, 2))
    codes = net.discriminator.encoder(real.y)
    a, b = codes[::2], codes.roll(1, 0)[::2]
    share = ((seen[0] - a) / (b - a)).mean(1, keepdim=True)
    torch.testing.assert_close(seen[0], a + share * (b - a), atol=1e-5, rtol=1e-4)
    assert 0 < float(share.detach().min()) < float(share.detach().max()) < 1
    assert float(found["between"]) == pytest.approx(np.log(2), rel=1e-5)


def test_crossed_captions_take_words_of_that_other_which_says_most_alike():
    y = torch.tensor([[1, 2, 3, 0], [1, 2, 4, 0], [5, 5, 5, 5], [1, 2, 3, 0]])
    drawn = {tuple(row.tolist()) for _ in range(50) for row in crossed(y)[[0, 1, 3]]}
    assert drawn == {(1, 2, 3, 0), (1, 2, 4, 0)}  # the first and the last, which are the same, cross with the second
    words = torch.stack([crossed(y)[2] for _ in range(50)])
    assert set(words.flatten().tolist()) <= {0, 1, 2, 3, 5}  # nobody says anything alike: the first is taken


def test_the_generator_is_asked_for_crossed_captions_that_the_discriminator_is_told():
    net, real = model(crossing=2.0), batch()
    told: list[Tensor] = []
    heard: list[Tensor] = []
    net.discriminator_outputs = lambda x, y: (told.append(y), torch.zeros(len(x), 2))[1]
    prior = net.prior
    net.prior = lambda n, y=None: (heard.append(y), prior(n, y))[1]
    found = net.generator_losses(real, net.generate(real), torch.zeros(6, 2))
    assert torch.equal(told[0], heard[-1])
    assert len(told[0]) == 3
    assert float(found["crossed"]) == pytest.approx(2 * np.log(2), rel=1e-5)


def test_samples_heed_the_caption_and_without_one_take_those_of_the_training_data():
    net = model().eval()
    one, other = (encode([text], SPEC.vocabulary, 4).expand(3, -1) for text in ("a red cat", "a blue dog"))
    drawn = []
    for y in (one, one, other):
        with seeded(1):
            drawn.append(net.sample(3, y))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    y = torch.tensor([[1, 2, 0, 0], [1, 5, 4, 0]])
    net.initialize(Batch(torch.rand(2, *SPEC.shape), y))
    assert net.captions.shape == (KEPT, 4)
    assert {*map(tuple, net.captions.tolist())} == {*map(tuple, y.tolist())}
    codes = net.prior(50)[:, 3:]
    near = torch.cdist(codes, net.generator.encoder(y))
    assert {*near.argmin(1).tolist()} == {0, 1}
    assert float(near.detach().amin(1).max()) < 1e-4


def test_samples_of_binary_data_are_binary():
    x = flat(Text2Image, replace(SPEC, kind="binary"), nets=TINY).eval().sample(4)
    assert {*x.unique().tolist()} <= {0.0, 1.0}


@pytest.mark.parametrize("y", [torch.zeros(2).long(), torch.zeros(3, 4).long(), torch.full((2, 4), 9)])
def test_captions_that_do_not_fit_are_refused(y):
    with pytest.raises(ValueError, match="expected"):
        model().sample(2, y)


def test_the_model_asks_for_captions_and_weights_that_make_sense():
    with pytest.raises(ValueError, match="without captions came"):
        flat(Text2Image, replace(SPEC, vocabulary=()), nets=TINY)
    with pytest.raises(ValueError, match="mismatch=-1"):
        model(mismatch=-1)


# The metric -----------------------------------------------------------------------------------------------------------


class Oracle(Text2Image):
    """Draws a picture of the data with what a caption asks for; `wrong` changes the color of every one."""

    def __init__(self, source, wrong=False):
        super().__init__(source.spec, nets=TINY)
        self.source, self.wrong = source, wrong

    def sample(self, n, y=None):
        asked = self.source.asked(y).clamp(min=0)
        asked[:, 1] = (asked[:, 1] + self.wrong) % len(COLORS)
        kinds = torch.arange(n)
        return self.source._paint("test", kinds, asked, torch.zeros(n, 2)).float() / 255


@pytest.mark.parametrize("wrong", [False, True])
def test_attributes_are_found_where_they_are_and_not_where_they_are_not(shapes, monkeypatch, wrong):
    monkeypatch.setattr(module, "classifier", lambda source, device: painted(shapes))
    found = ATTRIBUTES.compute(Oracle(shapes, wrong), shapes, Evaluation(samples=300))
    assert {*found} == {"attributes-seen", "attributes-unseen"}
    assert found["attributes-seen"].n + found["attributes-unseen"].n == 300
    for result in found.values():
        rows = result.references
        assert all(rows[f"{name}, samples"].value == 1 for name in ("kind", "size", "position"))
        assert rows["color, samples"].value == (not wrong)
        assert rows["real images"].value > 0.95  # a few lie off their places
        assert result.value == pytest.approx(0.76 if wrong else 1.0, abs=0.03)
        assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_what_is_learnt_is_shown_below_captions(shapes):
    net = Text2Image(shapes.spec, nets=TINY).eval()
    grid = picture(net, shapes, 16)
    assert grid.shape[2] == 3
    assert grid.shape[0] == 2 * (18 + 6 + grid_height(shapes))  # two rows of eight, each below a line of text
    assert bool((grid[:18] == 0).any())  # which says something
    for number, text in enumerate(caption(row, shapes.spec.vocabulary) for row in evenly_spaced(shapes, "valid", 2).y):
        top = number * grid.shape[0] // 2
        line = below_texts([text], [np.zeros((1, grid.shape[1]), np.uint8)], "#000000", "#ffffff")[:18]
        assert np.array_equal(grid[top : top + 18, : line.shape[1]], line)


def grid_height(source) -> int:
    return tile(torch.zeros(8, *source.spec.shape), 8).shape[0]


def test_shares_count_only_what_was_asked():
    found = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 4], [0, 0, 0, 0]])
    asked = torch.tensor([[1, 2, 0, 0], [1, -1, -1, -1], [1, -1, 0, -1]])
    assert shares(found, asked).tolist() == [0.5, 1.0, 0.5]


def test_the_classifier_is_asked_for_every_attribute_and_sees_all_pairs(digits):
    named = Named(digits)
    assert named.spec.classes == 10 + 6 + 2 + 9
    x, y = named.split("train").first()
    truth = named.pictures.truth("train")
    assert bool(digits.unseen(truth).any())
    assert bool((y[:, None] == truth + torch.tensor([0, 10, 16, 18])).any(1).all())
    assert float((y < 10).double().mean()) == pytest.approx(0.7, abs=0.05)
    assert bool((named.split("test").first().y < 10).all())
    assert torch.equal(x, named.pictures.split("train").first().x)
    assert named.fingerprint == Named(digits).fingerprint != digits.fingerprint


def test_one_classifier_is_trained_for_all_attributes_and_tells_colors_soon(tmp_path, monkeypatch):
    configure = catalogue.configure

    def quick(*given: object) -> Config:
        config = configure(*given)
        return replace(config, train=replace(config.train, steps=150))

    monkeypatch.setattr(engine.catalogue, "configure", quick)
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path))
    source = CaptionedDigits(8, digits="bundled")
    found = ATTRIBUTES.compute(flat(Text2Image, source.spec, nets=TINY), source, Evaluation(samples=100))
    assert len([*tmp_path.glob("classifiers/captioned-digits-attributes-*.safetensors")]) == 1
    rows = found["attributes-seen"].references
    assert rows["color, real images"].value > 0.35  # of six
    assert rows["real images"].value > found["attributes-seen"].value
    assert "trained on captioned-digits-attributes" in found["attributes-seen"].protocol


@pytest.mark.parametrize(("name", "says"), [
    ("attributes", r"attributes \(.*\) does not apply to captioned-folder"),
    ("label-accuracy", "label-accuracy asks for data with labels; captioned-folder has none"),
])  # fmt: skip
def test_metrics_that_captions_of_ones_own_do_not_suit_are_refused(tmp_path, name, says):
    source = folder(tmp_path)
    subject = Subject("mine", flat(Text2Image, source.spec, nets=TINY), source)
    with pytest.raises(ValueError, match=says):
        measure(subject, [name], Evaluation(samples=10))


def test_a_source_need_only_know_its_attributes(shapes, monkeypatch):
    """No class is asked for, so that a source of another kind can be measured too."""

    class Other(Source):
        name, summary, spec = "other", "", shapes.spec
        attributes, truth, asked, unseen = shapes.attributes, shapes.truth, shapes.asked, shapes.unseen
        unabridged, split = shapes.unabridged, shapes.split

    monkeypatch.setattr(module, "classifier", lambda source, device: painted(shapes))
    assert ATTRIBUTES.applies(Other())
    assert ATTRIBUTES.compute(Oracle(shapes, False), Other(), Evaluation(samples=50))["attributes-seen"].value > 0.95


def test_the_metric_asks_for_a_model_that_depicts_and_for_data_with_attributes(shapes):
    assert isinstance(model(), Depicts)
    assert not isinstance(flat(DCGAN, Spec((3, 8, 8)), TINY), Depicts)
    assert ATTRIBUTES.applies(shapes)
    assert not ATTRIBUTES.applies(Digits())


# Runs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    recipe = catalogue.recipe("text2image")
    return train("text2image", out=tmp_path_factory.mktemp("runs") / "told", settings=recipe.smoke, show=False)


def test_a_caption_on_the_command_line_is_what_samples_are_asked_for(run, tmp_path):
    out = tmp_path / "x.npy"
    assert main(["sample", str(run.path), "--n", "3", "--caption", "A big red circle", "--out", str(out)]) == 0
    y = encode(["a big red circle"], run.source.spec.vocabulary, run.source.spec.max_tokens).expand(3, -1)
    expected = np.round(run.sample(3, 0, y).numpy() * 255)
    assert np.abs(np.round(np.load(out) * 255) - expected).max() <= 1


def test_samples_of_a_caption_are_one_or_more(run, capsys):
    assert main(["sample", str(run.path), "--caption", "a big red circle", "--n", "-5"]) == 2
    assert "--n -5 came" in capsys.readouterr().err


def test_a_single_caption_is_shown_without_a_walk(run, monkeypatch):
    one, notes = report._chosen(run.source)
    monkeypatch.setattr(report, "_chosen", lambda source: (one[:1], notes[:1]))
    assert [figure.name for figure in captions(run)] == ["captions"]


def test_a_word_that_is_unknown_ends_with_one_clear_line(run, capsys):
    assert main(["sample", str(run.path), "--caption", "a big rad circle"]) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert "'rad' came" in said
    assert "'red'" in said


def test_figures_show_captions_with_pictures_and_walks_between_them(run):
    first, second = captions(run)
    assert first.alt.count("never") == 4
    assert second.alt.count("from ") == 4
    assert first.dark is not None
    assert split(first.alt)


def test_a_label_stands_above_its_pictures():
    band = np.full((10, 30), 200, np.uint8)
    image = Image.open(io.BytesIO(labelled(["a", "b"], [band, band], "#000000")))
    assert image.mode == "RGBA"
    pixels = np.asarray(image)
    assert bool((pixels[18:28, :30] == (200, 200, 200, 255)).all())
    assert pixels[:18, :, 3].max() > 0  # ink
    assert pixels[28:34, :, 3].max() == 0
