"""Sound: files in and out, clips and their splits, the μ-law, WaveNet's mathematics, baselines, figures."""

from __future__ import annotations

import math
import wave
import zipfile

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.files import DataError
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Data
from counterfeit.core import Batch, Clock, Spec
from counterfeit.data.sounds import encode_wav, mixed, read_wav, resampled, waveforms
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.sounds import Sounds, arranged
from counterfeit.data.sources.tones import Tones
from counterfeit.metrics.likelihood.bits_per_sample import in_bits
from counterfeit.metrics.likelihood.sound_baselines import fit_linear_predictions, fit_ngrams
from counterfeit.models.autoregressive.shared.chain import Recomputed, draw
from counterfeit.models.autoregressive.shared.dilated import DilatedSizes
from counterfeit.models.autoregressive.shared.mu_law import MuLaw, compand, expand
from counterfeit.models.autoregressive.wavenet import WaveNet
from counterfeit.report.figures.sounds import spectrogram
from counterfeit.run.run import Run

MONO = Spec((1, 12), "real")
SIZES = DilatedSizes(layers=3, blocks=2, channels=6, skip=6)
QUICK = ("--train.steps", "2", "--train.save_every", "2", "--train.batch_size", "2", "--train.tensorboard", "false")
TINY = ("--model.layers", "2", "--model.channels", "4", "--model.skip", "4")


def sine(hertz=440.0, rate=8_000, seconds=0.5, channels=1, loud=0.5):
    t = np.arange(round(rate * seconds)) / rate
    return np.stack([loud * np.sin(2 * np.pi * hertz * (1 + c) * t) for c in range(channels)])


