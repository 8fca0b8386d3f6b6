"""COCO's average precision is pycocotools' own, to the last digit."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn.data.dataset import Dataset
from mrcnn.evaluation.coco_ap import (
    FIGURES,
    average_precision,
    detect_all,
    encode_mask,
    ground_truth,
    results_of,
)

SIDE = 200
NAMES = ("square", "disc", "never seen")


def rectangle(y1, x1, y2, x2):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def stack(boxes):
    """bool [side, side, N]; N may be 0."""
    return np.stack([rectangle(*box) for box in boxes] + [rectangle(0, 0, 0, 0)], -1)[..., :-1]


class Rectangles(Dataset):
    """Images of given (class id, rectangle) lists; a negative class id is a crowd."""

    def __init__(self, *images):
        super().__init__()
        for class_id, name in enumerate(NAMES, 1):
            self.add_class("test", class_id, name)
        for index, instances in enumerate(images):
            self.add_image("test", index, path="", instances=instances)
        self.prepare()

    def load_image(self, image_id):
        return np.full((SIDE, SIDE, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        instances = self.image_info[image_id]["instances"]
        masks = stack([box for _, box in instances])
        return masks, np.array([class_id for class_id, _ in instances], np.int32)


def found(*rows):
    """A result as `MaskRCNN.detect` gives it, of (class id, score, rectangle) rows."""
    return {
        "rois": np.array([box for _, _, box in rows], np.int32).reshape(-1, 4),
        "class_ids": np.array([class_id for class_id, _, _ in rows], np.int32),
        "scores": np.array([score for _, score, _ in rows], np.float32),
        "masks": stack([box for _, _, box in rows]),
    }


def random_case(seed, images=12):
    """Rectangles of all sizes, and detections that are near them, beside them, or doubled."""
    rng = np.random.default_rng(seed)
    truth, results = [], []
    for _ in range(images):
        instances, rows = [], []
        for _ in range(int(rng.integers(0, 6))):
            y, x = rng.integers(0, SIDE - 10, 2)
            height, width = rng.integers(4, 120, 2)
            box = y, x, min(y + height, SIDE), min(x + width, SIDE)
            class_id = int(rng.integers(1, 3))
            instances.append((-class_id if rng.random() < 0.1 else class_id, box))
            for _ in range(int(rng.integers(0, 3))):
                moved = np.clip(np.array(box) + rng.integers(-6, 7, 4), 0, SIDE)
                moved[2:] = np.maximum(moved[2:], moved[:2] + 1)
                rows.append((int(rng.integers(1, 3)), rng.random(), tuple(moved)))
        truth.append(instances)
        results.append(found(*rows))
    return Rectangles(*truth), results


def evaluate(dataset, results):
    rows = detect_all(dataset, lambda image: results[image[0, 0, 0]])
    return average_precision(ground_truth(dataset), rows)


def by_pycocotools(folder, dataset, results, kind):
    """The twelve figures from files, each of which holds what COCO's own files hold."""
    (folder / "truth.json").write_text(json.dumps(ground_truth(dataset)))
    rows = detect_all(dataset, lambda image: results[image[0, 0, 0]])
    left_out = "segmentation" if kind == "bbox" else "bbox"
    (folder / "results.json").write_text(
        json.dumps([{k: v for k, v in row.items() if k != left_out} for row in rows])
    )
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "truth.json"))
        evaluation = COCOeval(coco, coco.loadRes(str(folder / "results.json")), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_pycocotools(tmp_path, seed, kind):
    dataset, results = random_case(seed)
    figures = evaluate(dataset, results)[kind]
    expected = by_pycocotools(tmp_path, dataset, results, kind)
    assert [figures[name] for name in FIGURES] == expected.stats.tolist()
    assert 0 < figures["AP"] < figures["AP50"] < 1
    # [IoU thresholds, recalls, classes, area ranges, detection limits]
    precision = expected.eval["precision"][:, :, 0, 0, -1]
    square = figures["per_class"]["square"]
    assert square["AP"] == precision.mean()
    assert (square["AP50"], square["AP75"]) == (precision[0].mean(), precision[5].mean())
    recall = expected.eval["recall"][:, 0, 0, -1]
    assert (square["AR_100"], square["recall_50"]) == (recall.mean(), recall[0])
    for place, size in enumerate(("small", "medium", "large"), 1):
        assert square[f"AP_{size}"] == expected.eval["precision"][:, :, 0, place, -1].mean()


def test_all_that_is_there_found():
    boxes = [(1, (10, 10, 50, 60)), (2, (100, 20, 180, 190))]
    dataset = Rectangles(boxes, boxes[:1], [])
    results = [found(*((c, 0.9, box) for c, box in boxes)), found((1, 0.8, boxes[0][1])), found()]
    for figures in evaluate(dataset, results).values():
        assert (figures["AP"], figures["AP75"]) == pytest.approx((1, 1))
        assert figures["AR_100"] == 1
        assert figures["AR_1"] == 1  # one of each class an image


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_nothing_found(kind):
    figures = evaluate(Rectangles([(1, (10, 10, 50, 60))]), [found()])[kind]
    assert (figures["AP"], figures["AR_100"]) == (0, 0)
    assert figures["AP_small"] == -1  # there is no small square
    square = figures["per_class"]["square"]
    assert [square[name] for name in ("AP", "AP50", "AP75", "AR_100", "recall_50")] == [0] * 5
    assert (square["instances"], square["detections"]) == (1, 0)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_a_class_without_an_instance_has_minus_one_and_does_not_count(kind):
    dataset = Rectangles([(1, (10, 10, 50, 60))])
    results = [found((1, 0.9, (10, 10, 50, 60)), (3, 0.95, (0, 0, 9, 9)))]
    figures = evaluate(dataset, results)[kind]
    counts = {f"instances{size}": 0 for size in ("", "_small", "_medium", "_large")}
    measured = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR_100", "recall_50")
    expected = dict.fromkeys(measured, -1) | counts | {"detections": 1}
    assert figures["per_class"]["never seen"] == expected
    assert figures["AP"] == pytest.approx(1)


def test_no_instance_at_all():
    figures = evaluate(Rectangles([]), [found((1, 0.9, (0, 0, 9, 9)))])
    assert all(figures[kind][name] == -1 for kind in figures for name in FIGURES)


def test_no_image_at_all():
    truth = ground_truth(Rectangles([]), [])
    assert truth["images"] == truth["annotations"] == []
    for figures in average_precision(truth, []).values():
        assert [figures[name] for name in FIGURES] == [-1] * 12
        assert list(figures["per_class"]) == list(NAMES)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_one_pixel(tmp_path, kind):
    pixel, line = (0, 0, 1, 1), (199, 0, 200, 200)
    dataset = Rectangles([(1, pixel), (1, (60, 60, 61, 61)), (2, line)])
    results = [found((1, 0.9, pixel), (1, 0.8, (60, 61, 61, 62)), (2, 0.7, line))]
    figures = evaluate(dataset, results)[kind]
    expected = by_pycocotools(tmp_path, dataset, results, kind)
    assert [figures[name] for name in FIGURES] == expected.stats.tolist()
    square = figures["per_class"]["square"]
    assert (square["recall_50"], square["instances_small"]) == (0.5, 2)  # one is a pixel beside it
    assert square["AP_small"] == square["AP"] == pytest.approx(51 / 101)


def test_counts_of_each_class():
    boxes = [(0, 0, 32, 32), (0, 0, 32, 33), (0, 0, 96, 96), (0, 0, 96, 97)]
    dataset = Rectangles([(1, box) for box in boxes], [(-1, boxes[0]), (2, boxes[0])])
    result = [found(), found((2, 0.5, boxes[0]), (2, 0.4, boxes[0]))]
    per_class = evaluate(dataset, result)["bbox"]["per_class"]
    counts = [[row[f"instances{size}"] for size in ("", "_small", "_medium", "_large")]
              for row in per_class.values()]  # fmt: skip
    # 32 x 32 pixels are small and medium, 96 x 96 medium and large: COCO's ranges hold both ends.
    assert counts == [[4, 1, 3, 2], [1, 1, 1, 0], [0, 0, 0, 0]]
    assert [row["detections"] for row in per_class.values()] == [0, 2, 0]


def test_rows_without_masks_have_figures_of_boxes():
    dataset, results = random_case(0)
    rows = detect_all(dataset, lambda image: results[image[0, 0, 0]])
    truth = ground_truth(dataset)
    bare = [{k: v for k, v in row.items() if k != "segmentation"} for row in rows]
    figures = average_precision(truth, bare, ["bbox"])
    assert figures == {"bbox": average_precision(truth, rows)["bbox"]}


def test_what_is_found_beside_the_instances_lowers_the_precision():
    dataset = Rectangles([(1, (10, 10, 50, 60))], [])
    wrong, right = (1, 0.9, (100, 100, 150, 150)), (1, 0.8, (10, 10, 50, 60))
    assert evaluate(dataset, [found(right), found(wrong)])["segm"]["AP"] == pytest.approx(0.5)


def test_a_crowd_is_neither_missed_nor_wrong():
    crowd, single = (0, 0, 100, 200), (120, 10, 180, 90)
    dataset = Rectangles([(-1, crowd), (1, single)])
    inside = [(1, 0.9, (5, x, 60, x + 40)) for x in (0, 50, 100)]
    figures = evaluate(dataset, [found((1, 0.5, single), *inside)])["segm"]
    assert (figures["AP"], figures["AR_100"]) == pytest.approx((1, 1))
    assert [row["iscrowd"] for row in ground_truth(dataset)["annotations"]] == [1, 0]
    assert {row["category_id"] for row in ground_truth(dataset)["annotations"]} == {1}


def test_masks_are_measured_by_their_own_area():
    # A frame whose box is large but whose pixels are few: a medium mask.
    frame = rectangle(20, 20, 180, 180)
    frame[30:170, 30:170] = False
    dataset = Rectangles([(1, (20, 20, 180, 180))])
    dataset.load_mask = lambda image_id: (frame[..., None], np.array([1], np.int32))
    result = found((1, 0.9, (20, 20, 180, 180)))
    result["masks"] = frame[..., None]
    figures = evaluate(dataset, [result])
    assert figures["segm"]["AP_medium"] == pytest.approx(1)
    assert figures["segm"]["AP_large"] == -1
    assert figures["bbox"]["AP_medium"] == pytest.approx(
        1
    )  # COCO sorts truth by the mask, boxes too
    beside = copy.deepcopy(result)
    beside["masks"] = np.roll(frame, (15, 15), (0, 1))[..., None]
    beside["scores"] = np.array([0.95], np.float32)
    both = {k: np.concatenate([beside[k], result[k]], -1 if k == "masks" else 0) for k in result}
    # The wrong one is medium too, so it counts there; by its box it would be passed over.
    assert evaluate(dataset, [both])["segm"]["AP_medium"] == pytest.approx(0.5)


def test_some_images_only():
    dataset = Rectangles([(1, (0, 0, 9, 9))], [(2, (0, 0, 9, 9))], [(1, (5, 5, 50, 50))])
    truth = ground_truth(dataset, [2, 0])
    assert [image["id"] for image in truth["images"]] == [2, 0]
    assert [row["image_id"] for row in truth["annotations"]] == [2, 0]
    assert [row["bbox"] for row in truth["annotations"]] == [[5, 5, 45, 45], [0, 0, 9, 9]]
    assert truth["categories"] == [{"id": i, "name": name} for i, name in enumerate(NAMES, 1)]
    rows = detect_all(dataset, lambda image: found((1, 0.5, (0, 0, 9, 9))), [2, 0])
    assert [row["image_id"] for row in rows] == [2, 0]


def test_progress_sees_every_image():
    seen = []

    def progress(ids):
        for image_id in ids:
            seen.append(image_id)
            yield image_id

    detect_all(Rectangles([], []), lambda image: found(), progress=progress)
    assert seen == [0, 1]


def test_rows_are_those_of_a_results_file():
    (row,) = results_of(np.int64(7), found((2, 0.5, (10, 20, 30, 60))))
    assert json.loads(json.dumps(row)) == row
    assert (row["image_id"], row["category_id"], row["score"]) == (7, 2, 0.5)
    assert row["bbox"] == [20, 10, 40, 20]  # x, y, width, height
    decoded = coco_mask.decode(row["segmentation"])
    assert np.array_equal(decoded, rectangle(10, 20, 30, 60))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 30)])
def test_masks_come_back_from_their_encoding(shape):
    mask = np.random.default_rng(0).random(shape) < 0.5
    encoded = encode_mask(mask)
    assert encoded["size"] == list(shape) and isinstance(encoded["counts"], str)
    assert np.array_equal(coco_mask.decode(encoded), mask)


def test_neither_truth_nor_results_are_changed():
    dataset, results = random_case(0, images=3)
    truth = ground_truth(dataset)
    rows = detect_all(dataset, lambda image: results[image[0, 0, 0]])
    before = copy.deepcopy((truth, rows))
    first = average_precision(truth, rows)
    assert (truth, rows) == before
    assert average_precision(truth, rows) == first
