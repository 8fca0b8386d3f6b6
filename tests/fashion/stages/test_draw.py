"""Pictures in, PNGs out: which, under what names, and what is said of the rest."""

import argparse
import csv
import json

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from fashion.labels import MODANET_TABLE
from fashion.stages import draw
from fashion.stages.draw import add_testing_arguments, draw_pictures
from fashion.stages.stage import Stage
from mrcnn.errors import DatasetError, UserError, WeightsNotFoundError
from tests.fashion.factories import write_image
from tests.stages.factory import head_weights


@pytest.fixture
def stage(tmp_path):
    stage = Stage("modanet", tmp_path / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
    head_weights(stage.folder / stage.weights)
    return stage


class LeftHalf:
    """Stands where a model does: finds one bag, on the left half of every picture."""

    def detect(self, images):
        (image,) = images
        height, width = image.shape[:2]
        mask = np.zeros((height, width, 1), bool)
        mask[:, : width // 2] = True
        return [
            {
                "rois": np.array([[0, 0, height, width // 2]], np.int32),
                "class_ids": np.array([1], np.int32),
                "scores": np.array([0.9], np.float32),
                "masks": mask,
            }
        ]


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(draw, "detection_model", lambda choice: LeftHalf())


def parse(stage, *arguments):
    parser = argparse.ArgumentParser()
    add_testing_arguments(parser, stage)
    return parser.parse_args(list(map(str, arguments)))


def test_defaults_are_in_the_stages_folder(stage):
    options = parse(stage)
    assert (options.images, options.output) == (stage.images, stage.outputs)
    assert (options.logs, options.model, options.limit) == (stage.logs, None, None)


def test_each_picture_becomes_a_png_of_its_size(stage, model, capsys):
    write_image(stage.images / "a.jpg", 60, 40)
    write_image(stage.images / "b.png", 33, 71)
    write_image(stage.images / "turned.jpg", 40, 30, orientation=6)
    assert draw_pictures(parse(stage)) == 0
    sizes = {}
    for path in stage.outputs.glob("*.png"):
        with Image.open(path) as image:
            sizes[path.name] = image.size
    assert sizes == {"a.png": (60, 40), "b.png": (33, 71), "turned.png": (30, 40)}
    assert f"3 pictures in {stage.outputs}; found: bag 3" in capsys.readouterr().out


def test_a_class_has_the_colour_of_the_table(stage, model):
    write_image(stage.images / "a.png", 200, 200)
    draw_pictures(parse(stage))
    with Image.open(stage.outputs / "a.png") as image:
        pixel = np.array(image)[150, 50].astype(int)
    tint = pixel - 128
    colour = np.array(MODANET_TABLE.colour_of(1)) - 128
    assert np.corrcoef(tint, colour)[0, 1] > 0.99


def test_a_broken_picture_is_named_and_the_rest_drawn(stage, model, capsys):
    write_image(stage.images / "a.jpg")
    whole = write_image(stage.images / "b.jpg", 300, 300).read_bytes()
    (stage.images / "b.jpg").write_bytes(whole[: len(whole) // 2])
    assert draw_pictures(parse(stage)) == 0
    captured = capsys.readouterr()
    assert "1 picture in" in captured.out
    assert "skipped: " in captured.err and "b.jpg" in captured.err
    assert [p.name for p in stage.outputs.glob("*.png")] == ["a.png"]


def test_when_nothing_could_be_drawn_the_command_fails(stage, model, capsys):
    path = stage.images / "a.jpg"
    path.parent.mkdir()
    path.write_text("no picture")
    assert draw_pictures(parse(stage, "--images", path)) == 1
    assert "0 pictures" in capsys.readouterr().out


def test_limit(stage, model):
    for name in "abc":
        write_image(stage.images / f"{name}.jpg")
    draw_pictures(parse(stage, "--limit=2"))
    assert sorted(p.name for p in stage.outputs.glob("*.png")) == ["a.png", "b.png"]


def test_a_folder_gets_a_table_predictions_and_a_gallery(stage, model, capsys):
    write_image(stage.images / "a.jpg", 60, 40)
    write_image(stage.images / "=b.png", 30, 20)
    assert draw_pictures(parse(stage)) == 0
    with (stage.outputs / "garments.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["picture"] for row in rows] == ["'=b.png", "a.jpg"]  # no formula in a spreadsheet
    assert {key: rows[1][key] for key in ("garment", "score", "x1", "y1", "x2", "y2", "area")} == {
        "garment": "bag", "score": "0.9000", "x1": "0", "y1": "0", "x2": "30", "y2": "40",
        "area": "1200",
    }  # fmt: skip
    assert rows[1]["colour"]
    found = json.loads((stage.outputs / "predictions.json").read_text())
    assert [row["file_name"] for row in found] == ["=b.png", "a.jpg"]
    assert found[1]["bbox"] == [0, 0, 30, 40]
    assert coco_mask.decode(found[1]["segmentation"]).sum() == 1200
    page = (stage.outputs / "index.html").read_text()
    assert 'href="a.png"' in page and "2 garments in 2 pictures" in page
    assert "Written: " in capsys.readouterr().out


def test_a_single_picture_gets_its_drawing_alone(stage, model):
    draw_pictures(parse(stage, "--images", write_image(stage.images / "a.jpg")))
    assert [p.name for p in stage.outputs.iterdir()] == ["a.png"]


def test_large_drawings_are_shrunk_unless_asked(stage, model):
    write_image(stage.images / "a.jpg", 3000, 30)
    for arguments, width in (((), 2048), (("--full-size",), 3000)):
        draw_pictures(parse(stage, *arguments))
        with Image.open(stage.outputs / "a.png") as image:
            assert image.size[0] == width


def test_where_nothing_is_found_a_sentence_says_so(stage, monkeypatch, capsys):
    class Blind:
        def detect(self, images):
            (result,) = LeftHalf().detect(images)
            return [
                {name: value[..., :0] if name == "masks" else value[:0]
                 for name, value in result.items()}
            ]  # fmt: skip

    monkeypatch.setattr(draw, "detection_model", lambda choice: Blind())
    write_image(stage.images / "a.jpg")
    assert draw_pictures(parse(stage)) == 1
    captured = capsys.readouterr()
    assert "1 picture in" in captured.out
    assert captured.err.count("Nothing was found.") == 1
    assert (stage.outputs / "garments.csv").read_text("utf-8-sig").count("\n") == 1  # the head


def test_a_video_gets_boxes_and_masks(stage, model, tmp_path):
    path = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), 128, np.uint8))
    writer.release()
    assert draw_pictures(parse(stage, "--images", path)) == 0
    (written,) = stage.outputs.iterdir()
    capture = cv2.VideoCapture(str(written))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    _, frame = capture.read()
    capture.release()
    left, right = frame[44, 10].astype(int), frame[44, 54].astype(int)
    assert np.abs(left - right).max() > 20  # the bag's tint


def test_errors_come_before_the_model_is_built(stage, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "detection_model", lambda *_: pytest.fail("was built"))
    with pytest.raises(DatasetError, match="does not exist"):
        draw_pictures(parse(stage))
    with pytest.raises(DatasetError, match=r"does not exist.* Also, .*no weight file.*model"):
        draw_pictures(parse(stage, "--model=other.h5"))
    write_image(stage.images / "a.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"nothing can be written .*output"):
        draw_pictures(parse(stage, "--output", tmp_path / "file"))
    (stage.folder / stage.weights).unlink()
    with pytest.raises(WeightsNotFoundError, match="there is no weight file"):
        draw_pictures(parse(stage))
