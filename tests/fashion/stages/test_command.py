"""The command line of a training script: `train` and `splash`."""

import cv2
import numpy as np
import pytest
from PIL import Image

from fashion.labels import MODANET_TABLE
from fashion.stages import command
from fashion.stages.command import train_or_splash
from fashion.stages.stage import Stage
from mrcnn.errors import DatasetError, DownloadError, UserError, WeightsNotFoundError
from tests.fashion.factories import write_image
from tests.mrcnn.http_server import Route, running_server
from tests.stages.factory import head_weights


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage = Stage("modanet", tmp_path / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
    head_weights(stage.folder / stage.weights)
    return stage


class Everything:
    """Stands where a model does: one garment fills the picture."""

    built = 0

    def detect(self, images):
        return [{"masks": np.ones((*image.shape[:2], 1), bool)} for image in images]


@pytest.fixture
def model(monkeypatch):
    def build(choice):
        Everything.built += 1
        return Everything()

    monkeypatch.setattr(Everything, "built", 0)
    monkeypatch.setattr(command, "detection_model", build)
    return Everything


def write_video(path, frames=3):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(frames):
        writer.write(np.full((48, 64, 3), (30, 60, 200), np.uint8))
    writer.release()
    return path


def splash(stage, *arguments):
    return train_or_splash(stage, "A description.", ["splash", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ([], "{train,splash}"),
        (["paint"], "invalid choice"),
        (["splash"], "--image"),  # one of the two is needed
        (["splash", "--image=a.jpg", "--video=a.avi"], "not allowed with"),
    ],
)
def test_what_the_command_line_refuses(stage, arguments, missing, capsys):
    with pytest.raises(SystemExit) as ended:
        train_or_splash(stage, "", arguments)
    assert ended.value.code == 2
    assert missing in capsys.readouterr().err


def test_help_shows_the_description(stage, capsys):
    with pytest.raises(SystemExit) as ended:
        train_or_splash(stage, "A description.", ["--help"])
    assert ended.value.code == 0
    assert "A description." in capsys.readouterr().out


def test_splash_of_a_picture_lies_where_the_user_stands(stage, model, tmp_path, capsys):
    write_image(tmp_path / "in" / "street.jpg", 60, 40)
    assert splash(stage, "--image", "in/street.jpg") == 0
    with Image.open(tmp_path / "splash_street.png") as image:
        assert image.size == (60, 40)
    assert f"Written: {tmp_path / 'splash_street.png'}" in capsys.readouterr().out


def test_output_may_be_named_and_its_folder_is_made(stage, model, tmp_path):
    write_image(tmp_path / "a.jpg")
    assert splash(stage, "--image=a.jpg", "--output=new/b.png") == 0
    assert (tmp_path / "new" / "b.png").is_file()


def test_splash_of_an_address(stage, model, tmp_path):
    picture = write_image(tmp_path / "a.png").read_bytes()
    with running_server() as server:
        url = server.add("/shop/coat.png?size=large/x", Route(body=picture))
        assert splash(stage, "--image", url) == 0
    assert (tmp_path / "splash_coat.png").is_file()


def test_splash_of_a_video_says_what_was_really_written(stage, model, tmp_path, capsys):
    write_video(tmp_path / "walk.avi")
    assert splash(stage, "--video=walk.avi", "--output=out.mkv") == 0
    (written,) = tmp_path.glob("out.*")
    assert written.suffix in (".mp4", ".avi")  # no encoder for .mkv
    assert f"Written: {written}" in capsys.readouterr().out
    assert model.built == 1  # once for all frames


def test_splash_of_a_video_by_default(stage, model, tmp_path, capsys):
    write_video(tmp_path / "walk.avi")
    assert splash(stage, "--video=walk.avi") == 0
    (written,) = tmp_path.glob("splash_walk.*")
    assert f"Written: {written}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["--image=nowhere.jpg"], DatasetError, r"nowhere\.jpg: there is no such image"),
        (["--image=notes.txt"], DatasetError, "not a readable image"),
        (["--image=http://127.0.0.1:9/a.jpg"], DownloadError, "could not be fetched"),
        (["--video=nowhere.avi"], UserError, r"nowhere\.avi: there is no such video"),
        (["--video=notes.txt"], UserError, "cannot be opened as a video"),
        (["--image=a.png", "--output=notes.txt/b.png"], UserError, "nothing can be .*output"),
        (
            ["--image=a.png", "--model=x.h5"],
            WeightsNotFoundError,
            r"x\.h5: there is no weight file",
        ),
        (
            ["--video=walk.avi", "--model=x.h5"],
            WeightsNotFoundError,
            r"x\.h5: there is no weight file",
        ),
        (["--image=a.png", "--model=last"], WeightsNotFoundError, "no folder there begins"),
    ],
)
def test_errors_come_before_the_model_is_built(stage, model, tmp_path, arguments, error, sentence):
    (tmp_path / "notes.txt").write_text("nothing to see")
    write_image(tmp_path / "a.png")
    write_video(tmp_path / "walk.avi")
    with pytest.raises(error, match=sentence):
        splash(stage, *arguments)
    assert model.built == 0
