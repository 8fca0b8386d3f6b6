import hashlib
import json
import subprocess
import sys
from collections import Counter

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from fashion.annotations import coco, coco_reading, via
from fashion.autolabel.policy import LabelPolicy, Subject, subject_of
from fashion.dataset import FashionDataset
from fashion.demo import dataset
from fashion.labels import MODANET, MODANET_TABLE, SEASON_LABELS, SEASONS, parse_file_name
from mrcnn.errors import DatasetError
from tests.support import REPOSITORY


def digest(picture) -> str:
    """Everything a picture holds, as one number."""
    summary = hashlib.sha256(picture.image.tobytes() + picture.season.encode())
    for name, mask in picture.instances:
        summary.update(name.encode() + mask.tobytes())
    return summary.hexdigest()


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def pictures():
    return [dataset.draw_picture(5, number) for number in range(40)]


def test_a_picture():
    picture = dataset.draw_picture(1, 0)
    assert picture.image.shape == (600, 400, 3)
    assert picture.image.dtype == np.uint8
    assert picture.season in SEASONS
    for name, mask in picture.instances:
        assert name in MODANET
        assert (mask.shape, mask.dtype) == ((600, 400), bool)


def test_seed_and_number_alone_decide():
    first = digest(dataset.draw_picture(1, 3))
    dataset.draw_picture(2, 9)
    assert digest(dataset.draw_picture(1, 3)) == first
    assert digest(dataset.draw_picture(1, 4)) != first
    assert digest(dataset.draw_picture(2, 3)) != first


def test_another_process_draws_the_same():
    script = (
        "from fashion.demo import dataset as demo; import hashlib, sys;"
        "sys.stdout.write(hashlib.sha256(demo.draw_picture(1, 3).image.tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    image = dataset.draw_picture(1, 3).image
    assert done.stdout == hashlib.sha256(image.tobytes()).hexdigest()


def test_masks_do_not_overlap_and_are_large_enough_to_see(pictures):
    for picture in pictures:
        names = [name for name, _ in picture.instances]
        assert names == [name for name in MODANET if name in names]
        masks = np.array([mask for _, mask in picture.instances])
        assert masks.sum(axis=0).max() == 1
        for name, area in zip(names, masks.sum(axis=(1, 2)), strict=True):
            assert area >= dataset.LEAST_AREA.get(name, dataset.LEAST_AREA_OTHERWISE)


def test_every_class_and_season_occurs(pictures):
    counts = Counter(name for picture in pictures for name, _ in picture.instances)
    assert set(counts) == set(MODANET)
    assert min(counts.values()) >= 3
    assert {picture.season for picture in pictures} == set(SEASONS)


def test_figures_fill_the_picture(pictures):
    dressed = [np.any([mask for _, mask in p.instances], axis=0) for p in pictures]
    rows = [np.flatnonzero(mask.any(axis=1)) for mask in dressed]
    heights = np.array([r[-1] - r[0] + 1 for r in rows]) / 600
    assert 0.6 < np.median(heights) < 0.95


def test_sunglasses_and_belts_are_large_enough_to_learn(pictures):
    def extents(garment):
        boxes = [
            cv2.boundingRect(m.view(np.uint8))
            for p in pictures
            for n, m in p.instances
            if n == garment
        ]
        return np.array(boxes)[:, 2:]

    assert extents("sunglasses")[:, 0].min() >= 40
    assert extents("belt")[:, 1].min() >= 8


def test_a_pair_of_shoes_is_one_instance_of_two_parts():
    def parts(number):
        mask = dict(dataset.draw_picture(3, number, None, "footwear").instances)["footwear"]
        sizes = cv2.connectedComponentsWithStats(mask.view(np.uint8))[2][1:, cv2.CC_STAT_AREA]
        return np.count_nonzero(sizes > 200)

    assert Counter(parts(number) for number in range(8))[2] >= 3


@pytest.mark.parametrize("garment", MODANET)
def test_a_wanted_garment_is_worn_and_clearly_seen(garment):
    for number, season in enumerate(list(SEASONS)[MODANET.index(garment) % 2 :: 2]):
        picture = dataset.draw_picture(7, number, season, garment)
        assert picture.season == season
        least = dataset.CLEARLY_SEEN.get(garment, dataset.CLEARLY_SEEN_OTHERWISE)
        assert np.count_nonzero(dict(picture.instances)[garment]) >= least


def test_wanted_takes_other_spellings():
    assert "scarf/tie" in dict(dataset.draw_picture(7, 0, "kis", "scarf").instances)


def median_colour(season, garment, number):
    picture = dataset.draw_picture(13, number, season, garment)
    mask = dict(picture.instances)[garment]
    hsv = cv2.cvtColor(picture.image, cv2.COLOR_RGB2HSV)[mask]
    return np.median(hsv[:, 1]), np.median(hsv[:, 2])


@pytest.mark.parametrize(
    "garment", ["skirt", pytest.param("bag", marks=pytest.mark.slow), "footwear"]
)
def test_seasons_differ_by_colour(garment):
    saturation, value = {}, {}
    for season in SEASONS:
        pairs = np.array([median_colour(season, garment, number) for number in range(3)])
        saturation[season], value[season] = np.median(pairs, axis=0)
    assert saturation["yaz"] > saturation["ilkb"] + 50
    assert value["ilkb"] > value["sonb"] + 20 > value["kis"] + 20
    assert value["kis"] < 110
    assert saturation["sonb"] > saturation["4mev"] + 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0, "winter"), 'no such season.*"winter"'),
        ((1, 0, None, "sock"), '"sock" is not a class'),
        ((1, -1), "must not be negative"),
        ((-1, 0), "must not be negative"),
    ],
)
def test_what_cannot_be_drawn(arguments, message):
    with pytest.raises(DatasetError, match=message):
        dataset.draw_picture(*arguments)


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "set"
    assert dataset.write_training_set(folder, 6, 4, quiet=True) == folder / "instances.json"
    return folder


