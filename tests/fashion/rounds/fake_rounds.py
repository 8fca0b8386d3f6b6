"""rounds.py with a detector that reads what photographs carry, and a training that only notes.

Run as a script: its arguments are those of rounds.py. GATE in the environment names a file: while
it is there, the detector waits, for tests that kill the process. A model is a JSON file; the
`shift` in it is taken from all scores.
"""

import json
import os
import pathlib
import sys
import time
from types import SimpleNamespace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

from fashion.annotations import via
from fashion.autolabel.job import LabelJob
from fashion.autolabel.pictures import FolderPictures
from fashion.autolabel.policy import LabelPolicy
from fashion.rounds import command, labelling, training
from fashion.stages.stage import MODANET_STAGE
from fashion.terminal import run
from tests.fashion.fake_detector import CLASS_NAMES, detect


def detector_of(weights):
    """What detects with a model."""
    shift = json.loads(pathlib.Path(weights).read_text())["shift"]

    def found(images):
        gate = pathlib.Path(os.environ.get("GATE", "/nonexistent"))
        while gate.exists():
            time.sleep(0.01)
        results = detect(images)
        for result in results:
            result["scores"] = result["scores"] - shift
        return results

    return found


def labelling_job(folder, weights, images):
    """Stands in for `fashion.rounds.labelling.labelling_job`."""
    policy = LabelPolicy(min_confidence=folder.settings.min_confidence, labels="garments")
    pictures = FolderPictures(folder.images, images)
    model = {"model": pathlib.Path(weights).read_text()}
    return LabelJob(pictures, CLASS_NAMES, policy, model=model), lambda: detector_of(weights)


def train(folder, one, options, start):
    """Stands in for the training: the model notes what it was trained on."""
    names = {
        part: [image.filename for image in via.read(one.dataset / part / "via_region_data.json")]
        for part in ("train", "val", "test")
    }
    note = {"shift": 0.05, "parts": names, "start": start, "options": list(options)}
    one.weights.write_text(json.dumps(note))


labelling.labelling_job = labelling_job
command.inference_weights = lambda choice: SimpleNamespace(path=pathlib.Path(choice.weights))
training._train = train
training.model_of = lambda folder, weights, least: SimpleNamespace(
    stage=MODANET_STAGE, weights=weights
)
training.detection_model = lambda choice: SimpleNamespace(detect=detector_of(choice.weights))

if __name__ == "__main__":
    sys.exit(run(lambda: command.run_rounds(command.parse_arguments("rounds"))))
