"""The whole way, as typed: drawn pictures, the start weights for drawn figures, every stage."""

import json

import numpy as np
import pytest
from PIL import Image

from fashion import DEMO_START
from fashion.demo.dataset import draw_picture
from fashion.labels import MODANET_TABLE
from fashion.parsing.models import BODY_STAGE
from fashion.stages.models import weights_note
from tests.stages.factory import demo_weights, head_weights, run_script, without_tensorflow
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "parse_clothing.py"
WEIGHTS = DEMO_START
# Random weights find "persons" anywhere; from this score on they find nobody.
SURE = 0.7


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Pictures of all kinds that people have, and what parsing them printed."""
    root = tmp_path_factory.mktemp("drawn")
    folder = root / "in"
    folder.mkdir()
    picture = Image.fromarray(draw_picture(3, 1).image)
    picture.save(folder / "plain.jpg", quality=95)
    picture.convert("L").save(folder / "grey.png")
    see_through = picture.convert("RGBA")
    see_through.putalpha(Image.new("L", picture.size, 90))
    see_through.save(folder / "rgba.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    picture.rotate(90, expand=True).save(folder / "turned.jpg", quality=95, exif=exif)
    Image.new("RGB", (300, 200), (120, 160, 200)).save(folder / "empty.png")
    Image.new("RGB", (1, 1), (9, 9, 9)).save(folder / "pixel.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    body = demo_weights(root / "coco.h5", BODY_STAGE.table)
    done = run_script(
        SCRIPT, "in", "--output=out", f"--clothing={WEIGHTS}", f"--body={body}",
        f"--min-confidence={SURE}", cwd=root,
    )  # fmt: skip
    return root, done


def record(root, name, file="parsing.json"):
    return json.loads((root / "out" / name / file).read_text())


def test_all_stages_of_all_kinds_of_pictures(drawn):
    root, done = drawn
    assert done.returncode == 0, done.stderr
    assert "skipped: in/broken.jpg: not a readable image" in done.stderr
    assert "6 pictures parsed into" in done.stdout and "persons: 0; nobody on 6" in done.stdout
    sheets = {p.stem for p in (root / "out").glob("*.png")}
    assert sheets == {"plain", "grey", "rgba", "turned", "empty", "pixel"}
    plain = record(root, "plain")
    assert plain["garments"] and plain["persons"] == []
    for name in ("empty", "pixel"):
        # What a network sees in plain grey is its own affair; labels come from what it says it saw.
        found = {garment["class"] for garment in record(root, name)["garments"]}
        assert set(record(root, name)["labels"]["joint"]) <= found


def test_label_maps_are_upright_and_of_the_pictures_size(drawn):
    root, _ = drawn
    sizes = {"plain": (400, 600), "turned": (400, 600), "empty": (300, 200), "pixel": (1, 1)}
    for name, size in sizes.items():
        with Image.open(root / "out" / name / "joint_labels.png") as image:
            assert (image.mode, image.size) == ("P", size)
    turned, plain = (record(root, name)["labels"]["joint"] for name in ("turned", "plain"))
    assert set(turned) & set(plain)


def test_what_was_drawn_is_found(drawn):
    root, _ = drawn
    truth = dict(draw_picture(3, 1).instances)
    with Image.open(root / "out" / "plain" / "joint_labels.png") as image:
        labels = np.array(image)
    found = {name for name, mask in truth.items() if _iou(labels, name, mask) > 0.5}
    assert found


def _iou(labels, name, mask):
    mine = labels == MODANET_TABLE.id_of(name)
    return (mine & mask).sum() / max(1, (mine | mask).sum())


def test_going_on_needs_no_network(drawn):
    root, _ = drawn
    body = root / "coco.h5"
    path = root / "path"
    if not path.exists():
        without_tensorflow(path)
    done = run_script(
        SCRIPT, "in/plain.jpg", "--output=out", f"--clothing={WEIGHTS}", f"--body={body}",
        f"--min-confidence={SURE}", cwd=root, path=path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "0 pictures parsed" in done.stdout and "1 were finished before" in done.stdout


@pytest.fixture
def here(tmp_path):
    Image.new("RGB", (40, 60), (200, 30, 40)).save(tmp_path / "a.png")
    head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        ([], "type: tools/parse_clothing.py IMAGES --output=DIR"),
        (["a.png"], "no place to write to"),
        (["gone", "--output=out"], "gone: the image folder does not exist"),
        (
            ["a.png", "--output=out", "--clothing=gone.h5"],
            "choose another with --clothing: there is ",
        ),
        (
            ["a.png", "--output=out", "--clothing=x.h5", "--body=gone.h5"],
            "choose another with --body.",
        ),
        (
            ["a.png", "--output=out", "--clothing=x.h5", "--body=x.h5"],
            "choose weights of these classes with --body.",
        ),
        (
            ["a.png", "--output=out", "--clothing=x.h5", "--stage=body"],
            "with --body=FILE.h5, or download them with --body=coco",
        ),
        (["a.png", "--output=x.h5/out", "--clothing=x.h5"], "nothing can be written"),
        (["a.png", "--output=out", "--pixel-classes=kilt"], '"kilt" is not a class'),
        (["a.png", "--output=out", "--agreement=.2"], "agreement is 0.2"),
        (["a.png", "--output=out", "--sigma=-1"], "sigma is -1.0"),
        (["a.png", "--output=out", "--truth=gone.json", "--stage=body"], "--truth measures"),
    ],
)
def test_bad_input_is_one_sentence(here, arguments, reported):
    path = without_tensorflow(here / "path")
    done = run_script(SCRIPT, *arguments, cwd=here, path=path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert reported in done.stderr


def test_help():
    done = run_script(SCRIPT, "--help", cwd=REPOSITORY)
    assert done.returncode == 0
    for option in (
        "--clothing",
        "--body",
        "--stage",
        "--truth",
        "--serve",
        "--completion-distance",
    ):
        assert option in done.stdout
