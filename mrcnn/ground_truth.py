"""One image of a data set with its boxes and masks, resized as the network wants them."""

import random as python_random
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mrcnn.augmentation import (
    augment_image_and_masks,
    augment_image_and_tell_mirroring,
    only_mirrors,
)
from mrcnn.boxes import extract_bboxes
from mrcnn.errors import DatasetError
from mrcnn.image_cache import ImageCache
from mrcnn.images import compose_image_meta, resize_image
from mrcnn.masks import minimize_mask, resize_mask
from mrcnn.mini_masks import crop_boxes, flipped_crops, resized_crops, shrink_masks


def load_image_gt(
    dataset,
    config,
    image_id: int,
    augment: bool = False,
    augmentation=None,
    use_mini_mask: bool = False,
    *,
    random=None,
    cache: ImageCache | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load an image with its ground truth, resized by config's IMAGE_* attributes.

    Args:
        dataset: a prepared `Dataset`.
        config: its IMAGE_* attributes and LOADER_RESIZE, and MINI_MASK_SHAPE with mini masks.
        image_id: the data set's own number of the image.
        augment: deprecated; flip the image left to right in half of all cases.
        augmentation: an imgaug augmenter. Masks go through its geometric parts only, and no part
            may change the size of the image.
        use_mini_mask: crop each mask to its box and resize it to MINI_MASK_SHAPE.
        random: a `random.Random` for the crop window and the flip; the module `random` by default.
        cache: keeps resized images (in mode "crop" decoded ones) of this data set and config.

    Returns:
        image: [height, width, channels] uint8.
        image_meta: [12 + classes], see `compose_image_meta`.
        class_ids: [N] int32, negative for crowds. Instances whose mask is empty after resizing,
            cropping and augmentation are left out.
        bbox: [N, 4] int32 pixels of the resized image (y1, x1, y2, x2), taken from the masks.
        mask: [height, width, N] bool, or [*MINI_MASK_SHAPE, N] with mini masks.

    Full-size masks are built only where they are wanted: not for mini masks of a data set with
    `load_mask_crops` (as `load_mask`, but a list of `mini_masks.MaskCrop`), as long as the
    augmentation does no more to masks than mirroring. The result is the same.

    Raises whatever the data set raises on a bad image, and DatasetError where the masks are not of
    the image's size or the augmentation changes that size.
    """
    random = python_random if random is None else random
    cache = ImageCache(0) if cache is None else cache
    original_shape, resized = _load_resized(dataset, config, image_id, random, cache)
    load_crops = _crop_loader(dataset) if use_mini_mask and not augment else None
    if load_crops and (augmentation is None or only_mirrors(augmentation)):
        image, *truth = _boxes_and_mini_masks(
            *load_crops(image_id), original_shape, resized, augmentation, config.MINI_MASK_SHAPE
        )
    else:
        image, *truth = _boxes_and_masks(
            *dataset.load_mask(image_id), original_shape, resized, augment, augmentation, random
        )
        if use_mini_mask:
            truth[2] = minimize_mask(truth[1], truth[2], config.MINI_MASK_SHAPE)

    active_class_ids = np.zeros(dataset.num_classes, np.int32)
    source = dataset.image_info[image_id]["source"]
    active_class_ids[dataset.source_class_ids[source]] = 1
    image_meta = compose_image_meta(
        image_id, original_shape, image.shape, resized.window, resized.scale, active_class_ids
    )
    return image, image_meta, *truth


class _Resized(NamedTuple):
    """What `resize_image` returns."""

    image: np.ndarray
    window: tuple
    scale: float
    padding: list
    crop: tuple | None


def _load_resized(dataset, config, image_id, random, cache) -> tuple[tuple, _Resized]:
    """The shape of an image, and the image resized."""

    def resize(image):
        return resize_image(
            image,
            min_dim=config.IMAGE_MIN_DIM,
            max_dim=config.IMAGE_MAX_DIM,
            min_scale=config.IMAGE_MIN_SCALE,
            mode=config.IMAGE_RESIZE_MODE,
            random=random,
            resample=getattr(config, "LOADER_RESIZE", "exact"),
        )

    if config.IMAGE_RESIZE_MODE == "crop":
        # Another window each time: only the decoded image is worth keeping.
        (image,) = cache.get(image_id, lambda: (dataset.load_image(image_id),))
        return image.shape, _Resized(*resize(image))

    def load():
        image = dataset.load_image(image_id)
        return *resize(image), image.shape

    *resized, shape = cache.get(image_id, load)
    return shape, _Resized(*resized)


def _crop_loader(dataset) -> Callable | None:
    """The data set's `load_mask_crops`, unless a subclass has masks of its own."""
    if "load_mask" in vars(dataset):
        return None
    for kind in type(dataset).__mro__:
        if "load_mask_crops" in vars(kind):
            return dataset.load_mask_crops
        if "load_mask" in vars(kind):
            return None
    return None


def _boxes_and_mini_masks(crops, class_ids, original_shape, resized, augmentation, mini_shape):
    """Image, class ids, boxes and mini masks, without building full-size masks."""
    image, flips = resized.image, (False, False)
    crops = resized_crops(crops, original_shape, resized.scale, resized.padding, resized.crop)
    if augmentation is not None:
        image, flips = augment_image_and_tell_mirroring(augmentation, image)
    crops = flipped_crops(crops, image.shape, *flips)
    present = np.array([crop.mask.size > 0 for crop in crops], bool)
    crops = [crop for crop in crops if crop.mask.size]
    minis = shrink_masks([crop.mask for crop in crops], mini_shape)
    return image, class_ids[present], crop_boxes(crops), np.moveaxis(minis, 0, -1)


def _boxes_and_masks(mask, class_ids, original_shape, resized, augment, augmentation, random):
    """Image, class ids, boxes and full-size masks."""
    if len(class_ids) and mask.shape[:2] != original_shape[:2]:
        raise DatasetError(
            f"The masks have {mask.shape[0]} x {mask.shape[1]} pixels, but their image has "
            f"{original_shape[0]} x {original_shape[1]}: the annotations are of another size or "
            "rotation of this image."
        )
    image = resized.image
    mask = resize_mask(mask, resized.scale, resized.padding, resized.crop)
    if augment:
        image, mask = _flip_in_half_of_all_cases(image, mask, random)
    if augmentation is not None:
        image, mask = augment_image_and_masks(augmentation, image, mask)
    bbox = extract_bboxes(mask)
    present = bbox[:, 2] > bbox[:, 0]
    if not present.all():
        mask, class_ids, bbox = mask[:, :, present], class_ids[present], bbox[present]
    return image, class_ids, bbox, mask


def _flip_in_half_of_all_cases(image, mask, random):
    warnings.warn(
        "load_image_gt(augment=True) is deprecated: pass an imgaug augmenter, such as "
        "imgaug.augmenters.Fliplr(0.5), as augmentation.",
        DeprecationWarning,
        stacklevel=3,
    )
    if random.randint(0, 1):
        image, mask = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
    return image, mask
