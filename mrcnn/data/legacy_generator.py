"""Matterport's generator of training batches, for scripts that call it.

Training itself uses `mrcnn.data.loader.BatchLoader`.
"""

import logging
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.samples import (
    LEAST_ATTEMPTS,
    AnchorCache,
    TrainingSample,
    collate,
    collate_detection_targets,
    load_sample,
    no_images,
    nothing_to_learn,
)

if TYPE_CHECKING:
    from imgaug.augmenters import Augmenter


logger = logging.getLogger(__name__)

TOLERATED_ERRORS = 5


def data_generator(
    dataset: Dataset,
    config: Config,
    shuffle: bool = True,
    augment: bool = False,
    augmentation: "Augmenter | None" = None,
    random_rois: int = 0,
    batch_size: int = 1,
    detection_targets: bool = False,
    no_augmentation_sources: Collection[str] | None = None,
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Endless training batches, made one image after another, as in Matterport's code.

    It draws from the global `numpy.random` and `random`, in Matterport's order. `BatchLoader` is
    faster and can be resumed.

    Args:
        dataset: a prepared `Dataset`.
        config: see `BatchLoader`.
        shuffle: use a new order for every pass over the images.
        augment: deprecated, see `load_image_gt`.
        augmentation: an imgaug augmenter, or None.
        random_rois: number of random regions per image to add to the inputs.
        batch_size: images per batch.
        detection_targets: with random_rois, add the regions chosen for the heads to the inputs,
            and their classes, boxes and masks as outputs; for debugging the heads.
        no_augmentation_sources: images of these sources are not augmented.

    Yields (inputs, outputs): inputs as from `samples.collate`, outputs empty without
    detection_targets. Images without instances are skipped. As in Matterport's generator, an image
    that raises any error is skipped and the error logged; the sixth error is raised. Raises
    DatasetError if a whole pass has no instances.
    """
    image_ids = np.copy(dataset.image_ids)
    if not len(image_ids):
        raise no_images()
    anchors = AnchorCache(config)
    unaugmented = frozenset(no_augmentation_sources or ())
    samples: list[TrainingSample] = []
    errors = fruitless = 0
    place = -1
    while True:
        place = (place + 1) % len(image_ids)
        if shuffle and place == 0:
            np.random.shuffle(image_ids)
        image_id = image_ids[place]
        try:
            plain = dataset.image_info[image_id]["source"] in unaugmented
            sample = load_sample(
                dataset,
                config,
                image_id,
                anchors,
                augment=augment,
                augmentation=None if plain else augmentation,
                random_rois=random_rois,
                detection_targets=detection_targets,
            )
        except Exception:
            logger.exception("Error processing image %s", dataset.image_info[image_id])
            errors += 1
            if errors > TOLERATED_ERRORS:
                raise
            continue
        if sample is None:
            fruitless += 1
            if fruitless == max(len(image_ids), LEAST_ATTEMPTS):
                raise nothing_to_learn(len(image_ids))
            continue
        fruitless = 0
        samples.append(sample)
        if len(samples) == batch_size:
            yield _legacy_batch(samples, config)
            samples = []


def _legacy_batch(samples: list[TrainingSample], config) -> tuple[list, list]:
    inputs = collate(samples, config)
    outputs: list[np.ndarray] = []
    if samples[0].detection_targets is not None:
        regions, outputs = collate_detection_targets(samples)
        inputs += regions
    return inputs, outputs
