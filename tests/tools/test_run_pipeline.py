"""tools/run_pipeline.py: its command line, and, marked slow, a whole run."""

import json

import cv2
import pytest

from fashion.labels import SEASON_TABLE
from fashion.pipeline import run as run_pipeline
from mrcnn.errors import UserError
from tests.fashion.factories import coco_data, write_image, write_json
from tests.stages.factory import run_script
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "run_pipeline.py"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--demo", "--data=x"],
        ["--data=x", "--quick"],
        ["--data=x", "--from-scratch"],
        ["--demo", "--resume", "--restart"],
        ["--demo", "--epochs1=0"],
        ["--demo", "--preset=none"],
    ],
)
def test_what_cannot_be_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run_pipeline.parse_arguments("", arguments)
    assert caught.value.code == 2 and "error:" in capsys.readouterr().err


def test_label_arguments_are_split_as_a_shell_does():
    options = run_pipeline.parse_arguments(
        "", ["--demo", "--label-arguments=--fallback=best --garment 'scarf tie'"]
    )
    assert options.label_arguments == ["--fallback=best", "--garment", "scarf tie"]


def test_choosing_steps():
    names = ["data", "train1", "page"]
    assert run_pipeline.choose(None, names) is None
    assert run_pipeline.choose("page, data", names) == ["page", "data"]
    for text in ("train3", "data,train3", ","):
        with pytest.raises(UserError, match="expected some of data, train1, page"):
            run_pipeline.choose(text, names)


def test_a_dry_run_prints_commands_and_does_nothing(tmp_path):
    done = run_script(SCRIPT, "--demo", "--dry-run", "--output=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "# train1: train model 1, garments" in lines and "# page: write the page" in lines
    assert any("model1/samples/custom/trainModaNet.py train" in line for line in lines)
    assert f"{tmp_path}/out/demo" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["--data=gone"], "gone: there is no such folder"),
        (["--demo", "--model=gone.h5"], "gone.h5: there is no weight file"),
        (["--demo", "--stages=train9"], "expected some of data, convert"),
        (["--demo", "--stages=train2"], '"train2" uses the results of "split2"'),
        (["--demo", "--output=file/out"], "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, arguments, reported):
    (tmp_path / "file").touch()
    done = run_script(SCRIPT, "--output=out", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert reported in done.stderr


def test_the_first_steps_with_data_of_the_user(tmp_path):
    """Real commands, as far as they go without a network; then the page of what there is."""
    names = [f"{n}.jpg" for n in range(20)]
    images = [
        {"id": n, "file_name": name, "width": 40, "height": 30} for n, name in enumerate(names)
    ]
    rows = [{"image_id": n} for n in range(20)]
    write_json(tmp_path / "mine" / "modanet" / "instances.json", coco_data(rows, images))
    for name in names:
        write_image(tmp_path / "mine" / "modanet" / name)
    write_image(tmp_path / "mine" / "custom" / "bag_yaz_1.jpg")
    before = sorted((tmp_path / "mine").rglob("*"))
    arguments = ("--data=mine", "--output=out", "--stages=convert,split1,page")
    done = run_script(SCRIPT, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    work = tmp_path / "out" / "data"
    # All are alike: they stay together, whatever the ratios.
    placed = list((work / "stage1" / "dataset").rglob("*.jpg"))
    assert len(placed) == 20
    assert sorted((tmp_path / "mine").rglob("*")) == before
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "divide the pictures for stage 1" in page and "No epoch was trained" in page
    assert f"Look at:  {tmp_path}/out/index.html" in done.stdout


@pytest.mark.slow
def test_the_whole_pipeline(tmp_path):
    """pytest -m slow tests/tools/test_run_pipeline.py: some three minutes on two cores."""
    arguments = ("--demo", "--quick", "--output=out")
    done = run_script(SCRIPT, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    work = tmp_path / "out" / "quick"
    state = json.loads((work / "pipeline.json").read_text())["steps"]
    assert {record["status"] for record in state.values()} == {"finished"}
    for stage in ("stage1", "stage2"):
        figures = json.loads((work / stage / "evaluation.json").read_text())
        assert 0 <= figures["segm"]["AP"] <= 1 and figures["confusion"]["images"] > 0
        drawn = sorted((work / stage / "pictures").glob("*.png"))
        assert drawn and cv2.imread(str(drawn[0])) is not None
    assert figures["confusion"]["labels"][1:] == list(SEASON_TABLE.names)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "the truth of pictures that were held back" in page
    assert "not done" not in page and "in this run" not in page
    assert len(page) < 8_000_000
    again = run_script(SCRIPT, *arguments, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout.count("done before") == len(state) - 1, "all but the page"
