"""Random changes to training images: named presets, and imgaug augmenters kept safe for masks.

imgaug takes a second to import, so it is imported only where an augmenter is used.
"""

import numpy as np

from mrcnn.errors import ConfigError, DatasetError

# Only these move pixels without changing their values, so only these may touch a mask.
MASK_AUGMENTERS = frozenset(
    {
        "Sequential",
        "SomeOf",
        "OneOf",
        "Sometimes",
        "Fliplr",
        "Flipud",
        "CropAndPad",
        "Affine",
        "PiecewiseAffine",
    }
)


def mask_hook(images, augmenter, parents, default: bool) -> bool:
    """Activator of imgaug's HooksImages: whether an augmenter may change a mask."""
    return type(augmenter).__name__ in MASK_AUGMENTERS


def augment_image_and_masks(augmenter, image: np.ndarray, mask: np.ndarray):
    """Put an image and its masks through the same random change.

    Args:
        augmenter: an imgaug augmenter; of it the masks see the parts in MASK_AUGMENTERS.
        image: [height, width, channels] uint8.
        mask: [height, width, N] bool; N may be 0.

    Returns both, shapes and dtypes as given. Raises DatasetError where a shape has changed.
    """
    import imgaug

    fixed = augmenter.to_deterministic()
    changed = fixed.augment_image(image)
    if mask.shape[2]:
        hooks = imgaug.HooksImages(activator=mask_hook)
        changed_mask = fixed.augment_image(mask.astype(np.uint8), hooks=hooks)
    else:
        changed_mask = mask
    if changed.shape != image.shape or changed_mask.shape != mask.shape:
        raise DatasetError(
            f"The augmentation made an image of {image.shape} and masks of {mask.shape} into "
            f"{changed.shape} and {changed_mask.shape}: augmenters must keep the size "
            "(keep_size=True, no resizing)."
        )
    return changed, changed_mask.astype(bool)


def seeded_augmenter(augmenter, seed: int):
    """A copy of an imgaug augmenter, children included, that draws from `seed` alone."""
    copy = augmenter.deepcopy()
    copy.seed_(seed, deterministic_too=True)
    return copy


def _flip():
    from imgaug import augmenters

    return augmenters.Fliplr(0.5)


def _light():
    from imgaug import augmenters

    return augmenters.Sequential(
        [
            augmenters.Fliplr(0.5),
            augmenters.Affine(scale=(0.8, 1.2)),
            augmenters.Multiply((0.8, 1.2)),
            augmenters.LinearContrast((0.8, 1.2)),
        ]
    )


# What each name of a script's --augmentation makes.
PRESETS = {
    "none": lambda: None,
    "flip": _flip,
    "light": _light,
}


def augmentation_preset(name: str):
    """The imgaug augmenter called `name` in PRESETS, None for "none".

    "flip" mirrors left and right in half of all cases; "light" also scales by 0.8 to 1.2 and
    changes brightness and contrast by up to a fifth. Raises ConfigError for any other name.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no augmentation {name!r}: choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]()
