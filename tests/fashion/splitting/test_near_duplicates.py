import cv2
import numpy as np
import pytest
from PIL import Image

from fashion.splitting import near_duplicates
from fashion.splitting.near_duplicates import fingerprint, near_duplicate_groups


def picture(seed, height=300, width=200):
    """Coloured patches on a smooth ground: nothing like another seed's."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        y, x = random.integers(0, height - 60), random.integers(0, width - 50)
        image[y : y + 60, x : x + 50] = random.integers(0, 256, 3)
    return image


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        # smaller, by an odd factor, larger
        lambda image: cv2.resize(image, (100, 150), interpolation=cv2.INTER_AREA),
        lambda image: cv2.resize(image, (137, 205)),
        lambda image: cv2.resize(image, (320, 480)),
        # poor compression
        lambda image: jpeg(image, 30),
        # mirrored, as training does with every image
        lambda image: image[:, ::-1].copy(),
        # brighter, without colour, a percent cut off all around
        lambda image: np.clip(image * 1.1 + 10, 0, 255).astype(np.uint8),
        lambda image: np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
        lambda image: image[3:-3, 2:-2].copy(),
    ],
)
def test_changed_pictures_are_near_duplicates(change):
    for seed in range(5):
        image = picture(seed)
        pair = [fingerprint(image), fingerprint(change(image))]
        assert near_duplicate_groups(pair) == [[0, 1]]


def test_different_pictures_are_not():
    prints = [fingerprint(picture(seed)) for seed in range(300)]
    assert near_duplicate_groups(prints) == [[index] for index in range(300)]


def test_groups_hang_together():
    """The copies are found across the blocks that are compared at once."""
    prints = [fingerprint(picture(seed)) for seed in (*range(290), 3, 3, 100)]
    groups = near_duplicate_groups(prints)
    assert [group for group in groups if len(group) > 1] == [[3, 290, 291], [100, 292]]
    assert sorted(index for group in groups for index in group) == list(range(293))


def test_pictures_that_show_nothing_stay_alone():
    blank = fingerprint(np.full((20, 20, 3), 200, np.uint8))
    assert near_duplicate_groups([blank, blank, None]) == [[0], [1], [2]]
    assert near_duplicate_groups([]) == []
    one_pixel = fingerprint(np.zeros((1, 1, 3), np.uint8))
    assert near_duplicate_groups([one_pixel, one_pixel]) == [[0], [1]]


def test_files_that_cannot_be_read_are_named(tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    seen = []
    prints, errors = near_duplicates.read_fingerprints(
        [tmp_path / "good.png", tmp_path / "bad.png"], progress=lambda: seen.append(1)
    )
    assert len(seen) == 2
    assert prints[1] is None
    assert prints[0].thumbnail.shape == (32, 32)
    (error,) = errors
    assert "bad.png" in error
