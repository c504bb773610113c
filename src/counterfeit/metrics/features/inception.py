"""Features of Inception-v3, by weights from a safetensors file: nothing is ever unpickled.

References:
    GANs Trained by a Two Time-Scale Update OptimizerSettings Converge to a Local Nash Equilibrium, Heusel et al., 2017
        (arXiv 1706.08500).
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498).
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as decode

from counterfeit.common.files import DataError
from counterfeit.data.downloads import File, find
from counterfeit.metrics.features.extractors import FeatureExtractor, weights_hash
from counterfeit.nets.inception import InceptionV3

__all__ = ["WEIGHTS", "inception"]

SIDE = 299
WEIGHTS = File(
    "fid_inception.safetensors",
    ("b7a528bf4051f62c057bc14657865abf180a23eb1748d00ff0933d84698202ed",),
    ("https://huggingface.co/nikhilr01/sen-bridge-weights/resolve/main/fid_inception.safetensors",),
    "Give the weights of pt_inception-2015-12-05-6726825d.pth as safetensors with --weights; the page "
    "`Features` of the documentation says how to convert that file.",
)


def inception(weights: str | None = None, device: torch.device | str = "cpu") -> FeatureExtractor:
    """The 2048 features of the last pooling of Inception-v3, and its 1008 classes.

    Arguments:
        weights: path of a safetensors file with the weights of the graph of 2015-12-05, by the names of PyTorch's
            ports; None finds or downloads one.
        device: where it computes.

    Raises:
        DataError: no weights are to be had, or those of the file are not of this net.
    """
    path = Path(weights).expanduser() if weights else None
    if path and not path.is_file():
        raise DataError(f"{path} does not exist; the weights of Inception-v3 are expected. {WEIGHTS.remedy}")
    data, who = (path.read_bytes(), path) if path else find(WEIGHTS, "inception")[:2]
    return extractor(read_inception(data, str(who)).to(device))


def read_inception(data: bytes, who: str) -> InceptionV3:
    """The net with the weights of a safetensors file, whose content is `data`."""
    net = InceptionV3()
    try:
        found = decode(data)
    except SafetensorError as error:
        raise DataError(f"{who} is no safetensors file ({error}). {WEIGHTS.remedy}") from None
    own = net.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}  # which older files lack
    wrong = [name for name, value in own.items() if name not in counters and _shape(found.get(name)) != value.shape]
    if wrong or found.keys() - own.keys():
        names = ", ".join([*wrong, *sorted(found.keys() - own.keys())][:3])
        raise DataError(f"{who} holds other weights than Inception-v3 of 2015, such as {names}. {WEIGHTS.remedy}")
    net.load_state_dict({name: found[name].float() for name in own.keys() - counters}, strict=False)
    return net.requires_grad_(False).eval()


def extractor(net: InceptionV3) -> FeatureExtractor:
    """Features by a net with weights."""
    device = net.fc.weight.device
    return FeatureExtractor(
        "inception", "Inception-v3 of 2015-12-05, 2048 features of its last pooling",
        lambda x: net(2 * x.to(device) - 1), weights_hash(net), SIDE, 3,
        head=lambda features: net.logits(features.to(device)).log_softmax(1).cpu(), batch_size=50,
    )  # fmt: skip


def _shape(value: torch.Tensor | None) -> torch.Size | None:
    return None if value is None else value.shape
