"""Pictures and detections of a person in plain colours, for the tests of clothing parsing."""

import numpy as np

from fashion.labels import MODANET_TABLE

TOP, PANTS, BELT, BAG = (MODANET_TABLE.id_of(name) for name in ("top", "pants", "belt", "bag"))
WALL, SKIN, HAIR = (120, 160, 120), (224, 172, 140), (50, 30, 20)
RED, BLUE = (190, 30, 40), (30, 50, 160)

# What is where on a picture of 120 x 80 pixels: y1, x1, y2, x2.
HEAD_BOX, HAIR_BOX = (10, 32, 26, 48), (6, 30, 12, 50)
TOP_BOX, PANTS_BOX, BODY_BOX = (28, 24, 64, 56), (64, 24, 110, 56), (6, 24, 110, 56)
HEIGHT, WIDTH = 120, 80


def person_picture():
    """uint8 [120, 80, 3]: hair, face, red top and blue trousers before a green wall."""
    image = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    for box, colour in (
        (HEAD_BOX, SKIN),
        (HAIR_BOX, HAIR),
        (TOP_BOX, RED),
        (PANTS_BOX, BLUE),
    ):
        image[window(box)] = colour
    return image


def window(box):
    """Slices of a box [y1, x1, y2, x2]."""
    y1, x1, y2, x2 = box
    return np.s_[y1:y2, x1:x2]


def box_mask(box, shape=(HEIGHT, WIDTH)):
    """bool [height, width], True within the box."""
    mask = np.zeros(shape, bool)
    mask[window(box)] = True
    return mask


def detections(*items, shape=(HEIGHT, WIDTH)):
    """What a detector gives: an item is (class id, score, mask or box)."""
    masks = [
        item[2] if isinstance(item[2], np.ndarray) else box_mask(item[2], shape) for item in items
    ]
    stacked = np.stack(masks, axis=-1) if masks else np.zeros((*shape, 0))
    boxes = [(*np.argwhere(m).min(0), *(np.argwhere(m).max(0) + 1)) for m in masks if m.any()]
    return {
        "class_ids": np.array([item[0] for item in items], np.int32),
        "scores": np.array([item[1] for item in items], np.float32),
        "rois": np.array(boxes, np.int32).reshape(-1, 4),
        "masks": stacked,
    }


def outfit():
    """The person's top and trousers."""
    return detections((TOP, 0.9, TOP_BOX), (PANTS, 0.8, PANTS_BOX))


def person():
    """The person."""
    return detections((1, 0.95, BODY_BOX))
