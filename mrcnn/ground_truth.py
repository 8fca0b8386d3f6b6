"""One image of a data set with its boxes and masks, resized as the network wants them."""

import random as python_random
import warnings

import numpy as np

from mrcnn.augmentation import augment_image_and_masks
from mrcnn.boxes import extract_bboxes
from mrcnn.errors import DatasetError
from mrcnn.images import compose_image_meta, resize_image
from mrcnn.masks import minimize_mask, resize_mask


def load_image_gt(
    dataset,
    config,
    image_id: int,
    augment: bool = False,
    augmentation=None,
    use_mini_mask: bool = False,
    *,
    random=None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load an image with its ground truth, resized by config's IMAGE_* attributes.

    Args:
        dataset: a prepared `Dataset`.
        config: its IMAGE_* attributes, and MINI_MASK_SHAPE with mini masks.
        image_id: the data set's own number of the image.
        augment: deprecated; flip the image left to right in half of all cases.
        augmentation: an imgaug augmenter. Masks go through its geometric parts only, and no part
            may change the size of the image.
        use_mini_mask: crop each mask to its box and resize it to MINI_MASK_SHAPE.
        random: a `random.Random` for the crop window and the flip; the module `random` by default.

    Returns:
        image: [height, width, channels] uint8.
        image_meta: [12 + classes], see `compose_image_meta`.
        class_ids: [N] int32, negative for crowds. Instances whose mask is empty after resizing,
            cropping and augmentation are left out.
        bbox: [N, 4] int32 pixels of the resized image (y1, x1, y2, x2), taken from the masks.
        mask: [height, width, N] bool, or [*MINI_MASK_SHAPE, N] with mini masks.

    Raises whatever the data set raises on a bad image, and DatasetError where the masks are not of
    the image's size or the augmentation changes that size.
    """
    random = python_random if random is None else random
    image = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    original_shape = image.shape
    if len(class_ids) and mask.shape[:2] != original_shape[:2]:
        raise DatasetError(
            f"The masks have {mask.shape[0]} x {mask.shape[1]} pixels, but their image has "
            f"{original_shape[0]} x {original_shape[1]}: the annotations are of another size or "
            "rotation of this image."
        )
    image, window, scale, padding, crop = resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
        random=random,
    )
    mask = resize_mask(mask, scale, padding, crop)
    if augment:
        image, mask = _flip_in_half_of_all_cases(image, mask, random)
    if augmentation is not None:
        image, mask = augment_image_and_masks(augmentation, image, mask)

    bbox = extract_bboxes(mask)
    present = bbox[:, 2] > bbox[:, 0]
    if not present.all():
        mask, class_ids, bbox = mask[:, :, present], class_ids[present], bbox[present]
    if use_mini_mask:
        mask = minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)

    active_class_ids = np.zeros(dataset.num_classes, np.int32)
    source = dataset.image_info[image_id]["source"]
    active_class_ids[dataset.source_class_ids[source]] = 1
    image_meta = compose_image_meta(
        image_id, original_shape, image.shape, window, scale, active_class_ids
    )
    return image, image_meta, class_ids, bbox, mask


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
