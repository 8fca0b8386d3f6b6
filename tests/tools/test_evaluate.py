"""tools/evaluate.py: what is measured, and what is printed and written of it."""

import importlib.util
import json

import numpy as np
import pytest

from fashion import stages
from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from fashion.stages import MODANET_STAGE, SEASON_STAGE, weights_note
from mrcnn.coco_evaluation import FIGURES
from mrcnn.errors import DatasetError
from tests.stages.factory import (
    copy_project,
    demo_weights,
    head_weights,
    make_dataset,
    run_script,
)
from tests.support import REPOSITORY


def load_script():
    path = REPOSITORY / "tools" / "evaluate.py"
    spec = importlib.util.spec_from_file_location("evaluate_script", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


evaluate = load_script()


class Knowing:
    """Stands where a model does, and knows the pictures of a data set by heart.

    It does not see the class with the id `miss`.
    """

    def __init__(self, folder, miss=None):
        dataset = FashionDataset().load(folder, "val", MODANET_TABLE, keep_empty=True)
        dataset.prepare()
        self.known = {
            dataset.load_image(i).tobytes(): dataset.load_mask(i) for i in dataset.image_ids
        }
        self.miss, self.seen = miss, 0

    def detect(self, images):
        self.seen += 1
        masks, class_ids = self.known[images[0].tobytes()]
        kept = class_ids != self.miss
        masks, class_ids = masks[..., kept], class_ids[kept]
        ys, xs = (np.any(masks, axis=axis) for axis in (1, 0))
        rois = [
            [*np.flatnonzero(y)[[0, -1]], *np.flatnonzero(x)[[0, -1]]]
            for y, x in zip(ys.T, xs.T, strict=True)
        ]
        rois = np.array(rois, np.int32).reshape(-1, 4)[:, [0, 2, 1, 3]] + [0, 0, 1, 1]
        scores = np.full(len(class_ids), 0.9, np.float32)
        return [{"rois": rois, "class_ids": class_ids, "scores": scores, "masks": masks}]


@pytest.fixture
def here(tmp_path, monkeypatch):
    make_dataset(tmp_path / "data", train=1, val=3)
    head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(here, monkeypatch, model, *arguments):
    always = ["evaluate.py", "--dataset=data", "--model=x.h5"]
    monkeypatch.setattr("sys.argv", [*always, *arguments])
    monkeypatch.setattr(stages, "inference_model", lambda options, stage: model)
    return evaluate.main()


def table(text):
    """The printed lines by their first word."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_a_model_that_finds_everything(here, monkeypatch, capsys):
    assert run(here, monkeypatch, Knowing(here / "data"), "--json=out/figures.json") == 0
    lines = table(capsys.readouterr().out)
    for name in ("AP", "AP50", "AP75", "AR_100"):
        assert lines[name] == ["1.000", "1.000"]
    for name in ("top", "pants", "bag"):
        assert lines[name] == ["1.000"] * 4
    assert lines["skirt"] == ["-1.000"] * 4  # none in these pictures
    figures = json.loads((here / "out" / "figures.json").read_text())
    assert set(figures) == {"bbox", "segm"}
    for kind in figures.values():
        assert set(kind) == {*FIGURES, "per_class"}
        assert kind["AP"] == pytest.approx(1)
        assert list(kind["per_class"]) == list(MODANET_TABLE.names)


def test_a_model_that_is_blind_to_bags(here, monkeypatch, capsys):
    run(here, monkeypatch, Knowing(here / "data", miss=MODANET_TABLE.id_of("bag")))
    lines = table(capsys.readouterr().out)
    assert lines["bag"] == ["0.000"] * 4
    assert lines["top"] == ["1.000"] * 4
    assert lines["AP"] == ["0.667"] * 2  # the mean of the three classes


def test_what_is_found_on_a_picture_without_garments_is_wrong(here, monkeypatch, capsys):
    model = Knowing(here / "data")
    path = here / "data" / "val" / "via_region_data.json"
    data = json.loads(path.read_text())
    data["val0.jpg"]["regions"] = []  # its three garments are now none
    path.write_text(json.dumps(data))
    run(here, monkeypatch, model)
    assert model.seen == 3
    assert float(table(capsys.readouterr().out)["AP"][1]) < 0.9


def test_which_class_was_taken_for_which(here, monkeypatch, capsys):
    model = Knowing(here / "data", miss=MODANET_TABLE.id_of("bag"))
    run(here, monkeypatch, model, "--confusion", "--json=f.json")
    confusion = json.loads((here / "f.json").read_text())["confusion"]
    labels, matrix = confusion["labels"], np.array(confusion["matrix"])
    assert labels == ["background", *MODANET_TABLE.names] and matrix.shape == (14, 14)
    counts = {name: matrix[i].tolist() for i, name in enumerate(labels) if matrix[i].any()}
    for name in ("top", "pants"):
        assert counts[name] == [3 * (i == labels.index(name)) for i in range(14)]
    assert counts["bag"] == [3] + [0] * 13, "missed"
    assert set(counts) == {"top", "pants", "bag"}
    assert (confusion["images"], confusion["instances"]) == (3, 9)
    assert (confusion["iou"], confusion["score"]) == (0.5, 0.5)
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1", "bag", "3", *["-"] * 13] in printed


def test_uncertain_detections_do_not_confuse(here, monkeypatch):
    run(here, monkeypatch, Knowing(here / "data"), "--confusion=0.95", "--json=f.json")
    matrix = np.array(json.loads((here / "f.json").read_text())["confusion"]["matrix"])
    assert matrix[:, 0].sum() == matrix.sum() == 9, "all are below .95: all missed"


def test_what_was_found_is_found_once(here, monkeypatch, capsys):
    model = Knowing(here / "data", miss=MODANET_TABLE.id_of("bag"))
    options = ("--detections=kept/found.json", "--confusion", "--json=f.json")
    run(here, monkeypatch, model, *options)
    first = (json.loads((here / "f.json").read_text()), table(capsys.readouterr().out)["bag"])
    run(here, monkeypatch, model, *options)
    assert model.seen == 3, "the network does not run again"
    output = capsys.readouterr().out
    assert "taken from kept/found.json" in output.replace("\\", "/")
    assert (json.loads((here / "f.json").read_text()), table(output)["bag"]) == first


def test_what_was_found_is_measured_by_another_truth(here, monkeypatch, capsys):
    """The same pictures, some of them, in another folder with other annotations."""
    model = Knowing(here / "data")
    run(here, monkeypatch, model, "--detections=found.json")
    make_dataset(here / "other", train=1, val=2)
    path = here / "other" / "val" / "via_region_data.json"
    data = json.loads(path.read_text())
    data["val1.jpg"]["regions"] = []
    path.write_text(json.dumps(dict(reversed(data.items()))))
    capsys.readouterr()
    run(here, monkeypatch, model, "--detections=found.json", "--dataset=other", "--confusion")
    assert model.seen == 3
    lines = capsys.readouterr().out
    assert "Detections: taken" in lines and "0 background" in lines
    assert float(table(lines)["AP"][1]) < 0.9


@pytest.mark.parametrize("change", ["weights", "confidence", "picture", "more", "damage"])
def test_what_was_found_otherwise_is_found_again(here, monkeypatch, change):
    model, kept = Knowing(here / "data"), "--detections=found.json"
    limit = ["--limit=2"] if change == "more" else []
    run(here, monkeypatch, model, kept, *limit)
    before, more = model.seen, []
    if change == "weights":
        head_weights(here / "x.h5", width=9, notes=weights_note("demo", MODANET_TABLE))
    elif change == "confidence":
        more = ["--min-confidence=0.5"]
    elif change == "picture":
        with (here / "data" / "val" / "val1.jpg").open("ab") as stream:
            stream.write(b"0")
    elif change == "damage":
        (here / "found.json").write_text("{")
    run(here, monkeypatch, model, kept, *more)
    assert model.seen == before + 3
    run(here, monkeypatch, model, kept, *more)
    assert model.seen == before + 3, "and kept"


def test_nothing_found_is_kept_too(here, monkeypatch):
    model = Knowing(here / "data")
    model.known = {k: (m[..., :0], ids[:0]) for k, (m, ids) in model.known.items()}
    for _ in range(2):
        run(here, monkeypatch, model, "--detections=found.json", "--confusion", "--json=f.json")
    assert model.seen == 3
    confusion = json.loads((here / "f.json").read_text())["confusion"]
    assert np.array(confusion["matrix"])[:, 0].sum() == 9


def test_limit(here, monkeypatch):
    model = Knowing(here / "data")
    run(here, monkeypatch, model, "--limit=2")
    assert model.seen == 2


def test_another_subset(here, monkeypatch, capsys):
    with pytest.raises(DatasetError, match="no folder test"):
        run(here, monkeypatch, None, "--subset=test")
    make_dataset(here / "more", train=1, val=2)
    (here / "more" / "val").rename(here / "data" / "test")  # the first two pictures of val
    model = Knowing(here / "data")
    assert run(here, monkeypatch, model, "--subset=test") == 0
    assert model.seen == 2


def test_a_broken_picture_is_named(here, monkeypatch):
    model = Knowing(here / "data")
    path = here / "data" / "val" / "val1.jpg"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DatasetError, match=r"val1\.jpg: not a readable image"):
        run(here, monkeypatch, model)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"stage": MODANET_STAGE, "min_confidence": 0.05, "subset": "val", "dataset": None}),
        (["--stage=2"], {"stage": SEASON_STAGE}),
        (["--min-confidence=0.5", "--preset=demo"], {"min_confidence": 0.5, "preset": "demo"}),
        (["--min-confidence=0"], {"min_confidence": 0}),
        ([], {"confusion": None, "detections": None}),
        (["--confusion"], {"confusion": 0.5}),
        (["--confusion=0.7"], {"confusion": 0.7}),
    ],
)
def test_command_line(arguments, expected):
    options = vars(evaluate.parse_arguments(arguments))
    assert {name: options[name] for name in expected} == expected


def test_the_script_in_a_process_of_its_own(tmp_path):
    project = copy_project(tmp_path / "project")
    demo_weights(project / "model1" / "mask_rcnn_Modanet.h5")
    make_dataset(project / "model1" / "samples" / "custom" / "dataset", train=1, val=2)
    script = project / "tools" / "evaluate.py"
    (tmp_path / "here").mkdir()
    arguments = ("--limit=1", "--json=figures.json", "--min-confidence=0")
    done = run_script(script, *arguments, cwd=tmp_path / "here")
    assert done.returncode == 0, done.stderr
    assert "2 images, 6 instances" in done.stdout
    lines = table(done.stdout)
    figures = json.loads((tmp_path / "here" / "figures.json").read_text())
    for name in FIGURES:
        both = [f"{figures[kind][name]:.3f}" for kind in ("bbox", "segm")]
        assert lines[name] == both
    assert 0 <= figures["segm"]["AP"] < 0.5  # weights that have learned nothing
