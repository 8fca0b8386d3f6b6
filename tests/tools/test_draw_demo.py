import json
import subprocess
import sys

from fashion.demo import dataset
from tests.support import REPOSITORY


def run(folder, *arguments):
    """The command, from another folder, as a user types it."""
    script = REPOSITORY / "tools" / "draw_demo.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


def test_train(tmp_path):
    done = run(tmp_path, "train", "out", "--count", "2", "--seed", "3", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 pictures in out" in done.stdout
    dataset.write_training_set(tmp_path / "same", 2, 3, quiet=True)
    for name in ("0000001.jpg", "0000002.jpg", "instances.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "same" / name).read_bytes()


def test_custom(tmp_path):
    done = run(tmp_path, "custom", "out", "--count", "2", "--first", "1", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["bag_yaz_00002.jpg", "footwear_sonb_00003.jpg"]
    truth = json.loads((tmp_path / "out_truth.json").read_text())
    assert [image["season"] for image in truth["images"]] == ["yaz", "sonb"]


def test_custom_labels_and_truth(tmp_path):
    arguments = ("--count", "1", "--labels", "dress_kis", "--truth", "t/truth.json", "--quiet")
    assert run(tmp_path, "custom", "out", *arguments).returncode == 0
    assert (tmp_path / "out" / "dress_kis_00001.jpg").exists()
    assert (tmp_path / "t" / "truth.json").exists()


def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path):
    done = run(tmp_path, "custom", "out", "--count", "1", "--labels", "sock_yaz")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert run(tmp_path, "train", "out", "--count", "0").returncode == 2
