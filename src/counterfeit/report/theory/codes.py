"""Codes: how many numbers and from which prior, what they can reach, what fills them, and why distances agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import interpolate

from counterfeit.data.images import tile
from counterfeit.inference.jacobian import participation, rank
from counterfeit.inference.latent import lerp, slerp
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory import code_games, code_nets
from counterfeit.report.theory.code_games import NARROW, UNIFORM, WIDE, Code, Played, played
from counterfeit.report.theory.code_nets import FILLED, LINEAR, Filled, Size, filled, least, linear, size
from counterfeit.report.theory.small_digits import split
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, normal_draws
from counterfeit.theory.concentration import FOURTH, distances, norms, spread
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

LARGE, USUAL = code_games.SIZES[-1], 16
SQUEEZED = Code(LARGE, hidden=(NARROW, WIDE[1]))
GAMES = (*map(Code, code_games.SIZES), *(Code(k, "uniform") for k in UNIFORM), SQUEEZED)
MEASURED, PAIRS = (1, 2, 16, 64, 256), 20_000  # sizes of codes whose distances are measured, and how many
SHOWN = 20  # pictures of each kind
ERRORS = (0.003, 0.01, 0.03)  # that an axis names
Games = Mapping[Code, Played]
Sizes = Mapping[int, Size]


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Games that differ in their codes, autoencoders of several sizes, random codes decoded, and distances."""
    games, sizes = {code: played(code, seed) for code in GAMES}, {k: size(k, seed) for k in code_nets.SIZES}
    found = filled(seed)
    pixels = code_nets.accuracy(lambda x: x.flatten(1))
    findings = [
        *_concentration(seed), *_priors(games), *_ranks(games), *_halfway(games), *_linear(seed),
        *_sizes(sizes, pixels), *_filled(found),
    ]  # fmt: skip
    figures = (
        drawn("codes-games", REACH, lambda theme, axes: _draw_games(games, theme, axes), (9.6, 3.3), 3),
        drawn("codes-sizes", KEPT, lambda theme, axes: _draw_sizes(sizes, pixels, theme, axes), (8.4, 3.1), 2),
        drawn("codes-decoded", DECODED, lambda theme, axes: _draw_decoded(found, theme, axes), (9.6, 3.7), 4),
    )
    protocol = f"{code_games.PROTOCOL}; {code_nets.PROTOCOL}; {PAIRS:,} pairs of codes for distances; seed {seed}"
    return Lesson(tuple(findings), figures, protocol)


REACH = (
    "Adversarial nets on small digits that differ only in their codes. Left: quality over the number of values of a "
    "code; the prior makes no difference. Middle: singular values of the generator's Jacobian (medians over codes); "
    "each curve ends at the size of the code, or of the narrowest layer. Right: the norm of codes on the way between "
    "two, as theory has it; the straight line leaves the sphere on which Gaussian codes of many dimensions lie."
)
KEPT = (
    "What codes of several sizes keep of the test digits. Left: the error of decoded codes; a net is better than "
    "principal components while the code is short. Right: how many test digits a linear classifier recognizes by the "
    "code; dotted: by the 64 pixels."
)
DECODED = (
    f"Decoded random codes of {FILLED} numbers, and data. The nets and the error are the same; the vae also has noise "
    "on its codes and pays for their divergence from the prior. Below: the share of pictures that lie among the data "
    "(precision), and the FID in pixels, which prefers the second kind, since it sees means and covariances only."
)


def _concentration(seed: int) -> list[Evidence]:
    def measured(name: str, dims: int) -> float:
        a, b = normal_draws(seed, 2, PAIRS, dims)
        if name == "uniform":  # by the distribution function, so that the same draws serve
            a, b = (12**0.5 * (torch.special.ndtr(u) - 0.5) for u in (a, b))
        apart = (a - b).norm(dim=1)
        return float(apart.std() / apart.mean())

    a, b = normal_draws(seed + 1, 2, PAIRS, LARGE)
    half = torch.tensor([0.5], dtype=torch.float64)
    middle = {path: float(path(a, b, half)[:, 0].norm(dim=1).mean() / norms(LARGE).mean) for path in (lerp, slerp)}
    return [
        *(Evidence(f"{dims} dimensions: deviation of distances of Gaussian codes, over their mean",
                   measured("gaussian", dims), distances(dims).ratio, 0.02 * distances(dims).ratio)
          for dims in MEASURED),
        Evidence(f"{LARGE} dimensions: the same by theory, over 1/√(2d)", distances(LARGE).ratio / spread(LARGE), 1.0,
                 0.01),
        Evidence(f"{LARGE} dimensions, uniform codes: the same, against √(7/20d)", measured("uniform", LARGE),
                 spread(LARGE, FOURTH["uniform"]), 0.03 * spread(LARGE, FOURTH["uniform"])),
        Evidence("halfway on a straight line: norm over that at the ends", middle[lerp], math.sqrt(0.5), 0.005),
        Evidence("halfway on a great circle: the same", middle[slerp], 1.0, 0.005),
    ]  # fmt: skip


