#!/usr/bin/env python3
"""Count what the weights for photographs find where photographs are unlike those they learnt from.

    python3 benchmarks/photo_failures.py --source=CCP --subset=val

Street photographs of one standing person (Clothing Co-Parsing) are changed: two or three put side
by side, put into larger ones, cut at the waist, cut to one garment, or that garment alone put on
white. A garment counts as found if a detection of its class with a score of --confidence or more
overlaps it by half. Garments of which a cut leaves less than half are not counted. "found at once"
is without the closer look at small persons, which all commands take.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np

from fashion import PHOTO_WEIGHTS
from fashion.json_files import write_json
from fashion.labels import PERSON, PHOTO_TABLE
from fashion.photo.cuttings import around, cut
from fashion.photo.data import SUBSETS, write_photo_data
from fashion.photo.figures import LabelFigures, label_figures
from fashion.photo.training import load_photographs, photo_model
from fashion.photo.worn import Worn, read_worn
from fashion.stages.stage import fraction
from fashion.terminal import run, text_table
from mrcnn.evaluation.coco_ap import outline_of, results_of
from mrcnn.inference.closer_look import CloserLook, InferenceModel

LEAST_LEFT = 0.5  # of a garment's pixels, or it does not count
MARGINS = (0.15,) * 4  # around a garment, of its longer side


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", type=Path, required=True, metavar="DIR", help="Clothing Co-Parsing")
    add("--subset", choices=SUBSETS, default="val", help="(%(default)s)")
    add("--weights", type=Path, default=PHOTO_WEIGHTS, metavar="FILE.h5")
    add("--confidence", type=fraction, default=0.5, help="minimum score (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser.parse_args(arguments)


def as_they_are(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """The photographs themselves."""
    yield from photographs


def in_grey(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """Without colours."""
    for worn in photographs:
        grey = cv2.cvtColor(worn.image, cv2.COLOR_RGB2GRAY)
        yield Worn(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), worn.names, worn.masks)


def two_together(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """Each two side by side."""
    return together(photographs, 2)


def three_together(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """Each three side by side."""
    return together(photographs, 3)


def together(photographs: Sequence[Worn], count: int) -> Iterator[Worn]:
    """So many side by side, cut to the height of the lowest."""
    for group in zip(*(photographs[number::count] for number in range(count)), strict=False):
        height = min(worn.image.shape[0] for worn in group)
        parts = [cut(worn, (0, 0, height, worn.image.shape[1]), LEAST_LEFT) for worn in group]
        ends = np.cumsum([part.image.shape[1] for part in parts]).tolist()
        image = np.hstack([part.image for part in parts])
        masks = [
            np.pad(mask, ((0, 0), (end - mask.shape[1], ends[-1] - end)))
            for part, end in zip(parts, ends, strict=True)
            for mask in part.masks
        ]
        yield Worn(image, [name for part in parts for name in part.names], masks)


def half_size(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """Half as high and wide as the photograph; see `within`."""
    return within(photographs, 2)


def third_size(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """A third as high and wide as the photograph; see `within`."""
    return within(photographs, 3)


def within(photographs: Sequence[Worn], times: int) -> Iterator[Worn]:
    """In the middle of one so many times as high and wide: itself, enlarged and blurred."""
    for worn in photographs:
        height, width = worn.image.shape[:2]
        small = cv2.GaussianBlur(worn.image, (0, 0), width / 12)
        image = cv2.resize(small, (width * times, height * times))
        top, left = height * (times - 1) // 2, width * (times - 1) // 2
        place = np.s_[top : top + height, left : left + width]
        image[place] = worn.image
        masks = [np.zeros(image.shape[:2], bool) for _ in worn.masks]
        for mask, own in zip(masks, worn.masks, strict=True):
            mask[place] = own
        yield Worn(image, worn.names, masks)


def upper_half(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """The person down to the waist."""
    for worn in with_person(photographs):
        y1, _, y2, _ = around(worn.masks[worn.person], (0, 0, 0, 0))
        box = max(0, y1 - (y2 - y1) // 20), 0, (y1 + y2) // 2, worn.image.shape[1]
        yield cut(worn, box, LEAST_LEFT)


def close_up(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """The largest garment and a little around it."""
    for worn, number in largest_garments(photographs):
        yield cut(worn, around(worn.masks[number], MARGINS), LEAST_LEFT)


def on_white(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """The largest garment alone, on white."""
    for worn, number in largest_garments(photographs):
        mask = worn.masks[number]
        image = np.where(mask[..., None], worn.image, 255).astype(np.uint8)
        yield cut(Worn(image, [worn.names[number]], [mask]), around(mask, MARGINS), LEAST_LEFT)


CASES: dict[str, Callable[[Sequence[Worn]], Iterator[Worn]]] = {
    "as they are": as_they_are,
    "in grey": in_grey,
    "two side by side": two_together,
    "three side by side": three_together,
    "half the size": half_size,
    "a third of the size": third_size,
    "upper half": upper_half,
    "close-up of a garment": close_up,
    "that garment on white": on_white,
}


def with_person(photographs: Sequence[Worn]) -> Iterator[Worn]:
    """Those with a person."""
    return (worn for worn in photographs if PERSON in worn.names)


def largest_garments(photographs: Sequence[Worn]) -> Iterator[tuple[Worn, int]]:
    """Those with a garment, and the number of the largest."""
    for worn in photographs:
        garments = [number for number, name in enumerate(worn.names) if name != PERSON]
        if garments:
            yield worn, max(garments, key=lambda number: worn.masks[number].sum())


def measure(pictures: Iterable[Worn], model: InferenceModel, confidence: float) -> LabelFigures:
    """What the model finds on these pictures."""
    categories = [{"id": row.id, "name": row.name} for row in PHOTO_TABLE]
    annotations, rows = [], []
    for number, worn in enumerate(pictures, 1):
        rows += results_of(number, model.detect([worn.image])[0])
        annotations += [
            {"image_id": number, "category_id": PHOTO_TABLE.id_of(name), **outline_of(mask)}
            for name, mask in zip(worn.names, worn.masks, strict=True)
        ]
    truth = {"categories": categories, "annotations": annotations}
    return label_figures(truth, rows, [confidence])[0]


def figures(pictures: Sequence[Worn], model: InferenceModel, confidence: float) -> dict:
    """How many pictures and garments there are, the shares found and right, and the overlap."""
    closer = CloserLook(model, PHOTO_TABLE.id_of(PERSON), confidence)
    found = measure(pictures, closer, confidence)
    return {
        "pictures": len(pictures),
        "garments": sum(name != PERSON for worn in pictures for name in worn.names),
        "found at once": measure(pictures, model, confidence).recall,
        "found": found.recall,
        "right": found.precision,
        "mask IoU": found.iou,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    model = photo_model(options.weights, CloserLook.least_score(options.confidence))
    with tempfile.TemporaryDirectory() as folder:
        write_photo_data(options.source, Path(folder), [options.subset])
        dataset = load_photographs([Path(folder) / options.subset])
        photographs = [read_worn(dataset, image_id) for image_id in dataset.image_ids.tolist()]
    measured = {
        name: figures(list(make(photographs)), model, options.confidence)
        for name, make in CASES.items()
    }
    rows = [
        [name, *(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values())]
        for name, row in measured.items()
    ]
    print(text_table(["photographs", *next(iter(measured.values()))], rows))
    if options.json:
        write_json(options.json, measured, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
