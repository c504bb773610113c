"""Pictures that a person hands to a model to work on, and what of them is missing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from counterfeit.common.files import DataError
from counterfeit.common.seeding import seeded
from counterfeit.core import Spec
from counterfeit.data.image_files import named_pictures
from counterfeit.data.images import FORMATS, Span, bombs_refused, crop_resize, decode
from counterfeit.data.sample_files import Array
from counterfeit.data.source import Source
from counterfeit.data.sources.arrays import SUFFIXES, chosen_arrays, read_arrays
from counterfeit.data.sources.sounds import read_clips
from counterfeit.data.sources.table import TABLES, Table, read_table
from counterfeit.data.sources.text_lines import TEXT, Text, read_lines

__all__ = ["Inputs", "read_examples", "read_given", "read_inputs", "read_mask", "read_whole"]

HALF = 128  # of 255: what is lighter is white, what is less opaque is transparent


class Inputs(NamedTuple):
    """Pictures `x` as a model of the data sees them, masks, 0 where a picture is transparent, both (N, *shape), and the
    files that they are from.
    """

    x: Tensor
    mask: Tensor
    names: tuple[str, ...]


def read_inputs(path: str | Path, source: Source, seed: int = 0) -> Inputs:
    """Read a picture, or those of a folder or a zip, as examples of a source: the central square, resized.

    They pass through the transforms of the source, with noise by `seed` where one draws; where its values are binary,
    pixels are rounded.

    Raises:
        DataError: no such file, no pictures in it, one that is damaged, or one that cannot take the shape of `spec`.
    """
    pictures, masks, images, spec = named_pictures(path), [], [], source.raw.spec
    with bombs_refused():
        for index in range(len(pictures.names)):
            data, who = pictures.read(index), pictures.where(index)
            images.append(_image(data, who, spec, source.span))
            masks.append(_opaque(data, spec))
    x, mask = torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))
    x, mask = x.float() / 255, mask.float().unsqueeze(1).expand(-1, *spec.shape).reshape(-1, *source.spec.shape)
    names = tuple(map(pictures.where, range(len(x))))
    if source.spec.kind == "binary":
        return Inputs(x.round().reshape(mask.shape), mask, names)
    with seeded(seed):
        return Inputs(source.transform(x), mask, names)


def read_given(path: str | Path, source: Source) -> Tensor:
    """Read a picture, or those of a folder or a zip, as the first ones of pairs, (N, *given): central square, resized.

    Raises:
        DataError: no such file, no pictures in it, one that is damaged, or one that cannot take the shape of `given`.
    """
    pictures = named_pictures(path)
    with bombs_refused():
        images = [_image(pictures.read(i), pictures.where(i), source.spec.givens) for i in range(len(pictures.names))]
    return torch.from_numpy(np.stack(images)).float() / 255


def read_examples(paths: Sequence[str | Path], source: Source, seed: int = 0) -> tuple[list[str], Tensor]:
    """Read pictures, sounds, folders or zips of them, arrays, tables and texts as examples of a source.

    Arguments:
        paths: where they are.
        source: the data whose transforms they pass through.
        seed: of the noise of transforms that draw.

    Returns:
        What each is called, and all of them as a model of the data sees them, (N, *shape).

    Raises:
        DataError: a file cannot be read, or its examples are not of the data's shape and range.
    """
    names: list[str] = []
    parts: list[Tensor] = []
    for path in paths:
        if Path(path).suffix.lower() in SUFFIXES:
            array = Array(chosen_arrays(read_arrays(Path(path).expanduser()), str(path))[0], source.raw, str(path))
            names += [f"{path}[{i}]" for i in range(len(array))]
            with seeded(seed):
                parts.append(source.transform(array.first(len(array)).x))
        elif source.raw.rate is not None:
            called, clips = read_clips(path, source.raw.rate, source.raw.spec)
            names += called
            with seeded(seed):
                parts.append(source.transform(clips))
        elif Path(path).suffix.lower() in TABLES and isinstance(source.raw, Table):
            rows = source.raw.encode(read_table(path))
            names += [f"{path}[{i}]" for i in range(len(rows))]
            parts.append(source.transform(rows))
        elif Path(path).suffix.lower() == TEXT and isinstance(source.raw, Text):
            lines = [(i, line) for i, line in enumerate(read_lines(path), 1) if line]
            names += [f"{path}:{i}" for i, _ in lines]
            parts.append(source.raw.encode([line for _, line in lines]))
        else:
            inputs = read_inputs(path, source, seed)
            names += inputs.names
            parts.append(inputs.x)
    return names, torch.cat(parts)


def read_whole(path: str | Path, channels: int, span: Span | None = None) -> list[Tensor]:
    """Read a picture, or those of a folder or a zip, each in its own size: (channels, H, W) in [0, 1].

    `span` is the values that are black and white, as for the data.

    Raises:
        DataError: no such file, no pictures in it, or one that is damaged.
    """
    pictures = named_pictures(path)
    with bombs_refused():
        arrays = [decode(pictures.read(i), pictures.where(i), channels, None, span) for i in range(len(pictures.names))]
    return [torch.from_numpy(array.copy()).float() / 255 for array in arrays]


def read_mask(path: str | Path, spec: Spec) -> Tensor:
    """The mask in a picture of any size whose white or transparent pixels are missing, (C, H, W).

    Raises:
        DataError: no such file, or it is damaged, or its central square cannot take the shape of `spec`.
    """
    pictures = named_pictures(path)
    if len(pictures.names) > 1:
        raise DataError(f"{path} holds {len(pictures.names)} pictures; one is expected as a mask. Name one of them.")
    with bombs_refused():
        light = _image(pictures.read(0), pictures.where(0), Spec((1, *spec.shape[1:])))
    return torch.from_numpy(light < HALF).float().expand(*spec.shape).clone()


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
