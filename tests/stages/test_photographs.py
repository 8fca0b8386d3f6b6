"""The weights for photographs on public-domain photographs that scikit-image ships.

Every command runs as a user types it after installing, without a weight file of one's own.
"""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fashion import PHOTO_WEIGHTS
from fashion.stages.models import describe_weights
from fashion.stages.presets import find_preset
from tests.stages.factory import run_script
from tests.support import REPOSITORY, shared

pytestmark = pytest.mark.skipif(
    not PHOTO_WEIGHTS.is_file(), reason="there are no weights for photographs"
)
STAGE_1 = REPOSITORY / "model1" / "samples" / "custom"
PARSE = REPOSITORY / "tools" / "parse_clothing.py"
OWN = REPOSITORY / "model1" / "mask_rcnn_Modanet.h5"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with NASA's portrait of an astronaut."""
    root = tmp_path_factory.mktemp("photographs")
    (root / "in").mkdir()
    Image.fromarray(data.astronaut()).save(root / "in" / "headwear_kis_astronaut.png")
    return root


def typed(script, *arguments, cwd, code=0):
    """A command that ends with this code, using the photo weights; what it printed."""
    if OWN.exists():
        pytest.skip("this clone has garment weights of its own")
    done = run_script(script, *arguments, cwd=cwd)
    assert done.returncode == code, done.stderr
    assert f"Weights: {describe_weights(PHOTO_WEIGHTS).line()}" in done.stdout
    return done.stdout


def size(path):
    with Image.open(path) as image:
        return image.size


def test_the_file_says_what_it_is():
    weights = describe_weights(PHOTO_WEIGHTS)
    assert weights.persons and weights.preset == "photo" and weights.class_count == 13
    assert weights.provenance.pictures == "photographs"
    assert weights.provenance.licence == "Apache-2.0" and weights.provenance.trained_on
    assert PHOTO_WEIGHTS.stat().st_size < 20_000_000


def test_parsing_finds_the_person(here):
    reported = typed(PARSE, "in", "--output=parsed", cwd=here)
    assert "persons: 1" in reported
    assert size(here / "parsed" / "headwear_kis_astronaut.png")[0] > 512
    folder = here / "parsed" / "headwear_kis_astronaut"
    (person,) = json.loads((folder / "parsing.json").read_text())["persons"]
    assert person["score"] > 0.5
    labels = np.array(Image.open(folder / "joint_labels.png"))
    assert labels.shape == (512, 512) and labels.max() <= 13


def test_drawing_names_no_person(here):
    reported = typed(
        STAGE_1 / "testModaNet.py",
        "--images=in",
        "--output=drawn",
        "--min-confidence=0.5",  # a portrait: the weights know whole figures
        cwd=here,
    )
    assert "1 picture in drawn; found: " in reported
    assert "person" not in reported.split("found: ")[1]
    assert size(here / "drawn" / "headwear_kis_astronaut.png") == (512, 512)


def test_splash(here):
    picture = "in/headwear_kis_astronaut.png"
    typed(
        STAGE_1 / "trainModaNet.py", "splash", "--image", picture, "--output=splash.png", cwd=here
    )
    assert size(here / "splash.png") == (512, 512)


def test_labels_take_the_confidence_of_the_weights(here):
    (here / "cup").mkdir()
    Image.fromarray(data.coffee()).save(here / "cup" / "bag_kis_coffee.png")
    typed(
        STAGE_1 / "generateVggAnno.py", "--images=cup", "--output=labels.json", "--all-garments",
        cwd=here, code=1,  # nothing on a cup of coffee is sure enough
    )  # fmt: skip
    settings = json.loads((here / "labels.report.json").read_text())["settings"]
    assert settings["preset"] == "photo" and "person" not in settings["classes"]
    confidence = find_preset("photo").values["DETECTION_MIN_CONFIDENCE"]
    assert settings["min_confidence"] == confidence


def test_each_of_two_people_is_looked_at():
    import fashion

    names = [
        image["file_name"]
        for image in json.loads(shared("ccp", "instances_val.json").read_text())["images"][:2]
    ]
    people = [np.asarray(Image.open(shared("ccp", "photos", name))) for name in names]
    height = min(image.shape[0] for image in people)
    together = np.hstack([image[:height] for image in people])
    model = fashion.load("photo", min_confidence=0.5)
    alone = sum(len(model.detect(image).scores) for image in people)
    assert alone >= 6
    assert len(model.detect(together).scores) >= 0.75 * alone
    at_once = model.model.model.detect([together])[0]
    assert np.count_nonzero(at_once["class_ids"] != 14) < 0.75 * alone
