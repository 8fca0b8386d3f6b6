"""One image with its ground truth, resized for the network; and a cache of resized images."""

import random as python_random
import threading
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrcnn.config import Config
from mrcnn.data.augmentation import (
    augment_image_and_masks,
    augment_image_and_note_mirroring,
    only_mirrors,
)
from mrcnn.data.dataset import Dataset
from mrcnn.data.instances import checked_class_ids, load_instances
from mrcnn.data.jitter import jitter_colour, jitter_scale
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.masks import minimize_mask, resize_mask
from mrcnn.geometry.mini_masks import (
    MaskCrop,
    crop_boxes,
    flipped_crops,
    resized_crops,
    shrink_masks,
)
from mrcnn.images.molding import compose_image_meta, grey_levels
from mrcnn.images.resizing import resize_to_config

if TYPE_CHECKING:
    from imgaug.augmenters import Augmenter


class ImageCache:
    """Keeps images as they are loaded until it is full, and evicts none.

    Training passes over all images again and again: replacing the oldest with the newest would
    evict exactly the image that is needed next. Thread-safe. A copy sent to another process is
    empty.

    Args:
        most_bytes: capacity in bytes of images; 0 keeps nothing.
    """

    def __init__(self, most_bytes: int):
        self.most_bytes = most_bytes
        self.bytes = 0
        self._kept: dict[Hashable, tuple] = {}
        self._lock = threading.Lock()

    def __reduce__(self):
        return ImageCache, (self.most_bytes,)

    def get(self, key: Hashable, load: Callable[[], tuple]) -> tuple:
        """What `load` returns, or returned before: a tuple whose first element is an image.

        A cached image is read-only.
        """
        if not self.most_bytes:
            return load()
        if (found := self._kept.get(key)) is not None:
            return found
        image, *others = load()
        with self._lock:
            if key in self._kept or self.bytes + image.nbytes > self.most_bytes:
                return image, *others
            image = image.view()
            image.flags.writeable = False
            self._kept[key] = image, *others
            self.bytes += image.nbytes
        return self._kept[key]


