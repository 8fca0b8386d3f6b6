import numpy as np
import pytest

from mrcnn.drawing.captions import (
    Label,
    ink_on,
    shorten,
    text_height,
    text_width,
    write_labels,
    write_text,
)

MAGENTA = (255, 0, 255)


def ground_of(image):
    """The pixel box of what was drawn on black: [y1, x1, y2, x2]."""
    rows = np.flatnonzero(image.any(axis=(1, 2)))
    columns = np.flatnonzero(image.any(axis=(0, 2)))
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


@pytest.mark.parametrize(
    ("box", "expected_top"),
    [
        ((100, 50, 180, 120), 100 - text_height(12)),  # above the box
        ((0, 50, 180, 120), 0),  # no room above: inside, at the top
        ((-30, -40, 180, 120), 0),  # box beyond the image
    ],
)
def test_a_caption_stands_at_its_box(box, expected_top):
    image = write_labels(np.zeros((200, 200, 3), np.uint8), [Label(box, "top 0.97", MAGENTA)], 12)
    y1, x1, y2, _ = ground_of(image)
    assert y1 == expected_top and y2 - y1 == text_height(12) and x1 == max(box[1], 0)


def test_the_text_is_readable_on_its_ground():
    image = write_labels(
        np.zeros((200, 200, 3), np.uint8), [Label((90, 20, 150, 90), "belt", (20, 60, 150))], 14
    )
    y1, x1, y2, x2 = ground_of(image)
    label = image[y1:y2, x1:x2].reshape(-1, 3)
    assert (label == (20, 60, 150)).all(axis=1).mean() > 0.5  # mostly ground
    assert (label.min(axis=1) > 200).sum() > 20  # white ink


def test_captions_of_one_box_do_not_cover_each_other():
    labels = [Label((50, 50, 120, 150), "jacket 0.9", (0, 0, 200 + i)) for i in range(5)]
    image = write_labels(np.zeros((200, 200, 3), np.uint8), labels, 12)
    wide = text_width("jacket 0.9", 12)
    for label in labels:
        ground = (image == label.colour).all(axis=-1)
        ink = 0.45 * wide * text_height(12)
        assert ground.sum() > ink  # none is hidden


def test_a_caption_leaves_a_small_neighbour_visible():
    glasses = Label((40, 60, 52, 110), "sunglasses 0.9", (255, 0, 0))
    scarf = Label((54, 60, 150, 140), "scarf 0.8", (0, 255, 0))
    image = write_labels(np.zeros((200, 200, 3), np.uint8), [scarf, glasses], 12)
    assert not image[40:52, 60:110].any()


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (40, 5), (12, 12)])
def test_images_smaller_than_the_caption(size):
    image = np.zeros((*size, 3), np.uint8)
    write_labels(image, [Label((0, 0, *size), "a rather long caption", MAGENTA)], 12)
    assert image.any()


@pytest.mark.parametrize("text", ["sonbahar ığüşöç", "юбка", "裙子 👗", "two\nlines", "a\tb\x00"])
def test_any_unicode_text(text):
    image = np.zeros((60, 300, 3), np.uint8)
    write_labels(image, [Label((30, 5, 50, 100), text, MAGENTA)], 12)
    assert ground_of(image)[2] - ground_of(image)[0] == text_height(12)


def test_letters_of_turkish_differ():
    images = []
    for letter in "\u0131i\u015fs\u011fg":  # dotless i, s with cedilla, g with breve
        image = np.zeros((20, 20, 3), np.uint8)
        write_text(image, letter, (1, 1), 14, (255, 255, 255))
        images.append(image.tobytes())
    assert len(set(images)) == 6


def test_empty_captions_are_skipped():
    image = np.zeros((50, 50, 3), np.uint8)
    write_labels(image, [Label((10, 10, 40, 40), text, MAGENTA) for text in ("", "  ")], 12)
    write_labels(image, [], 12)
    assert not image.any()


def test_shorten():
    assert shorten("top", 12, 200) == "top"
    cut = shorten("an extraordinarily long name", 12, 80)
    assert cut.endswith("…") and text_width(cut, 12) <= 80
    assert shorten("top", 12, 0) == "…"


def test_ink_contrasts_with_the_ground():
    assert ink_on((255, 255, 0)) == (0, 0, 0) and ink_on((20, 20, 120)) == (255, 255, 255)


@pytest.mark.parametrize("position", [(-100, 0), (0, 500), (19, 19), (-5, -5)])
def test_text_outside_is_cut(position):
    image = np.zeros((20, 20, 3), np.uint8)
    write_text(image, "wide enough", position, 12, (255, 255, 255))
    assert image.shape == (20, 20, 3)
