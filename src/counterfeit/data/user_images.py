"""Pictures that a person hands to a model to work on, and what of them is missing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from counterfeit.common.files import DataError
from counterfeit.core import Spec
from counterfeit.data.image_files import Pictures, find_pictures
from counterfeit.data.images import FORMATS, Span, bombs_refused, crop_resize, decode

__all__ = ["Inputs", "read_inputs", "read_mask", "read_whole"]

HALF = 128  # of 255: what is lighter is white, what is less opaque is transparent


class Inputs(NamedTuple):
    """Pictures `x` in [0, 1] and masks, 0 where a picture is transparent, both (N, C, H, W)."""

    x: Tensor
    mask: Tensor


def read_inputs(path: str | Path, spec: Spec, span: Span | None = None) -> Inputs:
    """Read a picture, or those of a folder or a zip, as images of `spec`: the central square, resized.

    Pixels are rounded where the data are binary. `span` is the values that are black and white, as for the data.

    Raises:
        DataError: no such file, no pictures in it, one that is damaged, or one that cannot take the shape of `spec`.
    """
    pictures, masks, images = _pictures(Path(path).expanduser()), [], []
    with bombs_refused():
        for index in range(len(pictures.names)):
            data, who = pictures.read(index), pictures.where(index)
            images.append(_image(data, who, spec, span))
            masks.append(_opaque(data, spec))
    x, mask = torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))
    x, mask = x.float() / 255, mask.float().unsqueeze(1).expand(-1, *spec.shape).contiguous()
    return Inputs(x.round() if spec.kind == "binary" else x, mask)


def read_whole(path: str | Path, channels: int, span: Span | None = None) -> list[Tensor]:
    """Read a picture, or those of a folder or a zip, each in its own size: (channels, H, W) in [0, 1].

    `span` is the values that are black and white, as for the data.

    Raises:
        DataError: no such file, no pictures in it, or one that is damaged.
    """
    pictures = _pictures(Path(path).expanduser())
    with bombs_refused():
        arrays = [decode(pictures.read(i), pictures.where(i), channels, None, span) for i in range(len(pictures.names))]
    return [torch.from_numpy(array.copy()).float() / 255 for array in arrays]


def read_mask(path: str | Path, spec: Spec) -> Tensor:
    """The mask in a picture of any size whose white or transparent pixels are missing, (C, H, W).

    Raises:
        DataError: no such file, or it is damaged, or its central square cannot take the shape of `spec`.
    """
    pictures = _pictures(Path(path).expanduser())
    if len(pictures.names) > 1:
        raise DataError(f"{path} holds {len(pictures.names)} pictures; one is expected as a mask. Name one of them.")
    with bombs_refused():
        light = _image(pictures.read(0), pictures.where(0), Spec((1, *spec.shape[1:])))
    return torch.from_numpy(light < HALF).float().expand(*spec.shape).clone()


def _pictures(path: Path) -> Pictures:
    if path.is_file() and path.suffix.lower() != ".zip":
        return Pictures(path.parent, (path.name,), (path.stat().st_size,), False)
    return find_pictures(path)


def _image(data: bytes, who: str, spec: Spec, span: Span | None = None) -> np.ndarray:
    """A picture as uint8 (C, H, W)."""
    if len(spec.shape) != 3:
        raise DataError(f"data of shape {spec.shape} came; pictures are of (C, H, W). Choose a model of images.")
    x = decode(data, who, spec.shape[0], _side(spec), span)
    if x.shape != spec.shape:
        raise DataError(
            f"{who} has {x.shape[2]}x{x.shape[1]} pixels; {spec.shape[2]}x{spec.shape[1]} are expected. Resize it."
        )
    return x


def _opaque(data: bytes, spec: Spec) -> np.ndarray:
    """Where a picture that can be read is not transparent, bool (H, W)."""
    image, side = Image.open(io.BytesIO(data), formats=FORMATS), _side(spec)
    ImageOps.exif_transpose(image, in_place=True)
    if not image.has_transparency_data:
        return np.ones(spec.shape[1:], bool)
    alpha = image.convert("RGBA").getchannel("A")
    return np.asarray(alpha if side is None else crop_resize(alpha, side)) >= HALF


def _side(spec: Spec) -> int | None:
    """The side that pictures are resized to, where they are to be squares."""
    return spec.shape[1] if spec.shape[1] == spec.shape[2] else None
