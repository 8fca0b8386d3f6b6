"""The demo data set: drawn people in ModaNet's thirteen garments and five seasons.

It is for trying out and testing both stages without photographs. A picture depends only on its
`seed` and `number`, not on what was drawn before it or by which process. The masks are exact: a
pixel belongs to the garment that was painted there last.

`write_training_set` draws what stage 1 trains on. `write_custom_set` draws the unlabelled pictures
that are labelled automatically for stage 2, and writes the truth to compare with beside them.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fashion.annotations import coco_writing
from fashion.demo.background import paint_background
from fashion.demo.canvas import Canvas
from fashion.demo.figure import Figure
from fashion.demo.layers import paint_figure
from fashion.demo.outfit import Dresser
from fashion.demo.person import make_person
from fashion.demo.seasons import Wardrobe
from fashion.json_files import writing
from fashion.labels import MODANET_TABLE, SEASON_LABELS, SEASONS, canonical_name
from fashion.polygons.tracing import mask_to_polygons
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import encode_mask
from mrcnn.system.files import replacing

HEIGHT, WIDTH = 600, 400
JPEG_QUALITY = 92
# Pixels; a garment with fewer visible is not an instance. People outline what they can name: 3 % of
# ModaNet's tops have fewer than a thousand pixels at this size. Of those drawn here, mostly below
# coats, 27 % would have fewer, as a rule a strip in a neckline.
LEAST_AREA = {"top": 1000, "dress": 1000}
LEAST_AREA_OTHERWISE = 40
ANNOTATIONS = "instances.json"
# Pixels of a wanted garment that must be visible; small garments are small even when uncovered.
CLEARLY_SEEN = {"sunglasses": 300, "belt": 300, "scarf/tie": 500, "footwear": 500}
CLEARLY_SEEN_OTHERWISE = 1200
ATTEMPTS = 12


@dataclass(frozen=True)
class DemoPicture:
    """A drawn picture.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        instances: ModaNet's name and mask, bool [height, width], of each visible garment, in the
            order of the class table; the masks do not overlap. A pair of shoes is one instance.
        season: a key of `fashion.labels.SEASONS`; all garments are of that season.
    """

    image: np.ndarray
    instances: list[tuple[str, np.ndarray]]
    season: str


def draw_picture(
    seed: int, number: int, season: str | None = None, wanted: str | None = None
) -> DemoPicture:
    """Draw picture `number` of `seed`, 600 x 400 pixels.

    season: a key of `fashion.labels.SEASONS`; random by default.
    wanted: a garment that must be worn and clearly visible.

    Raises `DatasetError` for an unknown season or garment, and for a negative number.
    """
    garment = _checked(seed, number, season, wanted)
    for attempt in range(ATTEMPTS):
        picture = _draw(seed, number, attempt, season, garment)
        if garment is None or _is_clear(picture, garment):
            break
    return picture


def _checked(seed: int, number: int, season: str | None, wanted: str | None) -> str | None:
    if seed < 0 or number < 0:
        raise DatasetError(
            "seed and number of a picture must not be negative",
            found=f"{seed} and {number}",
        )
    if season is not None and season not in SEASONS:
        raise DatasetError(
            "there is no such season", expected=f"one of {', '.join(SEASONS)}", found=f'"{season}"'
        )
    if wanted is None:
        return None
    return MODANET_TABLE.name_of(MODANET_TABLE.id_of(wanted))


def _is_clear(picture: DemoPicture, garment: str) -> bool:
    seen = dict(picture.instances).get(garment)
    least = CLEARLY_SEEN.get(garment, CLEARLY_SEEN_OTHERWISE)
    return seen is not None and np.count_nonzero(seen) >= least


def _draw(
    seed: int, number: int, attempt: int, season: str | None, wanted: str | None
) -> DemoPicture:
    rng = np.random.default_rng([seed, number, attempt])
    season = season or str(rng.choice(list(SEASONS)))
    figure = Figure(rng, HEIGHT, WIDTH)
    outfit = Dresser(rng, Wardrobe(season, rng), figure, wanted).dress()
    person = make_person(rng, figure, outfit.tights)
    canvas = Canvas(HEIGHT, WIDTH, rng)
    paint_background(canvas, figure)
    paint_figure(canvas, figure, person, outfit)
    return DemoPicture(_on_paper(canvas), _instances(canvas), season)


def _on_paper(canvas: Canvas) -> np.ndarray:
    """The finished picture, with the grain of the paper, in 8 bits."""
    height, width = canvas.owner.shape
    tile = canvas.rng.standard_normal((height // 3, width // 2), dtype=np.float32)
    soft = cv2.GaussianBlur(tile, (0, 0), 0.8, borderType=cv2.BORDER_REFLECT)
    grain = np.tile(3.0 * soft + 0.5, (4, 3))[:height, :width]
    return np.clip(canvas.image + grain[:, :, None], 0, 255).astype(np.uint8)


def _instances(canvas: Canvas) -> list[tuple[str, np.ndarray]]:
    masks = [(row.name, canvas.owner == row.id) for row in MODANET_TABLE]
    return [
        (name, mask)
        for name, mask in masks
        if np.count_nonzero(mask) >= LEAST_AREA.get(name, LEAST_AREA_OTHERWISE)
    ]


@dataclass(frozen=True)
class _Order:
    """A picture to draw into a file; `fields` go to its entry in the annotations."""

    seed: int
    number: int
    path: Path
    fields: dict[str, str]
    season: str | None = None
    wanted: str | None = None


def write_training_set(
    folder: str | os.PathLike[str],
    count: int,
    seed: int,
    first: int = 0,
    *,
    quiet: bool = False,
    workers: int = 1,
) -> Path:
    """Draw pictures `first` to `first + count - 1` of `seed` with their annotations.

    They are `folder/0000001.jpg` for number 0 and so on; `folder/instances.json` is COCO with
    ModaNet's classes and lists only these pictures. It is written last. A second call writes the
    same bytes. workers: processes that draw; with more than one, the calling script needs the
    guard `if __name__ == "__main__"`. Returns the annotation file. Raises `DatasetError`.
    """
    folder = _made(folder, count)
    numbers = range(first, first + count)
    orders = [_Order(seed, number, folder / f"{number + 1:07d}.jpg", {}) for number in numbers]
    path = folder / ANNOTATIONS
    coco_writing.write(path, _coco(seed, _drawn(orders, workers, quiet)))
    return path


def write_custom_set(
    images_folder: str | os.PathLike[str],
    truth_file: str | os.PathLike[str],
    count: int,
    seed: int,
    labels: Sequence[str] | None = None,
    first: int = 0,
    *,
    quiet: bool = False,
    workers: int = 1,
) -> Path:
    """Draw unlabelled pictures named `<garment>_<season>_<number>.jpg`.

    labels: `<garment>_<season>`, one for each picture in turn; the nine season labels by default.
        The garment is worn and clearly visible, and all garments are of that season.
    truth_file: COCO with ModaNet's classes; each image also has `garment` and `season`. It must
        be outside `images_folder`, where it would be read as annotations.
    workers: see `write_training_set`.

    Returns `truth_file`. Raises `DatasetError`.
    """
    subjects = [_subject(label) for label in (SEASON_LABELS if labels is None else labels)]
    if not subjects:
        raise DatasetError(
            "no label for the custom pictures", expected="at least one, such as skirt_yaz"
        )
    truth_file = Path(truth_file)
    if truth_file.absolute().parent.resolve().is_relative_to(Path(images_folder).resolve()):
        raise DatasetError(
            "the truth must not be in the folder of the pictures",
            path=truth_file,
            expected=f"a file outside {images_folder}",
        )
    folder = _made(images_folder, count)
    orders = []
    for number in range(first, first + count):
        garment, season = subjects[number % len(subjects)]
        path = folder / f"{garment.split('/')[0]}_{season}_{number + 1:05d}.jpg"
        fields = {"garment": garment, "season": season}
        orders.append(_Order(seed, number, path, fields, season, garment))
    coco_writing.write(truth_file, _coco(seed, _drawn(orders, workers, quiet)))
    return truth_file


def _subject(label: str) -> tuple[str, str]:
    """Garment and season of a label; any season goes with any of the 13 garments."""
    garment, _, season = str(label).rpartition("_")
    name = canonical_name(garment) if garment else None
    if name is None or season not in SEASONS:
        raise DatasetError(
            "there is no such label",
            expected=f"a garment and one of {', '.join(SEASONS)}, such as skirt_yaz",
            found=f'"{label}"',
        )
    return name, season


def _made(folder: str | os.PathLike[str], count: int) -> Path:
    if count < 1:
        raise DatasetError("too few pictures", expected="at least one", found=count)
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _drawn(
    orders: Sequence[_Order], workers: int, quiet: bool
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Draw the pictures in order; yield the image entry and the annotations of each."""
    from tqdm import tqdm

    bar = tqdm(total=len(orders), desc="draw", unit="picture", disable=True if quiet else None)
    workers = min(workers, len(orders))
    with contextlib.ExitStack() as stack:
        stack.enter_context(bar)
        if workers > 1:
            # Forking is not safe beside threads, which other libraries may have started.
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(workers, context, cv2.setNumThreads, (1,))
            done = stack.enter_context(pool).map(_carry_out, orders, chunksize=4)
        else:
            done = map(_carry_out, orders)
        for result in done:
            bar.update()
            yield result


