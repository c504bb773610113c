"""Images in and out: files to 8-bit arrays, tensors to grids, PNG."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from counterfeit.common.files import DataError, atomic
from counterfeit.common.progress import Bar

__all__ = [
    "Span", "alike_channels", "bombs_refused", "crop_resize", "decode", "encode_png", "extremes", "fill",
    "from_unit", "open_image", "resize", "save_png", "tile", "to_bytes", "to_uint8", "to_unit",
]  # fmt: skip

Span = tuple[float, float]
"""The values of files that black and white stand for."""

T = TypeVar("T")
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")  # others start programs, or guess
GRAY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L")


@contextmanager
def bombs_refused() -> Iterator[None]:
    """Make Pillow refuse pictures of an absurd number of pixels; enter it outside of threads, which share it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def open_image(data: bytes, who: str, size: int | None = None, span: Span | None = None) -> Image.Image:
    """Decode a picture, upright, as gray ("L") or color ("RGB"); what is transparent becomes white.

    Arguments:
        data: the content of the file.
        who: its name, for messages.
        size: the side that it will be resized to, if any: a JPEG is then decoded no larger than eight times that.
        span: the values that become black and white; all that the file's type can hold where None.

    Raises:
        DataError: the picture cannot be read, or is absurdly large.
    """
    return _read(data, who, size, lambda image: _opaque(image, span))


def extremes(data: bytes, who: str, size: int | None = None) -> tuple[float, float, float]:
    """The lowest and highest value in a picture, and the highest that its file's type can hold: inf for floats.

    `size` is that of `open_image`: a large JPEG need not be decoded whole.

    Raises:
        DataError: the picture cannot be read, or is absurdly large.
    """
    return _read(data, who, size, _extremes)


def to_unit(x: np.ndarray, span: Span) -> np.ndarray:
    """Values mapped so that `span` becomes [0, 1], float32; those outside are clipped."""
    low, high = span
    return ((x.astype(np.float64) - low) / (high - low)).clip(0, 1).astype(np.float32)


def from_unit(x: Tensor, span: Span) -> Tensor:
    """Values in [0, 1] mapped to those of `span`."""
    low, high = span
    return x * (high - low) + low


