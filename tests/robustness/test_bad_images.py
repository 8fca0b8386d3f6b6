"""Image files that are damaged, enormous, of another kind, or attacks."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from fashion.data_quality.image_check import bad_images
from fashion.pictures.listing import image_size, list_images
from mrcnn.errors import DatasetError
from mrcnn.images.reading import FORMATS, MAX_PIXELS, read_image
from mrcnn.images.resizing import resize_image
from tests.robustness.hostile import damaged, ran_code, touched_outside, value_or_sentence, watched
from tests.support import REPOSITORY

rng = np.random.default_rng(0)
NOISE = Image.fromarray(rng.integers(0, 255, (24, 40, 3)).astype(np.uint8))
EXIF = Image.Exif()
EXIF[0x0112] = 6
ANIMATION = {"save_all": True, "append_images": [Image.new("RGB", (40, 24))] * 2, "duration": 40}
KINDS = {
    "jpeg": {"format": "JPEG", "exif": EXIF},
    "progressive": {"format": "JPEG", "progressive": True},
    "png": {"format": "PNG", "exif": EXIF},
    "apng": {"format": "PNG", **ANIMATION},
    "webp": {"format": "WEBP", **ANIMATION},
    "gif": {"format": "GIF", **ANIMATION},
    "bmp": {"format": "BMP"},
    "tiff": {"format": "TIFF", "compression": "tiff_lzw", "exif": EXIF},
    "ppm": {"format": "PPM"},
}


def encoded(options: dict) -> bytes:
    stream = io.BytesIO()
    NOISE.save(stream, **options)
    return stream.getvalue()


def check_file(path) -> None:
    """Whatever the file holds, it gives an image of a bounded size or a sentence."""
    size = value_or_sentence(image_size, path)
    image = value_or_sentence(read_image, path)
    if image is not None:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS
        assert size is not None


def check_damage(path, kind: str, count: int) -> None:
    good = encoded(KINDS[kind])
    with watched() as events:
        for seed in range(count):
            path.write_bytes(damaged(good, seed))
            check_file(path)
    assert not ran_code(events)
    assert not touched_outside(events, path.parent)


# Pillow warns of damage in parts that nobody needs.
quiet = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@quiet
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(tmp_path, kind):
    check_damage(tmp_path / "a.jpg", kind, 80)


@quiet
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_damaged_files(tmp_path, kind):
    check_damage(tmp_path / "a.jpg", kind, 4000)


@quiet
@pytest.mark.parametrize("kind", KINDS)
def test_every_cut(tmp_path, kind):
    data = encoded(KINDS[kind])
    for length in np.linspace(0, len(data) - 1, 40).astype(int):
        (tmp_path / "a.png").write_bytes(data[:length])
        check_file(tmp_path / "a.png")


@pytest.mark.parametrize("kind", KINDS)
def test_the_ending_of_the_name_means_nothing(tmp_path, kind):
    path = tmp_path / "a.bmp"
    path.write_bytes(encoded(KINDS[kind]))
    image = read_image(path)
    assert image.shape[:2] == image_size(path)[::-1]
    assert sorted(image.shape[:2]) == [24, 40]  # of an animation the first frame


# --- bombs: files that promise, or unpack to, more than memory holds ------------------------


def png(width: int, height: int, rows: bytes = b"", more: bytes = b"") -> bytes:
    """A PNG with any size in its head."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, *[0] * 6)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0,\0\0\0\0" + b"\xff" * 8


def tiff(width: int, height: int) -> bytes:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 1}
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + fields + b"\0\0\0\0"


TEXT_BOMB = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))
BOMBS = {
    "png_declared": png(50_000, 50_000),
    "png_just_above": png(9_460, 9_460),
    "png_rows": png(1, 2**31 - 1),
    "png_text": png(40, 24, bytes(24 * 121), TEXT_BOMB),
    "bmp_declared": bmp(50_000, 50_000),
    "bmp_negative": bmp(-50_000, -50_000),
    "gif_declared": gif(50_000, 50_000),
    "tiff_declared": tiff(50_000, 50_000),
    "ppm_declared": b"P6 50000 50000 255\n",
}
IN_LITTLE_MEMORY = """
import resource, sys
from fashion.pictures.listing import image_size
from mrcnn.errors import DatasetError
from mrcnn.images import read_image
resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
for path in sys.argv[1:]:
    for read in (image_size, read_image):
        try:
            read(path)
        except DatasetError as error:
            assert path in str(error)
        else:
            assert "png_text" in path, path
print("all refused")
"""


def test_bombs_do_not_take_memory(tmp_path):
    """All of them in one process that may have 1.5 GB with all its libraries."""
    paths = []
    for name, data in BOMBS.items():
        paths.append(tmp_path / f"{name}.jpg")
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", IN_LITTLE_MEMORY, *map(str, paths)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=1800)
    assert done.stdout == "all refused\n", done.stderr


@pytest.mark.parametrize("size", [(9_460, 9_460), (50_000, 50_000), (0, 0), (0, 5), (5, 0)])
def test_sizes_that_are_refused_by_the_head_alone(tmp_path, size):
    path = tmp_path / "a.png"
    path.write_bytes(png(*size))
    for read in (image_size, read_image):
        with pytest.raises(DatasetError, match=r"a\.png: .*(pixels|not a readable)"):
            read(path)


# --- other kinds ----------------------------------------------------------------------------

OTHERS = {
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>',
    "pdf": b"%PDF-1.4\n",
    "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "text": b"#include <stdio.h>\n",
    "empty": b"",
    "icon": b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0\x10\0\0\0\x16\0\0\0",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_are_refused_and_start_nothing(tmp_path, name):
    path = tmp_path / "a.jpg"
    path.write_bytes(OTHERS[name])
    with watched() as events, pytest.raises(DatasetError, match="not a readable image"):
        read_image(path)
    assert not ran_code(events)


def test_no_format_that_starts_programs_is_read():
    assert not {"EPS", "PDF", "WMF", "FPX", "MIC"} & set(FORMATS)


# --- sizes that are good but odd ------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 1)])
def test_extreme_shapes_can_be_resized(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    result, window, _, _, _ = resize_image(image, 64, 64, None, "square")
    assert result.shape == (64, 64, 3)
    assert window[2] > window[0] and window[3] > window[1]
    assert result.max() > 0


# --- a folder of pictures -------------------------------------------------------------------


def test_bad_files_are_counted_and_the_good_ones_used(tmp_path):
    for name, data in (BOMBS | OTHERS).items():
        if name != "png_text":
            (tmp_path / f"{name}.png").write_bytes(data)
    NOISE.save(tmp_path / "good.png")
    (tmp_path / "folder.png").mkdir()
    sentences = bad_images(dict.fromkeys(list_images(tmp_path), (None, None)))
    assert len(sentences) == len(BOMBS) - 1 + len(OTHERS) + 1
    assert not any("good.png" in sentence for sentence in sentences)
