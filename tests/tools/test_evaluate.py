"""tools/evaluate.py: what is measured, and what is printed and written of it."""

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fashion.dataset import FashionDataset
from fashion.evaluation import command as evaluate
from fashion.labels import MODANET_TABLE
from fashion.stages import models
from fashion.stages.models import weights_note
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE
from mrcnn.errors import DatasetError, UserError
from mrcnn.evaluation.coco_ap import FIGURES
from tests.stages.factory import (
    copy_project,
    demo_weights,
    head_weights,
    make_dataset,
    run_script,
)


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
        # Mirrored pictures too, as test-time augmentation shows them.
        self.known |= {
            np.ascontiguousarray(dataset.load_image(i)[:, ::-1]).tobytes(): (m[:, ::-1], ids)
            for i in dataset.image_ids
            for m, ids in [dataset.load_mask(i)]
        }
        self.miss, self.seen = miss, 0
        self.config = SimpleNamespace(DETECTION_NMS_THRESHOLD=0.3, DETECTION_MAX_INSTANCES=100)

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
    for loading in ("detection_model", "inference_model"):
        monkeypatch.setattr(models, loading, lambda choice: model)
    return evaluate.main()


def table(text, head="COCO"):
    """The rows of the printed table with this head by their first word."""
    part = next(part for part in text.split("\n\n") if part.strip().startswith(head + " "))
    return {line.split()[0]: line.split()[1:] for line in part.strip().splitlines()[2:]}


def from_file(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["evaluate.py", "--dataset=data", *arguments])
    monkeypatch.setattr(models, "detection_model", lambda choice: 1 / 0)
    return evaluate.main()


def test_a_model_that_finds_everything(here, monkeypatch, capsys):
    assert run(here, monkeypatch, Knowing(here / "data"), "--json=out/figures.json") == 0
    output = capsys.readouterr().out
    lines, classes, sizes = (table(output, head) for head in ("COCO", "class", "class by size"))
    for name in ("AP", "AP50", "AP75", "AR_100"):
        assert lines[name] == ["1.000", "1.000"]
    for name in ("top", "pants", "bag"):
        assert classes[name] == ["3", "3"] + ["1.000"] * 10
    assert classes["skirt"] == ["0", "0"] + ["-"] * 10  # none in these pictures
    assert sizes["bag"] == ["3", "0", "0", *["1.000", "-", "-"] * 2]  # 18 x 24 pixels
    assert "(Matterport's compute_ap, all classes together; not COCO's AP50): 1.000" in output
    figures = json.loads((here / "out" / "figures.json").read_text())
    assert set(figures) == {"bbox", "segm", "image_ap"}
    assert (figures["image_ap"]["mean_image_ap"], figures["image_ap"]["images"]) == (1, 3)
    for kind in (figures["bbox"], figures["segm"]):
        assert set(kind) == {*FIGURES, "per_class"}
        assert kind["AP"] == pytest.approx(1)
        assert list(kind["per_class"]) == list(MODANET_TABLE.names)


def test_a_model_that_is_blind_to_bags(here, monkeypatch, capsys):
    run(here, monkeypatch, Knowing(here / "data", miss=MODANET_TABLE.id_of("bag")))
    output = capsys.readouterr().out
    classes = table(output, "class")
    assert classes["bag"] == ["3", "0"] + ["0.000"] * 10
    assert classes["top"] == ["3", "3"] + ["1.000"] * 10
    assert table(output)["AP"] == ["0.667"] * 2  # the mean of the three classes


def test_what_is_found_on_a_picture_without_garments_is_wrong(here, monkeypatch, capsys):
    model = Knowing(here / "data")
    path = here / "data" / "val" / "via_region_data.json"
    data = json.loads(path.read_text())
    data["val0.jpg"]["regions"] = []  # its three garments are now none
    path.write_text(json.dumps(data))
    run(here, monkeypatch, model)
    assert model.seen == 3
    output = capsys.readouterr().out
    assert float(table(output)["AP"][1]) < 0.9
    assert "the mean of 2 images; 1 without instance left out, 1 of them with det" in output


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
    first = (
        json.loads((here / "f.json").read_text()),
        table(capsys.readouterr().out, "class")["bag"],
    )
    run(here, monkeypatch, model, *options)
    assert model.seen == 3, "the network does not run again"
    output = capsys.readouterr().out
    assert "taken from kept/found.json" in output.replace("\\", "/")
    assert (json.loads((here / "f.json").read_text()), table(output, "class")["bag"]) == first


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


