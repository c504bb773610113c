"""What papers claim of adversarial nets, each above what was measured of it here, for the page of claims."""

from __future__ import annotations

import json
from pathlib import Path

from counterfeit.common.numbers import number

RESULTS = Path(__file__).parents[1] / "results"
GSN, DBN, CIRCLES = "gsn-mnist-noise-everywhere", "dbn-mnist-gray", "convergence"


def _read(name: str) -> dict:
    """A file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _of(name: str, metric: str) -> str:
    """A metric of a run, as `evaluate --record` kept it: the mean over runs where there are several."""
    found = _read(name)
    several, entry = found["summary"][metric], found["rows"][0]["metrics"].get(metric, {})
    if several["std"] is not None:
        return number(several["mean"], several["std"])
    return number(several["mean"], entry.get("error"))


def _reference(name: str, metric: str, row: str) -> str:
    """What stands beside a metric, such as real data in the place of samples."""
    entry = _read(name)["rows"][0]["metrics"][metric]["details"]["references"][row]
    return number(entry["value"], entry.get("error"))


def _family(model: str, table: str = "table2") -> dict:
    """The row of a model in a table of families: what it costs."""
    return next(row for row in _read(table)["rows"] if row["model"] == model)


def _found(topic: str, what: str) -> str:
    """A finding of a lesson."""
    return number(next(row["found"] for row in _read("theory")["rows"] if (row["topic"], row["what"]) == (topic, what)))


def _sampling(model: str) -> str:
    found = _family(model)
    passes = "1 pass" if found["chain"] == 1 else f"{found['chain']} passes"
    return f"`{model}` {1000 * found['sampling_seconds']:,.0f} ms in {passes}"


def advantages() -> list[tuple[str, str, str]]:
    """Phrase, what was measured, whether it holds."""
    return [
        (
            '"Markov chains are never needed"',
            f"1,000 digits: {', '.join(map(_sampling, ('gan', 'vae', 'nade', 'gated-pixelcnn')))}. An "
            f"independent sample of `dbn-mnist-gray` costs {_of(DBN, 'autocorrelation-time')} steps of "
            f"its chain, one of `gsn-mnist` {_of('gsn-mnist', 'autocorrelation-time')}, with noise on all layers "
            f"{_of(GSN, 'autocorrelation-time')}",
            "yes; nor do variational autoencoders and flows need them",
        ),
        (
            '"only backprop is used to obtain gradients"',
            f"a step of 128 digits: `gan` {1000 * _family('gan')['step_seconds']:.1f} ms for two updates in turn, "
            f"`vae` {1000 * _family('vae')['step_seconds']:.1f} ms for one",
            "yes; at the price of a second net and update",
        ),
        (
            '"no inference is needed during learning"',
            f"`gan` has no encoder; that of `vae` has {_family('vae')['parts']['encoder']:,} parameters beside "
            f"{_family('vae')['parts']['decoder']:,} of its decoder. Codes of given pictures must then be learnt: "
            f"`bigan` rebuilds digits with {_of('bigan', 'psnr')} dB, "
            f"`autoencoder` with {_of('autoencoder', 'psnr')} dB",
            "yes; whoever wants codes pays later",
        ),
        (
            '"a wide variety of functions can be incorporated into the model"',
            "perceptrons (`gan`), convolutions (`dcgan`), residual nets (`sngan`, `srgan`), recurrent nets "
            "(`next-frame`), nets that grow (`progan`): one loop, no change of the mathematics. Layers of a flow must "
            "be invertible, and nets of autoregressive models masked",
            "yes",
        ),
        (
            'they "can represent very sharp, even degenerate distributions"',
            f"FID on MNIST: `gan-mnist` {_of('gan-mnist', 'fid')}, `bigan` {_of('bigan', 'fid')}; `gsn-mnist` "
            f"{_of('gsn-mnist', 'fid')}, whose chain hardly moves, and with noise on all layers "
            f"{_of(GSN, 'fid')}, `dbn-mnist-gray` {_of(DBN, 'fid')}",
            f"yes; but diffusion, a chain of noise, is as sharp: `diffusion-mnist` {_of('diffusion-mnist', 'fid')}",
        ),
        (
            'the generator is "not updated directly with data examples"',
            f"nearest training digit of `gan-mnist-2014` at {_of('gan-mnist-2014', 'nearest')}, of held-out digits at "
            f"{_reference('gan-mnist-2014', 'nearest', 'held-out')}",
            "true of the gradient; that models with direct updates memorize more is not shown by it",
        ),
    ]


def disadvantages() -> list[tuple[str, str, str]]:
    """Phrase, what was measured, whether it holds."""
    return [
        (
            'there is "no explicit representation of" the model\'s density',
            "what is left is an estimate from samples, and that can be gamed: Parzen windows give real digits "
            f"{_reference('gan-mnist', 'parzen', 'real')} nats and blurred centroids "
            f"{_reference('gan-mnist', 'parzen', 'k-means')}",
            "yes",
        ),
        (
            '"D must be synchronized well with G during training"',
            "grid of 25, the discriminator ten times slower: "
            f"{_found('helvetica', 'provoked: modes covered')} modes; by the recipe "
            f"{_found('helvetica', 'by the recipe from the start: modes covered')}",
            "yes",
        ),
    ]


def comparisons() -> list[tuple[str, str, str]]:
    """Phrase, what was measured, whether it holds."""
    return [
        (
            "samples are generated in parallel, not in a time proportional to the dimension of x",
            f"1,000 digits of 64 pixels: {', '.join(map(_sampling, ('gan', 'fvsbn', 'made', 'gated-pixelcnn')))}",
            "yes, against models of one value after another",
        ),
        (
            "the design of the generator has few restrictions",
            "codes may be smaller than data (64 numbers for 784 pixels in `gan-mnist`); flows keep the dimension, and "
            "their densities cost depth: `maf` draws 1,000 points by "
            f"{_family('maf', 'table2-flows')['chain']} passes in turn",
            "yes",
        ),
        (
            "no variational bound is needed",
            f"`vae-mnist`: bound {_of('vae-mnist', 'elbo')}, by 200 importance samples {_of('vae-mnist', 'iwae')} nats"
            ". The game over distributions ends at JSD "
            f"{_found(CIRCLES, 'over distributions: JSD after 60 steps, nats')}",
            "in the space of distributions; over parameters nothing is guaranteed",
        ),
        (
            "samples are regarded as better",
            f"FID on MNIST: `bigan` {_of('bigan', 'fid')}, `cgan` {_of('cgan', 'fid')}, `dcgan` {_of('dcgan', 'fid')}; "
            f"`diffusion-mnist` {_of('diffusion-mnist', 'fid')}, with recall {_of('diffusion-mnist', 'recall')} for "
            f"{_of('bigan', 'recall')} of `bigan`",
            "in 2016; diffusion models have caught up",
        ),
        (
            "training has to find the equilibrium of a game, which is harder than to minimize",
            "V = θψ, both at once: the radius grows by the factor "
            f"{_found(CIRCLES, 'V = θψ, both at once: growth of the radius in a step')} a step; the Dirac-GAN with "
            f"R1 shrinks by {_found(CIRCLES, 'Dirac-GAN with R1, both at once: growth of the radius in a step')}",
            "yes",
        ),
    ]