def _carry_out(order: _Order) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    picture = draw_picture(order.seed, order.number, order.season, order.wanted)
    _write_jpeg(order.path, picture.image)
    identity = order.number + 1
    height, width = picture.image.shape[:2]
    entry = {"id": identity, "file_name": order.path.name, "width": width, "height": height}
    fields = order.fields or {"season": picture.season}
    return {**entry, **fields}, [_annotation(identity, *i) for i in picture.instances]


def _write_jpeg(path: Path, image: np.ndarray) -> None:
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]), settings)
    with writing(path), replacing(path) as stream:
        stream.write(data.tobytes())


def _annotation(image_id: int, garment: str, mask: np.ndarray) -> dict[str, Any]:
    class_id = MODANET_TABLE.id_of(garment)
    return {
        "id": len(MODANET_TABLE) * (image_id - 1) + class_id,
        "image_id": image_id,
        "category_id": class_id,
        "segmentation": _segmentation(mask),
        "area": int(np.count_nonzero(mask)),
        "bbox": _box(mask),
        "iscrowd": 0,
    }


def _coco(
    seed: int, pictures: Iterable[tuple[dict[str, Any], list[dict[str, Any]]]]
) -> dict[str, Any]:
    """The COCO object of drawn pictures."""
    images, annotations = [], []
    for entry, own in pictures:
        images.append(entry)
        annotations += own
    categories = [
        {"supercategory": "fashion", "id": row.id, "name": row.name} for row in MODANET_TABLE
    ]
    return {
        "info": {"description": "drawn demo pictures of garments", "seed": seed},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _segmentation(mask: np.ndarray) -> Any:
    """Polygons, rounded to a hundredth of a pixel; run-lengths where there are holes."""
    parts = mask_to_polygons(mask)
    if not parts or any(part.holes for part in parts):
        return encode_mask(mask)
    return [np.round(part.outline, 2).ravel().tolist() for part in parts]


def _box(mask: np.ndarray) -> list[int]:
    """x, y, width and height of a mask, in whole pixels."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return [int(x), int(y), int(width), int(height)]