def written(path, x, rate=8_000, bits=16):
    """A WAV file of `x`, (channels, T), by the standard library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(x))
        file.setsampwidth(bits // 8)
        file.setframerate(rate)
        full = 2 ** (bits - 1)
        values = np.rint(x.T * full).clip(-full, full - 1).astype(np.int64) + (128 if bits == 8 else 0)
        octets = np.ascontiguousarray(values, "<i8").view(np.uint8).reshape(*values.shape, 8)[..., : bits // 8]
        file.writeframes(octets.tobytes())
    return path


def made(spec=MONO, **settings):
    with seeded(3):
        model = WaveNet(spec, **{"sizes": SIZES, "mu": 7, **settings})
        for p in model.parameters():
            p.data.add_(0.3 * torch.randn_like(p))
    return model.eval()


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "off"), [(8, 2**-7), (16, 2**-15), (24, 2**-23), (32, 1e-7)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_depth_is_read_as_it_was_written(tmp_path, bits, off, channels):
    x = sine(channels=channels)
    found = read_wav(written(tmp_path / "a.wav", x, 11_025, bits).read_bytes(), "a.wav")
    assert (found.rate, found.format, found.x.dtype) == (11_025, f"{bits}-bit", np.float32)
    assert np.abs(found.x - x).max() <= off


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_are_read_as_they_are(tmp_path, kind):
    x = sine(channels=2).astype(kind)
    wavfile.write(tmp_path / "a.wav", 8_000, x.T)
    found = read_wav((tmp_path / "a.wav").read_bytes(), "a.wav")
    assert np.array_equal(found.x, x.astype(np.float32))
    assert found.format == f"{8 * np.dtype(kind).itemsize}-bit float"


def test_what_is_written_is_read():
    x = torch.rand(3, 2, 400) * 2 - 1
    found = read_wav(encode_wav(x, 4_000), "x")
    assert found.rate == 4_000
    assert found.x.shape == (2, 3 * 400 + 2 * 400)  # with pauses of a tenth of a second
    assert np.abs(found.x[:, 800:1200] - x[1].numpy()).max() < 1e-4
    assert not found.x[:, 400:800].any()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: b"", "damaged"),
        (lambda data: b"no sound", "damaged"),
        (lambda data: data[:30], "damaged"),
        (lambda data: data[:3000], "damaged"),
        (lambda data: data[:20] + b"\x07\x00" + data[22:], "damaged"),  # of the telephone's format
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path, damage, says):
    data = damage(written(tmp_path / "a.wav", sine()).read_bytes())
    with pytest.raises(DataError, match=rf"^a b\.wav is {says}") as caught:
        read_wav(data, "a b.wav")
    assert "\n" not in str(caught.value)


def test_a_rate_that_nothing_has_is_refused(tmp_path):
    with pytest.raises(DataError, match="claims 1 samples a second"):
        read_wav(written(tmp_path / "a.wav", sine(), rate=1).read_bytes(), "a.wav")


def test_values_that_are_not_finite_are_refused(tmp_path):
    x = sine().astype(np.float32)
    x[0, 5] = np.nan
    wavfile.write(tmp_path / "a.wav", 8_000, x.T)
    with pytest.raises(DataError, match="not finite"):
        read_wav((tmp_path / "a.wav").read_bytes(), "a.wav")


@pytest.mark.parametrize("rate", [44_100, 22_050, 11_025, 8_000, 4_000])
def test_a_sine_keeps_its_frequency_and_loudness_at_another_rate(rate):
    x = resampled(sine(440, rate, 1.0), rate, 8_000)
    spectrum = np.abs(np.fft.rfft(x[0]))
    assert x.shape == (1, 8_000)
    assert spectrum.argmax() == 440
    assert np.abs(x).max() == pytest.approx(0.5, abs=0.03)


def test_what_a_lower_rate_cannot_hold_is_gone():
    assert np.abs(resampled(sine(3_000, 44_100, 1.0), 44_100, 4_000)[:, 50:-50]).max() < 0.01


def test_stereo_becomes_the_mean_and_mono_is_doubled():
    x = sine(channels=2)
    assert np.array_equal(mixed(x, 1, "a"), x.mean(0, keepdims=True))
    assert np.array_equal(mixed(x[:1], 2, "a"), x[[0, 0]])
    with pytest.raises(DataError, match="has 3 channels; 1 or 2 are expected"):
        mixed(sine(channels=3), 2, "a")


# Clips ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mixture(tmp_path):
    """Two classes, three rates, stereo, 24 bits, one file too short."""
    folder = tmp_path / "my sounds"
    for i in range(12):
        rate, channels, bits = (8_000, 11_025, 44_100)[i % 3], 1 + i % 2, (16, 24, 8)[i % 3]
        name = folder / ("höch" if i % 2 else "low") / f"{i}.wav"
        written(name, sine(300 + 30 * i, rate, 0.6, channels), rate, bits)
    written(folder / "low" / "click.wav", sine(seconds=0.01))
    return folder


def test_what_is_found_is_said_in_one_line(mixture):
    source = Sounds(mixture, seconds=0.1)
    assert source.spec == Spec((1, 800), "real", 2)
    assert source.class_names == ("höch", "low")
    assert (
        "13 files of 8,000, 11,025 and 44,100 Hz, 1 and 2 channels, 16-bit, 24-bit and 8-bit, 7.2 s, resampled to "
        "8,000 Hz, mixed down to one channel; 72 clips of 0.1 s; 1 shorter than a clip left out, such as low/click.wav"
    ) in source.warning
    assert "\n" not in source.warning


def test_clips_of_a_file_are_in_one_split_and_bear_its_class(mixture):
    source = Sounds(mixture, length=400)
    places = source.layout.splits
    assert not {*places["train"]} & {*places["test"]}
    pitches = {name: set() for name in places}
    for name in places:
        x, y = source.split(name).first()
        hertz = np.abs(np.fft.rfft(x[:, 0].numpy(), 8_000)).argmax(1)
        pitches[name] = {30 * round(int(h) / 30) for h in hertz}
        assert len(y) == len(x)
    assert not pitches["train"] & pitches["test"]


def test_channels_are_kept_where_asked_and_the_rate_is_followed(mixture):
    source = Sounds(mixture, rate=4_000, length=200, channels=2)
    assert source.spec.shape == (2, 200)
    assert source.rate == 4_000
    assert "one channel doubled" in source.warning


def test_a_zip_is_a_folder_and_its_path_says_that_it_holds_sound(mixture, tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as file:
        for wav in mixture.rglob("*.wav"):
            file.write(wav, wav.relative_to(mixture).as_posix())
        file.writestr("__MACOSX/low/._0.wav", b"nothing")
        file.writestr("cover.png", b"no picture either")
    found = catalogue.source(Data(str(path), options={"length": 400}))
    assert isinstance(found, Sounds)
    assert torch.equal(found.split("train").x, Sounds(mixture, length=400).split("train").x)
    assert found.fingerprint == Sounds(mixture, length=400).fingerprint


def test_pictures_with_a_sound_among_them_stay_pictures(tmp_path):
    from PIL import Image

    for i in range(3):
        Image.new("L", (8, 8), 80 * i).save(tmp_path / f"{i}.png")
    written(tmp_path / "click.wav", sine())
    assert isinstance(catalogue.source(str(tmp_path)), Folder)


def test_one_file_is_enough_and_says_that_splits_are_alike(tmp_path):
    source = catalogue.source(Data(str(written(tmp_path / "a.wav", sine(seconds=2))), options={"length": 500}))
    assert source.sizes == {"train": 32, "valid": 32, "test": 32}
    assert "hold the same as train" in source.warning


def test_of_few_files_one_each_is_held_out():
    found = arranged([f"{c}/{i}.wav" for c in "ab" for i in range(3)])
    sizes = {split: len(files) for split, files in found.splits.items()}
    assert sizes == {"train": 4, "valid": 1, "test": 1}
    assert {found.labels[i] for i in found.splits["train"]} == {0, 1}


def test_silence_is_said_and_can_be_left_out(tmp_path):
    x = np.concatenate([np.zeros((1, 4_000)), sine(seconds=0.5)], 1)
    path = written(tmp_path / "a.wav", x)
    assert "4 of 8 clips are silent: to leave them out" in Sounds(path, length=1_000).warning
    assert len(Sounds(path, length=1_000, silent="drop").split("train")) == 4
    with pytest.raises(DataError, match="silence alone"):
        Sounds(written(tmp_path / "b.wav", 0 * x), length=1_000, silent="drop")


def test_floats_beyond_full_scale_are_clipped_and_said(tmp_path):
    wavfile.write(tmp_path / "a.wav", 8_000, sine(loud=1.5).T.astype(np.float32))
    source = Sounds(tmp_path, length=1_000)
    assert float(source.split("train").x.abs().max()) == 1
    assert "1 clipped at full scale" in source.warning


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"length": 10**6}, r"4,000 samples at 8,000 Hz at most; clips of 1,000,000 are expected"),
        ({"length": 10, "seconds": 1.0}, "length and seconds came together"),
        ({"length": 0}, "at least 1"),
        ({"rate": "fast"}, "at least 1"),
        ({"silent": "no"}, "keep, drop are expected"),
        ({"chanels": 2}, "channels"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, options, says):
    written(tmp_path / "a.wav", sine())
    with pytest.raises(ValueError, match=says) as caught:
        catalogue.source(Data(str(tmp_path), options=options))
    assert "\n" not in str(caught.value)


def test_files_without_a_clip_are_in_no_split(tmp_path):
    for i in range(12):
        written(tmp_path / f"{i}.wav", sine(seconds=0.5 if i in (3, 4, 7) else 0.001))
    source = Sounds(tmp_path, length=1_000)
    assert source.sizes == {"train": 4, "valid": 4, "test": 4}
    assert "9 shorter than a clip left out" in source.warning


def test_a_file_without_a_sample_is_left_out_or_named(tmp_path):
    written(tmp_path / "a.wav", sine()[:, :0])
    with pytest.raises(DataError, match="holds no sound"):
        Sounds(tmp_path)
    written(tmp_path / "b.wav", sine())
    written(tmp_path / "c.wav", sine(rate=11_025)[:, :0], rate=11_025)
    assert "2 shorter than a clip left out, such as a.wav" in Sounds(tmp_path, length=1_000).warning


def test_an_empty_folder_is_named_and_a_damaged_file_in_one_too(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        Sounds(tmp_path / "none")
    with pytest.raises(DataError, match="holds no WAV files"):
        Sounds(tmp_path)
    written(tmp_path / "a.wav", sine())
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"b\.wav is damaged"):
        Sounds(tmp_path)


def test_tones_are_loud_enough_and_of_their_instruments():
    source = Tones(length=1_000)
    x, y = source.split("valid").first()
    assert y.bincount().tolist() == [50] * 4
    assert 0.05 < float(x.std()) < 0.3
    assert float(x.abs().max()) < 1
    power = torch.fft.rfft(x[:, 0]).abs().square()
    high = power[:, 200:].sum(1) / power.sum(1)  # above 800 Hz
    assert float(high[y == 3].mean()) > 3 * float(high[y == 0].mean())  # bells ring higher than flutes


# The μ-law ------------------------------------------------------------------------------------------------------------


def test_expanding_undoes_companding():
    x = torch.linspace(-1, 1, 2_001, dtype=torch.float64)
    assert torch.allclose(expand(compand(x, 255.0), 255.0), x, atol=1e-12)
    assert bool((compand(x, 255.0).diff() > 0).all())


@pytest.mark.parametrize("levels", [2, 8, 256])
def test_the_density_of_levels_integrates_to_one_and_is_nothing_beyond(levels):
    law, logits = MuLaw(levels), torch.randn(levels)
    inside = (law.edges[1:] + law.edges[:-1]) / 2
    p = law.log_prob(logits.expand(levels, -1), inside).exp()
    assert float((p * law.widths).double().sum()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(law.level(inside), torch.arange(levels))
    assert law.log_prob(logits.expand(2, -1), torch.tensor([-1.01, 1.01])).tolist() == [-math.inf] * 2


def test_draws_of_a_level_follow_its_probability_and_lie_anywhere_within_it():
    law, logits = MuLaw(8), torch.randn(8)
    with seeded(0):
        x = law.sample(logits.expand(40_000, -1))
    counts = torch.bincount(law.level(x), minlength=8) / len(x)
    assert torch.allclose(counts, logits.softmax(0), atol=0.01)
    within = (x - law.edges[law.level(x)]) / law.widths[law.level(x)]
    assert float(within.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(within.var()) == pytest.approx(1 / 12, abs=0.003)


# WaveNet --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [Spec((1, 4), "real"), Spec((2, 2), "real"), Spec((4,), "real", 3)])
def test_the_density_integrates_to_one(spec):
    model = made(spec, mu=3)
    middle = (model.law.edges[1:] + model.law.edges[:-1]) / 2
    points = torch.cartesian_prod(*[middle] * 4)
    volumes = torch.cartesian_prod(*[model.law.widths] * 4).prod(1)
    # within levels the density of later values changes with earlier ones: one value after the other, it is even
    with torch.no_grad(), seeded(0):
        u = torch.rand(20, *points.shape)
        low = torch.cartesian_prod(*[model.law.edges[:-1]] * 4)
        width = torch.cartesian_prod(*[model.law.widths] * 4)
        totals = [float((model.log_prob((low + v * width).view(-1, *spec.shape)).exp() * volumes).sum()) for v in u]
    assert np.mean(totals) == pytest.approx(1, abs=4 * np.std(totals) / math.sqrt(len(totals)) + 1e-4)
    last = points.clone()
    with torch.no_grad():
        conditional = model.chain(0).conditional.log_prob(model.chain(0).parameters(last), last).exp()
    each = (conditional.view(4, 4, 4, 4, 4) * model.law.widths.view(1, 1, 1, 4, 1))[..., -1].sum(3)
    assert torch.allclose(each, torch.ones_like(each), atol=1e-5) or spec.shape == (2, 2)


@pytest.mark.parametrize(("layers", "blocks"), [(1, 1), (2, 1), (3, 1), (2, 2)])
def test_an_output_sees_exactly_the_receptive_field(layers, blocks):
    model = made(Spec((1, 16), "real"), sizes=DilatedSizes(layers, blocks, 5, 5))
    x = torch.rand(16) - 0.5
    seen = torch.autograd.functional.jacobian(lambda v: model.chain(0).parameters(v[None])[0], x).abs().sum(1) > 0
    expected = 2 + blocks * (2**layers - 1)
    assert model.receptive_field == expected
    back = torch.arange(16)[:, None] - torch.arange(16)
    assert torch.equal(seen, (back > 0) & (back <= expected))


@pytest.mark.parametrize(
    ("spec", "k"), [(Spec((1, 40), "real"), 0), (Spec((2, 20), "real"), 0), (Spec((40,), "real", 3), 2)]
)
def test_draws_from_queues_are_those_of_whole_passes(spec, k):
    model = made(spec, mu=255)
    with torch.no_grad():
        with seeded(1):
            cached = draw(model.chain(k), 3)
        with seeded(1):
            naive = draw(Recomputed(model.chain(k)), 3)
    assert torch.equal(cached, naive)


def test_channels_take_turns():
    model = made(Spec((2, 3), "real"))
    assert model.order.tolist() == [0, 3, 1, 4, 2, 5]


def test_classes_are_mixed_by_their_frequency_and_told_apart_by_bayes_rule():
    model = made(Spec((1, 6), "real", 2))
    model.initialize(Batch(torch.zeros(4, 1, 6), torch.tensor([0, 1, 1, 1])))
    x = torch.rand(5, 1, 6) - 0.5
    with torch.no_grad():
        each = torch.stack([model.chain(k).log_prob(x.flatten(1)) for k in range(2)], 1)
        joint = each + torch.tensor([0.25, 0.75]).log()
        assert torch.allclose(model.log_prob(x), joint.logsumexp(1), atol=1e-5)
        assert torch.allclose(model.classify(x), joint.log_softmax(1), atol=1e-5)
    assert model.sample(3, torch.tensor([0, 1, 1])).shape == (3, 1, 6)


def test_examples_are_scored_alike_in_parts_and_whole(monkeypatch):
    from counterfeit.models.autoregressive import wavenet

    model, x = made(Spec((1, 6), "real", 2)), torch.rand(5, 1, 6) - 0.5
    with torch.no_grad():
        whole, given = model.log_prob(x), model.given(torch.tensor([0, 1, 0, 1, 1])).log_prob(x.flatten(1))
        monkeypatch.setattr(wavenet, "PLACES", 12)
        assert torch.allclose(model.log_prob(x), whole, atol=1e-5)
        assert torch.allclose(model.given(torch.tensor([0, 1, 0, 1, 1])).log_prob(x.flatten(1)), given, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "settings", "says"),
    [
        (Spec((1, 8, 8)), {}, "expects real"),
        (Spec((1, 8, 8), "real"), {}, "expects sound"),
        (Spec((1, 8), "real"), {"mu": 0}, "mu=0 came"),
    ],
)
def test_what_is_no_sound_is_refused(spec, settings, says):
    with pytest.raises(ValueError, match=says):
        WaveNet(spec, **settings)


def test_sound_beyond_full_scale_is_refused_before_training():
    with pytest.raises(ValueError, match=r"the data lie in \[-3, 3\]; WaveNet expects sound in \[-1, 1\]"):
        made().initialize(Batch(torch.tensor([[[3.0, -3.0] * 6]])))


def test_it_learns_that_a_sine_goes_on():
    with seeded(0):
        model = WaveNet(Spec((1, 64), "real"), DilatedSizes(3, 1, 12, 12), mu=31)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(60):
            x = 0.8 * torch.sin(torch.rand(16, 1, 1) * 7 + 0.5 * torch.arange(64))
            (update,) = model.updates(lambda x=x: Batch(x), Clock(0, 1))
            optimizer.zero_grad()
            update.loss.backward()
            optimizer.step()
    even = MuLaw(32).log_prob(torch.zeros(64, 32), x[0, 0]).sum()
    assert float(-update.loss.detach() - even) > 64 * 0.7  # nats: half of the levels are told


# Baselines ------------------------------------------------------------------------------------------------------------


def walk(n=200, d=100, seed=0):
    """x_t = 0.9 x_{t-1} + 0.05 noise."""
    random, x = np.random.RandomState(seed), np.zeros((n, d))
    for t in range(d):
        x[:, t] = 0.9 * x[:, t - 1] * (t > 0) + 0.05 * random.standard_normal(n)
    return torch.from_numpy(x).float()


def test_linear_prediction_finds_the_process_and_its_likelihood():
    best = fit_linear_predictions(walk(), walk(100, seed=1))
    gaussian = next(one for one in best if one.log_density is None and len(one.weights) == 1)
    assert float(gaussian.weights) == pytest.approx(0.9, abs=0.01)
    assert gaussian.std == pytest.approx(0.05, abs=0.001)
    truth = -math.log(0.05) - 0.5 * math.log(2 * math.pi) - 0.5
    assert float(best[-1].log_prob(walk(100, seed=2)).mean()) / 100 == pytest.approx(truth, abs=0.02)


def test_linear_prediction_solves_the_least_squares_of_padded_clips():
    x, order = walk(5, 30), 4
    lags = torch.stack([torch.nn.functional.pad(x, (back, 0))[:, :30] for back in range(1, order + 1)], -1)
    expected = torch.linalg.lstsq(lags.flatten(0, 1).double(), x.flatten().double()).solution
    found = next(one for one in fit_linear_predictions(x, x) if len(one.weights) == order)
    assert torch.allclose(found.weights, expected, atol=1e-6)


def test_ngrams_sum_to_one_and_an_order_helps_where_values_depend():
    grams = fit_ngrams(walk(), walk(100, seed=1), orders=3, levels=16)
    law = MuLaw(16)
    middle = (law.edges[1:] + law.edges[:-1]) / 2
    contexts = torch.cartesian_prod(middle, middle, middle)
    for gram in grams:
        last = gram.probabilities(law.level(contexts))[:, 2].view(16, 16, 16).sum(2)
        assert torch.allclose(last, torch.ones_like(last))
    scores = [float(gram.log_prob(walk(100, seed=2)).mean()) for gram in grams]
    assert scores[1] > scores[0] + 10


def test_bits_of_a_sample_are_those_of_sixteen_bit_levels():
    assert in_bits(-100 * math.log(2), 100) == 16


# Pictures and commands ------------------------------------------------------------------------------------------------


def test_a_waveform_is_drawn_where_it_is():
    picture = waveforms(torch.tensor([[[1.0] * 50 + [-1.0] * 50]]), height=11, width=10)
    assert picture.shape == (1, 1, 11, 10)
    ink = picture[0, 0] < 0.5
    assert ink[0, :4].all()
    assert ink[-1, 6:].all()
    assert not ink[-1, :3].any()


def test_a_spectrogram_finds_where_a_pitch_changes():
    x = np.concatenate([sine(500, 4_000, 0.5)[0], sine(1_500, 4_000, 0.5)[0]])
    loud, (_, end, _, top) = spectrogram(x, 4_000)
    assert end == 1
    hertz = loud.argmax(0) / (len(loud) - 1) * top
    assert hertz[len(hertz) // 4] == pytest.approx(500, abs=20)
    assert hertz[3 * len(hertz) // 4] == pytest.approx(1_500, abs=20)


def test_a_folder_trains_samples_and_reports(mixture, tmp_path, capsys):
    out = tmp_path / "run"
    options = ("--data.options", "{length: 100}", "--metrics", "bits-per-sample", "--max_examples", "4")
    assert main(["train", "wavenet", "--data", str(mixture), "--out", str(out), *QUICK, *TINY, *options[:2]]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "resampled to 8,000 Hz, mixed down to one channel" in said
    run = Run(out)
    names = [*run.evaluation["bits-per-sample"]["details"]["references"]]
    assert [name.partition(" of")[0] for name in names] == ["n-gram", "linear prediction"]
    page = (out / "report.html").read_text()
    assert page.count("<audio") >= 2
    assert "Receptive field" in page
    assert "each sample depends on the last 5 samples, 0.625 ms at 8,000 Hz" in said
    assert main(["sample", str(out), "-n", "3"]) == 0
    assert read_wav((out / "samples.wav").read_bytes(), "x").rate == 8_000
    assert main(["sample", str(out), "-n", "3", "--class", "low", "--out", str(tmp_path / "many")]) == 0
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == [f"0000{i}.wav" for i in range(3)]
    assert main(["sample", str(out), "-n", "3", "--out", str(tmp_path / "x.png")]) == 0
    assert main(["sample", str(out), "-n", "3", "--out", str(tmp_path / "x.mp3")]) == 2
    assert ".wav" in capsys.readouterr().err
    assert main(["data", "show", str(mixture), "--out", str(tmp_path / "data.png")]) == 0
    capsys.readouterr()
    assert main(["score", str(out), str(mixture / "low" / "0.wav"), "--out", str(tmp_path / "scores.csv")]) == 0
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 1 + 48


@pytest.mark.parametrize("recipe", ["gan", "vae", "maf", "rnade", "autoencoder", "dcgan", "made", "real-nvp"])
def test_other_models_train_on_sound_or_say_in_one_line_what_they_need(recipe, tmp_path, capsys):
    options = ("--data.options", "{length: 64}", "--no-evaluate")
    code = main(["train", recipe, "--data", "tones", "--out", str(tmp_path / "run"), *QUICK, *options])
    said = capsys.readouterr().err.strip().splitlines()
    if recipe in ("dcgan", "made"):
        assert code == 2
        assert "expect" in said[-1]
    else:
        assert code == 0, said
        assert main(["sample", str(tmp_path / "run"), "-n", "2"]) == 0
        assert (tmp_path / "run" / "samples.wav").exists()


@pytest.mark.parametrize("x", [sine(seconds=0.01), np.zeros((1, 800))], ids=["one clip", "silence"])
def test_very_little_sound_trains_too(x, tmp_path):
    written(tmp_path / "sounds" / "a.wav", x)
    options = ("--data.options", "{length: 80}", "--no-evaluate", "--no-report")
    words = ("--data", str(tmp_path / "sounds"), "--out", str(tmp_path / "run"))
    assert main(["train", "wavenet", *words, *QUICK, *TINY, *options]) == 0
    assert Run(tmp_path / "run").sample(2).shape == (2, 1, 80)
