"""One model on one data set as a folder: charts and pictures, all numbers as JSON, and one page.

write_report(Path("evaluated"), dataset, image_ids, truth, results, figures, 0.5, seasons=False)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion.dataset import FashionDataset
from fashion.evaluation import charts
from fashion.evaluation.numbers import EvaluationNumbers, evaluation_numbers, to_json
from fashion.evaluation.page import write_page
from fashion.evaluation.pictures import write_pictures
from fashion.json_files import write_json
from mrcnn.drawing.figures import save_figure
from mrcnn.evaluation.curves import rank_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SHOWN = 6  # best images, and worst ones
PAGE, NUMBERS = "index.html", "report.json"


def write_report(
    folder: Path,
    dataset: FashionDataset,
    image_ids: Iterable[int],
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
    score: float,
    seasons: bool,
    subject: str = "",
) -> Path:
    """Write `index.html`, `report.json` and PNGs into `folder`; return the page's path.

    Files of the same names are replaced, others kept. Masks stay run-length encoded, except for
    the few images that are drawn.

    Args:
        folder: to write to.
        dataset: a prepared FashionDataset.
        image_ids: those that were evaluated.
        truth: of `mrcnn.evaluation.coco_ap.ground_truth` for these images.
        results: rows of a COCO results file with run-length masks; may be empty.
        figures: of `mrcnn.evaluation.coco_ap.average_precision`.
        score: detections scored lower do not count in confusion matrix, IoUs and pictures.
        seasons: labels are `<garment>_<season>`: judge garment and season separately.
        subject: model and data, for the first line of the page.

    Raises:
        DatasetError: an image cannot be read.
        UserError: a file cannot be written.
    """
    image_ids = [int(image_id) for image_id in image_ids]
    numbers = evaluation_numbers(dataset, image_ids, truth, results, figures, score, seasons)
    write_charts(folder, numbers)
    best, worst = rank_images(numbers.matches.images, SHOWN)
    of = (truth, results, score, numbers.matches.iou)
    pictures = {
        kind: list(zip(images, write_pictures(folder, kind, dataset, images, *of), strict=True))
        for kind, images in (("best", best), ("worst", worst))
    }
    write_json(folder / NUMBERS, to_json(numbers), indent=1)
    return write_page(folder / PAGE, numbers, pictures, subject)


def write_charts(folder: Path, numbers: EvaluationNumbers) -> list[Path]:
    """Write each chart as `<name>.png` into `folder`; return the paths."""
    makers = _charts(numbers)
    return [save_figure(folder / f"{name}.png", make()) for name, make in makers.items()]


def _charts(numbers: EvaluationNumbers) -> "dict[str, Callable[[], Figure]]":
    names, confusion = numbers.names, numbers.confusion
    instances = dict(zip(names, numbers.matches.instances[1:].tolist(), strict=True))
    makers: dict[str, Callable[[], Figure]] = {
        f"precision_recall_{100 * iou:.0f}": partial(
            charts.precision_recall_chart, names, curves, numbers.colours, iou
        )
        for iou, curves in numbers.curves.items()
    }
    makers |= {
        "precision_recall_classes": lambda: charts.class_curves_chart(names, numbers.curves),
        "classes": lambda: charts.class_bars_chart(numbers.figures, instances),
        "calibration": lambda: charts.calibration_chart(numbers.calibration),
        "iou": lambda: charts.iou_chart(numbers.ious, numbers.matches.iou),
        "confusion": lambda: charts.confusion_chart(
            confusion["labels"], confusion["matrix"], "truth (lines), found as (columns)"
        ),
    }
    if numbers.seasons is None:
        return makers
    garments, seasons = numbers.seasons["garments"], numbers.seasons["seasons"]
    by_label = numbers.seasons["by_label"]
    labels = ["background", *(charts.season_name(season) for season in seasons["labels"][1:])]
    return makers | {
        "garments": lambda: charts.confusion_chart(
            garments["labels"], garments["matrix"], "garments, whatever the season"
        ),
        "seasons": lambda: charts.confusion_chart(
            labels, seasons["matrix"], "seasons, whatever the garment"
        ),
        "garment_seasons": lambda: charts.season_chart(by_label),
    }