def _read(data: bytes, who: str, size: int | None, then: Callable[[Image.Image], T]) -> T:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if size:
            image.draft(None, (8 * size, 8 * size))  # averages whole blocks: minutes less for a folder of photographs
        ImageOps.exif_transpose(image, in_place=True)
        return then(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
        raise DataError(f"{who} has more than {limit} pixels, which is refused. Scale it down or remove it.") from error
    except Exception as error:  # decoders raise anything on damaged files
        reason = "not a picture that can be read" if isinstance(error, Image.UnidentifiedImageError) else error
        raise DataError(f"{who} is damaged or no picture ({reason}). Replace or remove it.") from error


def crop_resize(image: Image.Image, size: int) -> Image.Image:
    """The central square of `image`, resized to `size` x `size` pixels: bicubic, antialiased."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return image.crop(box) if side == size else image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def decode(data: bytes, who: str, channels: int, size: int | None, span: Span | None = None) -> np.ndarray:
    """Decode a picture to uint8 (C, H, W), center-cropped and resized to `size` where one is given.

    `span` is that of `open_image`.
    """
    image = _converted(open_image(data, who, size, span), "L" if channels == 1 else "RGB")
    pixels = np.asarray(image if size is None else crop_resize(image, size))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def resize(x: Tensor, size: int) -> Tensor:
    """Center-crop and resize images, uint8 (N, C, H, W) -> (N, C, size, size), as `crop_resize` does."""
    pixels = x.permute(0, 2, 3, 1).numpy() if x.shape[1] == 3 else x[:, 0].numpy()

    def read(index: int) -> np.ndarray:
        image = np.asarray(crop_resize(Image.fromarray(pixels[index]), size))
        return image.transpose(2, 0, 1) if image.ndim == 3 else image[None]

    return fill(read, (len(x), x.shape[1], size, size), "resizing")


def fill(read: Callable[[int], np.ndarray], shape: tuple[int, ...], what: str) -> Tensor:
    """Stack `read(i)` for every i, in threads and with a progress bar called `what`, into uint8 of `shape`."""
    out = np.empty(shape, np.uint8)
    workers = min(os.cpu_count() or 1, 16)
    share = min(max(1, len(out) // (8 * workers)), 64)  # at a time: a few large pictures keep every thread busy

    def some(start: int) -> int:
        positions = range(start, min(start + share, len(out)))
        for index in positions:
            out[index] = read(index)
        return len(positions)

    with bombs_refused(), Bar(what, len(out)) as bar, ThreadPoolExecutor(workers) as pool:
        for count in pool.map(some, range(0, len(out), share)):
            bar.update(count)
    return torch.from_numpy(out)


def alike_channels(*images: Tensor) -> tuple[Tensor, ...]:
    """Images, (N, C, H, W) each, in as many channels: gray ones in color where others are."""
    most = max(x.shape[1] for x in images)
    return tuple(x.expand(-1, most, -1, -1) for x in images)


def to_bytes(x: Tensor) -> Tensor:
    """Values in [0, 1] as 8-bit ones, of any shape."""
    return (255 * x).round().to(torch.uint8)


def to_uint8(x: Tensor) -> np.ndarray:
    """Images in [0, 1], (..., C, H, W), rounded to uint8 (..., H, W) if gray and (..., H, W, 3) if color."""
    pixels = x.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def tile(x: Tensor, columns: int | None = None, padding: int = 2, scale: int | None = None) -> np.ndarray:
    """Lay images out in a grid on mid-gray, row by row.

    Arguments:
        x: images in [0, 1], (N, C, H, W) with one or three channels.
        columns: images a row; about as many as rows where None.
        padding: pixels between images and around them.
        scale: whole factor of nearest-neighbour upscaling; where None, what makes images at least 56 pixels high.

    Returns:
        uint8 (height, width) if gray, (height, width, 3) if color.

    Raises:
        ValueError: `x` holds no images of one or three channels.

    Example:
        >>> tile(torch.rand(10, 1, 28, 28), columns=5, scale=1).shape
        (62, 152)
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(f"`x` has shape {tuple(x.shape)}; `tile` expects images (N, 1, H, W) or (N, 3, H, W), N >= 1.")
    scale = scale or max(1, math.ceil(56 / x.shape[2]))
    images = to_uint8(x).repeat(scale, 1).repeat(scale, 2)
    count, height, width = images.shape[:3]
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    down, right = height + padding, width + padding
    grid = np.full((rows * down + padding, columns * right + padding, *images.shape[3:]), 128, np.uint8)
    for index, image in enumerate(images):
        top, left = padding + index // columns * down, padding + index % columns * right
        grid[top : top + height, left : left + width] = image
    return grid


def encode_png(array: np.ndarray) -> bytes:
    """A uint8 array, (H, W) or (H, W, 3), as the bytes of a PNG, the same every time."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def save_png(path: str | Path, array: np.ndarray) -> None:
    """Write a uint8 array, (H, W) or (H, W, 3), as PNG; a reader never sees half of it."""
    with atomic(Path(path)) as part:
        part.write_bytes(encode_png(array))


def _opaque(image: Image.Image, span: Span | None = None) -> Image.Image:
    if image.mode == "F" and span is None:
        raise ValueError("its pixels are floating-point numbers of no known range; say it by --data.range LOW,HIGH")
    gray = image.mode in GRAY_MODES or image.mode == "F"
    if image.mode == "F" or image.mode.startswith("I"):  # whose conversion to 8 bits would clip
        image = Image.fromarray(np.rint(255 * to_unit(_finite(image), span or (0.0, 65535.0))).astype(np.uint8))
    elif span is not None and image.mode in ("L", "RGB", "LA", "RGBA"):
        image = _stretched(image, span)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return _converted(image, "L" if gray else "RGB")


def _stretched(image: Image.Image, span: Span) -> Image.Image:
    """An 8-bit picture in which `span` is black to white; transparency stays."""
    table = np.rint(255 * to_unit(np.arange(256), span)).astype(int).tolist()
    colors = len(image.getbands()) - image.mode.endswith("A")
    return image.point(table * colors + list(range(256)) * image.mode.endswith("A"))


def _extremes(image: Image.Image) -> tuple[float, float, float]:
    full = np.inf if image.mode == "F" else 65535.0 if image.mode.startswith("I") else 255.0
    deep = image.mode == "F" or image.mode.startswith("I")
    pixels = _finite(image) if deep else np.asarray(_opaque(image))
    return float(pixels.min()), float(pixels.max()), float(full)


def _finite(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    if not np.isfinite(pixels).all():
        raise ValueError("it holds values that are not finite")
    return pixels


def _converted(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)
