"""A second series beside each example: WaveNet's local conditioning, its data, its likelihood, its samples."""

from __future__ import annotations

import math
import wave

import numpy as np
import pytest
import torch

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.files import DataError
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Data, Evaluation
from counterfeit.core import Batch, Clock, Spec
from counterfeit.data.conditions import conditions
from counterfeit.data.sounds import frames, read_series, series_of_clips
from counterfeit.data.sources.sounds import Sounds
from counterfeit.data.sources.tones import SCALE, Tones
from counterfeit.metrics.likelihood.bounds import conditional_log_likelihood
from counterfeit.models.autoregressive.shared.chain import Recomputed, draw
from counterfeit.models.autoregressive.shared.dilated import DilatedSizes
from counterfeit.models.autoregressive.wavenet import WaveNet
from counterfeit.models.flow.nice import NICE
from counterfeit.run.run import Run

QUICK = ("--train.steps", "2", "--train.save_every", "2", "--train.batch_size", "2", "--train.tensorboard", "false")
TINY = ("--model.layers", "2", "--model.channels", "4", "--model.skip", "4")


def made(spec, layers=2, mu=7):
    with seeded(3):
        model = WaveNet(spec, DilatedSizes(layers, 1, 6, 6), mu)
        for p in model.parameters():
            p.data.add_(0.3 * torch.randn_like(p))
        y = torch.randn(40, *spec.series)
        model.initialize(Batch(torch.zeros(40, *spec.shape), y))
    return model.eval()


MONO, STEREO = Spec((1, 10), "real", series=(2, 4)), Spec((2, 5), "real", series=(3, 2))


# The model ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [MONO, STEREO])
def test_an_output_sees_only_what_is_before_it_whatever_the_series(spec):
    with seeded(0):
        model, y, x = made(spec), torch.randn(1, *spec.series), torch.rand(10) - 0.5
    seen = torch.autograd.functional.jacobian(lambda v: model.given(y).parameters(v[None])[0], x).abs().sum(1) > 0
    seen = seen[model.order][:, model.order]  # from the first to the last
    assert not seen.triu().any()
    assert seen.diagonal(-1).all()


@pytest.mark.parametrize("spec", [MONO, STEREO])
def test_an_output_sees_the_frames_of_its_own_moment_and_of_those_that_it_looks_back_at(spec):
    with seeded(0):
        model, x, y = made(spec), torch.rand(1, 10) - 0.5, torch.randn(1, *spec.series)
    seen = torch.autograd.functional.jacobian(lambda v: model.given(v).parameters(x)[0], y).abs().sum((1, 2, 3)) > 0
    tracks = spec.shape[0]
    places, back = torch.arange(10), sum(model.sizes.dilations[1:])  # the first layer looks back at sound alone
    frame = places // tracks // spec.hop
    first = (places - back).clamp(min=0) // tracks // spec.hop
    every = torch.arange(spec.series[1])
    assert torch.equal(seen[model.order], (every >= first[:, None]) & (every <= frame[:, None]))


@pytest.mark.parametrize("spec", [MONO, STEREO])
def test_draws_from_queues_are_those_of_whole_passes(spec):
    model, y = made(spec, 3, 255), torch.randn(3, *spec.series)
    with torch.no_grad():
        for one in (y, y[:1]):
            with seeded(1):
                cached = draw(model.given(one), 3)
            with seeded(1):
                naive = draw(Recomputed(model.given(one)), 3)
            assert torch.equal(cached, naive)


def test_the_density_given_a_series_integrates_to_one():
    spec = Spec((1, 3), "real", series=(2, 2))
    model, y = made(spec, mu=3), torch.randn(1, 2, 2)
    low, width = (torch.cartesian_prod(*[v] * 3) for v in (model.law.edges[:-1], model.law.widths))
    with torch.no_grad(), seeded(0):
        totals = []
        for _ in range(200):  # a value within each level, since later conditionals change with it
            x = (low + torch.rand_like(low) * width).unsqueeze(1)
            totals.append(float((model.log_prob_given(x, y.expand(len(x), -1, -1)).exp() * width.prod(1)).sum()))
    assert np.mean(totals) == pytest.approx(1, abs=4 * np.std(totals) / math.sqrt(len(totals)) + 1e-4)


def test_without_a_series_the_density_is_the_mixture_over_those_that_training_showed():
    model, x = made(MONO), torch.rand(5, 1, 10) - 0.5
    with torch.no_grad():
        given = [model.log_prob_given(x, y.expand(5, -1, -1)) for y in model.kept]
        expected = torch.stack(given).logsumexp(0) - math.log(len(given))
        assert torch.allclose(model.log_prob(x), expected, atol=1e-5)
    assert len(model.kept.unique(dim=0)) == len(model.kept)