def load_image_gt(
    dataset: Dataset,
    config: Config,
    image_id: int,
    augment: bool = False,
    augmentation: "Augmenter | None" = None,
    use_mini_mask: bool = False,
    *,
    random: Any = None,
    cache: ImageCache | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load an image with its ground truth, resized according to config's IMAGE_* attributes.

    Args:
        dataset: a prepared `Dataset`.
        config: its IMAGE_* attributes, LOADER_RESIZE, SCALE_JITTER and COLOUR_JITTER, and
            MINI_MASK_SHAPE with mini masks.
        image_id: the data set's own number of the image.
        augment: deprecated; flip the image left to right with probability 0.5.
        augmentation: an imgaug augmenter, which moves the masks along with the image, see
            `augment_image_and_masks`; it must not change the size of the image.
        use_mini_mask: crop each mask to its box and resize it to MINI_MASK_SHAPE.
        random: a `random.Random` for the crop window, the jitter and the flip; the module `random`
            by default.
        cache: for resized images (decoded ones in mode "crop" and with SCALE_JITTER) of this
            data set and config.

    Returns:
        image: [height, width, channels] uint8.
        image_meta: [12 + classes], see `compose_image_meta`.
        class_ids: [N] int32, negative for crowds. Instances whose mask is empty after resizing,
            cropping and augmentation are left out.
        bbox: [N, 4] int32 pixels of the resized image (y1, x1, y2, x2), computed from the masks.
        mask: [height, width, N] bool, or [*MINI_MASK_SHAPE, N] with mini masks.

    Mini masks are created without full-size masks if the data set has `load_mask_crops` and the
    augmentation at most mirrors masks. The result is the same.

    Raises whatever the data set raises for a bad image, and DatasetError if the masks are not of
    the image's size, are not masks, or are not of the data set's classes (see `load_instances`), or
    if the augmentation changes the size.
    """
    random = python_random if random is None else random
    cache = ImageCache(0) if cache is None else cache
    resized = _load_resized(dataset, config, image_id, random, cache)
    if config.COLOUR_JITTER:
        coloured = jitter_colour(resized.image, config.COLOUR_JITTER, random=random)
        resized = resized._replace(image=coloured)
    crops = None
    if use_mini_mask and not augment and (augmentation is None or only_mirrors(augmentation)):
        crops = dataset.load_mask_crops(image_id)
    if crops is not None:
        class_ids = checked_class_ids(dataset, image_id, crops[1], len(crops[0]))
        truth = _mini_masks_of_crops(
            crops[0], class_ids, resized, augmentation, config.MINI_MASK_SHAPE
        )
    else:
        masks, class_ids = load_instances(dataset, image_id)
        truth = _full_masks(masks, class_ids, resized, random if augment else None, augmentation)
        if use_mini_mask:
            minis = minimize_mask(truth.boxes, truth.masks, config.MINI_MASK_SHAPE)
            truth = truth._replace(masks=minis)

    active_class_ids = np.zeros(dataset.num_classes, np.int32)
    source = dataset.image_info[image_id]["source"]
    active_class_ids[dataset.source_class_ids[source]] = 1
    image_meta = compose_image_meta(
        image_id,
        resized.original_shape,
        truth.image.shape,
        resized.window,
        resized.scale,
        active_class_ids,
    )
    return truth.image, image_meta, truth.class_ids, truth.boxes, truth.masks


class _Resized(NamedTuple):
    """What `resize_image` returns, and the image's original shape."""

    image: np.ndarray
    window: tuple
    scale: float
    padding: list
    crop: tuple | None
    original_shape: tuple[int, ...]


class _Truth(NamedTuple):
    """An image and its instances after augmentation; masks are full-size or mini masks."""

    image: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray


def _load_resized(
    dataset: Dataset, config: Config, image_id: int, random: Any, cache: ImageCache
) -> _Resized:
    jitter, resample = config.SCALE_JITTER, config.LOADER_RESIZE

    def resized(image: np.ndarray) -> _Resized:
        levels = grey_levels(image, config)
        if jitter:
            shape = config.IMAGE_SHAPE
            parts = jitter_scale(levels, shape, jitter, random=random, resample=resample)
        else:
            parts = resize_to_config(levels, config, random=random, resample=resample)
        return _Resized(*parts, image.shape)

    if jitter or config.IMAGE_RESIZE_MODE == "crop":
        # The window differs each time: only the decoded image is worth caching.
        (image,) = cache.get(image_id, lambda: (dataset.load_image(image_id),))
        return resized(image)
    return _Resized(*cache.get(image_id, lambda: resized(dataset.load_image(image_id))))


def _mini_masks_of_crops(
    crops: Sequence[MaskCrop],
    class_ids: np.ndarray,
    resized: _Resized,
    mirror: "Augmenter | None",
    mini_shape: Sequence[int],
) -> _Truth:
    """The instances with mini masks, without building full-size masks."""
    image, flips = resized.image, (False, False)
    crops = resized_crops(
        crops, resized.original_shape, resized.scale, resized.padding, resized.crop
    )
    if mirror is not None:
        image, flips = augment_image_and_note_mirroring(mirror, image)
    crops = flipped_crops(crops, image.shape, *flips)
    present = np.array([crop.mask.size > 0 for crop in crops], bool)
    crops = [crop for crop in crops if crop.mask.size]
    minis = shrink_masks([crop.mask for crop in crops], mini_shape)
    return _Truth(image, class_ids[present], crop_boxes(crops), np.moveaxis(minis, 0, -1))


def _full_masks(
    masks: np.ndarray,
    class_ids: np.ndarray,
    resized: _Resized,
    mirrored_by: Any | None,
    augmentation: "Augmenter | None",
) -> _Truth:
    """The instances with full-size masks; `mirrored_by` is the source of the deprecated flip."""
    height, width = resized.original_shape[:2]
    if len(class_ids) and masks.shape[:2] != (height, width):
        raise DatasetError(
            f"the masks have {masks.shape[0]} x {masks.shape[1]} pixels, but their image has "
            f"{height} x {width}",
            advice="check whether the annotations were made for another size or rotation of it",
        )
    image = resized.image
    masks = resize_mask(masks, resized.scale, resized.padding, resized.crop)
    if mirrored_by is not None:
        image, masks = _mirror_at_random(image, masks, mirrored_by)
    if augmentation is not None:
        image, masks = augment_image_and_masks(augmentation, image, masks)
    boxes = extract_bboxes(masks)
    present = boxes[:, 2] > boxes[:, 0]
    if not present.all():
        masks, class_ids, boxes = masks[:, :, present], class_ids[present], boxes[present]
    return _Truth(image, class_ids, boxes, masks)


def _mirror_at_random(
    image: np.ndarray, masks: np.ndarray, random: Any
) -> tuple[np.ndarray, np.ndarray]:
    warnings.warn(
        "load_image_gt(augment=True) is deprecated: pass an imgaug augmenter, such as "
        "imgaug.augmenters.Fliplr(0.5), as augmentation.",
        DeprecationWarning,
        stacklevel=4,
    )
    if random.randint(0, 1):
        image, masks = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(masks[:, ::-1])
    return image, masks
