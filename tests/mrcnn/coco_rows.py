"""Small truths and detections as COCO rows, of rectangles, for tests of the evaluation."""

import numpy as np

from mrcnn.evaluation.coco_ap import encode_mask

SIDE = 100


def row(image_id, class_id, box, score=None, side=SIDE):
    """A row of a rectangle [y1, x1, y2, x2]; a negative class id is a crowd."""
    y1, x1, y2, x2 = (int(value) for value in box)
    mask = np.zeros((side, side), bool)
    mask[y1:y2, x1:x2] = True
    made = {
        "image_id": image_id,
        "category_id": abs(class_id),
        "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
        "segmentation": encode_mask(mask),
    }
    if score is not None:
        return made | {"score": float(score)}
    return made | {"iscrowd": int(class_id < 0), "area": int(mask.sum())}


def truth(images, names=("bag", "boots", "top"), side=SIDE):
    """A COCO dictionary of lists of (class id, box), one list an image; ids count from 0."""
    rows = [row(i, *one, side=side) for i, image in enumerate(images) for one in image]
    return {
        "info": {},
        "images": [{"id": i, "height": side, "width": side} for i in range(len(images))],
        "annotations": [{"id": number, **one} for number, one in enumerate(rows, 1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
    }


def results(images, side=SIDE):
    """Rows of (class id, box, score), one list an image."""
    return [row(i, *one, side=side) for i, image in enumerate(images) for one in image]


def random_case(seed, images=15, classes=3, crowds=0.15):
    """Rectangles, and detections that are near them, beside them, doubled or misnamed."""
    rng = np.random.default_rng(seed)
    there, found = [], []
    for _ in range(images):
        own, seen = [], []
        for _ in range(int(rng.integers(0, 6))):
            y, x = rng.integers(0, SIDE - 12, 2)
            box = np.array([y, x, *np.minimum(np.array([y, x]) + rng.integers(6, 50, 2), SIDE)])
            class_id = int(rng.integers(1, classes + 1))
            own.append((-class_id if rng.random() < crowds else class_id, box))
            for _ in range(int(rng.integers(0, 4))):
                moved = np.clip(box + rng.integers(-4, 5, 4), 0, SIDE)
                moved[2:] = np.maximum(moved[2:], moved[:2] + 1)
                reported = class_id if rng.random() < 0.7 else int(rng.integers(1, classes + 1))
                seen.append((reported, moved, rng.integers(1, 20) / 20))  # many scores are equal
        there.append(own)
        found.append(seen)
    return truth(there), results(found)