def test_samples_follow_the_series_that_is_asked_for():
    spec = Spec((1, 40), "real", series=(1, 4))
    with seeded(0):
        model = WaveNet(spec, DilatedSizes(2, 1, 12, 12), mu=15)
        optimizer = torch.optim.Adam(model.parameters(), 2e-2)
        for _ in range(80):  # the series says the sign
            y = torch.randn(16, 1, 4).sign()
            x = y.repeat_interleave(10, 2) * (0.3 + 0.4 * torch.rand(16, 1, 40))
            (update,) = model.updates(lambda x=x, y=y: Batch(x, y), Clock(0, 1))
            optimizer.zero_grad()
            update.loss.backward()
            optimizer.step()
        y = torch.tensor([[[1.0, -1, -1, 1]], [[-1.0, 1, -1, 1]]])
        x = model.sample(2, y)
    assert float((x.sign() == y.repeat_interleave(10, 2)).float().mean()) > 0.95


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (None, "no series came"),
        (torch.zeros(2, 2, 5), r"shape \(2, 2, 5\)"),
        (torch.zeros(2), r"shape \(2,\)"),
        (torch.zeros(2, 2, 4).long(), "int64"),
        (torch.full((2, 2, 4), math.nan), "not finite"),
    ],
)
def test_a_wrong_series_is_refused_in_one_line(y, says):
    model = made(MONO)
    with pytest.raises(ValueError, match=says) as caught:
        model.log_prob_given(torch.zeros(2, 1, 10), y)
    assert "\n" not in str(caught.value)
    if y is not None:
        with pytest.raises(ValueError, match=says):
            model.sample(2, y)


def test_a_model_that_is_told_nothing_has_no_density_given_anything():
    model = WaveNet(MONO, DilatedSizes(1, 1, 2, 2), conditional=False)
    assert not hasattr(model, "kept")
    with pytest.raises(ValueError, match="is told nothing of examples"):
        model.log_prob_given(torch.zeros(1, 1, 10), torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match="samples without labels"):
        model.sample(1, torch.zeros(1, 2, 4))


def test_the_density_given_labels_is_that_of_the_label_for_other_models_too():
    for cls, spec, settings in (
        (WaveNet, Spec((1, 6), "real", 2), {}),
        (NICE, Spec((3,), "real", 2), {"conditional": True}),
    ):
        model = cls(spec, **settings).eval()
        x, y = torch.rand(4, *spec.shape) - 0.5, torch.tensor([0, 1, 1, 0])
        with torch.no_grad():
            joint = model.joint(x) - model.frequencies.log()
            assert torch.allclose(model.log_prob_given(x, y), joint[torch.arange(4), y], atol=1e-5)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "hop"), [(2_000, 40), (100, 30), (10, 3), (7, 7), (5, 40), (24, 1), (11, 4)])
def test_frames_are_of_equally_many_samples_and_none_lies_beyond_the_end(length, hop):
    spec = Spec((1, length), "real", series=(1, frames(length, hop)))
    assert (spec.series[1] - 1) * spec.hop < length <= spec.series[1] * spec.hop


def _power(windows, frequency):
    """How strong a frequency, in periods a sample, is in windows, (…, T) -> (…)."""
    turns = 2 * math.pi * frequency * torch.arange(windows.shape[-1])
    return sum((windows * wave).sum(-1).square() for wave in (turns.sin(), turns.cos()))


def test_notes_lie_where_the_sound_has_their_pitch_and_the_sound_is_the_same():
    source = Tones(series="notes")
    x, y = source.split("test").first()
    assert torch.equal(x, Tones().split("test").first().x)
    assert source.spec.series == (5, 50)
    assert not source.spec.classes
    windows = x[:, 0].unfold(1, 400, 40) * torch.hann_window(400)  # of a tenth of a second
    power = torch.stack([_power(windows, 220 * ratio / 4_000) for ratio in SCALE], 1)  # (N, 5, 41)
    loud = y.unfold(2, 10, 1).mean(-1)
    alone = loud.amax(1) > 0.9 * loud.sum(1)  # where one note alone sounds
    right = power.argmax(1) == loud.argmax(1)
    assert int(alone.sum()) > 100
    assert float(right[alone].float().mean()) > 0.9


def test_a_clip_has_the_frames_of_its_own_moments():
    y = np.arange(60, dtype=np.float32)[:, None]  # a frame every 10 samples
    spec = Spec((1, 100), "real", series=(1, 10))
    found = series_of_clips(y, 600, 100, spec)
    assert np.array_equal(found.reshape(-1), y.reshape(-1))
    assert series_of_clips(y, 650, 100, Spec((1, 100), "real", series=(1, 5))).shape == (6, 1, 5)
    assert np.array_equal(series_of_clips(y[:1], 650, 100, spec), np.zeros((6, 1, 10)))


