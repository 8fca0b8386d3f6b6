"""Annotations with all that formats differ in, and their true masks, for the tests of exports."""

import numpy as np

from fashion.annotations.instances import image_instances
from fashion.annotations.via_reading import from_json
from fashion.labels import MODANET_TABLE
from fashion.polygons.filling import polygons_to_mask
from tests.fashion.factories import dataset_folder, entry, region

WIDTH, HEIGHT = 90, 60
FIRST, SECOND, EMPTY = "a.jpg", "sub/b & 'ü'.jpg", "c.jpg"


def ring(x, y, radius, count=16):
    """A regular polygon."""
    angles = 2 * np.pi * np.arange(count) / count
    return [
        (round(x + radius * np.cos(angle), 3), round(y + radius * np.sin(angle), 3))
        for angle in angles
    ]


def entries(size=(WIDTH, HEIGHT)):
    """Three images: a ring of two parts with a hole, overlapping parts, one over the edge, none."""
    bag = {"label": "bag", "instance": "1"}
    pants = {"label": "pants", "instance": "7", "score": "0.875", "note": 'a <b> & "c"'}
    return [
        entry(
            FIRST,
            [
                region(ring(25, 25, 20), **bag),
                region(ring(25, 25, 10), **bag, hole="1"),
                region(ring(65, 20, 8), **bag),
                region(ring(60, 45, 9), **pants),
                region(ring(70, 45, 9), **pants),
            ],
            size,
        ),
        entry(
            SECOND,
            [
                region(ring(2, 30, 20), label="scarf/tie"),
                region(ring(70, 30, 12.5), label="dress"),
                region(ring(52, 22, 10), label="top", iscrowd="1"),
            ],
            size,
        ),
        entry(EMPTY, [], size),
    ]


def folder(root, size=(WIDTH, HEIGHT)):
    """A dataset folder with `entries` and images in train/; returns it."""
    from tests.fashion.factories import write_image

    dataset_folder(root, entries(size), write_images=False)
    for name in (FIRST, SECOND, EMPTY):
        write_image(root / "train" / name, WIDTH, HEIGHT)
    return root


def truth():
    """File name -> [(label, mask, is a crowd)], in the order of the annotations."""
    found = {}
    for image in from_json({str(n): one for n, one in enumerate(entries())}):
        instances, problems = image_instances(image, MODANET_TABLE)
        assert not problems
        found[image.filename] = [
            (
                MODANET_TABLE.name_of(one.class_id),
                polygons_to_mask(one.parts, one.holes, HEIGHT, WIDTH),
                one.crowd,
            )
            for one in instances
        ]
    return found


def iou(first, second):
    """Intersection over union of two bool masks."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


def check(found, *, crowds=True, least=0.98, ordered=True):
    """Compare {file name: [(label, mask)]} of a format with the truth, in its order or any."""
    expected = truth()
    assert set(found) == set(expected)
    for name, objects in expected.items():
        wanted = [(label, mask) for label, mask, crowd in objects if crowds or not crowd]
        own = found[name]
        if not ordered:
            wanted, own = by_place(wanted), by_place(own)
        assert [label for label, _ in own] == [label for label, _ in wanted]
        for (_, mask), (label, true) in zip(own, wanted, strict=True):
            assert iou(mask, true) >= least, (name, label, iou(mask, true))


def by_place(objects):
    """Pairs of label and mask, in an order that does not depend on a reader's."""
    return sorted(objects, key=lambda pair: (pair[0], np.argwhere(pair[1])[0].tolist()))
