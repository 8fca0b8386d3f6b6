import argparse
import json
import os
import signal
from types import SimpleNamespace

import pytest

from fashion.autolabel.arguments import add_labelling_arguments
from fashion.autolabel.command import label
from fashion.labels import MODANET_TABLE
from fashion.stages.models import weights_note
from fashion.stages.stage import MODANET_STAGE
from mrcnn.errors import DatasetError
from tests.fashion.fake_detector import detect, folder_of_photographs
from tests.stages.factory import head_weights


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Labels twelve photographs in `tmp_path` by the given options; code and model come back."""
    folder_of_photographs(tmp_path / "images", 12)
    weights = head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))

    def labelled(*arguments, detector=detect):
        model = SimpleNamespace(config=SimpleNamespace(BATCH_SIZE=1), detect=detector)
        monkeypatch.setattr("fashion.autolabel.command.detection_model", lambda *_: model)
        parser = argparse.ArgumentParser()
        add_labelling_arguments(parser, MODANET_STAGE, tmp_path)
        given = [f"--images={tmp_path / 'images'}", f"--model={weights}", *arguments]
        return label(parser.parse_args(given)), model

    return labelled


def test_the_detector_gets_batches_of_the_size_asked_for(run, tmp_path):
    sizes = []

    def noting(images):
        sizes.append(len(images))
        return detect(images)

    code, model = run("--batch=3", detector=noting)
    assert (code, sizes) == (0, [3, 3, 2])
    assert model.config.BATCH_SIZE == 3, "into which the model itself divides what it gets"
    report = json.loads((tmp_path / "custom_dataset_annotations.report.json").read_text())
    assert report["settings"]["batch"] == 3
    assert report["settings"]["min_confidence"] == 0.7, "the preset's"


def test_missing_photographs_and_missing_weights_are_told_together(run, tmp_path):
    nowhere = f"--images={tmp_path / 'nowhere'}"
    with pytest.raises(DatasetError, match="does not exist") as alone:
        run(nowhere)
    assert "Besides" not in str(alone.value.advice)
    with pytest.raises(DatasetError) as both:
        run(nowhere, "--model=none.h5")
    assert "Also, none.h5: there is no weight file" in both.value.advice


def test_nothing_labelled_is_a_failure(run, capsys):
    assert run("--min-confidence=1", "--low-confidence=1")[0] == 1
    assert "0 of 12 images labelled" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_stopped_it_says_so_and_names_the_files(run, tmp_path, capsys):
    def stopping(images):
        os.kill(os.getpid(), signal.SIGTERM)
        return detect(images)

    assert run("--batch=2", detector=stopping)[0] == 130
    reported = capsys.readouterr().out
    assert "Stopped by SIGTERM with" in reported
    assert f"Annotations: {tmp_path / 'custom_dataset_annotations.json'}" in reported
    assert run("--batch=2")[0] == 0
