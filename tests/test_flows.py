"""Flows: volumes by autograd, inverses, densities that integrate to one, order, splines, known truth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Spec
from counterfeit.data.sources.toy import TwoMoons
from counterfeit.models.flow.iaf import IAF
from counterfeit.models.flow.maf import MAF
from counterfeit.models.flow.nice import NICE
from counterfeit.models.flow.real_nvp import RealNVP
from counterfeit.models.flow.shared import model as flows
from counterfeit.models.flow.shared.coupling import MaskedCoupling, VectorCoupling
from counterfeit.models.flow.shared.elementwise import CenterScale, ScaleShift, Shift, Spline
from counterfeit.models.flow.shared.layers import ActNorm, BatchNorm, Inverse, Standardize
from counterfeit.models.flow.shared.masked import MaskedAutoregressive, MaskedSettings
from counterfeit.models.flow.shared.model import Flow
from counterfeit.models.flow.shared.multi_scale import ImageCouplings, MultiScale, checkerboard
from counterfeit.models.flow.spline_flow import SplineFlow
from probes import descend


def layers(**settings) -> MaskedSettings:
    return MaskedSettings(**{"layers": 3, "hidden": (12,), "activation": "relu", **settings})


EVERY = {
    "nice": lambda spec: NICE(spec, (12,), 4),
    "nice-logistic": lambda spec: NICE(spec, (12,), 4, "logistic"),
    "real-nvp": lambda spec: RealNVP(spec, (12,), 4),
    "real-nvp-batch": lambda spec: RealNVP(spec, (12,), 4, norm="batch"),
    "real-nvp-actnorm": lambda spec: RealNVP(spec, (12,), 4, norm="actnorm"),
    "maf": lambda spec: MAF(spec, settings=layers()),
    "maf-batch": lambda spec: MAF(spec, settings=layers(norm="batch", order="random")),
    "maf-mixture": lambda spec: MAF(spec, 3, layers(layers=2)),
    "iaf": lambda spec: IAF(spec, layers(norm="actnorm")),
    "spline-flow": lambda spec: SplineFlow(spec, (12,), 4, 5),
}
VECTORS, IMAGES = Spec((5,), "real"), Spec((2, 4, 6), "real")
OF_IMAGES = {
    "real-nvp-images": lambda spec: RealNVP(spec, images=ImageCouplings(4, 1, 2), norm="actnorm"),
    "real-nvp-images-batch": lambda spec: RealNVP(spec, images=ImageCouplings(4, 1, 3), norm="batch"),
}
CASES = [(name, VECTORS) for name in EVERY] + [(name, IMAGES) for name in OF_IMAGES]
NAMES = [name for name, _ in CASES]
MOVING = MaskedAutoregressive, VectorCoupling, MaskedCoupling


def made(name: str, spec: Spec, loc: float = 0.0, scale: float = 1.0, noise: float = 0.1) -> Flow:
    """An untrained flow, far from the identity, of data of that mean and standard deviation."""
    with seeded(3):
        model = (EVERY | OF_IMAGES)[name](spec)
        for p in model.parameters():
            p.data.add_(noise * torch.randn_like(p))
        model.initialize(Batch(loc + scale * torch.randn(500, *spec.shape)))
        for norm in (m for m in model.modules() if isinstance(m, BatchNorm)):
            norm.norm.running_mean.normal_()
            norm.norm.running_var.uniform_(0.5, 2)
    return model.eval()


@torch.no_grad()
def off(model: Flow, x: Tensor) -> float:
    return float((model.decode(model.encode(x)) - x).abs().max())


# Volumes and inverses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_log_determinant_is_that_of_autograd(name, spec):
    model = made(name, spec, 3.0, 2.0).double()
    with seeded(1):
        x = 3 + 2 * torch.randn(3, *spec.shape, dtype=torch.float64)
    found = model.log_prob(x) - model.base.log_prob(model.encode(x))
    for each, value in zip(x, found, strict=True):
        full = jacobian(lambda v: model.encode(v.view(1, *spec.shape)).flatten(), each.flatten())
        assert float(value.detach()) == pytest.approx(float(torch.linalg.slogdet(full).logabsdet), abs=1e-8)


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_decoding_undoes_encoding_also_far_out(name, spec):
    """At 8 standard deviations in every value, in one direction, and in one value with all others among the data."""
    model = made(name, spec)
    with seeded(1):
        x = torch.randn(200, spec.dims)
    rows, one = torch.arange(200), x.clone()
    one[rows, rows % spec.dims] = 8 * x[:, 0].sign()
    for each in (x, 8 * x.sign(), 8 * x / x.norm(dim=1, keepdim=True), one):
        assert off(model, each.view(-1, *spec.shape)) < 1e-4


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_decoding_undoes_encoding_for_data_of_a_large_scale(name, spec):
    model = made(name, spec, 3.0, 25.0)
    with seeded(1):
        x = 3 + 25 * torch.randn(200, *spec.shape)
    assert off(model, x) < 1e-4
    assert bool(model.log_prob(x).isfinite().all())


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_encoding_undoes_decoding(name, spec):
    model = made(name, spec).double()
    with torch.no_grad(), seeded(1):
        z = model.prior(200)
        torch.testing.assert_close(model.encode(model.decode(z)), z, atol=1e-8, rtol=0)


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_codes_are_exact_and_leave_the_model_as_it_is(name, spec):
    """Codes are float64 and examples of the parameters' type; the model is the same, and gradients reach it."""
    model = made(name, spec)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    z, prior = model.encode(torch.randn(4, *spec.shape)), model.prior(4)
    assert z.dtype == prior.dtype == torch.float64
    assert model.decode(z).dtype == model.decode(prior.float()).dtype == model.sample(2).dtype == torch.float32
    after = model.state_dict()
    assert all(torch.equal(value, after[key]) and value.dtype == after[key].dtype for key, value in before.items())
    z.square().sum().backward()
    maps = [p for key, p in model.named_parameters() if not key.startswith("base.")]
    assert all(p.grad is not None and p.grad.dtype == torch.float32 and bool(p.grad.isfinite().all()) for p in maps)


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_codes_in_pieces_are_those_of_the_whole(name, spec, monkeypatch):
    """Convolutions in float64 take many times their memory, so that few examples pass at once."""
    model, x = made(name, spec).eval(), torch.randn(5, *spec.shape)
    with torch.no_grad():
        z, back = model.encode(x), model.decode(model.encode(x))
        monkeypatch.setattr(flows, "AT_ONCE", 2 * spec.dims)
        torch.testing.assert_close(model.encode(x), z, atol=1e-12, rtol=0)
        torch.testing.assert_close(model.decode(z), back, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_draws_are_what_their_codes_decode_to_but_for_rounding(name, spec):
    model = made(name, spec, noise=0.02).eval()
    with seeded(5):
        x = model.sample(20)
    with torch.no_grad(), seeded(5):
        torch.testing.assert_close(model.decode(model.prior(20)), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "spec"), CASES, ids=NAMES)
