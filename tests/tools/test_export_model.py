"""tools/export_model.py: what is written, and what is refused before anything is."""

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from fashion import DEMO_START
from fashion.demo import dataset
from fashion.labels import MODANET_TABLE
from fashion.stages.export_command import CALIBRATED, calibration_pictures
from fashion.stages.models import weights_note
from fashion.stages.presets import make_config
from mrcnn.model import MaskRCNN
from tests.mrcnn.exported import assert_same_detections, of, run_elsewhere
from tests.stages.factory import head_weights, run_script, without_tensorflow
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "export_model.py"
needs_onnx = pytest.mark.skipif(
    not (importlib.util.find_spec("tf2onnx") and importlib.util.find_spec("onnxruntime")),
    reason="needs tf2onnx and onnxruntime: the extra [export]",
)
DEMO_WEIGHTS = DEMO_START


@pytest.fixture
def export(tmp_path):
    """Call the script without TensorFlow: what it refuses, it refuses before that is loaded."""
    weights = head_weights(tmp_path / "w.h5", notes=weights_note("default", MODANET_TABLE))
    path = without_tensorflow(tmp_path / "none")
    (tmp_path / "empty").mkdir()

    def call(*options, model=weights):
        return run_script(
            SCRIPT, f"--model={model}", "--output=out", *options, cwd=tmp_path, path=path
        )

    return call


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model=nothing.h5"], "nothing.h5: there is no weight file"),
        (["--format", "tflite", "--resize=pad64"], "found 'pad64'"),
        (["--format", "tflite", "--resize-mode=fit64"], "found 'fit64'"),
        (["--size=100"], "IMAGE_MAX_DIM is 100"),
        (["--size=448x300"], "IMAGE_WIDTH is 300"),
        (["--format", "tflite", "--precision=bfloat16"], "expected 'float32', found 'bfloat16'"),
        (["--int8", "--format", "onnx"], "give both --int8 and --calibrate, or neither"),
        (["--calibrate=."], "give both --int8 and --calibrate, or neither"),
        (["--int8", "--calibrate=."], "expected --format onnx, found saved_model"),
        (["--int8", "--calibrate=nowhere", "--format", "onnx"], "nowhere: the image folder does"),
        (["--int8", "--calibrate=empty", "--format", "onnx"], "photographs, some fifty or more"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(export, tmp_path, options, sentence):
    done = export(*options)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and sentence in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()


@needs_onnx
def test_a_picture_that_cannot_be_read_is_told_before_anything_is_computed(export, tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "broken.jpg").write_bytes(b"no picture")
    done = export("--int8", "--calibrate=photographs", "--format", "onnx")
    assert done.returncode == 2 and "broken.jpg: " in done.stderr
    assert done.stderr.count("\n") == 1


def test_pictures_for_calibration_come_from_all_over_a_folder(tmp_path):
    for number in range(200):
        (tmp_path / f"{number:03}.png").symlink_to(tmp_path / "000.png")
    (tmp_path / "000.png").unlink()
    Image.new("RGB", (2, 2)).save(tmp_path / "000.png")
    chosen = [path.stem for path in calibration_pictures(tmp_path)]
    assert len(chosen) == len(set(chosen)) == CALIBRATED
    assert (chosen[0], chosen[-1]) == ("000", "199")


def test_a_former_export_stays_by_default(export, tmp_path):
    (tmp_path / "out" / "saved_model").mkdir(parents=True)
    done = export()
    assert done.returncode == 2 and "there is an export already" in done.stderr


def formats():
    packages = ("tf2onnx", "onnxruntime")
    extra = ["onnx"] if all(importlib.util.find_spec(name) for name in packages) else []
    return ["saved_model", "tflite", *extra]


def pictures():
    """Drawn pictures, and photographs where there are any."""
    found = {f"drawn {number}": dataset.draw_picture(7, number).image for number in range(2)}
    found["half as large"] = np.ascontiguousarray(found["drawn 0"][::2, ::2])
    for path in sorted((REPOSITORY.parent / "shared" / "modanet").glob("*.jpg")):
        found[path.stem] = np.asarray(Image.open(path).convert("RGB"))
    return found


@pytest.mark.slow
def test_trained_weights_find_the_same_in_every_format(tmp_path):
    out = tmp_path / "out"
    options = [f"--model={DEMO_WEIGHTS}", f"--output={out}", "--min-confidence=.3", "--format"]
    done = run_script(SCRIPT, *options, *formats(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for kind in formats():
        assert f"Writing {out / kind}" in done.stdout or f"model.{kind}" in done.stdout
    described = json.loads((out / "saved_model.json").read_text(encoding="utf-8"))
    assert described["class_names"] == ["background", *MODANET_TABLE.names]
    assert described["preset"] == "demo" and described["weights"] == DEMO_WEIGHTS.name

    config = make_config(
        "demo", "modanet", 14, inference=True, PRECISION="float32", DETECTION_MIN_CONFIDENCE=0.3
    )
    model = MaskRCNN("inference", config, tmp_path)
    model.load_weights(DEMO_WEIGHTS, by_name=True)
    expected = {name: model.detect([image])[0] for name, image in pictures().items()}
    assert sum(len(result["rois"]) for result in expected.values()) > 5
    found = run_elsewhere(out, pictures(), *formats())
    for kind in formats():
        for name, result in expected.items():
            assert_same_detections(of(found, f"{kind}/{name}"), result)