def _priors(games: Games) -> list[Evidence]:
    usual, large = games[Code(USUAL)], games[Code(LARGE)]
    return [
        Evidence(f"code of 1 number: FID over that of {USUAL}", games[Code(1)].fid / usual.fid, 2.0, relation=">="),
        Evidence("code of 2 numbers: the same, less than with 1", games[Code(2)].fid / usual.fid,
                 games[Code(1)].fid / usual.fid, relation="<="),
        Evidence(f"code of {LARGE} numbers: the same", large.fid / usual.fid, 1.0, 0.35),
        *(Evidence(f"code of {k} numbers, uniform: FID over that of Gaussian ones",
                   games[Code(k, "uniform")].fid / games[Code(k)].fid, 1.0, 0.25) for k in UNIFORM),
        Evidence(f"CPU time of a step with {LARGE} numbers, over that with 1",
                 large.milliseconds / games[Code(1)].milliseconds, 1.5, relation="<="),
    ]  # fmt: skip


def _ranks(games: Games) -> list[Evidence]:
    def largest(code: Code) -> int:
        return int(rank(games[code].values).max())

    large = games[Code(LARGE)]
    return [
        *(Evidence(f"code of size {code.size}: rank of the generator's Jacobian, largest", largest(code), code.size,
                   relation="<=") for code in games if code.noise == "gaussian" and code != SQUEEZED),
        Evidence(f"{LARGE} numbers through a layer of {NARROW}: the same", largest(SQUEEZED), NARROW, relation="<="),
        Evidence("the same: FID over that with wide layers only", games[SQUEEZED].fid / large.fid, 1.0, 0.35),
        Evidence(f"code of {LARGE} numbers: directions that count, (Σs²)² / Σs⁴, mean",
                 float(participation(large.values).mean()), LARGE / 8, relation="<="),
    ]  # fmt: skip


def _halfway(games: Games) -> list[Evidence]:
    usual = games[Code(USUAL)]
    (line, near_line), (circle, near_circle) = usual.halfway["line"], usual.halfway["circle"]
    return [
        Evidence(f"code of {USUAL}: FID of samples halfway on great circles, over that of samples", circle / usual.fid,
                 1.0, 0.15),
        Evidence("the same on straight lines", line / usual.fid, 1.15, relation=">="),
        Evidence("distance to the nearest training digit, straight lines over great circles", near_line / near_circle,
                 1.0, relation="<="),
    ]  # fmt: skip


def _linear(seed: int) -> list[Evidence]:
    found, theory = least(LINEAR)
    return [
        Evidence(f"{LINEAR} principal components: error over the eigenvalues that are left out", found / theory, 1.0,
                 1e-12),
        Evidence(f"linear autoencoder of {LINEAR} numbers: error over that of principal components",
                 linear(seed) / theory, 1.015, 0.015),
    ]  # fmt: skip


def _sizes(sizes: Sizes, pixels: float) -> list[Evidence]:
    short, long = sizes[LINEAR], sizes[max(sizes)]
    return [
        Evidence(f"autoencoder of {LINEAR} numbers with hidden layers: error over that of principal components",
                 short.error / short.pca_error, 0.75, relation="<="),
        Evidence(f"the same of {max(sizes)} numbers", long.error / long.pca_error, 1.0, relation=">="),
        Evidence("code of 2 numbers: accuracy of a linear probe above that of principal components",
                 sizes[2].accuracy - sizes[2].pca_accuracy, 0.05, relation=">="),
        Evidence(f"code of {USUAL}: accuracy of a linear probe, against 64 pixels", sizes[USUAL].accuracy, pixels,
                 0.06),
    ]  # fmt: skip


def _filled(found: Filled) -> list[Evidence]:
    plain, moments, variational = found.decoded.values()
    return [
        Evidence("autoencoder: discrepancy (MMD²) of codes of data from N(0, I)", found.discrepancy["autoencoder"], 0.1,
                 relation=">="),
        Evidence("vae: the same", found.discrepancy["vae"], 0.0, 0.005),
        Evidence("autoencoder, codes from N(0, I): share of decoded ones among the data", plain.precision, 0.1,
                 relation="<="),
        Evidence("autoencoder, codes with the right mean and covariance: the same", moments.precision, 0.5,
                 relation="<="),
        Evidence("vae, codes from N(0, I): the same", variational.precision, 0.8, relation=">="),
        Evidence("and yet FID in pixels, right moments over vae", moments.fid / variational.fid, 1.0, relation="<="),
    ]  # fmt: skip