def test_a_second_call_writes_the_same_bytes(training_set, tmp_path):
    dataset.write_training_set(tmp_path, 3, 4, quiet=True)
    for name in ("0000001.jpg", "0000003.jpg"):
        assert (tmp_path / name).read_bytes() == (training_set / name).read_bytes()
    written = contents(tmp_path)
    dataset.write_training_set(tmp_path, 3, 4, quiet=True)
    assert contents(tmp_path) == written


def test_two_processes_write_the_same_bytes(training_set, tmp_path):
    dataset.write_training_set(tmp_path, 6, 4, quiet=True, workers=2)
    assert contents(tmp_path) == contents(training_set)


def test_a_picture_does_not_depend_on_how_many_are_drawn(training_set, tmp_path):
    dataset.write_training_set(tmp_path, 2, 4, first=4, quiet=True)
    names = sorted(path.name for path in tmp_path.glob("*.jpg"))
    assert names == ["0000005.jpg", "0000006.jpg"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (training_set / name).read_bytes()
    part, whole = coco.read(tmp_path / "instances.json"), coco.read(training_set / "instances.json")
    assert part["annotations"] == [a for a in whole["annotations"] if a["image_id"] in (5, 6)]


def test_pycocotools_reads_the_painted_masks(training_set, capsys):
    read = COCO(str(training_set / "instances.json"))
    assert len(read.imgs) == 6
    assert {row["id"]: row["name"] for row in read.cats.values()} == dict(enumerate(MODANET, 1))
    for image_id, image in read.imgs.items():
        picture = dataset.draw_picture(4, image_id - 1)
        assert (image["width"], image["height"]) == (400, 600)
        assert image["season"] == picture.season
        annotations = read.loadAnns(read.getAnnIds(image_id))
        assert [MODANET_TABLE.name_of(a["category_id"]) for a in annotations] == [
            name for name, _ in picture.instances
        ]
        for annotation, (_, mask) in zip(annotations, picture.instances, strict=True):
            decoded = read.annToMask(annotation).astype(bool)
            # Outlines are smooth; what they cut off or add is less than a pixel at the edge.
            edge = cv2.dilate(mask.view(np.uint8), np.ones((5, 5))) - cv2.erode(
                mask.view(np.uint8), np.ones((5, 5))
            )
            assert np.count_nonzero((decoded != mask) & (edge == 0)) <= 4
            assert np.count_nonzero(decoded & mask) > 0.93 * np.count_nonzero(decoded | mask)
            assert annotation["area"] == np.count_nonzero(mask)
            x, y, width, height = annotation["bbox"]
            assert mask[y : y + height, x : x + width].sum() == annotation["area"]


def test_holes_are_run_lengths():
    ring = np.zeros((40, 40), dtype=bool)
    ring[5:35, 5:35] = True
    ring[15:25, 15:25] = False
    annotation = dataset._annotation(1, "bag", ring)
    assert annotation["segmentation"]["size"] == [40, 40]
    image = {"id": 1, "file_name": "a.jpg", "width": 40, "height": 40}
    data = dataset._coco(1, [(image, [annotation])])
    read = COCO()
    read.dataset = data
    read.createIndex()
    np.testing.assert_array_equal(read.annToMask(annotation).astype(bool), ring)


def test_the_project_trains_on_it_as_it_stands(training_set):
    data = FashionDataset().load(training_set, "", MODANET_TABLE, strict=True)
    data.prepare()
    assert len(data.image_ids) == 6
    assert not data.problems
    masks, class_ids = data.load_mask(0)
    picture = dataset.draw_picture(4, 0)
    assert [MODANET_TABLE.name_of(i) for i in class_ids] == [name for name, _ in picture.instances]
    assert masks.shape == (600, 400, len(picture.instances))
    difference = np.abs(data.load_image(0).astype(int) - picture.image)
    assert difference.mean() < 4


def test_it_goes_through_via_and_back(training_set):
    read = coco.read(training_set / "instances.json")
    conversion = coco_reading.to_via(read, strict=True)
    assert not conversion.problems
    assert conversion.instances == len(read["annotations"])
    data = via.to_json(conversion.annotations)
    assert len(via.from_json(data, "the demo", strict=True)) == 6


def test_custom_set(tmp_path):
    images, truth = tmp_path / "images", tmp_path / "truth" / "truth.json"
    assert dataset.write_custom_set(images, truth, 11, 6, quiet=True) == truth
    names = sorted(path.name for path in images.iterdir())
    assert len(names) == 11
    assert Counter("_".join(parse_file_name(name)) for name in names) == Counter(
        [*SEASON_LABELS, *SEASON_LABELS[:2]]
    )
    data = coco.read(truth)
    assert sorted(image["file_name"] for image in data["images"]) == names
    assert [row["name"] for row in data["categories"]] == list(MODANET)
    for image in data["images"]:
        subject = subject_of(image["file_name"], LabelPolicy())
        assert subject == Subject(image["garment"], image["season"])
        classes = [a["category_id"] for a in data["annotations"] if a["image_id"] == image["id"]]
        assert MODANET_TABLE.id_of(image["garment"]) in classes


def test_custom_set_is_the_same_again_and_in_parts(tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    labels = ["bag_kis", "scarf_yaz", "scarf/tie_sonb"]
    dataset.write_custom_set(whole, tmp_path / "w.json", 4, 6, labels, quiet=True)
    dataset.write_custom_set(part, tmp_path / "p.json", 2, 6, labels, first=2, quiet=True)
    assert sorted(contents(whole)) == [
        "bag_kis_00001.jpg",
        "bag_kis_00004.jpg",
        "scarf_sonb_00003.jpg",
        "scarf_yaz_00002.jpg",
    ]
    assert contents(part).items() <= contents(whole).items()
    garments = [
        image["garment"] for image in json.loads((tmp_path / "w.json").read_text())["images"]
    ]
    assert garments == ["bag", "scarf/tie", "scarf/tie", "bag"]


def test_the_truth_must_stay_hidden(tmp_path):
    with pytest.raises(DatasetError, match="must not be in the folder"):
        dataset.write_custom_set(tmp_path, tmp_path / "truth.json", 1, 1, quiet=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["skirt", "skirt_winter", "sock_yaz", ""])
def test_no_label(tmp_path, label):
    with pytest.raises(DatasetError, match=r"no such label.*such as skirt_yaz"):
        dataset.write_custom_set(tmp_path / "a", tmp_path / "t.json", 1, 1, [label], quiet=True)


def test_no_labels_and_no_pictures(tmp_path):
    with pytest.raises(DatasetError, match="no label for the custom pictures"):
        dataset.write_custom_set(tmp_path / "a", tmp_path / "t.json", 1, 1, [], quiet=True)
    with pytest.raises(DatasetError, match="expected at least one, found 0"):
        dataset.write_training_set(tmp_path / "a", 0, 1, quiet=True)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        dataset.write_training_set(tmp_path / "a", 1, 1, quiet=True)
