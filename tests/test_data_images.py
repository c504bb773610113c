"""Images in and out."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from counterfeit.common.files import DataError
from counterfeit.data.images import (
    bombs_refused,
    crop_resize,
    decode,
    encode_png,
    open_image,
    resize,
    save_png,
    tile,
    to_uint8,
)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def smooth(height, width):
    y, x = np.mgrid[:height, :width]
    shades = np.stack((y * 255 / height, x * 255 / width, (x + y) * 127 / max(height, width)), -1)
    return Image.fromarray(shades.astype(np.uint8))


def pixels(image, **options):
    return np.asarray(open_image(encoded(image, **options), "x"))


def test_png_and_back_keeps_every_value(tmp_path):
    array = np.random.RandomState(0).randint(0, 256, (5, 7, 3), np.uint8)
    save_png(tmp_path / "new" / "x.png", array)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO((tmp_path / "new" / "x.png").read_bytes()))), array)
    assert (tmp_path / "new" / "x.png").read_bytes() == encode_png(array)


def test_tiles_lie_row_by_row_with_padding():
    x = torch.arange(6).view(6, 1, 1, 1).expand(6, 1, 2, 3) / 255
    grid = tile(x, columns=4, padding=1, scale=1)
    assert grid.shape == (1 + 2 * 3, 1 + 4 * 4)
    assert [grid[1, 1 + 4 * i] for i in range(4)] == [0, 1, 2, 3]
    assert [grid[4, 1 + 4 * i] for i in range(4)] == [4, 5, 128, 128]


def test_tiny_tiles_are_enlarged_by_whole_pixels():
    grid = tile(torch.eye(8)[None, None], padding=0)
    assert grid.shape == (56, 56)
    assert np.array_equal(grid, np.kron(np.eye(8), np.ones((7, 7))) * 255)


def test_color_tiles_keep_their_channels():
    x = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)
    assert tile(x, padding=0, scale=1).tolist() == [[[255, 128, 0]]]


def test_tile_refuses_what_is_no_image():
    with pytest.raises(ValueError, match=r"`x` has shape \(4, 2\); `tile` expects images"):
        tile(torch.zeros(4, 2))


def test_values_beyond_the_range_are_clipped():
    assert to_uint8(torch.tensor([-1.0, 0.5, 2.0]).view(1, 1, 3)).tolist() == [[0, 128, 255]]


def test_the_crop_is_central():
    array = np.zeros((4, 10), np.uint8)
    array[:, 3:7] = 9
    assert np.asarray(crop_resize(Image.fromarray(array), 4)).tolist() == [[9] * 4] * 4


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    shrunk = np.asarray(crop_resize(Image.fromarray(stripes), 16)).astype(int)
    assert abs(shrunk[:, 2:-2] - 127).max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_tensors_are_resized_as_files_are(channels):
    array = np.array(smooth(20, 24))
    array = array if channels == 3 else array[..., 0]
    x = torch.from_numpy(array if channels == 3 else array[..., None]).permute(2, 0, 1)[None]
    file = encoded(Image.fromarray(array))
    assert np.array_equal(resize(x, 9)[0].numpy(), decode(file, "x", channels, 9))


def test_a_large_jpeg_is_decoded_small_with_nearly_the_same_result():
    image = smooth(1200, 1600)
    file = encoded(image, "JPEG", quality=95)
    full = np.asarray(crop_resize(Image.open(io.BytesIO(file)), 32)).astype(int)
    assert open_image(file, "x", 32).size == (400, 300)
    assert abs(decode(file, "x", 3, 32).transpose(1, 2, 0) - full).max() <= 2


def test_what_is_transparent_becomes_white():
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert pixels(image).tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert pixels(Image.new("LA", (1, 1), (10, 0))).tolist() == [[255]]


def test_a_transparent_color_of_a_palette_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 50, 0])
    image.putpixel((1, 0), 1)
    assert pixels(image).tolist() == [[[200, 0, 0], [0, 50, 0]]]
    assert pixels(image, transparency=1).tolist() == [[[200, 0, 0], [255, 255, 255]]]


def test_sixteen_bits_are_scaled_to_eight():
    image = Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16))
    assert pixels(image).tolist() == [[0, 100, 255]]


def test_one_bit_is_gray():
    assert pixels(Image.fromarray(np.array([[True, False]]))).tolist() == [[255, 0]]


def test_pictures_are_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    assert open_image(encoded(smooth(20, 40), "JPEG", exif=exif), "x").size == (20, 40)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_picture_is_one_line_that_names_it(kind):
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3), np.uint8))
    file = encoded(noise, kind)
    with pytest.raises(DataError, match=r"^cat\.x is damaged or no picture \([^\n]*\)\. Replace or remove it\.$"):
        open_image(file[: len(file) // 2], "cat.x")


@pytest.mark.parametrize("data", [b"", b"\n", b"<html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(DataError, match=r"^x is damaged or no picture"):
        open_image(data, "x")


@pytest.mark.parametrize("limit", [99, 40])
def test_absurdly_large_pictures_are_refused(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with bombs_refused(), pytest.raises(DataError, match=f"x has more than {limit} pixels"):
        open_image(encoded(smooth(10, 10)), "x")


def test_floating_point_pixels_without_a_range_are_refused():
    with pytest.raises(DataError, match=r"--data\.range"):
        open_image(encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"), "x")


def test_floating_point_pixels_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="not finite"):
        open_image(encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"), "x", span=(0, 1))


@pytest.mark.parametrize(
    ("dtype", "form"), [(np.float32, "TIFF"), (np.uint16, "PNG"), (np.uint16, "TIFF"), (np.uint8, "PNG")]
)
def test_a_range_is_black_to_white_whatever_the_files_type(dtype, form):
    pixels = np.array([[10, 60], [110, 200]], dtype)
    found = decode(encoded(Image.fromarray(pixels), form), "x", 1, None, span=(10, 110))
    assert found.tolist() == [[[0, 128], [255, 255]]]


def test_a_range_leaves_transparency():
    layer = np.array([[[100, 100, 100, 255], [50, 50, 50, 255], [50, 50, 50, 0]]], np.uint8)
    found = decode(encoded(Image.fromarray(layer, "RGBA"), "PNG"), "x", 3, None, span=(0, 100))
    assert found[:, 0].tolist() == [[255, 128, 255]] * 3
