"""A whole inspection: pictures, page, JSON and texts."""

import dataclasses
import html.parser
import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import ConfigError, DatasetError, UserError
from mrcnn.inspection import stages
from mrcnn.inspection.anchors import anchor_fit, molded_instances
from mrcnn.inspection.page import Section, write_page
from mrcnn.inspection.report import NEED_TRUTH, PARTS, check_parts, write_inspection
from mrcnn.inspection.sections import Inspected
from mrcnn.model import MaskRCNN
from tests.mrcnn.models import assign_recipe, tiny_config
from tests.mrcnn.tiny import ShapesDataset

NAMES = ["BG", "square", "disc"]
PICTURES = {
    "anchors": ["anchors.png", "anchor_fit.png"],
    "rpn_targets": ["rpn_targets.png"],
    "proposals": ["proposals.png", "recall.png", "rpn_histograms.png"],
    "rois": ["rois.png", "rois_by_class.png", "mask_targets.png"],
    "detections": ["detections.png"],
    "masks": ["masks.png", "class_masks.png"],
    "activations": ["activations_conv1.png", "activations_fpn_p4.png"],
    "weights": ["weights.png"],
}


class References(html.parser.HTMLParser):
    """The files and places that a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "img":
            self.images.append(found["src"])
        if tag == "a":
            self.links.append(found["href"])
        if "id" in found:
            self.ids.add(found["id"])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    # With the truth among the proposals there are positive RoIs, however bad the weights are.
    config = tiny_config(IMAGES_PER_GPU=1, NUM_CLASSES=3, ADD_GT_TO_PROPOSALS=True)
    made = MaskRCNN("inference", config, tmp_path_factory.mktemp("logs"))
    assign_recipe(made.keras_model)
    return made


def inspected_of(model, **changes):
    dataset = ShapesDataset(3)
    config = model.config
    inspected = Inspected(
        config,
        NAMES,
        stages.scene_of_dataset(dataset, config, 0),
        model,
        anchor_fit(config, *molded_instances(dataset, config, dataset.image_ids)),
        layers=["conv1", "fpn_p4"],
    )
    return dataclasses.replace(inspected, **changes)


def test_everything(model, tmp_path):
    model.save_weights(tmp_path / "x.h5")
    inspected = inspected_of(model)
    inspected.read_file(tmp_path / "x.h5")
    output, reported = tmp_path / "out", []
    output.mkdir()
    sections = write_inspection(inspected, list(PARTS), output, "x.h5 & more", reported.append)
    assert reported == list(PARTS)
    assert [section.name for section in sections] == ["file", *PARTS]
    expected = [name for names in PICTURES.values() for name in names]
    assert sorted(path.name for path in output.glob("*.png")) == sorted(expected)
    for name in expected:
        picture = np.asarray(Image.open(output / name).convert("RGB"))
        assert min(picture.shape[:2]) > 80 and picture.std() > 5, f"{name} is blank"
    text = (output / "index.html").read_text()
    page = References(text)
    assert page.images == expected
    assert all(link.removeprefix("#") in page.ids for link in page.links if link[0] == "#")
    assert "x.h5 &amp; more" in text and "its 2 true instances" in text
    numbers = json.loads((output / "inspection.json").read_text())
    assert list(numbers) == ["file", *PARTS]
    assert numbers["anchors"]["fit"]["all"]["instances"] == 6
    assert numbers["file"]["settings"]["NUM_CLASSES"] == 3
    assert numbers["rois"]["positive"] == sum(list(numbers["rois"]["by_class"].values())[1:])
    assert len((output / "weights.txt").read_text().splitlines()) == len(inspected.weights) + 1
    assert "conv1/kernel:0" in (output / "file.txt").read_text()


def test_a_photograph_without_truth_of_which_nothing_is_detected(model, tmp_path):
    scene = stages.scene_of_image(ShapesDataset(1).load_image(0), model.config)
    config = tiny_config(DETECTION_MIN_CONFIDENCE=1.0, NUM_CLASSES=3)
    inspected = inspected_of(model, scene=scene, fit=None, config=config)
    parts = [part for part in PARTS if part not in NEED_TRUTH]
    sections = {s.name: s for s in write_inspection(inspected, parts, tmp_path)}
    assert "Nothing is detected" in sections["detections"].findings[0]
    assert sections["masks"].pictures == []
    assert [name for name, _ in sections["proposals"].pictures] == [
        "proposals.png",
        "rpn_histograms.png",
    ]
    json.loads((tmp_path / "inspection.json").read_text())


def test_an_image_without_instances(model, tmp_path):
    blank = np.zeros((128, 128, 0), bool)
    scene = dataclasses.replace(
        inspected_of(model).scene,
        truth=stages.Truth(np.zeros(0, int), np.zeros((0, 4), int), blank),
    )
    inspected = inspected_of(model, scene=scene)
    sections = {s.name: s for s in write_inspection(inspected, list(PARTS), tmp_path)}
    assert "the heads learn nothing" in sections["rois"].findings[0]
    assert not (tmp_path / "mask_targets.png").exists()


def test_what_needs_no_model_and_no_picture(tmp_path):
    sections = write_inspection(Inspected(tiny_config(), NAMES), ["anchors"], tmp_path)
    assert [name for name, _ in sections[0].pictures] == ["anchors.png"]
    assert (tmp_path / "index.html").exists()


def test_weights_of_the_model_where_there_is_no_file(model, tmp_path):
    write_inspection(inspected_of(model), ["weights"], tmp_path)
    weights = json.loads((tmp_path / "inspection.json").read_text())["weights"]["weights"]
    assert weights[0]["name"] == "conv1/kernel:0" and weights[0]["shape"] == [7, 7, 3, 32]


def test_parts_are_put_in_order_and_checked():
    assert check_parts(["masks", "anchors", "masks"]) == ["anchors", "masks"]
    with pytest.raises(ConfigError, match="no part boxes to show: expected anchors, "):
        check_parts(["boxes", "masks"])


def test_what_cannot_be_shown(model, tmp_path):
    scene = stages.scene_of_image(np.zeros((8, 8, 3), np.uint8), model.config)
    with pytest.raises(DatasetError, match="rois needs the truth"):
        write_inspection(inspected_of(model, scene=scene), ["rois"], tmp_path)
    with pytest.raises(ConfigError, match="no layer 'res9'"):
        write_inspection(inspected_of(model, layers=["res9"]), ["activations"], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_inspection(inspected_of(model), ["anchors"], tmp_path / "file")


def test_the_page_escapes_what_it_shows_and_marks_alarms(tmp_path):
    rows = [["weight", ""], ["<b>", "*** all zero"], ["fine", ""]]
    section = Section("x", "<i>", findings=["a & b"], tables=[("numbers", rows)])
    write_page(tmp_path / "index.html", "t", "s", [section])
    text = (tmp_path / "index.html").read_text()
    assert "<b>" not in text and "&lt;b&gt;" in text and "a &amp; b" in text
    assert text.count('class="alarm"') == 1
