"""Stage 1's configuration and data set, under the names that scripts import.

    from custom import CustomConfig, CustomDataset

    dataset = CustomDataset()
    dataset.load_custom(dataset_dir, "train")
    dataset.prepare()
    model = MaskRCNN(mode="training", config=CustomConfig(), model_dir=DEFAULT_LOGS_DIR)

The values are those of the preset `default`; `fashion.stages.presets.make_config` makes others.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.commands import run_script

if __name__ == "__main__":
    # Before anything that needs the project's environment is imported.
    sys.exit(run_script("model1/samples/custom/custom.py"))

from fashion import dataset
from fashion.labels import MODANET_TABLE
from fashion.stages.stage import MODANET_STAGE
from mrcnn.config import Config

ROOT_DIR = Path(__file__).resolve().parents[3]
COCO_WEIGHTS_PATH = str(MODANET_STAGE.folder / "mask_rcnn_coco.h5")
DEFAULT_LOGS_DIR = str(MODANET_STAGE.logs)


class CustomConfig(Config):
    """ModaNet's thirteen garments and the background, on a GPU with 12 GB."""

    NAME = "modanet"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + len(MODANET_TABLE)
    STEPS_PER_EPOCH = 250
    DETECTION_MIN_CONFIDENCE = 0.9


class CustomDataset(dataset.CustomDataset):
    """Images with garments of ModaNet's classes."""

    classes = MODANET_TABLE