def test_steps_of_a_draw_are_undone_by_one_layer_each(name, spec):
    """What a layer gave becomes, by its way to the noise, what it was given: step by step back to the noise."""
    model = made(name, spec, 3.0, 2.0).double()
    with seeded(1):
        steps = [model.standardize(x.reshape(-1, *model.event))[0] for x in model.trajectory(4)]
    with seeded(1):
        noise = model.prior(4)
    assert len(steps) == model.sampling_steps == len(model.maps) + 1
    torch.testing.assert_close(steps[0].flatten(1), noise)
    for given, layer, gave in zip(steps, reversed(model.maps), steps[1:], strict=False):
        torch.testing.assert_close(layer(gave)[0].flatten(1), given.flatten(1), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_a_density_in_the_plane_integrates_to_one(name):
    model = made(name, Spec((2,), "real")).double()
    reach = 40 if "nvp" in name else 8 if "spline" in name else 16  # untrained scales may widen a density
    axis = torch.linspace(-reach, reach, 801, dtype=torch.float64)
    with torch.no_grad():
        parts = torch.cartesian_prod(axis, axis).split(50_000)
        total = sum(model.log_prob(part).exp().sum() for part in parts) * (axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", ["maf", "maf-batch", "maf-mixture", "iaf"])
def test_a_density_on_the_line_integrates_to_one(name):
    model = made(name, Spec((1,), "real")).double()
    axis = torch.linspace(-30, 30, 20_001, dtype=torch.float64)
    with torch.no_grad():
        total = model.log_prob(axis[:, None]).exp().sum() * (axis[1] - axis[0])
    assert float(total) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_samples_follow_the_density(name):
    """The mean log-density of samples is minus the entropy, which a grid gives."""
    model = made(name, Spec((2,), "real"))
    reach = 40 if "nvp" in name else 12
    axis = torch.linspace(-reach, reach, 20 * reach + 1)
    with torch.no_grad(), seeded(5):
        parts = torch.cartesian_prod(axis, axis).split(50_000)
        log_prob = torch.cat([model.log_prob(part) for part in parts]).double()
        expected = (log_prob.exp() * log_prob).sum() * float(axis[1] - axis[0]) ** 2
        drawn = model.log_prob(model.sample(10_000)).double()
    assert abs(float(drawn.mean() - expected)) < 5 * float(drawn.std()) / 100


# Layers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["raster", "random", "reverse"])
def test_a_masked_layer_sees_what_is_before_and_itself(order):
    spec, settings = Spec((6,), "real"), layers(layers=2, order=order, hidden=(40, 40), activation="tanh")
    for i, (layer, _) in enumerate(settings.build(spec)):
        full = jacobian(lambda x, layer=layer: layer(x[None])[0][0], torch.randn(6))
        places = settings.place(spec, i)
        ordered = full[places][:, places]
        assert float(ordered.triu(1).abs().max()) == 0
        assert bool((ordered.diagonal() > 0).all())
        assert float(ordered[torch.ones(6, 6).tril(-1) == 1].abs().min()) > 0


def test_a_masked_layer_whose_weights_are_zero_is_the_identity():
    ((layer, _),) = layers(layers=1).build(Spec((3,), "real"))
    with torch.no_grad():
        for p in layer.parameters():
            p.zero_()
        y, ladj = layer(torch.tensor([[1.0, 2.0, 3.0]]))
    assert y.tolist() == [[1.0, 2.0, 3.0]]
    assert float(ladj) == 0


def test_every_second_masked_layer_goes_the_opposite_way():
    settings = layers(order="random")
    assert torch.equal(settings.place(VECTORS, 0), settings.place(VECTORS, 1).flip(0))
    assert torch.equal(settings.place(VECTORS, 0), settings.place(VECTORS, 2))


@torch.no_grad()
def test_an_inverse_autoregressive_layer_is_the_inverse_of_a_masked_one():
    ((layer, _),) = layers(layers=1).build(VECTORS)
    x = torch.randn(20, 5)
    y, ladj = layer(x)
    back, other = Inverse(layer)(y)
    torch.testing.assert_close(back, x, atol=1e-5, rtol=0)
    torch.testing.assert_close(other, -ladj, atol=1e-5, rtol=0)
    torch.testing.assert_close(Inverse(layer).inverse(x), y)


@pytest.mark.parametrize("scale", [1, 40])
def test_the_cache_gives_what_recomputing_gives(scale):
    ((layer, _),) = layers(layers=1, hidden=(30, 20), order="random").build(VECTORS)
    y = scale * torch.randn(20, 5)
    with torch.no_grad():
        cached = layer.inverse(y)
    torch.testing.assert_close(cached, layer.recomputed(y).detach(), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["maf", "real-nvp", "spline-flow", "real-nvp-images"])
def test_how_far_off_a_value_is_tells_the_others_no_more_than_that_it_is(name):
    model = made(name, IMAGES if name in OF_IMAGES else VECTORS)
    layer = next(part for part in model.modules() if isinstance(part, MOVING))
    x = torch.randn(20, *model.spec.shape)
    near, far = x.clone(), x.clone()
    near.view(20, -1)[:, 0], far.view(20, -1)[:, 0] = 20, 2e6
    (one, _), (other, _) = layer(near), layer(far)
    torch.testing.assert_close(one.flatten(1)[:, 1:], other.flatten(1)[:, 1:])


def test_a_likelihood_of_an_iaf_can_be_differentiated():
    model = made("iaf", VECTORS)
    model.log_prob(torch.randn(4, 5)).sum().backward()
    assert all(float(p.grad.abs().max()) > 0 for p in model.parameters())


@pytest.mark.parametrize("elementwise", [Shift(), ScaleShift(2.0), CenterScale(2.0), Spline(6, 3.0)])
def test_elementwise_maps_are_monotone_with_the_slope_that_they_say(elementwise):
    with seeded(2):
        raw = 2 * torch.randn(1, elementwise.parameters, dtype=torch.float64).expand(2_001, -1)
    x = torch.linspace(-5, 5, 2_001, dtype=torch.float64, requires_grad=True)
    y, ladj = elementwise.forward(x, raw)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert bool((y.detach().diff() > 0).all())
    torch.testing.assert_close(slope.log(), ladj.detach(), atol=1e-9, rtol=0)
    torch.testing.assert_close(elementwise.inverse(y.detach(), raw), x.detach(), atol=1e-9, rtol=0)


def test_a_spline_is_the_identity_in_the_tails_and_meets_them():
    with seeded(2):
        spline, raw = Spline(4, 2.0), 3 * torch.randn(1, 11, dtype=torch.float64)
    x = torch.tensor([-50.0, -2.0, 2.0, 1e6], dtype=torch.float64)
    y, ladj = spline.forward(x, raw.expand(4, -1))
    assert torch.equal(y, x)
    assert torch.equal(ladj, torch.zeros_like(x))
    near, slope = spline.forward(torch.tensor([-2 + 1e-12, 2 - 1e-12], dtype=torch.float64), raw.expand(2, -1))
    torch.testing.assert_close(near, x[1:3], atol=1e-8, rtol=0)
    torch.testing.assert_close(slope, torch.zeros(2, dtype=torch.float64), atol=1e-5, rtol=0)


def test_a_spline_whose_parameters_are_zero_is_the_identity():
    x = torch.linspace(-3, 3, 50)
    y, ladj = Spline(8, 2.0).forward(x, torch.zeros(50, 23))
    torch.testing.assert_close(y, x)
    torch.testing.assert_close(ladj, torch.zeros(50), atol=1e-5, rtol=0)


def test_a_checkerboard_has_no_equal_neighbours():
    board = checkerboard(5, 4)[0]
    assert bool((board.diff(dim=0).abs() == 1).all() and (board.diff(dim=1).abs() == 1).all())


def test_scales_halve_even_sides_and_send_half_of_the_channels_away():
    assert MultiScale((1, 28, 28), ImageCouplings(2, 1, 3), ScaleShift(2.0), "none").shapes == [
        (2, 14, 14),
        (4, 7, 7),
        (4, 7, 7),
    ]
    assert MultiScale((3, 5, 8), ImageCouplings(2, 1, 3), ScaleShift(2.0), "none").shapes == [(3, 5, 8)]


def test_actnorm_begins_by_standardizing_what_comes_out_of_the_layer_before():
    model = RealNVP(VECTORS, (12,), 4, norm="actnorm")
    x = 7 + 3 * torch.randn(1_000, 5)
    model.initialize(Batch(x))
    h = x
    for layer in model.layers:
        h = layer(h)[0].detach()
        if isinstance(layer, (ActNorm, Standardize)):
            torch.testing.assert_close(h.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
            torch.testing.assert_close(h.std(0, correction=0), torch.ones(5), atol=1e-4, rtol=0)


def test_batch_normalization_counts_the_volume_of_the_minibatch_while_training():
    layer, x = BatchNorm(3).double(), 5 * torch.randn(50, 3, dtype=torch.float64)
    y, ladj = layer(x)
    expected = -0.5 * (x.var(0, correction=0) + layer.norm.eps).log().sum()
    torch.testing.assert_close(ladj.detach(), expected.expand(50))
    torch.testing.assert_close(y.detach().std(0, correction=0), torch.ones(3).double(), atol=1e-4, rtol=0)


# What runs away -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["real-nvp", "maf", "iaf", "spline-flow"])
def test_scales_are_bounded_however_large_the_weights(name):
    model = made(name, Spec((20,), "real"), noise=0.0)
    for p in model.parameters():
        p.data.mul_(30)
    x = torch.randn(50, 20)
    with torch.no_grad():
        _, ladj = model._to_noise(x)
    assert bool(ladj.isfinite().all())
    assert float(ladj.abs().max()) <= 20 * 4 * 14  # values, layers, the logarithm of the steepest slope


@pytest.mark.parametrize("name", ["real-nvp", "maf", "iaf"])
def test_data_too_far_away_are_refused_by_the_name_of_the_layer(name):
    model = made(name, VECTORS, noise=1.0)
    x = torch.zeros(3, 5)
    x[1] = torch.tensor([3e38, -3e38, 3e38, -3e38, 3e38])
    with pytest.raises(ValueError, match=r"values up to 3e\+38 came, of which layer \d+ \(\w+"):
        model.log_prob(x)
    with pytest.raises(ValueError, match=r"values up to 1e\+308 came, of which layer \d+ \(\w+"):
        model.encode(x.double() * (1e308 / 3e38))


def test_nice_finds_the_noise_of_data_however_far_away():
    model = made("nice", VECTORS, noise=1.0)
    x = torch.zeros(3, 5)
    x[1] = torch.tensor([3e38, -3e38, 3e38, -3e38, 3e38])
    found = model.log_prob(x)
    assert found[1] == -math.inf
    assert bool(found[[0, 2]].isfinite().all())
    z = model.encode(x)
    assert bool(z.isfinite().all())
    torch.testing.assert_close(model.decode(z)[1], x[1])


def test_far_data_are_improbable_and_no_error_where_numbers_reach():
    model = made("spline-flow", VECTORS)
    assert float(model.log_prob(torch.full((1, 5), 1e4)).detach()) < -1e8


def test_values_that_never_change_are_refused():
    x = torch.randn(50, 5)
    x[:, 2] = 4
    with pytest.raises(ValueError, match=r"value 2 of the data is 4 everywhere"):
        MAF(VECTORS).initialize(Batch(x))


@pytest.mark.parametrize("cls", [NICE, RealNVP, MAF, IAF, SplineFlow])
@pytest.mark.parametrize("kind", ["image", "binary"])
def test_data_that_are_not_real_are_refused(cls, kind):
    with pytest.raises(ValueError, match="real"):
        cls(Spec((1, 2, 2), kind))
    assert cls.transforms["image"] == ("dequantize", "logit")


@pytest.mark.parametrize(
    "make",
    [
        lambda: NICE(Spec((1,), "real")),
        lambda: NICE(VECTORS, couplings=1),
        lambda: RealNVP(VECTORS, scale_bound=0.0),
        lambda: RealNVP(VECTORS, scale_bound=math.inf),
        lambda: ImageCouplings(blocks=0),
        lambda: MAF(VECTORS, components=0),
        lambda: MaskedSettings(layers=0),
        lambda: SplineFlow(VECTORS, bins=1),
        lambda: SplineFlow(VECTORS, tail=-1.0),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="expect"):
        make()


# Labels ---------------------------------------------------------------------------------------------------------------

LABELLED = {
    "nice": lambda spec: NICE(spec, (12,), 4, conditional=True),
    "real-nvp": lambda spec: RealNVP(spec, (12,), 4, images=ImageCouplings(4, 1, 2), norm="actnorm", conditional=True),
    "maf": lambda spec: MAF(spec, settings=layers(conditional=True)),
    "maf-mixture": lambda spec: MAF(spec, 3, layers(layers=2, conditional=True)),
    "iaf": lambda spec: IAF(spec, layers(conditional=True)),
    "spline-flow": lambda spec: SplineFlow(spec, (12,), 4, 5, conditional=True),
}


def labelled(name: str, shape: tuple[int, ...] = (2,)) -> Flow:
    """An untrained conditional flow of three labels, of which one half, three eighths and one eighth are."""
    with seeded(3):
        model = LABELLED[name](Spec(shape, "real", classes=3))
        for p in model.parameters():
            p.data.add_(0.1 * torch.randn_like(p))
        model.initialize(Batch(torch.randn(800, *shape), torch.tensor([0, 0, 0, 0, 1, 1, 1, 2]).repeat(100)))
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", LABELLED)
def test_a_density_given_a_label_integrates_to_one_and_samples_follow_it(name):
    """That of all labels together integrates to one where that of each, with its frequency, integrates to this."""
    model, reach = labelled(name), 12 if name in {"nice", "spline-flow"} else 60
    axis = torch.linspace(-reach, reach, 601)
    joint = torch.cat([model.joint(part) for part in torch.cartesian_prod(axis, axis).split(50_000)]).double()
    weight = joint.exp() * float(axis[1] - axis[0]) ** 2
    assert weight.sum(0).tolist() == pytest.approx([0.5, 0.375, 0.125], abs=2e-3)
    for label, frequency in enumerate((0.5, 0.375, 0.125)):
        with seeded(5):
            x = model.sample(4_000, torch.full((4_000,), label))
        expected = float((weight[:, label] * joint[:, label]).sum() / weight[:, label].sum())
        drawn = model.joint(x)[:, label].double()
        assert abs(float(drawn.mean()) - expected) < 5 * float(drawn.std()) / math.sqrt(4_000) + 2e-3, frequency
    together = model.log_prob(x)
    torch.testing.assert_close(together, model.joint(x).logsumexp(1))


@torch.no_grad()
@pytest.mark.parametrize(("name", "shape"), [*((name, (5,)) for name in LABELLED), ("real-nvp", (2, 4, 6))])
def test_codes_of_conditional_flows_end_with_the_label(name, shape):
    model = labelled(name, shape)
    with seeded(1):
        x = 3 * torch.randn(100, *shape)
        y = model.joint(x).argmax(1)
        assert torch.equal(model.prior(50, torch.full((50,), 2))[:, -3:].float(), torch.eye(3)[[2] * 50])
        assert len(model.prior(200)[:, -3:].unique(dim=0)) == 3
    z = model.encode(x)
    assert torch.equal(z[:, -3:].argmax(1), y)
    assert float((model.decode(z) - x).abs().max()) < 1e-4
    other = model.decode(torch.cat([z[:, :-3], torch.eye(3, dtype=z.dtype)[(y + 1) % 3]], 1))
    assert float((other - x).abs().max()) > 0.01


@pytest.mark.parametrize("dims", [1, 6])
def test_every_value_of_a_masked_layer_may_depend_on_the_label(dims):
    spec = Spec((dims,), "real", classes=3)
    ((layer, _),) = layers(layers=1, hidden=(30, 20), order="random", conditional=True).build(spec)
    y, condition = torch.randn(20, dims), torch.eye(3)[torch.randint(3, (20,))]
    full = jacobian(lambda c: layer.conditioner(y[:1], c[None])[0], condition[0])  # (D, outputs, labels)
    assert float(full.abs().amax((1, 2)).min()) > 0
    with torch.no_grad():
        cached = layer.inverse(y, condition)
    torch.testing.assert_close(cached, layer.recomputed(y, condition).detach(), atol=1e-5, rtol=1e-5)


def test_a_conditional_flow_learns_where_each_label_is():
    y = torch.randint(2, (2_000,))
    x = torch.randn(2_000, 2) + torch.tensor([[-3.0, 0.0], [3.0, 1.0]])[y]
    with seeded(0):
        model = MAF(Spec((2,), "real", classes=2), settings=layers(conditional=True))
        model.initialize(Batch(x, y))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for step in range(100):
            (update,) = model.updates(lambda: Batch(x, y), Clock(step, 100))
            optimizer.zero_grad()
            update.loss.backward()
            optimizer.step()
        means = torch.stack([model.sample(2_000, torch.full((2_000,), label)).mean(0) for label in (0, 1)])
    torch.testing.assert_close(means, torch.tensor([[-3.0, 0.0], [3.0, 1.0]]), atol=0.3, rtol=0)


def test_labels_that_are_missing_or_out_of_range_are_refused():
    with pytest.raises(ValueError, match="without labels came"):
        MAF(VECTORS, settings=MaskedSettings(conditional=True))
    model = labelled("maf")
    with pytest.raises(ValueError, match="0 to 2 are expected"):
        model.sample(2, torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="no labels came"):
        model.initialize(Batch(torch.randn(10, 2)))
    with pytest.raises(ValueError, match="samples without labels"):
        made("maf", VECTORS).sample(2, torch.tensor([0, 1]))


# Truth ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "steps", "slack"),
    [
        (lambda spec: SplineFlow(spec, (32, 32), 4), 300, 0.12),
        (lambda spec: MAF(spec, settings=MaskedSettings(layers=5, hidden=(32, 32))), 400, 0.25),
        (lambda spec: RealNVP(spec, (32, 32), 6), 400, 0.25),
    ],
    ids=["spline-flow", "maf", "real-nvp"],
)
def test_flows_are_near_the_truth_of_two_moons_and_not_above(model, steps, slack):
    source = TwoMoons()
    with seeded(0):
        flow, test = model(source.spec), source.split("test").x
        flow.initialize(Batch(source.split("train").x))
        descend(flow, source.split("train").x, steps, lr=5e-3, batch_size=256)
    with torch.no_grad():
        difference = flow.eval().log_prob(test) - source.log_prob(test)
        error = float(difference.std()) / math.sqrt(len(test))
        assert float(difference.mean()) < 4 * error
        assert float(difference.mean()) > -slack
        with seeded(1):
            found = source.log_prob(flow.sample(2_000))
    assert float((found > source.log_prob(test).quantile(0.01)).float().mean()) > 0.8
    assert off(flow, test[:1_000]) < 1e-4
