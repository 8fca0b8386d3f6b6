"""Every kind of picture file that photographs come in, through all that reads images."""

import io

import numpy as np
import pytest
from PIL import Image, features

from fashion.data_quality.image_check import bad_images, expected_images, other_files
from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from fashion.pictures.listing import image_size, list_images
from fashion.splitting.near_duplicates import read_fingerprints
from mrcnn.errors import DatasetError
from mrcnn.images.reading import read_image
from tests.fashion.factories import coco_data, dataset_folder, entry, region, write_json
from tests.fashion.heic_files import PLAIN_HEIC, TURNED_HEIC

# 40 x 24, one colour a corner, so that a turned or mirrored picture shows.
SCENE = np.zeros((24, 40, 3), np.uint8)
SCENE[:12, :20] = 220, 30, 30
SCENE[:12, 20:] = 30, 200, 40
SCENE[12:, :20] = 40, 60, 210
SCENE[12:, 20:] = 230, 210, 40
PICTURE = Image.fromarray(SCENE)
GREY = PICTURE.convert("L")
ALPHA = Image.fromarray(np.dstack([SCENE, np.full((24, 40), 90, np.uint8)]))
BEST = {"quality": 95, "subsampling": 0}


def inverted_cmyk(path):
    """As Photoshop saves CMYK: an Adobe marker, and inverted values (Pillow inverts them back)."""
    PICTURE.convert("CMYK").save(path, **BEST)
    assert b"Adobe" in path.read_bytes()


def sixteen_bit_colour(path):
    """A PNG with 16 bits a channel, which Pillow cannot write: by OpenCV, in BGR."""
    import cv2

    assert cv2.imwrite(str(path), SCENE[..., ::-1].astype(np.uint16) * 257)


def first_of_two(path):
    """An animation, of which the first frame counts."""
    PICTURE.save(path, save_all=True, append_images=[Image.new("RGB", (40, 24))])


