"""Photographs in which a person wears garments of another, so that rare ones are seen more often.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method" (2021), with one difference:
a garment is not pasted just anywhere, but where it was on its own person, at the other's size.
"""

import random
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np

from fashion.dataset import FashionDataset
from fashion.labels import PERSON, PHOTO_TABLE
from fashion.photo.worn import Worn, WornWriter, read_worn
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import extract_bboxes

SHOES = ("boots", "footwear")
# Two of these on one person hide each other.
LARGE = ("outer", "dress", "skirt", "pants", "shorts")
# Factors on how often a class is chosen: boots seldom hide the shoes, shorts fit almost anybody.
FAVOURED = {"boots": 3.0, "shorts": 0.7}
MOST_CLASSES = 4  # tried per photograph
LEAST_LEFT = 0.15  # of a garment that another covers; if less is left, it is painted over
MOST_SHOE_LEFT = 0.6  # of shoes that others replace
LEAST_PIXELS = 60
SCALES = (0.5, 2.0)  # of one person to the other


def put_on(worn: Worn, other: Worn, name: str, draw: random.Random) -> bool:
    """Dress a person in another's garments of one class; return whether they fit.

    The garments are scaled by the heights of the two persons, mirrored at random, and placed on top
    of what is worn there. Shoes replace shoes.

    Args:
        worn: the photograph to change.
        other: the photograph with the garments; not changed.
        name: their class, which `worn` does not have.
        draw: varies size, position and brightness slightly.
    """
    to_other = _to_other(worn, other, draw)
    size = worn.image.shape[1::-1]
    if to_other is None:
        return False
    own = [mask for mask, of in zip(other.masks, other.names, strict=True) if of == name]
    moved = (
        cv2.warpAffine(mask.view(np.uint8), to_other, size, flags=cv2.INTER_NEAREST) for mask in own
    )
    new = [mask > 0 for mask in moved if np.count_nonzero(mask) >= LEAST_PIXELS]
    cover = np.any(new, axis=0) if new else np.zeros(size[::-1], bool)
    rest = [mask & ~cover for mask in worn.masks]
    share = [np.count_nonzero(r) / max(1, m.sum()) for r, m in zip(rest, worn.masks, strict=True)]
    shoes = [i for i, of in enumerate(worn.names) if name in SHOES and of in SHOES]
    if not new or any(share[i] > MOST_SHOE_LEFT for i in shoes):
        return False
    hidden = {i for i, s in enumerate(share) if s < LEAST_LEFT} | set(shoes)
    hidden.discard(worn.person)
    _paint_over(worn, [rest[i] for i in hidden])
    _paste(worn, cv2.warpAffine(other.image, to_other, size), cover, draw)
    rest[worn.person] = worn.masks[worn.person] | cover
    kept = [i for i in range(len(rest)) if i not in hidden]
    worn.names = [worn.names[i] for i in kept] + [name] * len(new)
    worn.masks = [rest[i] for i in kept] + new
    return True


def _to_other(worn: Worn, other: Worn, draw: random.Random) -> np.ndarray | None:
    """The affine map [2, 3] from `other` to `worn`; None where their sizes differ too much.

    It aligns the tops of the heads and the horizontal centres of the boxes.
    """
    to, source = (extract_bboxes(one.masks[one.person][..., None])[0] for one in (worn, other))
    height = float(to[2] - to[0])
    scale = height / max(1, source[2] - source[0]) * draw.uniform(0.92, 1.09)
    mirrored = draw.choice((-1, 1)) * scale
    if not SCALES[0] < scale < SCALES[1]:
        return None
    x = (to[1] + to[3]) / 2 + draw.uniform(-0.02, 0.02) * height
    y = to[0] + draw.uniform(-0.01, 0.01) * height
    x_shift = x - mirrored * (source[1] + source[3]) / 2
    return np.array([[mirrored, 0, x_shift], [0, scale, y - scale * source[0]]], np.float32)


def _paint_over(worn: Worn, rests: list[np.ndarray]) -> None:
    """Fill what is left of removed garments from its surroundings."""
    if rests and np.any(rests):
        grown = cv2.dilate(np.any(rests, axis=0).astype(np.uint8), np.ones((5, 5), np.uint8))
        worn.image = cv2.inpaint(worn.image, grown, 5, cv2.INPAINT_TELEA)


def _paste(worn: Worn, image: np.ndarray, cover: np.ndarray, draw: random.Random) -> None:
    alpha = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), 0.8)[..., None]
    new = np.clip(image + draw.uniform(-12, 12), 0, 255)
    worn.image = np.rint(worn.image * (1 - alpha) + new * alpha).astype(np.uint8)


class Wardrobe:
    """The photographs with a person in a data set, by the garments worn.

    Args:
        dataset: with the photo classes.

    Raises:
        DatasetError: there are fewer than two, or no garments.
    """

    def __init__(self, dataset: FashionDataset):
        self.dataset = dataset
        self.holders: dict[str, list[int]] = defaultdict(list)
        person = PHOTO_TABLE.id_of(PERSON)
        for image_id in dataset.image_ids.tolist():
            classes = {one.class_id for one in dataset.image_info[image_id]["instances"]}
            if person in classes:
                for class_id in sorted(classes):
                    self.holders[PHOTO_TABLE.name_of(class_id)].append(image_id)
        self.people = self.holders.pop(PERSON, [])
        if len(self.people) < 2 or not self.holders:
            raise DatasetError("there are no two photographs of a person with garments")
        self.classes = sorted(self.holders)
        self.weights = [FAVOURED.get(n, 1) / len(self.holders[n]) ** 0.5 for n in self.classes]

    def dress(self, image_id: int, draw: random.Random) -> tuple[Worn, list[str]]:
        """A photograph with others' garments added, and their classes; maybe none, if none fits."""
        worn = read_worn(self.dataset, image_id)
        put: list[str] = []
        for name in draw.choices(self.classes, self.weights, k=draw.randint(1, MOST_CLASSES)):
            other = draw.choice(self.holders[name])
            crowded = name in LARGE and any(one in LARGE for one in put)
            if name in worn.names or crowded or other == image_id:
                continue
            if put_on(worn, read_worn(self.dataset, other), name, draw):
                put.append(name)
        return worn, put


def compose_photographs(dataset: FashionDataset, target: Path, count: int, seed: int) -> str:
    """Write a data set folder of composed photographs; a summary.

    Args:
        dataset: with the photo classes, including persons.
        target: receives `count` photographs and their COCO file.
        seed: determines who wears what.

    Raises:
        DatasetError: see `Wardrobe`; or no garment fits anybody.
    """
    wardrobe, draw = Wardrobe(dataset), random.Random(seed)
    writer, total = WornWriter(target, "composed"), Counter[str]()
    while len(writer) < count:
        before = len(writer)
        for image_id in draw.sample(wardrobe.people, len(wardrobe.people)):
            if len(writer) == count:
                break
            worn, put = wardrobe.dress(image_id, draw)
            if put:
                total.update(put)
                writer.add(worn)
        if len(writer) == before:
            raise DatasetError("no garment fits on another person")
    writer.finish()
    counts = ", ".join(f"{name} {times}" for name, times in total.most_common())
    return f"{count} composed photographs, with {counts or 'nothing'} put on"