def _draw_games(games: Games, theme: Theme, axes: Any) -> None:
    left, middle, right = axes
    for color, noise in zip(theme.curves, ("gaussian", "uniform"), strict=False):
        codes = [code for code in games if code.noise == noise and code != SQUEEZED]
        left.plot([code.size for code in codes], [games[code].fid for code in codes], "o-", color=color,
                  label="Gaussian" if noise == "gaussian" else noise, linewidth=1.6, markersize=4)  # fmt: skip
    left.set(xscale="log", ylim=(0, None), xlabel="numbers in a code", ylabel="FID in pixels", title="quality")
    left.set_xticks(code_games.SIZES, [f"{k}" for k in code_games.SIZES])
    left.minorticks_off()
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
    shown = [Code(k) for k in (2, 8, LARGE)]
    for color, code in zip(theme.curves[2:], (*shown, SQUEEZED), strict=False):
        values = games[code].values.median(0).values
        values = values[values > 1e-6 * values[0]]
        label = f"{code.size} by {NARROW} units" if code == SQUEEZED else f"{code.size}"
        middle.plot(range(1, len(values) + 1), values, ".-", color=color, label=label, linewidth=1.4, markersize=5)
    middle.set(
        yscale="log", xscale="log", xlabel="direction", ylabel="singular value", title="Jacobian of the generator"
    )
    middle.set_xticks([1, 2, 4, 8, 16, 64], ["1", "2", "4", "8", "16", "64"])
    middle.minorticks_off()
    middle.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, title="numbers in a code", loc="lower left")
    _draw_paths(theme, right)


def _draw_paths(theme: Theme, axes: Any) -> None:
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    share = norms(LARGE).std / norms(LARGE).mean
    axes.axhspan(1 - 3 * share, 1 + 3 * share, color=theme.faint)
    for color, name, norm in (
        (theme.curves[3], "straight line", (t.square() + (1 - t).square()).sqrt()),
        (theme.curves[2], "great circle", torch.ones_like(t)),
    ):
        axes.plot(t, norm, color=color, label=name, linewidth=1.8)
    axes.text(0.5, 1 + 3.3 * share, f"mean ± 3 deviations, {LARGE} dimensions", ha="center", va="bottom")
    axes.set(xlabel="way from one code to another", ylabel="norm over its mean", xlim=(0, 1), ylim=(0.5, 1.45))
    axes.set_title("norms")
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="lower left")


def _draw_sizes(sizes: Sizes, pixels: float, theme: Theme, axes: Any) -> None:
    left, right = axes
    blue, orange = theme.curves[:2]
    for color, label, error, accuracy in (
        (blue, "autoencoder", [s.error for s in sizes.values()], [s.accuracy for s in sizes.values()]),
        (orange, "principal components", [s.pca_error for s in sizes.values()],
         [s.pca_accuracy for s in sizes.values()]),
    ):  # fmt: skip
        for one, values in ((left, error), (right, accuracy)):
            one.plot(list(sizes), values, "o-", color=color, label=label, linewidth=1.6, markersize=4)
    right.axhline(pixels, color=theme.ink, linewidth=0.8, linestyle=":")
    for one in axes:
        one.set(xscale="log", xlabel="numbers in a code")
        one.set_xticks(list(sizes), [f"{k}" for k in sizes])
        one.minorticks_off()
    left.set(yscale="log", ylabel="squared error a pixel")
    left.set_yticks(ERRORS, [f"{error:g}" for error in ERRORS])
    left.minorticks_off()
    right.set(ylabel="accuracy of a linear probe", ylim=(0.5, 1.02))
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="lower left")


def _draw_decoded(found: Filled, theme: Theme, axes: Any) -> None:  # noqa: ARG001
    shown = [(name, f"precision {d.precision:.2f}, FID {d.fid:.2f}", d.x) for name, d in found.decoded.items()]
    for one, (name, said, x) in zip(axes, (*shown, ("data", "", split("test").x)), strict=True):
        smooth = interpolate(x[:SHOWN].view(-1, 1, 8, 8), scale_factor=8, mode="bicubic").clamp(0, 1)  # for the eye
        one.imshow(tile(smooth, 4), cmap="gray")
        one.set(title=name, xlabel=said, xticks=[], yticks=[])
        one.grid(visible=False)
        one.spines[:].set_visible(False)
