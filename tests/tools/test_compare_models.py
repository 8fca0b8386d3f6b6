"""What the command line refuses; what it draws is in tests/stages/test_season.py."""

import pytest

from fashion.labels import MODANET_TABLE
from fashion.stages.models import weights_note
from tests.stages.factory import draw_picture, head_weights, run_script, without_tensorflow
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "compare_models.py"


@pytest.fixture
def here(tmp_path):
    draw_picture(tmp_path / "images" / "a.jpg")
    head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["--images=gone"], "gone: the image folder does not exist"),
        (["--model1=gone.h5"], "gone.h5: there is no weight file"),
        (["--output=x.h5/out"], "nothing can be written to this folder"),
    ],
)
def test_bad_input_is_one_sentence(here, arguments, reported):
    path = without_tensorflow(here / "path")
    given = ("--images=images", "--output=out", *arguments)
    done = run_script(SCRIPT, *given, cwd=here, path=path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert reported in done.stderr


def test_help():
    done = run_script(SCRIPT, "--help", cwd=REPOSITORY)
    assert done.returncode == 0 and "contact_sheet.png" in done.stdout
