import pytest

from fashion.annotations.locating import read_annotations
from fashion.annotations.via_reading import read
from fashion.dataset import FashionDataset
from fashion.labels import SEASON_TABLE, fashion_code
from fashion.review.season_truth import season_truth, write_season_truth
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, entry, region, write_image, write_json

CATEGORIES = ("bag", "belt", "boots", "footwear", "skirt", "top")
INNER = [(12, 12), (15, 12), (15, 15), (12, 15)]


def coco_truth(folder, **annotations):
    """A COCO truth: file name without ending -> names of the garments on it."""
    images, rows = [], []
    for number, (name, garments) in enumerate(annotations.items(), 1):
        images.append({"id": number, "file_name": f"{name}.jpg", "width": 40, "height": 30})
        rows += [
            {"image_id": number, "category_id": CATEGORIES.index(garment) + 1}
            for garment in garments
        ]
    return write_json(folder / "truth.json", coco_data(rows, images, CATEGORIES))


def labels(via):
    return {i.filename: [r.attributes["label"] for r in i.regions] for i in via}


def test_garments_become_season_labels_of_the_nine(tmp_path):
    truth = read_annotations(
        coco_truth(
            tmp_path,
            skirt_yaz_1=["skirt", "top", "belt", "boots"],
            top_kis_1=["top"],  # top_kis is none of the nine
            footwear_kis_1=["boots", "footwear"],
            bag_yaz_2=["bag"],
        )
    )
    names = {"skirt_yaz_1.jpg", "top_kis_1.jpg", "footwear_kis_1.jpg"}
    assert labels(season_truth(truth, names, all_garments=True)) == {
        "skirt_yaz_1.jpg": ["skirt_yaz", "top_yaz", "footwear_yaz"],
        "top_kis_1.jpg": [],
        "footwear_kis_1.jpg": ["footwear_kis", "footwear_kis"],
    }
    assert labels(season_truth(truth, names))["skirt_yaz_1.jpg"] == ["skirt_yaz"]
    more = season_truth(truth, names, labels=["top_kis"])
    assert labels(more)["top_kis_1.jpg"] == ["top_kis"]


def test_a_truth_with_season_labels_keeps_them(tmp_path):
    regions = [region(label="bag_4mev"), region(label="dress_kis"), region(label="nonsense")]
    write_json(tmp_path / "t.json", {"1": entry("sub/bag_yaz_1.jpg", regions)})
    assert labels(season_truth(read(tmp_path / "t.json"), {"bag_yaz_1.jpg"})) == {
        "bag_yaz_1.jpg": ["bag_4mev"]
    }


def test_parts_and_holes_stay_one_instance(tmp_path):
    parts = [
        region(label="bag", instance="77"),
        region(INNER, label="bag", instance="77", hole="1"),
        region([(25, 10), (30, 10), (30, 15)], label="bag", instance="77"),
    ]
    write_json(tmp_path / "t.json", {"1": entry("bag_yaz_1.jpg", parts)})
    write_image(tmp_path / "images" / "bag_yaz_1.jpg")
    made = write_season_truth(tmp_path / "t.json", tmp_path / "images", tmp_path / "out" / "test")
    assert made == (1, 1)
    dataset = FashionDataset().load(tmp_path / "out", "test", SEASON_TABLE)
    dataset.prepare()
    masks, ids = dataset.load_mask(0)
    assert ids.tolist() == [SEASON_TABLE.id_of("bag_yaz")]
    assert masks[11, 11, 0] and masks[11, 29, 0] and not masks[13, 13, 0]
    (image,) = read(tmp_path / "out" / "test" / "via_region_data.json")
    assert {r.attributes["fashion"] for r in image.regions} == {str(fashion_code("bag", "yaz"))}


def test_a_folder_to_evaluate_on(tmp_path):
    truth = coco_truth(tmp_path, bag_yaz_1=["bag"], bag_yaz_2=["bag"], top_kis_1=["top"])
    for name in ("bag_yaz_1.jpg", "top_kis_1.jpg"):
        write_image(tmp_path / "held_back" / name)
    for _ in range(2):  # a second time is the same
        assert write_season_truth(truth, tmp_path / "held_back", tmp_path / "out") == (2, 1)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"bag_yaz_1.jpg", "top_kis_1.jpg", "via_region_data.json"}
    dataset = FashionDataset().load(tmp_path / "out", "", SEASON_TABLE, keep_empty=True)
    dataset.prepare()
    assert len(dataset.image_ids) == 2 and not dataset.problems
    assert dataset.load_image(0).shape == (30, 40, 3)


def test_a_truth_of_other_pictures(tmp_path):
    truth = coco_truth(tmp_path, bag_yaz_1=["bag"])
    write_image(tmp_path / "held_back" / "other.jpg")
    with pytest.raises(DatasetError, match="none of the pictures"):
        write_season_truth(truth, tmp_path / "held_back", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_without_season_has_no_label(tmp_path):
    truth = read_annotations(coco_truth(tmp_path, holiday=["bag"]))
    assert labels(season_truth(truth, {"holiday.jpg"}, all_garments=True)) == {"holiday.jpg": []}
