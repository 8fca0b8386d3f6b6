"""Half figures, close-ups, and garments alone, cut from a drawn photograph of a whole figure."""

import random

import numpy as np
import pytest

from fashion.labels import PERSON, PHOTO_TABLE
from fashion.photo.cuttings import alone, around, close_up, cut, cut_photographs, half_figure
from fashion.photo.training import load_photographs
from fashion.photo.worn import Worn, WornWriter
from mrcnn.errors import DatasetError

# y1, x1, y2, x2 in pixels
FIGURE = {PERSON: (20, 100, 380, 200), "top": (60, 110, 200, 190), "pants": (190, 110, 360, 190)}


def figure(**boxes):
    """A person on a grey ground of 400 x 300; each instance has a colour."""
    image, masks = np.full((400, 300, 3), 90, np.uint8), []
    for number, (y1, x1, y2, x2) in enumerate(boxes.values(), 1):
        mask = np.zeros((400, 300), bool)
        mask[y1:y2, x1:x2] = True
        image[mask] = 60 * number
        masks.append(mask)
    return Worn(image, list(boxes), masks)


@pytest.mark.parametrize("seed", range(8))
def test_a_half_figure_shows_the_person_and_one_garment_or_both(seed):
    half = half_figure(figure(**FIGURE), random.Random(seed))
    assert PERSON in half.names and len(half.names) > 1
    height = half.masks[half.person].any(axis=1).sum()
    assert 0.35 * 360 - 1 <= height <= 0.65 * 360 + 1
    assert all(mask.shape == half.image.shape[:2] for mask in half.masks)


@pytest.mark.parametrize("seed", range(4))
def test_a_close_up_shows_one_garment_whole(seed):
    close = close_up(figure(**FIGURE), random.Random(seed))
    assert {140 * 80, 170 * 80} & {int(mask.sum()) for mask in close.masks}
    assert close.image.shape[0] < 400


@pytest.mark.parametrize("seed", range(4))
def test_a_garment_alone_is_on_a_plain_ground(seed):
    single = alone(figure(**FIGURE), random.Random(seed))
    (name,), (mask,) = single.names, single.masks
    assert name in ("top", "pants")
    corners = single.image[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == corners[0]).all() and corners.min() >= 170
    rows, columns = (int(np.median(n)) for n in np.nonzero(mask))
    assert single.image[rows, columns].tolist() == [120 if name == "top" else 180] * 3


def test_what_a_cut_leaves_too_little_of_is_left_out():
    part = cut(figure(**FIGURE), (0, 0, 220, 300))
    assert part.names == [PERSON, "top"]  # of the pants 30 rows of 170 are left
    assert cut(figure(**FIGURE), (0, 0, 250, 300)).names == [PERSON, "top", "pants"]
    assert cut(figure(**FIGURE), (0, 0, 20, 300)).names == []


def test_margins_end_at_the_border():
    mask = figure(**FIGURE).masks[0]
    assert around(mask, (0, 0, 0, 0)) == (20, 100, 380, 200)
    assert around(mask, (1, 0.1, 1, 0.1)) == (0, 64, 400, 236)


def test_cut_photographs_are_a_data_set(tmp_path):
    writer = WornWriter(tmp_path / "whole", "photo")
    writer.add(figure(**FIGURE))
    writer.add(figure(**{PERSON: FIGURE[PERSON]}))  # wears nothing that could be cut out
    writer.finish()
    whole = load_photographs([tmp_path / "whole"])
    summary = cut_photographs(whole, tmp_path / "cut", 7, seed=1)
    assert summary.startswith("7 photographs")
    dataset = load_photographs([tmp_path / "cut"])
    assert dataset.num_images == 7
    top = PHOTO_TABLE.id_of("top"), PHOTO_TABLE.id_of("pants")
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        assert masks.shape[:2] == dataset.load_image(image_id).shape[:2]
        assert set(class_ids.tolist()) & set(top)
    again = cut_photographs(whole, tmp_path / "again", 7, seed=1)
    assert again == summary
    for path in (tmp_path / "cut").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_nobody_to_cut(tmp_path):
    writer = WornWriter(tmp_path / "whole", "photo")
    writer.add(figure(**{PERSON: FIGURE[PERSON]}))
    writer.finish()
    with pytest.raises(DatasetError, match="no photograph shows a garment on a person"):
        cut_photographs(load_photographs([tmp_path / "whole"]), tmp_path / "cut", 3, seed=1)
