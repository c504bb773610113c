"""Videos: how digits move, what is foreseen from what, the losses, and the metric beside closed forms."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import checks
from counterfeit import catalogue
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Data, Evaluation
from counterfeit.core import Batch, Clock, Model, Spec
from counterfeit.data.source import InMemory, Source
from counterfeit.data.sources.moving_digits import COUNTS, MovingDigits, bounced, render
from counterfeit.data.sources.turning_faces import ACROSS, ALONG, TurningFaces, turned
from counterfeit.engine.previews import picture
from counterfeit.inference.prediction import predicted
from counterfeit.metrics.tasks.video_prediction import PREDICTION
from counterfeit.models.adversarial.next_frame import NextFrame
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.nets.video import ConvLSTM, FramePredictor, VideoPlayers

SPEC, CLOCK = Spec((6, 1, 8, 8)), Clock(0, 10)


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


@pytest.fixture(scope="module")
def source() -> MovingDigits:
    return MovingDigits(size=16, frames=6, of="digits")


def small(**settings: object) -> NextFrame:
    return NextFrame(SPEC, **{"context_frames": 2, "nets": VideoPlayers(4, 4), **settings})


def videos(n: int = 4) -> Tensor:
    return torch.rand(n, *SPEC.shape)


class Brighter(Source):
    """Videos of one shade, each frame 0.1 brighter than the one before."""

    name, summary, spec = "brighter", "videos that get brighter", SPEC

    def split(self, name):
        shade = 0.05 * torch.arange(8)[:, None] + 0.1 * torch.arange(6)
        stripes = torch.linspace(0, 0.05, 8).expand(8, 8)
        return InMemory(shade[:, :, None, None, None] + stripes)


class Copies(Model):
    """Repeats the last frame."""

    def updates(self, draw, clock):
        return iter(())

    @property
    def device(self):
        return torch.device("cpu")

    def predict(self, x, steps):
        return x[:, -1:].expand(-1, steps, -1, -1, -1)


# Faces that turn ------------------------------------------------------------------------------------------------------


def test_what_lies_on_a_turned_head_is_seen_at_its_angle():
    side, angles = 64, torch.tensor([[-0.4, 0.0, 0.3]])
    middles = (torch.arange(side) + 0.5) / side * 2 - 1
    ramp = ((middles + 1) / 2).expand(1, 1, side, side)  # a face whose shade tells its place
    found = 2 * turned(ramp, angles)[0, :, 0] - 1
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    radius = ACROSS * (1 - (y / ALONG) ** 2).sqrt()
    inside = x.abs() < 0.98 * radius
    for frame, angle in zip(found, angles[0], strict=True):
        place = radius * ((x / radius).clamp(-1, 1).asin() - angle).clamp(-torch.pi / 2, torch.pi / 2).sin()
        torch.testing.assert_close(frame[inside], place[inside], atol=2e-3, rtol=0)
        beside = x.abs() > radius
        torch.testing.assert_close(frame[beside], x[beside], atol=1e-5, rtol=0)


def test_faces_turn_back_where_they_have_turned_far_enough():
    x = TurningFaces(size=16, frames=40).split("test").first(20).x
    assert x.shape == (20, 40, 1, 16, 16)
    moves = (x[:, 1:] - x[:, :-1]).abs().flatten(2).amax(2)
    assert float((moves > 0).float().mean()) > 0.9
    again = TurningFaces(size=16, frames=40).split("test").first(20).x
    assert torch.equal(x, again)
    with pytest.raises(ValueError, match="frames=1 came; turning-faces"):
        TurningFaces(frames=1)


# Data -----------------------------------------------------------------------------------------------------------------


def test_what_goes_straight_on_bounces_off_both_edges():
    t = np.arange(60)
    found = [0.3]
    speed = 0.07
    for _ in t[1:]:
        ahead = found[-1] + speed
        if not 0 <= ahead <= 1:
            ahead, speed = (2 - ahead if ahead > 1 else -ahead), -speed
        found.append(ahead)
    np.testing.assert_allclose(bounced(0.3 + 0.07 * t), found, atol=1e-12)


def test_digits_are_where_their_corners_say_and_the_brighter_one_is_seen():
    digits = np.array([[[[10, 20]], [[15, 15]]]], np.uint8).repeat(2, 2)  # (1, 2, 2, 2)
    corners = np.array([[[[0, 0], [1, 2]], [[2, 0], [1, 2]]]])  # (1, 2, 2 frames, 2)
    first, second = render(digits, corners, 4)[0, :, 0]
    assert first.tolist() == [[10, 20, 0, 0], [10, 20, 0, 0], [15, 15, 0, 0], [15, 15, 0, 0]]
    assert second.tolist() == [[0, 0, 0, 0], [0, 0, 15, 20], [0, 0, 15, 20], [0, 0, 0, 0]]


def test_films_are_the_same_every_time_and_others_in_every_split(source):
    again = MovingDigits(size=16, frames=6, of="digits")
    assert dict(source.sizes) == COUNTS
    assert source.split("valid").x.shape == (1_000, 6, 1, 16, 16)
    assert source.split("valid").x.dtype == torch.uint8
    assert again.fingerprint == source.fingerprint
    assert not torch.equal(source.split("valid").x, source.split("test").x)


def test_digits_move_and_stay_whole(source):
    x = source.split("test").x.float()
    assert bool((x[:, 1:] != x[:, :-1]).flatten(1).any(1).all())
    one = MovingDigits(size=16, frames=6, digits=1, of="digits").split("test").x.float()
    mass = one.sum((2, 3, 4))
    assert torch.equal(mass, mass[:, :1].expand_as(mass))  # nothing leaves the frame


def test_no_digit_is_in_two_splits(source):
    held = {split: {row.tobytes() for row in source.cast.split(split).x.numpy()} for split in ("train", "test")}
    assert not held["train"] & held["test"]


@pytest.mark.parametrize(("key", "value"), [("size", 4), ("frames", 1), ("digits", 0), ("of", "cats")])
def test_films_that_cannot_be_are_told(key, value):
    with pytest.raises(ValueError, match=f"{key}={value!r} came; moving-digits"):
        MovingDigits(**{key: value})


# Model ----------------------------------------------------------------------------------------------------------------


def test_a_cell_whose_gates_are_open_sums_what_it_reads():
    cell = ConvLSTM(1, 1)
    torch.nn.init.zeros_(cell.gates.weight)
    cell.gates.bias.data = torch.tensor([50.0, 50.0, 50.0, 50.0])  # entry, keep, leave: 1; new: tanh(50) = 1
    h, c = cell(torch.zeros(1, 1, 2, 2), cell(torch.zeros(1, 1, 2, 2)))
    torch.testing.assert_close(c, torch.full((1, 1, 2, 2), 2.0))
    torch.testing.assert_close(h, c.tanh())


def test_a_rollout_goes_on_from_what_was_foreseen():
    net, x = FramePredictor(1, 4), videos()
    one = net(x, 1)
    torch.testing.assert_close(net(x, 3)[:, 1:], net(torch.cat([x, one], 1), 2))


def test_where_it_is_told_the_truth_is_read():
    net, x, truth = FramePredictor(1, 4), videos(), videos()[:, :3]
    told = torch.tensor([[True, False, True]]).expand(4, 3)
    second = net(torch.cat([x, truth[:, :1]], 1), 2)
    torch.testing.assert_close(net(x, 3, truth, told)[:, 1:], second)


@pytest.mark.parametrize(("step", "share"), [(0, 1.0), (20, 0.5), (40, 0.0), (70, 0.0)])
def test_true_frames_become_rarer(step, share):
    model = small(teacher_forcing=0.4)
    next(model.updates(lambda: Batch(videos()), Clock(step, 100)))
    assert model.true_share == pytest.approx(share)


def test_frames_foreseen_do_not_hang_on_those_that_come():
    model, x = small(), videos()
    other = torch.cat([x[:, :2], videos()[:, 2:]], 1)
    assert torch.equal(model.generate(Batch(x)), model.generate(Batch(other)))
    assert torch.equal(model.generate(Batch(x))[:, :2], x[:, :2])


def test_without_the_game_only_the_squared_error_of_frames_foreseen_is_descended():
    model, x = small(adversarial_weight=0.0, teacher_forcing=0.0), videos()
    (update,) = model.updates(lambda: Batch(x), CLOCK)
    torch.testing.assert_close(update.loss, (model.predict(x[:, :2], 4) - x[:, 2:]).square().mean())


def test_the_discriminator_sees_the_whole_video():
    model = small()
    x = videos().requires_grad_()
    (slope,) = torch.autograd.grad(model.discriminator_outputs(x).sum(), x)
    assert bool((slope.abs().amax((0, 2, 3, 4)) > 0).all())


def test_as_many_discriminator_steps_as_the_rules_say_come_before_the_generators():
    model = small(settings=GANSettings(discriminator_steps=3))
    parts = [update.parts[0] for update in model.updates(lambda: Batch(videos()), CLOCK)]
    assert parts == ["discriminator"] * 3 + ["generator"]


def test_what_is_no_film_is_told():
    with pytest.raises(ValueError, match=r"\(1, 8, 8\) came; videos"):
        NextFrame(Spec((1, 8, 8)))
    with pytest.raises(ValueError, match="context_frames=6 came; 1 to 5 of 6"):
        small(context_frames=6)
    with pytest.raises(ValueError, match="feature-matching came; one of outputs"):
        small(settings=GANSettings(objective="feature-matching"))


# Metric and pictures --------------------------------------------------------------------------------------------------


def test_copies_measure_as_the_reference_row_does_and_as_the_closed_form():
    results = PREDICTION.compute(Copies(SPEC), Brighter(), Evaluation())
    assert set(results) == set(PREDICTION.rows)
    for result in results.values():
        reference = result.references["last frame"]
        assert (result.value, result.error) == (reference.value, reference.error)
    assert results["next-frame-mse"].value == pytest.approx(0.01)
    assert results["rollout-mse"].value == pytest.approx(0.01 * (1 + 4 + 9 + 16) / 4)
    assert results["rollout-mse"].details["by_step"] == pytest.approx([0.01, 0.04, 0.09, 0.16])
    assert results["rollout-sharpness"].value == pytest.approx(1)


def test_the_model_is_given_the_beginning_only():
    x = Brighter().split("test").first().x
    found = predicted(Copies(SPEC), Batch(x))
    assert torch.equal(found.given, x[:, :2])
    assert torch.equal(found.truth, x[:, 2:])
    assert torch.equal(found.model, found.copied)


def test_the_picture_of_a_film_model_has_two_rows_a_video():
    pixels = picture(small().eval(), Brighter(), 24)
    assert pixels.shape == (4 * (56 + 2) + 2, 6 * (56 + 2) + 2)


def test_the_first_frames_foreseen_have_the_shade_of_the_data():
    model = small(nets=VideoPlayers(32, 4))
    model.initialize(Batch(torch.full((3, *SPEC.shape), 0.1)))
    model.generator.last[2].weight.data.zero_()
    torch.testing.assert_close(model.predict(videos(), 2), torch.full((4, 2, 1, 8, 8), 0.1))


@pytest.mark.parametrize(
    ("how", "words"), [("blind", "whatever was given"), ("hurried", "first frame is off"), ("range", "pixels lie")]
)
def test_the_common_check_sees_the_fault(how, words, monkeypatch):
    model = small()
    predict = model.predict
    wrong = {
        "blind": lambda x, steps, *acted: predict(0 * x, steps, *acted),
        "hurried": lambda x, steps, *acted: predict(x, steps, *acted).flip(1),
        "range": lambda x, steps, *acted: 2 * predict(x, steps, *acted),
    }
    checks.foreseeing(model)
    monkeypatch.setattr(model, "predict", wrong[how])
    with pytest.raises(AssertionError, match=words):
        checks.foreseeing(model)


# ---- videos of a user's own


def moving(count=20, side=16, start=0):
    """Frames in which a bright square moves a pixel a frame, uint8 (count, side, side)."""
    frames = np.zeros((count, side, side), np.uint8)
    for t in range(count):
        at = (start + t) % (side - 4)
        frames[t, at : at + 4, 2:6] = 255
    return frames


def gifs(folder, count=12, length=20):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        frames = [Image.fromarray(frame) for frame in moving(length, start=i)]
        frames[0].save(folder / f"{i:02}.gif", save_all=True, append_images=frames[1:], duration=60)
    return folder


def numbered(folder, count=12, length=20):
    for i in range(count):
        (folder / f"video{i:02}").mkdir(parents=True)
        for t, frame in enumerate(moving(length, start=i)):
            Image.fromarray(frame).save(folder / f"video{i:02}" / f"{t}.png")  # 10 comes after 9, not after 1
    return folder


@pytest.mark.parametrize("write", [gifs, numbered])
def test_films_of_files_and_of_folders_are_the_same(write, tmp_path):
    source = catalogue.source(Data(str(write(tmp_path / "videos")), frames=20))
    assert source.spec.shape == (20, 1, 16, 16)
    assert source.sizes == {"train": 10, "valid": 1, "test": 1}
    videos = torch.cat([source.split(name).first().x for name in ("train", "valid", "test")])
    made = torch.stack([torch.from_numpy(moving(start=i)[:, None] / 255).float() for i in range(12)])
    assert {tuple(video.flatten().tolist()) for video in videos} == {tuple(video.flatten().tolist()) for video in made}


def test_clips_are_cut_and_frames_left_out(tmp_path):
    folder = numbered(tmp_path / "videos", count=10)
    source = catalogue.source(Data(str(folder), frames=5, every=2, size=8))
    assert source.sizes == {"train": 16, "valid": 2, "test": 2}
    assert source.spec.shape == (5, 1, 8, 8)


def test_animated_webp_is_a_video(tmp_path):
    frames = [Image.fromarray(frame).convert("RGB") for frame in moving(6)]
    for i in range(2):
        frames[0].save(tmp_path / f"{i}.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert catalogue.source(Data(str(tmp_path), frames=6)).spec.shape == (6, 1, 16, 16)


@pytest.mark.parametrize(
    ("frames", "said"), [(21, "has 20 frames; 21 are asked for. Add --data.frames 20"), (1, "at least 2")]
)
def test_films_that_are_too_short_are_refused(tmp_path, frames, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        catalogue.source(Data(str(gifs(tmp_path / "videos", 2)), frames=frames))


def test_single_pictures_are_no_videos(tmp_path):
    Image.fromarray(moving()[0]).save(tmp_path / "one.png")
    with pytest.raises(ValueError, match="single pictures"):
        catalogue.source(Data(str(tmp_path), frames=4))


def test_a_damaged_film_is_named(tmp_path):
    folder = gifs(tmp_path / "videos", 2)
    (folder / "00.gif").write_bytes((folder / "00.gif").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"00\.gif"):
        catalogue.source(Data(str(folder), frames=20))
