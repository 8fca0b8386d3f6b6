"""Stage 2's configuration and data set, under the names that scripts import.

    from customSeason import CustomConfig, CustomDataset

    dataset = CustomDataset()
    dataset.load_custom(dataset_dir, "train")
    dataset.prepare()
    model = MaskRCNN(mode="training", config=CustomConfig(), model_dir=DEFAULT_LOGS_DIR)

For other labels than the nine set `classes` in a subclass of the data set, and NUM_CLASSES to one
more than their number in one of the configuration.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.commands import run_script

if __name__ == "__main__":
    # Before anything that needs the project's environment is imported.
    sys.exit(run_script("model2/samples/custom/customSeason.py"))

from fashion import dataset
from fashion.labels import SEASON_TABLE
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE
from mrcnn.config import Config

ROOT_DIR = Path(__file__).resolve().parents[3]
MODANET_WEIGHTS_PATH = str(MODANET_STAGE.folder / MODANET_STAGE.weights)
COCO_WEIGHTS_PATH = str(SEASON_STAGE.folder / "mask_rcnn_coco.h5")
DEFAULT_LOGS_DIR = str(SEASON_STAGE.logs)


class CustomConfig(Config):
    """The nine season labels and the background, on a GPU with 12 GB."""

    NAME = "season"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + len(SEASON_TABLE)
    STEPS_PER_EPOCH = 250
    DETECTION_MIN_CONFIDENCE = 0.9


class CustomDataset(dataset.CustomDataset):
    """Images with garments that carry the nine season labels."""

    classes = SEASON_TABLE
