"""Figures, pages and files made from run folders: their mathematics, their words, and that they need nothing else."""

from __future__ import annotations

import io
import math
import re
import shutil
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from counterfeit import catalogue
from counterfeit.common.estimate import Estimate
from counterfeit.common.files import write_json
from counterfeit.common.numbers import number
from counterfeit.config.nested import merge
from counterfeit.data.images import save_png, to_uint8
from counterfeit.data.sources.toy import Bimodal1D, Ring
from counterfeit.inference.draws import evaluating
from counterfeit.inference.latent import interpolate, lerp, slerp
from counterfeit.report.export import write_samples
from counterfeit.report.figures import latent_maps, points
from counterfeit.report.figures.animation import animation, frames, linspaced, pictures
from counterfeit.report.figures.run_figures import figures
from counterfeit.report.html import grids, plot
from counterfeit.report.html.figure import Figure, save
from counterfeit.report.html.markup import tag
from counterfeit.report.run_page.facts import goals, measurements, summary
from counterfeit.report.run_page.page import page, write
from counterfeit.report.run_page.tables import verdict as verdict_of
from counterfeit.run.run import Run, train

HOSTILE = '</style><script>alert("1")</script><img src=x onerror=alert(1)>'
RUNS = {
    "gan": ("gan", {}),
    "vae": ("vae", {}),
    "line": ("gan-bimodal", {}),
    "plane": ("gan-bimodal", {"data": {"name": "ring"}}),
    "symmetric": ("gan", {"data": {"transforms": ["symmetric"]}}),
    "flat": ("gan", {"data": {"transforms": ["flatten"]}}),
    "map": ("vae", {"model": {"latent_dim": 2}}),
    "flow": ("real-nvp", {"data": {"transforms": ["standardize"]}}),
    "chain": ("rbm", {}),
    "diffusion": ("diffusion", {}),
}
FIGURES = {
    "gan": ["samples", "figure2", "figure3", "training", "curves-loss", "curves-discriminator"],
    "vae": [
        "completions", "samples", "figure2", "figure3", "latent-map", "latent-plane", "reconstructions", "edits",
        "training", "curves-loss", "curves-terms", "curves-valid-elbo",
    ],
    "line": ["samples", "training", "curves-loss", "curves-discriminator"],
    "plane": ["data", "samples", "training", "curves-loss", "curves-discriminator"],
    "chain": [
        "completions", "filters", "samples", "figure2", "chains", "training", "curves-layer",
    ],
    "diffusion": [
        "completions", "upscalings", "translations", "domains", "samples", "figure2", "training", "curves-net",
    ],
    "flow": ["data", "samples", "density", "steps", "training", "curves-loss", "curves-valid-log-likelihood"],
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A smoke run of each kind, trained once."""
    made: dict[str, Run] = {}

    def get(kind: str) -> Run:
        if kind not in made:
            name, own = RUNS[kind]
            settings = merge(merge(catalogue.recipe(name).smoke, own), {"train": {"tensorboard": False}})
            made[kind] = train(name, out=tmp_path_factory.mktemp("runs") / kind, settings=settings, show=False)
        return made[kind]

    return get


@pytest.fixture(scope="module")
def drawn(trained: Callable[[str], Run]) -> Callable[[str], list[Figure]]:
    """The figures of each, made once."""
    return cache(lambda kind: figures(trained(kind)))


@pytest.fixture
def run(trained: Callable[[str], Run], tmp_path: Path) -> Run:
    """A copy of the GAN on digits, to change at will."""
    original = trained("gan")
    shutil.copytree(original.path, tmp_path / "run")
    copied = copy(original)
    copied.path, copied.description = tmp_path / "run", dict(original.description)
    return copied


class Linear:
    """A decoder that is known."""

    def prior(self, n: int) -> torch.Tensor:
        return torch.randn(n, 3)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return (z @ torch.arange(12.0).view(3, 4)).view(-1, 1, 2, 2)


def codes(n: int = 5, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, size, generator=generator), torch.randn(n, size, generator=generator)


@pytest.mark.parametrize("path", [lerp, slerp])
def test_paths_start_and_end_where_they_should(path) -> None:
    a, b = codes()
    walked = path(a, b, torch.linspace(0, 1, 7))
    assert walked.shape == (5, 7, 16)
    torch.testing.assert_close(walked[:, 0], a)
    torch.testing.assert_close(walked[:, -1], b)


def test_straight_line_passes_the_midpoint() -> None:
    a, b = codes()
    torch.testing.assert_close(lerp(a, b, torch.tensor([0.5]))[:, 0], (a + b) / 2)


def test_great_circle_keeps_the_norm() -> None:
    a, b = (4 * x / x.norm(dim=1, keepdim=True) for x in codes())
    torch.testing.assert_close(slerp(a, b, torch.linspace(0, 1, 9)).norm(dim=2), torch.full((5, 9), 4.0))


def test_norm_changes_linearly_on_the_great_circle() -> None:
    a, b = codes()
    t = torch.linspace(0, 1, 9)
    expected = (1 - t) * a.norm(dim=1, keepdim=True) + t * b.norm(dim=1, keepdim=True)
    torch.testing.assert_close(slerp(a, b, t).norm(dim=2), expected)


def test_great_circle_turns_at_constant_speed() -> None:
    a, b = (x / x.norm(dim=1, keepdim=True) for x in (x.double() for x in codes()))
    walked = slerp(a, b, torch.linspace(0, 1, 9, dtype=torch.float64))
    angles = (walked[:, :-1] * walked[:, 1:]).sum(2).acos()
    torch.testing.assert_close(angles, angles[:, :1].expand_as(angles))


@pytest.mark.parametrize("sign", [1, -1])
def test_great_circle_between_parallel_codes_is_the_line(sign: int) -> None:
    a, t = codes()[0], torch.linspace(0, 1, 5)
    torch.testing.assert_close(slerp(a, 2.0 * sign * a, t), lerp(a, 2.0 * sign * a, t))


@pytest.mark.parametrize("path", [lerp, slerp])
def test_interpolation_ends_at_what_the_codes_decode_to(path) -> None:
    model = Linear()
    a, b = codes(size=3)
    walked = interpolate(model, a, b, 6, path)
    assert walked.shape == (5, 6, 1, 2, 2)
    torch.testing.assert_close(walked[:, 0], model.decode(a))
    torch.testing.assert_close(walked[:, -1], model.decode(b))


def test_walks_of_a_run_share_their_ends(trained) -> None:
    run = trained("gan")
    straight, curved = grids.walks(run, 3, 5)
    assert straight.shape == curved.shape == (3, 5, 1, 8, 8)
    torch.testing.assert_close(straight[:, [0, -1]], curved[:, [0, -1]])
    with evaluating(run.model, grids.SEED):
        ends = run.model.decode(run.model.prior(6))
    torch.testing.assert_close(straight[:, [0, -1]], torch.stack([ends[:3], ends[3:]], 1))


def test_neighbours_are_the_nearest_training_examples(trained) -> None:
    run = trained("gan")
    train = run.source.split("train").first().x
    x = (train[[7, 500, 1200]] + 0.05 * torch.rand(3, 1, 8, 8)).clamp(0, 1)
    near, distances = grids.neighbours(run, x)
    assert torch.equal(near, train[[7, 500, 1200]])
    torch.testing.assert_close(distances, (x - near).flatten(1).norm(dim=1))


def test_neighbours_agree_with_brute_force(trained) -> None:
    run = trained("gan")
    train, x = run.source.split("train").first().x, torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    differences = (x[:, None] - train).flatten(2).norm(dim=2)
    near, distances = grids.neighbours(run, x)
    torch.testing.assert_close(distances, differences.amin(1))
    assert torch.equal(near, train[differences.argmin(1)])


def test_framed_column_shows_the_neighbours_in_color() -> None:
    x, near = torch.rand(3, 4, 1, 8, 8), torch.rand(3, 1, 8, 8)
    grid = grids.framed(x, near)
    assert grid.shape == (3 * 58 + 2, 5 * 58 + 4, 3)
    last = grid[:, -60:]
    assert (last[0] == grids.FRAME).all()
    assert (last[:, :2] == grids.FRAME).all()
    assert (last[2 : 2 + 56 : 7, 2 : 2 + 56 : 7] == to_uint8(near)[0, ..., None]).all()
    assert not (grid[:, :-60] == grids.FRAME).all(2).any()


def test_rows_that_are_shorter_end_in_gray() -> None:
    rows = [(torch.zeros(3, 1, 56, 56), torch.zeros(2, 1, 56, 56)), (torch.zeros(1, 3, 56, 56),)]
    pixels = grids.stacked(rows, gap=4)
    assert pixels.shape == (2 * 58 + 2 + 4 + 58 + 2, 3 * 58 + 2, 4)
    centres = [[int(pixels[row, 30 + 58 * column, 0]) for column in range(3)] for row in (30, 88, 152)]
    assert centres == [[0, 0, 0], [0, 0, 128], [0, 128, 128]]


def test_pairs_are_stacked_with_a_transparent_gap() -> None:
    rows = [(torch.rand(5, 3, 56, 56), torch.rand(5, 3, 56, 56)) for _ in range(2)]
    grid = grids.stacked(rows, gap=10)
    assert grid.shape == (2 * 118 + 10, 5 * 58 + 2, 4)
    assert (grid[118:128, :, 3] == 0).all()
    assert (grid[:118, :, 3] == 255).all()


def test_reconstructions_decode_the_codes_of_test_examples(trained) -> None:
    run = trained("vae")
    x, again = grids.reconstructions(run, 6)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    with torch.no_grad():
        torch.testing.assert_close(again, run.model.decode(run.model.encode(x)))


def test_a_map_of_codes_decodes_its_places_where_they_lie(trained) -> None:
    """The corners of the plane, from its upper left one, and only for codes of two numbers."""
    run = trained("map")
    z = torch.tensor([[-1.0, -2.0], [1.0, 2.0]] * 50)
    found = latent_maps.decoded_plane(run, z, side=3)
    with evaluating(run.model, 0):
        corners = run.model.decode(torch.tensor([[-1.0, 2.0], [1.0, 2.0], [-1.0, -2.0], [1.0, -2.0]]))
    torch.testing.assert_close(found[[0, 2, 6, 8]], run.source.natural(corners), atol=1e-5, rtol=0)
    assert {"latent-map", "latent-plane"} <= {figure.name for figure in figures(run)}
    assert not latent_maps._flat(trained("gan"))


def test_samples_are_shown_in_the_unit_before_transforms(trained) -> None:
    run = trained("symmetric")
    with evaluating(run.model, 0):
        torch.testing.assert_close(run.sample(3), (run.model.sample(3) + 1) / 2)
    assert 0 <= grids.samples(run, 3).min() <= grids.samples(run, 3).max() <= 1
    assert grids.neighbours(run, torch.rand(2, 1, 8, 8))[0].min() >= 0


def test_flattened_images_are_shown_as_images(trained) -> None:
    assert trained("flat").sample(3).shape == (3, 1, 8, 8)
    assert grids.samples(trained("flat"), 3).shape == (3, 1, 8, 8)


def test_losses_are_together_and_validation_apart() -> None:
    events = [
        {"step": 1, "seconds": 1.0, "d/loss": 1.0, "g/loss": 2.0, "d/real": 0.6, "d/fake": 0.4, "kl": 3.0},
        {"step": 1, "valid/elbo": -5.0},
        {"step": 2, "d/loss": None, "g/loss": 3.0},
    ]
    found = plot.panels(events)
    assert [*found] == ["loss", "d", "terms", "valid/elbo"]
    assert found["loss"] == {"d": ([1], [1.0]), "g": ([1, 2], [2.0, 3.0])}
    assert [*found["d"]] == ["real", "fake"]


def test_thinned_curves_keep_their_mean() -> None:
    steps, values = [float(i) for i in range(1000)], [math.sin(i) for i in range(1000)]
    thin = plot.thinned(plot.Series(steps, values), 100)
    assert len(thin.steps) == 100
    assert np.mean(thin.values) == pytest.approx(np.mean(values))


def test_curves_are_the_same_every_time_and_well_formed() -> None:
    panel = {"elbo": plot.Series([1.0, 2.0, 3.0], [-3.0, -1.0, -2.0])}
    drawn = [plot.curves(panel, max, plot.DARK) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert "best −1 at step 2" in "".join(ElementTree.fromstring(drawn[0]).itertext())


def test_extent_holds_nearly_all_points() -> None:
    x = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(0))
    (left, right), (bottom, top) = points.extent(x, x + 1)
    inside = (x[:, 0] > left) & (x[:, 0] < right) & (x[:, 1] > bottom) & (x[:, 1] < top)
    assert inside.float().mean() > 0.99
    assert right > 1 + x[:, 0].quantile(0.99)


def test_surface_integrates_to_one() -> None:
    within = [(-3.0, 3.0), (-2.8, 2.8)]
    truth = points.surface(Ring(), within)
    assert truth is not None
    cell = (6.0 / (points.CELLS - 1)) * (5.6 / (points.CELLS - 1))
    assert float(truth.sum()) * cell == pytest.approx(1, abs=0.02)


def test_density_of_a_source_that_does_not_know_it_is_none(trained) -> None:
    assert points.density(trained("gan").source, torch.rand(1, 1, 8, 8)) is None
    assert points.density(Bimodal1D(), torch.tensor([[2.0]])) == pytest.approx(0.5 / (0.5 * math.sqrt(2 * math.pi)))


def test_a_scatter_far_from_the_density_is_drawn() -> None:
    assert points.plane(torch.zeros(points.CELLS, points.CELLS), torch.rand(5, 2), [(0, 1), (0, 1)], 1, plot.LIGHT)


@pytest.mark.parametrize(("n", "most"), [(1, 5), (2, 2), (7, 3), (100, 32)])
def test_spread_keeps_both_ends(n: int, most: int) -> None:
    found = linspaced(n, most)
    assert (found[0], found[-1], len(found)) == (0, n - 1, min(n, most))


def saved(folder: Path, n: int, size: int = 60) -> Path:
    random = np.random.default_rng(0)
    for i in range(n):
        save_png(folder / "samples" / f"step-{i * 10:08d}.png", random.integers(0, 256, (size, size), dtype=np.uint8))
    return folder


def test_frames_are_in_the_order_of_training(tmp_path: Path) -> None:
    saved(tmp_path, 12)
    (tmp_path / "samples" / "other.png").write_bytes(b"")
    assert [frame.step for frame in frames(tmp_path)] == [10 * i for i in range(12)]


def test_animation_holds_its_last_frame(tmp_path: Path) -> None:
    made = pictures(frames(saved(tmp_path, 6)))
    movie = Image.open(io.BytesIO(animation(made)))
    durations = []
    for i in range(movie.n_frames):
        movie.seek(i)
        movie.load()
        durations.append(movie.info["duration"])
    assert len(durations) == 6
    assert durations[-1] >= 2000 > durations[0]
    assert np.array_equal(np.asarray(movie.convert("RGB")), made[-1])


def test_animation_keeps_to_its_limit(tmp_path: Path) -> None:
    made = pictures(frames(saved(tmp_path, 20)))
    whole = animation(made)
    assert len(animation(made, len(whole) // 3)) <= len(whole) // 3


def test_wide_pictures_are_made_smaller(tmp_path: Path) -> None:
    assert pictures(frames(saved(tmp_path, 1, 1500)))[0].shape == (506, 500, 3)


def test_frames_of_another_size_are_fitted(tmp_path: Path) -> None:
    saved(tmp_path, 3, 80)
    saved(tmp_path, 2, 60)
    assert len({picture.shape for picture in pictures(frames(tmp_path))}) == 1


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (225.284, 2.07, "225.3 ± 2.1"),
        (-23.5682, 0.26046, "−23.57 ± 0.26"),
        (1234.0, 160.0, "1,234 ± 160"),
        (7.0, 0.0, "7"),
    ],
)
def test_errors_say_how_many_digits_mean_something(value: float, error: float, text: str) -> None:
    assert number(value, error) == text


def measured(run: Run, value: float, **details: object) -> None:
    entry = {"value": value, "error": 1.0, "n": 100, "protocol": "as it was done", "fingerprint": "f"}
    entry["details"] = details
    write_json(run.path / "evaluation.json", {"parzen": entry | {"checkpoint": run.checkpoint.name}})


def aimed(run: Run, **goal: object) -> None:
    run.description["targets"] = [{"metric": "parzen", "value": 225, **goal}]


@pytest.mark.parametrize(
    ("value", "goal", "verdict", "reached"),
    [
        (226.0, {}, "reached", True),
        (220.0, {}, "short by 5", False),
        (224.0, {"error": 2}, "short by 1, within its error", False),
        (226.0, {"better": "lower"}, "too high by 1", False),
        (220.0, {"better": "lower"}, "reached", True),
    ],
)
def test_goals_are_compared_in_their_own_direction(run: Run, value, goal, verdict, reached) -> None:
    measured(run, value)
    aimed(run, **goal)
    found = goals(run)[0]
    assert (verdict_of(found), found.reached) == (verdict, reached)


@pytest.mark.parametrize(("name", "verdict"), [("translation-error", "reached"), ("recall", "short by 0.2")])
def test_goals_of_a_metric_with_several_rows_are_compared_in_the_direction_of_theirs(run: Run, name, verdict) -> None:
    entry = {"value": 0.1, "error": None, "n": 100, "protocol": "as it was done", "fingerprint": "f",
             "checkpoint": run.checkpoint.name}  # fmt: skip
    write_json(run.path / "evaluation.json", {name: entry})
    run.description["targets"] = [{"metric": name, "value": 0.3}]
    assert verdict_of(goals(run)[0]) == verdict


def test_a_goal_that_was_not_measured_says_so(run: Run) -> None:
    aimed(run)
    assert (verdict_of(goals(run)[0]), goals(run)[0].reached) == ("not measured", None)


def test_goals_are_for_the_data_of_the_recipe(run: Run) -> None:
    aimed(run)
    run.config = replace(run.config, data=replace(run.config.data, name="mnist"))
    assert goals(run) == []
    assert summary(run).endswith("; here on mnist")


def test_copies_and_warnings_are_told(run: Run) -> None:
    measured(run, 200.0, copies=3, warning="sigma lies at the edge")
    assert measurements(run)[0].warnings == [
        "sigma lies at the edge",
        "3 of 100 samples are copies of training examples",
    ]


def test_a_measurement_of_another_checkpoint_is_told(run: Run) -> None:
    entry = {"value": 1.0, "error": None, "n": 1, "protocol": "", "fingerprint": "f", "checkpoint": "step-00000003"}
    write_json(run.path / "evaluation.json", {"parzen": entry})
    assert "measured at step-00000003, while this page shows step-00000006" in measurements(run)[0].warnings[0]


def test_references_stand_beside_the_value(run: Run) -> None:
    measured(run, 200.0, references={"real": {"value": 243.0, "error": 2.0, "sigma": 0.2}}, sigma=0.2)
    found = measurements(run)[0]
    assert (found.name, found.found) == ("parzen", Estimate(200.0, 1.0, 100))
    assert found.references == {"real (reference)": Estimate(243.0, 2.0, more={"sigma": 0.2})}


@pytest.mark.parametrize("kind", FIGURES)
def test_figures_that_apply_are_made(drawn, kind: str) -> None:
    made = drawn(kind)
    assert [figure.name for figure in made] == FIGURES[kind]
    assert all(figure.caption and figure.alt for figure in made)


def test_the_density_of_a_model_is_of_the_data_as_given(trained: Callable[[str], Run]) -> None:
    """It is 1 in all over the plane, and what the model says of single points, whose transforms stretch them."""
    run, within = trained("flow"), [(-9.0, 11.0), (-9.0, 9.0)]
    found = points.learned(run, within)
    cell = 20 * 18 / (points.CELLS - 1) ** 2
    assert float(found.sum()) * cell == pytest.approx(1, abs=0.01)
    place = torch.tensor([[-9 + 20 * 150 / 299, -9 + 18 * 120 / 299]])
    seen = run.source.transform(place)
    std = run.source.raw.split("train").first(10**6).x.std(0, correction=0)
    with torch.no_grad():
        expected = run.model.eval().log_prob(seen) - std.log().sum()
    assert float(found[150, 120].log()) == pytest.approx(float(expected), abs=1e-3)


def test_single_figures_are_left_as_files(drawn, tmp_path: Path) -> None:
    folder = save(drawn("gan"), tmp_path / "figures")
    found = {path.name for path in folder.iterdir()}
    assert {"samples.png", "figure2.png", "figure3.png", "training.webp", "curves-loss.svg"} < found
    assert "curves-loss-dark.svg" in found


class Balanced(HTMLParser):
    """Collects elements, and fails where one is closed that is not open."""

    VOID = {"meta", "img", "br", "source"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((name, dict(attributes)))
        if name not in self.VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name


def parsed(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


@pytest.mark.parametrize("kind", RUNS)
def test_page_is_whole_and_needs_nothing_else(trained, drawn, kind: str) -> None:
    trained(kind).evaluate("nearest")
    text = page(trained(kind), drawn(kind))
    found = parsed(text)
    assert "://" not in text
    assert "url(" not in text
    assert not {"script", "link", "iframe", "object", "a"} & {name for name, _ in found.seen}
    images = [attributes for name, attributes in found.seen if name == "img"]
    assert images
    assert all((image["src"] or "").startswith("data:image/") and image["alt"] for image in images)
    assert [name for name, _ in found.seen].count("h1") == 1


def test_page_is_the_same_every_time(trained) -> None:
    run = trained("vae")
    path = write(run)
    before = path.read_bytes()
    assert path == run.path / "report.html"
    assert write(Run(run.path)).read_bytes() == before


def test_page_escapes_hostile_names(trained, tmp_path: Path) -> None:
    folder = tmp_path / '<script>alert("run")'
    shutil.copytree(trained("gan").path, folder)
    settings = yaml.safe_load((folder / "run.yaml").read_text())
    goal = {"metric": HOSTILE, "value": 1, "source": HOSTILE}
    settings |= {"summary": HOSTILE, "targets": [goal], "created": HOSTILE, "recipe": HOSTILE}
    settings["versions"] = {HOSTILE: HOSTILE}
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    entry = {"value": 1.0, "error": None, "n": 1, "protocol": HOSTILE, "fingerprint": HOSTILE}
    entry["details"] = {"note": HOSTILE, HOSTILE: HOSTILE}
    write_json(folder / "evaluation.json", {HOSTILE: entry})
    text = write(Run(folder, device="cpu")).read_text(encoding="utf-8")
    found = parsed(text)
    assert "<script" not in text
    assert all("onerror" not in attributes for _, attributes in found.seen)
    assert text.count("</style>") == 1
    assert "&lt;script&gt;alert(" in text


def test_page_without_events_samples_or_evaluation(run: Run) -> None:
    (run.path / "events.jsonl").unlink()
    shutil.rmtree(run.path / "samples")
    (run.path / "evaluation.json").unlink(missing_ok=True)
    text = page(run, figures(run))
    parsed(text)
    assert "Nothing was measured yet" in text


@pytest.mark.parametrize(("steps", "command"), [(6, "--train.steps 12"), (9, "resume")])
def test_page_says_how_to_go_on(run: Run, steps: int, command: str) -> None:
    run.config = replace(run.config, train=replace(run.config.train, steps=steps))
    text = page(run, [])
    assert command in text
    assert ("--train.steps" in text) == (steps == 6)
    assert re.search(r"counterfeit sample \S*run --n 100", text)


def test_elements_escape_text_and_attributes() -> None:
    assert tag("p", "<b>", tag("b", "&"), title='"x"') == '<p title="&quot;x&quot;">&lt;b&gt;<b>&amp;</b></p>'


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_images_are_written_as_a_grid(tmp_path: Path) -> None:
    out = write_samples(torch.rand(10, 1, 28, 28), tmp_path / "new" / "grid.png")
    assert size(out) == (4 * 58 + 2, 3 * 58 + 2)


def test_values_are_written_unchanged(tmp_path: Path) -> None:
    x = torch.rand(10, 1, 4, 4)
    for name in ("x.npy", "x.npz"):
        loaded = np.load(write_samples(x, tmp_path / name), allow_pickle=False)
        assert np.array_equal(loaded if name == "x.npy" else loaded["x"], x.numpy())


def test_single_pictures_are_written_into_a_folder(tmp_path: Path) -> None:
    x = torch.rand(3, 3, 5, 6)
    folder = write_samples(x, tmp_path / "pictures")
    assert sorted(path.name for path in folder.iterdir()) == ["00000.png", "00001.png", "00002.png"]
    with Image.open(folder / "00001.png") as image:
        assert np.array_equal(np.asarray(image), to_uint8(x)[1])


@pytest.mark.parametrize(
    ("shape", "name", "words"),
    [
        ((3, 1, 4, 4), "x.gif", "ends in .gif"),
        ((3, 7), "x.png", r"shape \(3, 7\)"),
        ((3, 2), "folder", r"shape \(3, 2\)"),
        ((3, 1, 4, 4), "full", "already holds something"),
    ],
)
def test_what_cannot_be_written_is_one_clear_line(tmp_path: Path, shape, name, words) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(ValueError, match=words) as caught:
        write_samples(torch.rand(shape), tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "Choose" in str(caught.value)
