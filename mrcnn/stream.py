"""Detection of any number of images in one flow: decoding, the network and pasting overlap."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from mrcnn.errors import DatasetError
from mrcnn.images import read_image
from mrcnn.inference import MoldedImage, Predictor, mold_one
from mrcnn.read_ahead import read_ahead

READERS = 2


def detect_stream(
    predictor: Predictor,
    images: Iterable[np.ndarray | str | os.PathLike],
    batch_size: int,
    soft_masks: bool = False,
) -> Iterator[dict]:
    """Detections of each image, in order, while others are read and pasted.

    Two threads decode and resize what comes next, and one pastes the masks of what was found;
    memory holds some three batches, however many images come.

    Args:
        predictor: of the model.
        images: uint8 RGB `[height, width, channels]`, or files to read. They are taken one by one,
            in the caller's thread.
        batch_size: neighbours of one molded size that run together.
        soft_masks: see `MaskRCNN.detect`.

    Yields:
        What `MaskRCNN.detect` gives for an image.

    Raises:
        DatasetError: an image cannot be read or used; results before it have been yielded.
    """
    mold = partial(_mold, predictor.config)
    molded = (one for _, one in read_ahead(mold, images, READERS, 2 * batch_size))
    with ThreadPoolExecutor(1) as paster:
        waiting: deque[Future] = deque()
        try:
            for batch in _batches(molded, batch_size):
                inputs = np.stack([m.image for m in batch]), np.stack([m.meta for m in batch])
                detections, masks = predictor.run_detection(*inputs)
                yield from _finished(waiting)
                for one, found, soft in zip(batch, detections, masks, strict=True):
                    waiting.append(paster.submit(predictor.result, one, found, soft, soft_masks))
        except DatasetError:
            yield from _finished(waiting)
            raise
        yield from _finished(waiting)


def _mold(config, image):
    return mold_one(image if isinstance(image, np.ndarray) else read_image(image), config)


def _batches(molded: Iterator[MoldedImage], batch_size: int) -> Iterator[list[MoldedImage]]:
    """Neighbours of one size; those before an image that raises an error come before it."""
    batch: list[MoldedImage] = []
    try:
        for one in molded:
            if batch and (len(batch) == batch_size or one.image.shape != batch[0].image.shape):
                yield batch
                batch = []
            batch.append(one)
    except DatasetError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _finished(waiting: deque[Future]) -> Iterator[dict]:
    while waiting:
        yield waiting.popleft().result()
