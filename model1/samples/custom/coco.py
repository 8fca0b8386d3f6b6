"""COCO's classes and configuration, for scripts that detect with `mask_rcnn_coco.h5`.

    from coco import CLASS_NAMES, CocoConfig

`CLASS_NAMES` is indexed by class id; 0 is the background. The ids are the positions of COCO's 80
categories in the order of their (gapped) category ids, as Matterport's weights have them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.commands import run_script

if __name__ == "__main__":
    # Before anything that needs the project's environment is imported.
    sys.exit(run_script("model1/samples/custom/coco.py"))

from fashion.stages.stage import MODANET_STAGE
from mrcnn.config import Config

ROOT_DIR = Path(__file__).resolve().parents[3]
COCO_MODEL_PATH = str(MODANET_STAGE.folder / "mask_rcnn_coco.h5")
DEFAULT_LOGS_DIR = str(MODANET_STAGE.logs)

_BY_THEME = (
    "BG, person, "
    "bicycle, car, motorcycle, airplane, bus, train, truck, boat, "
    "traffic light, fire hydrant, stop sign, parking meter, bench, "
    "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, "
    "backpack, umbrella, handbag, tie, suitcase, "
    "frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, "
    "bottle, wine glass, cup, fork, knife, spoon, bowl, "
    "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, "
    "chair, couch, potted plant, bed, dining table, toilet, "
    "tv, laptop, mouse, remote, keyboard, cell phone, "
    "microwave, oven, toaster, sink, refrigerator, "
    "book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
)
CLASS_NAMES = _BY_THEME.split(", ")
class_names = CLASS_NAMES


class CocoConfig(Config):
    """COCO's 80 classes and the background, on a GPU with 12 GB."""

    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 80


class InferenceConfig(CocoConfig):
    """The same for detection, one image at a time."""

    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