def sounds(folder, count=6, features=2, kind="npy", rows=30):
    (folder / "voice").mkdir(parents=True)
    for i in range(count):
        with wave.open(str(folder / "voice" / f"é {i}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes((3_000 * np.sin(np.arange(3_000) * (i + 1) / 40)).astype("<i2").tobytes())
        y = np.stack([np.arange(rows)] * features, 1) + 100.0 * i
        if kind == "npy":
            np.save(folder / "voice" / f"é {i}.npy", y)
        else:
            head = ",".join(f"f{j}" for j in range(features))
            np.savetxt(folder / "voice" / f"é {i}.csv", y, delimiter=",", header=head, comments="")
    return folder


@pytest.mark.parametrize("kind", ["npy", "csv"])
def test_a_folder_of_sounds_has_the_series_beside_them_where_asked(tmp_path, kind):
    folder = sounds(tmp_path / "my sounds", kind=kind)
    source = catalogue.source(Data(str(folder), options={"length": 500, "series": kind}))
    assert source.spec == Spec((1, 500), "real", series=(2, 5))
    assert "a series of 2 values every 100 samples" in source.warning
    y = torch.cat([source.split(name).first().y for name in ("train", "valid", "test")])
    assert y.dtype == torch.float32
    assert sorted(y[:, 0].flatten().tolist()) == [100.0 * i + f for i in range(6) for f in range(30)]
    plain = Sounds(folder, length=500)
    assert plain.spec.series == ()
    assert plain.fingerprint != source.fingerprint
    assert torch.equal(plain.split("train").x, source.split("train").x)


def test_what_is_wrong_beside_a_sound_is_named_in_one_line(tmp_path):
    folder = sounds(tmp_path / "a")

    def refused(says, kind="npy"):
        with pytest.raises(ValueError, match=says) as caught:
            Sounds(folder, length=500, series=kind)
        assert "\n" not in str(caught.value)

    refused("holds no csv files beside those of sound", "csv")
    refused("data.options.series: 'mp3' came; npy, csv are expected", "mp3")
    np.save(folder / "voice" / "é 3.npy", np.zeros((30, 4)))
    refused(r"é 3\.npy has 4 values a frame")
    (folder / "voice" / "é 3.npy").write_bytes(b"nothing")
    refused(r"é 3\.npy cannot be read")
    (folder / "voice" / "é 3.npy").unlink()
    refused(r"holds no voice/é 3\.npy beside voice/é 3\.wav")


@pytest.mark.parametrize("data", [b"", b"a,b\n", b"1,2\n3\n", b"1,nan\n", b"1,\n", b"\xff\xfe1"])
def test_a_series_that_is_none_is_refused_in_one_line(data):
    with pytest.raises(DataError, match=r"^my a\.csv ") as caught:
        read_series(data, "my a.csv")
    assert "\n" not in str(caught.value)


# Whole ----------------------------------------------------------------------------------------------------------------


def test_what_samples_are_asked_for_may_be_one_series_or_one_each():
    source = Tones(length=100, series="notes")
    shape = source.spec.series
    assert conditions(np.ones(shape), 3, source, 0).shape == (3, *shape)
    assert conditions(torch.ones(3, *shape), 3, source, 0).dtype == torch.float32
    with pytest.raises(ValueError, match="floating point are expected"):
        conditions(torch.ones(2, *shape), 3, source, 0)


def test_a_folder_with_series_trains_samples_scores_and_reports(tmp_path, capsys):
    folder, out = sounds(tmp_path / "a"), tmp_path / "run"
    options = ("--data.options", "{length: 100, series: npy}", "--evaluate.max_examples", "4")
    words = ("--evaluate.metrics", "[conditional-log-likelihood, log-likelihood]")
    assert main(["train", "wavenet", "--data", str(folder), "--out", str(out), *QUICK, *TINY, *options, *words]) == 0
    run = Run(out)
    assert "given the series" in run.evaluation["conditional-log-likelihood"]["protocol"]
    y = np.random.RandomState(0).standard_normal((7, 2))
    np.savetxt(tmp_path / "new.csv", y, delimiter=",")
    assert main(["sample", str(out), "-n", "2", "--series", str(tmp_path / "new.csv")]) == 0
    assert main(["sample", str(out), "-n", "2"]) == 0
    assert main(["score", str(out), str(folder / "voice" / "é 0.wav")]) == 0
    capsys.readouterr()
    assert main(["sample", str(out), "--series", str(tmp_path / "none.csv")]) == 2
    assert main(["sample", str(out), "--series", str(tmp_path / "new.csv"), "--class", "1"]) == 2
    said = capsys.readouterr().err
    assert "none.csv cannot be read" in said
    assert "--class and --series came together" in said


def test_the_likelihood_given_a_series_asks_for_data_with_one():
    model = WaveNet(Spec((1, 24), "real"), DilatedSizes(1, 1, 2, 2), 7)
    with pytest.raises(ValueError, match="has neither labels nor series"):
        conditional_log_likelihood(model, catalogue.source("gaussian-1d"), Evaluation())