@pytest.mark.parametrize(
    "change", ["weights", "confidence", "picture", "more", "damage", "augmentation"]
)
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
    elif change == "augmentation":
        more = ["--tta=flip"]
    run(here, monkeypatch, model, kept, *more)
    assert model.seen == before + 3 * (1 + (change == "augmentation"))
    before = model.seen
    run(here, monkeypatch, model, kept, *more)
    assert model.seen == before, "and kept"


def test_nothing_found_is_kept_too(here, monkeypatch):
    model = Knowing(here / "data")
    model.known = {k: (m[..., :0], ids[:0]) for k, (m, ids) in model.known.items()}
    for _ in range(2):
        run(here, monkeypatch, model, "--detections=found.json", "--confusion", "--json=f.json")
    assert model.seen == 3
    confusion = json.loads((here / "f.json").read_text())["confusion"]
    assert np.array(confusion["matrix"])[:, 0].sum() == 9


def dump(here, monkeypatch, **found):
    """Results and truth in files, and the figures that were measured directly."""
    files = ("--results=found.json", "--truth-json=truth.json", "--json=direct.json")
    run(here, monkeypatch, Knowing(here / "data", **found), *files, "--confusion")
    return [json.loads((here / name).read_text()) for name in ("found.json", "direct.json")]


def test_a_results_file_is_measured_like_the_run_that_wrote_it(here, monkeypatch, capsys):
    rows, direct = dump(here, monkeypatch, miss=MODANET_TABLE.id_of("bag"))
    assert len(rows) == 6 and set(rows[0]) == {
        "image_id", "category_id", "score", "bbox", "segmentation"
    }  # fmt: skip
    output = capsys.readouterr().out
    assert "Results: found.json" in output and "Masks alone: found.segm.json" in output
    (here / "x.h5").unlink()
    assert from_file(monkeypatch, "--from-results=found.json", "--json=f.json", "--confusion") == 0
    assert json.loads((here / "f.json").read_text()) == direct
    assert "Detections: 6, taken from found.json" in capsys.readouterr().out


def test_what_detections_keeps_is_a_results_file_too(here, monkeypatch, capsys):
    run(here, monkeypatch, Knowing(here / "data"), "--detections=kept.json")
    capsys.readouterr()
    from_file(monkeypatch, "--from-results=kept.json")
    assert table(capsys.readouterr().out)["AP"] == ["1.000", "1.000"]