def turned(orientation):
    """A stored picture with an EXIF orientation that makes it upright."""
    stored = {
        1: SCENE,
        2: SCENE[:, ::-1],
        3: SCENE[::-1, ::-1],
        4: SCENE[::-1],
        5: SCENE.transpose(1, 0, 2),
        6: np.rot90(SCENE, 1),
        7: SCENE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(SCENE, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return Image.fromarray(np.ascontiguousarray(stored)), exif


def turned_file(suffix, orientation, **settings):
    def save(path):
        image, exif = turned(orientation)
        image.save(path, exif=exif, **settings)

    return f"turned_{orientation}{suffix}", save, SCENE


GREY_SCENE = np.repeat(np.asarray(GREY)[..., None], 3, axis=2)
KINDS = [
    ("plain.jpg", lambda path: PICTURE.save(path, **BEST), SCENE),
    ("progressive.jpg", lambda path: PICTURE.save(path, progressive=True, **BEST), SCENE),
    # colour at half resolution, as cameras save it
    ("camera.jpg", lambda path: PICTURE.save(path, quality=92), SCENE),
    ("grey.jpg", lambda path: GREY.save(path, **BEST), GREY_SCENE),
    ("cmyk.jpg", inverted_cmyk, SCENE),
    ("UPPER.JPG", lambda path: PICTURE.save(path, "JPEG", **BEST), SCENE),
    ("png_named.jpg", lambda path: PICTURE.save(path, "PNG"), SCENE),
    ("plain.png", lambda path: PICTURE.save(path), SCENE),
    ("interlaced.png", lambda path: path.write_bytes(interlaced_png()), SCENE),
    # alpha is dropped, not blended with black
    ("alpha.png", lambda path: ALPHA.save(path), SCENE),
    ("grey_alpha.png", lambda path: ALPHA.convert("LA").save(path), GREY_SCENE),
    ("palette.png", lambda path: PICTURE.quantize(8).save(path), SCENE),
    (
        "grey_16_bit.png",
        lambda path: Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257).save(path),
        GREY_SCENE,
    ),
    ("colour_16_bit.png", sixteen_bit_colour, SCENE),
    ("lossless.webp", lambda path: PICTURE.save(path, lossless=True), SCENE),
    ("lossy.webp", lambda path: PICTURE.save(path, quality=95), SCENE),
    ("alpha.webp", lambda path: ALPHA.save(path, lossless=True, exact=True), SCENE),
    ("plain.bmp", lambda path: PICTURE.save(path), SCENE),
    ("plain.tif", lambda path: PICTURE.save(path), SCENE),
    *(turned_file(".jpg", orientation, **BEST) for orientation in range(1, 9)),
    turned_file(".png", 6),
    turned_file(".webp", 8, lossless=True),
    ("plain.avif", lambda path: PICTURE.save(path, quality=95), SCENE),
    turned_file(".avif", 6, quality=95),
    ("plain.heic", lambda path: path.write_bytes(PLAIN_HEIC), SCENE),
    ("turned.HEIC", lambda path: path.write_bytes(TURNED_HEIC), SCENE),
    ("iphone_named.jpg", lambda path: path.write_bytes(PLAIN_HEIC), SCENE),
    ("first_of_two.gif", first_of_two, SCENE),
]
NAMES = [name for name, _, _ in KINDS]


def interlaced_png():
    """An Adam7 PNG, by hand: neither Pillow nor OpenCV writes them."""
    import struct
    import zlib

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)]
    passes += [(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in SCENE[y::dy, x::dx])

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", 40, 24, 8, 2, 0, 0, 1)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def centres(image):
    """The colours in the middle of the four corners, where no codec smears."""
    return image[6::12, 10::20].astype(int)


@pytest.mark.parametrize(("name", "save", "expected"), KINDS, ids=NAMES)
def test_read_upright_as_rgb(tmp_path, name, save, expected):
    save(tmp_path / name)
    found = read_image(tmp_path / name)
    assert (found.shape, found.dtype) == (SCENE.shape, np.uint8)
    assert np.abs(centres(found) - centres(expected)).max() <= 8
    # the size that annotations refer to, by the head of the file alone
    assert image_size(tmp_path / name) == (40, 24)


def test_progressive_is_progressive(tmp_path):
    PICTURE.save(tmp_path / "a.jpg", progressive=True)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["progressive"]


def test_webp_is_built_in():
    assert features.check("webp")


@pytest.fixture
def folder(tmp_path):
    """A dataset folder with one picture of each kind, and annotations of them all."""
    dataset_folder(
        tmp_path, [entry(name, [region()], size=(40, 24)) for name in NAMES], write_images=False
    )
    for name, save, _ in KINDS:
        save(tmp_path / "train" / name)
    return tmp_path


def test_all_kinds_can_be_trained_on(folder):
    loaded = FashionDataset().load(folder, "train", MODANET_TABLE)
    loaded.prepare()
    assert len(loaded.image_ids) == len(KINDS)
    for image_id in loaded.image_ids:
        assert loaded.load_image(image_id).shape == (24, 40, 3)
        assert loaded.load_mask(image_id)[0].shape == (24, 40, 1)


def test_all_kinds_pass_the_check(folder):
    expected = expected_images(folder)
    assert len(expected) == len(KINDS)
    assert bad_images(expected) == []


def test_all_kinds_have_fingerprints(folder):
    prints, errors = read_fingerprints([folder / "train" / name for name in NAMES])
    assert errors == []
    assert None not in prints


def damaged(kind):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()[: len(stream.getvalue()) // 2]


def test_the_check_names_everything_that_is_bad(folder):
    train = folder / "train"
    (train / "plain.jpg").unlink()
    (train / "camera.jpg").write_bytes(damaged("JPEG"))
    (train / "plain.png").write_bytes(damaged("PNG"))
    (train / "lossy.webp").write_bytes(damaged("WEBP"))
    (train / "grey.jpg").write_bytes(b"")
    (train / "plain.bmp").write_text("<html>not found</html>")
    Image.new("RGB", (24, 40)).save(train / "plain.tif")
    (train / "not_annotated.jpg").write_bytes(b"rubbish")
    seen = []
    bad = bad_images(expected_images(folder), progress=lambda: seen.append(1))
    assert len(seen) == len(KINDS) + 1
    names = ["camera.jpg", "grey.jpg", "lossy.webp", "not_annotated.jpg"]
    names += ["plain.bmp", "plain.jpg", "plain.png", "plain.tif"]
    assert len(bad) == len(names)
    for name, sentence in zip(names, bad, strict=True):
        assert str(train / name) in sentence
    assert "there is no such image file" in bad[5]
    assert "expected 40 x 24 pixels, found 24 x 40" in bad[7]


def test_the_check_of_other_things(tmp_path):
    """A folder of images without annotations, an annotation file, and nothing."""
    PICTURE.save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"")
    assert sorted(path.name for path in expected_images(tmp_path)) == ["a.jpg", "b.jpg"]
    images = [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 24}]
    file = write_json(tmp_path / "elsewhere" / "ann.json", coco_data((), images))
    assert expected_images(file, tmp_path)[tmp_path / "a.jpg"] == (40, 24)
    assert bad_images({}) == []


def test_what_is_not_read_is_listed(tmp_path):
    PICTURE.save(tmp_path / "a.jpg")
    for name in ("film.mov", "notes.txt", "annotations.json", ".hidden"):
        (tmp_path / name).touch()
    assert [path.name for path in other_files(tmp_path)] == ["film.mov", "notes.txt"]


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\x18ftypmp42",
        b"\0\0\0\x14ftypqt  ",
        b"RIFF\0\0\0\0AVI LIST",
        b"\x1a\x45\xdf\xa3\0\0\0\0\0\0\0\0",
    ],
)
def test_a_video_is_called_a_video(tmp_path, head):
    path = tmp_path / "a.jpg"
    path.write_bytes(head)
    for read in (read_image, list_images):
        with pytest.raises(DatasetError, match=r"a\.jpg: this is a video, not a picture"):
            read(path)
