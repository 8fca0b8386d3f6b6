"""Which commands a run consists of, for drawn pictures and for a folder of the user's."""

import argparse

import pytest

from fashion import REPOSITORY
from fashion.pipeline import command
from fashion.pipeline import steps as pipeline_steps
from fashion.pipeline.command import make_plan
from fashion.pipeline.plan import RunPlan, demo_sources, find_sources, shown
from fashion.pipeline.steps import SCRIPTS
from mrcnn.errors import DatasetError, WeightsNotFoundError
from tests.fashion.factories import coco_data, write_image, write_json

DEFAULTS = {
    "demo": True, "data": None, "quick": False, "from_scratch": False, "model": None,
    "preset": None, "seed": 1, "label_arguments": None, "train_images": None,
    "custom_images": None, "epochs1": None, "steps1": None, "epochs2": None, "steps2": None,
}  # fmt: skip


def plan_of(tmp_path, **given):
    return make_plan(argparse.Namespace(output=tmp_path / "out", **{**DEFAULTS, **given}))


def steps_of(plan):
    return {step.name: step for step in pipeline_steps.pipeline_steps(plan, lambda: "")}


def words(step, number=0):
    return " ".join(step.commands[number].words)


@pytest.fixture
def data(tmp_path):
    """A user's folder: a COCO file with its picture, and a photograph."""
    write_json(tmp_path / "mine" / "modanet" / "instances.json", coco_data([{}]))
    write_image(tmp_path / "mine" / "modanet" / "a.jpg")
    write_image(tmp_path / "mine" / "custom" / "bag_yaz_1.jpg")
    return tmp_path / "mine"


def test_every_script_is_there():
    for script in (*SCRIPTS.values(), "tools/evaluate.py", "tools/compare_models.py"):
        assert (REPOSITORY / script).is_file()


def test_the_demo(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "DEMO_START", tmp_path / "gone.h5")
    steps = steps_of(plan_of(tmp_path, seed=5, epochs2=3))
    names = "data convert split1 train1 test1 evaluate1 label check-labels split2 train2 test2"
    names += " truth evaluate2 compare parse"
    assert list(steps) == [*names.split(), "page"]
    work = tmp_path / "out" / "demo"
    assert words(steps["data"]).endswith("--count=800 --seed=5")
    assert words(steps["data"], 1).endswith("--count=360 --seed=6")
    assert "--preset=demo" in words(steps["train1"]) and "--model=none" in words(steps["train1"])
    assert f"--model={work}/stage1/mask_rcnn_Modanet.h5" in words(steps["train2"])
    assert "--epochs=3" in words(steps["train2"])
    assert "--repeat-rare=" in words(steps["train2"])
    assert "--repeat-rare" not in words(steps["train1"])
    assert "--all-garments" in words(steps["label"]) and "--all-garments" in words(
        steps["check-labels"]
    )
    assert f"--dataset={work}/stage2/truth" in words(steps["evaluate2"])
    for name, step in steps.items():
        assert all(list(steps).index(need) < list(steps).index(name) for need in step.needs)
        for path in step.outputs:
            assert path.is_relative_to(tmp_path / "out"), "nothing is written elsewhere"


def test_the_demo_starts_from_its_own_weights_where_they_are(tmp_path, monkeypatch):
    start = tmp_path / "demo_start.h5"
    start.touch()
    monkeypatch.setattr(command, "DEMO_START", start)
    embedded, scratch = plan_of(tmp_path), plan_of(tmp_path, from_scratch=True)
    assert (embedded.start, scratch.start) == (str(start), "none")
    assert embedded.stage1.epochs < scratch.stage1.epochs
    assert plan_of(tmp_path, model="imagenet").start == "imagenet"
    assert plan_of(tmp_path, preset="default").start == "none"
    assert plan_of(tmp_path, quick=True).stage1.steps < 10
    with pytest.raises(WeightsNotFoundError):
        plan_of(tmp_path, model="gone.h5")