@pytest.mark.parametrize(("kind", "name"), [("bbox", "found.json"), ("segm", "found.segm.json")])
def test_pycocotools_finds_the_same_in_the_files(here, monkeypatch, kind, name):
    _, direct = dump(here, monkeypatch, miss=MODANET_TABLE.id_of("top"))
    truth = COCO("truth.json")
    assert [image["file_name"] for image in truth.dataset["images"]] == [
        f"val{i}.jpg" for i in range(3)
    ]
    evaluation = COCOeval(truth, truth.loadRes(name), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats.tolist() == [direct[kind][figure] for figure in FIGURES]


def test_nothing_found_is_a_results_file_too(here, monkeypatch, capsys):
    (here / "none.json").write_text("[]")
    from_file(monkeypatch, "--from-results=none.json", "--confusion")
    assert table(capsys.readouterr().out)["AP"] == ["0.000", "0.000"]


def test_results_without_masks(here, monkeypatch, capsys):
    rows, direct = dump(here, monkeypatch)
    for each in rows:
        del each["segmentation"]
    (here / "boxes.json").write_text(json.dumps(rows))
    capsys.readouterr()
    from_file(monkeypatch, "--from-results=boxes.json", "--json=f.json")
    output = capsys.readouterr().out
    assert table(output)["AP"] == ["1.000"] and "masks are left out" in output
    assert json.loads((here / "f.json").read_text()) == {"bbox": direct["bbox"]}
    with pytest.raises(DatasetError, match=r"boxes\.json: the results have boxes only"):
        from_file(monkeypatch, "--from-results=boxes.json", "--confusion")


def test_some_of_a_results_file(here, monkeypatch, capsys):
    rows, _ = dump(here, monkeypatch)
    capsys.readouterr()
    from_file(monkeypatch, "--from-results=found.json", "--limit=2")
    assert "Detections: 6, taken from found.json; 3 of other images left out" in (
        capsys.readouterr().out
    )
    from_file(monkeypatch, "--from-results=found.json", "--min-confidence=0.95")
    assert "Detections: 0, taken from found.json; 9 scored lower left out" in (
        capsys.readouterr().out
    )
    rows[4]["image_id"] = 12
    (here / "found.json").write_text(json.dumps(rows))
    with pytest.raises(DatasetError, match=r"found\.json: row 5 has the image_id 12"):
        from_file(monkeypatch, "--from-results=found.json")


def test_mirrored_pictures(here, monkeypatch, capsys):
    model = Knowing(here / "data")
    run(here, monkeypatch, model, "--tta=flip", "--results=found.json", "--json=f.json")
    assert model.seen == 6
    output = capsys.readouterr().out
    assert "Test-time augmentation: flip, 2 passes an image" in output
    assert table(output)["AP"] == ["1.000", "1.000"]


def test_a_report(here, monkeypatch, capsys):
    """What the page is made of; the page itself is tested in tests/fashion."""
    seen = []

    def write_report(*arguments):
        seen.extend(arguments)
        return arguments[0] / "index.html"

    module = ModuleType("fashion.evaluation.report")
    module.write_report = write_report
    monkeypatch.setitem(sys.modules, "fashion.evaluation.report", module)
    run(here, monkeypatch, Knowing(here / "data"), "--report=out/page", "--limit=2")
    folder, dataset, image_ids, truth, results, figures, score, seasons, *_ = seen
    assert folder.is_dir() and f"Report: {folder / 'index.html'}" in capsys.readouterr().out
    assert len(dataset.image_ids) == 3 and list(image_ids) == [0, 1]
    assert [(i["id"], i["file_name"]) for i in truth["images"]] == [
        (0, "val0.jpg"),
        (1, "val1.jpg"),
    ]
    assert len(results) == len(truth["annotations"]) == 6
    assert figures["segm"]["AP"] == pytest.approx(1) and (score, seasons) == (0.5, False)


@pytest.mark.parametrize(
    ("option", "setting"),
    [
        ("--report=file/page", "report"),
        ("--results=file/f.json", "results"),
        ("--truth-json=file/f.json", "truth_json"),
    ],
)
def test_unwritable_files_are_refused_before_the_network_runs(here, monkeypatch, option, setting):
    (here / "file").touch()
    model = Knowing(here / "data")
    with pytest.raises(UserError, match=f"another with {setting}"):
        run(here, monkeypatch, model, option)
    assert model.seen == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tta=flop"], "found 'flop'"),
        (["--tta=0.1"], "scale from 0.25 to 4"),
        (["--from-results=f", "--model=x.h5"], "leave --model out"),
        (["--from-results=f", "--tta=flip"], "leave --tta out"),
        (["--from-results=f", "--detections=d"], "leave --detections out"),
    ],
)
def test_options_that_do_not_fit(arguments, expected, capsys):
    with pytest.raises(SystemExit):
        evaluate.parse_arguments(arguments)
    assert expected in capsys.readouterr().err


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
        ([], {"tta": None, "from_results": None, "report": None}),
        (["--from-results=f.json"], {"min_confidence": None}),
        (["--confusion"], {"confusion": 0.5}),
        (["--confusion=0.7"], {"confusion": 0.7}),
    ],
)
def test_command_line(arguments, expected):
    options = vars(evaluate.parse_arguments(arguments))
    assert {name: options[name] for name in expected} == expected


@pytest.mark.slow
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
        both = [figures[kind][name] for kind in ("bbox", "segm")]
        assert lines[name] == ["-" if value < 0 else f"{value:.3f}" for value in both]
    assert 0 <= figures["segm"]["AP"] < 0.5  # weights that have learned nothing
