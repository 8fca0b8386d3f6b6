"""The training script on several workers: the real one, in processes of its own."""

import csv
from pathlib import Path

import numpy as np
import pytest

from fashion import DEMO_START
from tests.mrcnn.workers import run_workers
from tests.stages.factory import copy_project, make_dataset, run_script


def history(logs: Path) -> np.ndarray:
    (folder,) = logs.iterdir()
    with (folder / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return np.array([[float(v) for k, v in row.items() if "loss" in k] for row in rows])


@pytest.mark.slow
def test_the_script_with_tf_config_trains_as_one_process(tmp_path):
    """The demo's backbone has batch norms that look at the whole batch.

    From the demo's start weights: a random RPN gives hundreds of anchors the same score but for the
    last digits, which then decide which RoIs the heads see. It can still happen in the second step:
    on a processor with AMX it does with the seeds 5 and 8, but not with 6 and 7.
    """
    project = copy_project(tmp_path / "project")
    script = project / "model1" / "samples" / "custom" / "trainModaNet.py"
    make_dataset(tmp_path / "data")
    start = DEMO_START
    common = ["train", "--dataset=data", "--preset=demo", f"--model={start}", "--seed=7"]
    common += ["--steps=2", "--workers=1", "--precision=float32", "--epochs=1"]
    one = run_script(script, *common, "--batch=2", "--logs=one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    arguments = [script, *common, "--batch=1", "--logs=two", "--weights-out=two.h5"]
    results = run_workers([arguments, arguments], cwd=tmp_path)
    for result in results:
        assert result.returncode == 0, result.stderr
    assert "Best weights: " in results[0].stdout
    assert "Best weights" not in results[1].stdout
    # Batch statistics come from sums of squares there, and a step amplifies what that rounds: 2e-5
    # was measured.
    np.testing.assert_allclose(history(tmp_path / "two"), history(tmp_path / "one"), rtol=1e-3)
    resumed = [*arguments, "--model=last", "--epochs=2"]
    for result in run_workers([resumed, resumed], cwd=tmp_path):
        assert result.returncode == 0, result.stderr
    assert len(history(tmp_path / "two")) == 2
