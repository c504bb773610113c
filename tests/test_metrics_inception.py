"""Inception-v3 against a reference port where one can be imported, recorded outputs, and published sizes."""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from counterfeit.common.files import DataError
from counterfeit.core import Spec
from counterfeit.metrics.features.inception import WEIGHTS, extractor, inception, read_inception
from counterfeit.metrics.features.inception_score import INCEPTION_SCORE
from counterfeit.nets.inception import InceptionV3

# sums of features, of their squares, and of logits of `drawn()` on `pictures()`, by torch-fidelity 0.4.0's
# FeatureExtractorInceptionV3 with the same weights, whose outputs were these bit for bit (torch 2.13, 2026-11)
RECORDED = (2789.4753, 5126.7964, 115.3223)


def drawn() -> InceptionV3:
    """A net with weights, statistics and biases drawn in the order of their names."""
    net, generator = InceptionV3().eval(), torch.Generator().manual_seed(0)
    for name, value in sorted(net.state_dict().items()):
        if value.ndim > 1:
            value.copy_(torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5)
        elif value.ndim:
            noise = 0.1 * torch.randn(value.shape, generator=generator)
            value.copy_(1 + noise if name.endswith(("running_var", "weight")) else noise)
    return net


def pictures() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 299, 299), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


@pytest.fixture(scope="module")
def net():
    return drawn()


def test_it_has_the_published_number_of_parameters(net):
    count = sum(p.numel() for name, p in net.named_parameters() if not name.startswith("fc."))
    assert count + 2_049 * 1_000 == 23_834_568  # of Inception-v3 for 1000 classes, without the auxiliary head


def test_outputs_are_as_recorded(net):
    with torch.no_grad():
        features = net((pictures().float() - 128) / 128)
        logits = net.logits(features)
    found = (float(features.double().sum()), float(features.double().square().sum()), float(logits.double().sum()))
    assert found == pytest.approx(RECORDED, rel=1e-4)


def test_it_equals_torch_fidelity(net, monkeypatch):
    where = find_spec("torch_fidelity")
    if where is None:
        pytest.skip("torch-fidelity is not installed (it asks for torchvision; its Inception does not)")
    package = types.ModuleType("torch_fidelity")  # without its own start, which imports torchvision
    package.__path__ = list(where.submodule_search_locations)
    monkeypatch.setitem(sys.modules, "torch_fidelity", package)
    from torch_fidelity import feature_extractor_inceptionv3 as port

    monkeypatch.setattr(port, "load_state_dict_from_url", lambda *args, **kwargs: {})
    load = nn.Module.load_state_dict
    monkeypatch.setattr(port.FeatureExtractorInceptionV3, "load_state_dict", lambda self, *args, **kwargs: None)
    reference = port.FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"]).eval()
    load(reference, net.state_dict())
    with torch.no_grad():
        features, logits = reference(pictures())
        found = net((pictures().float() - 128) / 128)
        assert torch.allclose(found, features, rtol=1e-6, atol=1e-7)
        assert torch.allclose(net.logits(found), logits, rtol=1e-5, atol=1e-6)


def test_weights_come_from_a_file_and_their_hash_is_of_their_values(net, tmp_path):
    path = tmp_path / "weights.safetensors"
    without = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file(without, path)
    by = inception(str(path))
    assert by.weights == extractor(net).weights
    assert by.protocol == (
        f"Inception-v3 of 2015-12-05, 2048 features of its last pooling, weights {by.weights}; images rounded to 8 "
        "bits, resized to 299x299, bilinear, antialiased"
    )


def test_gray_and_small_pictures_are_taken(net):
    by = extractor(net)
    features = by(torch.rand(2, 1, 28, 28))
    assert features.shape == (2, 2048)
    assert torch.allclose(by.log_probs(features).exp().sum(1), torch.ones(2, dtype=torch.float64))


def test_files_of_something_else_are_refused(net, tmp_path):
    weights = net.state_dict()
    for found, said in (
        (b"PK\x03\x04 a pickle in a zip", "is no safetensors file"),
        (save({"fc.weight": weights["fc.weight"]}), "other weights than Inception-v3 of 2015, such as"),
        (save({**weights, "fc.bias": weights["fc.bias"][:1000].clone()}), "such as fc.bias"),
        (save({**weights, "AuxLogits.fc.bias": torch.zeros(1)}), "such as AuxLogits.fc.bias"),
    ):
        with pytest.raises(DataError, match=said) as error:
            read_inception(found, "weights.safetensors")
        assert "\n" not in str(error.value)


def test_a_missing_file_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"does not exist; the weights of Inception-v3 are expected\. Give"):
        inception(str(tmp_path / "none.safetensors"))


def test_all_metrics_take_it_only_where_weights_are_at_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path))
    monkeypatch.delenv("COUNTERFEIT_DATA", raising=False)
    color = SimpleNamespace(spec=Spec((3, 32, 32)))
    assert not INCEPTION_SCORE.applies(color)
    (tmp_path / WEIGHTS.name).touch()
    assert INCEPTION_SCORE.applies(color)
    assert not INCEPTION_SCORE.applies(SimpleNamespace(spec=Spec((1, 28, 28))))


def test_download_has_a_checksum_and_no_pickle():
    assert WEIGHTS.name.endswith(".safetensors")
    assert [len(digest) for digest in WEIGHTS.digests] == [64]