def test_training_resumes_from_a_checkpoint(tmp_path):
    steps = steps_of(plan_of(tmp_path))
    (train,) = steps["train1"].commands
    logs = tmp_path / "out" / "demo" / "stage1" / "logs" / "modanet20240101T0000"
    logs.mkdir(parents=True)
    assert not train.started()
    (logs / "mask_rcnn_modanet_0000.h5").touch()
    assert train.started()
    assert train.resumed[-1] == "--model=last"
    assert not any(word.startswith("--model") for word in train.resumed[:-1])
    assert not steps["train2"].commands[0].started()


def test_a_folder_with_a_coco_file(tmp_path, data):
    plan = plan_of(tmp_path, data=data, demo=False, label_arguments=["--fallback=best"])
    steps = steps_of(plan)
    assert "data" not in steps and "check-labels" not in steps and "truth" not in steps
    assert words(steps["convert"]).startswith(f"tools/coco_to_via.py {data}/modanet/instances.json")
    assert "--preset" not in words(steps["train1"]) and "--model" not in words(steps["train1"])
    assert "--epochs" not in words(steps["train1"])
    assert words(steps["label"]).endswith("--fallback=best")
    assert "--ignore-duplicates" not in words(steps["split1"])
    assert f"--dataset={plan.work}/stage2/dataset" in words(steps["evaluate2"])
    assert steps["label"].inputs == (data / "custom",)
    assert plan.work == tmp_path / "out" / "data"


def test_a_folder_with_a_truth_and_a_ready_data_set(tmp_path, data):
    (data / "modanet" / "instances.json").unlink()
    for subset in ("train", "val"):
        (data / "modanet" / subset).mkdir()
    write_json(data / "custom_truth.json", coco_data([{}]))
    steps = steps_of(plan_of(tmp_path, data=data, demo=False))
    assert "convert" not in steps and "split1" not in steps
    assert f"--dataset={data}/modanet" in words(steps["train1"])
    assert "--subset=val" in words(steps["evaluate1"])
    assert f"--images={data}/modanet/val" in words(steps["test1"])
    assert steps["check-labels"].inputs == (data / "custom_truth.json",)
    assert "truth" in steps
    (data / "modanet" / "test").mkdir()
    assert "--subset=test" in words(steps_of(plan_of(tmp_path, data=data, demo=False))["evaluate1"])


@pytest.mark.parametrize(
    ("missing", "reported"),
    [
        ("modanet", "modanet: there is no such folder"),
        ("custom", "custom: there is no such folder"),
        ("custom/bag_yaz_1.jpg", "no photograph"),
        ("modanet/instances.json", "no JSON file"),
    ],
)
def test_what_is_missing_is_reported(data, missing, reported):
    (data / missing).rename(data.parent / "away")
    with pytest.raises(DatasetError, match=reported):
        find_sources(data)


def test_two_annotation_files(data):
    write_json(data / "modanet" / "other.json", coco_data([{}]))
    with pytest.raises(DatasetError, match=r"expected modanet/.*found instances.json, other.json"):
        find_sources(data)


def test_pictures_may_lie_in_a_folder_of_their_own(data):
    (data / "modanet" / "images").mkdir()
    assert find_sources(data).garments == data / "modanet" / "images"


def test_paths_are_short_within_the_project():
    assert shown(REPOSITORY / "outputs" / ".." / "tools") == "tools"
    assert shown(REPOSITORY.parent / "x") == (REPOSITORY.parent / "x").as_posix()


def test_the_truth_is_written_for_what_was_held_back(tmp_path):
    sources = demo_sources(tmp_path / "data")
    plan = RunPlan(tmp_path, tmp_path / "i.html", sources, label_arguments=("--all-garments",))
    name = "skirt_yaz_1.jpg"
    image = {"id": 7, "file_name": name, "width": 40, "height": 30}
    annotations = [{}, {"category_id": 2}]
    write_json(sources.truth, coco_data(annotations, [image], ("skirt", "top")))
    write_image(plan.season_images / name)
    sentence = steps_of(plan)["truth"].action()
    assert sentence.endswith("1 picture, 2 instances")
    assert (tmp_path / "stage2" / "truth" / "test" / name).is_file()
