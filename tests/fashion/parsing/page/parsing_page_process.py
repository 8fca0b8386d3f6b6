"""The parsing page in a process of its own, with detectors that find the same on every picture."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4]))

from fashion.labels import MODANET_TABLE

# Name, score, and the box as shares of the picture: y1, x1, y2, x2.
GARMENTS = (
    ("top", 0.95, (0.25, 0.3, 0.5, 0.7)),
    ("pants", 0.9, (0.5, 0.35, 0.85, 0.65)),
    ("bag", 0.5, (0.45, 0.7, 0.6, 0.9)),
)
PERSON = (0.1, 0.25, 0.95, 0.75)


def boxes_found(image, boxes, class_ids, scores):
    """Detections whose masks fill their boxes."""
    height, width = image.shape[:2]
    scale = np.array([height, width, height, width])
    rois = np.array([np.round(np.array(box) * scale) for box in boxes], np.int32)
    masks = np.zeros((height, width, len(boxes)), bool)
    for index, (y1, x1, y2, x2) in enumerate(rois):
        masks[y1:y2, x1:x2, index] = True
    return {
        "rois": rois,
        "class_ids": np.array(class_ids, np.int32),
        "scores": np.array(scores, np.float32),
        "masks": masks,
    }


def find_garments(image):
    """What `GARMENTS` says."""
    names, scores, boxes = zip(*GARMENTS, strict=True)
    return boxes_found(image, boxes, [MODANET_TABLE.id_of(name) for name in names], scores)


def find_person(image):
    """One person."""
    return boxes_found(image, [PERSON], [1], [0.99])


def main():
    """Serve on any free port."""
    from fashion.parsing.page.server import listen, run_server
    from fashion.parsing.page.workshop import Workshop
    from fashion.parsing.parse import ParsingSettings

    settings = ParsingSettings(minimum_confidence=0.7)
    return run_server(Workshop(find_garments, find_person, settings), listen(0))


if __name__ == "__main__":
    from fashion.terminal import run

    sys.exit(run(main))
