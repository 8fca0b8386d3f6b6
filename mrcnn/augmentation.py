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

# Of these, the ones that can do no more than mirror, whatever they are made of.
MIRRORS = MASK_AUGMENTERS - {"CropAndPad", "Affine", "PiecewiseAffine"}


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
    changed, changed_mask = _augment(augmenter, image, mask.astype(np.uint8))
    if changed.shape != image.shape or changed_mask.shape != mask.shape:
        raise _size_changed(image.shape, mask.shape, changed.shape, changed_mask.shape)
    return changed, changed_mask.astype(bool)


def _augment(augmenter, image, mask):
    import imgaug

    fixed = augmenter.to_deterministic()
    changed = fixed.augment_image(image)
    if not mask.shape[2]:
        return changed, mask
    return changed, fixed.augment_image(mask, hooks=imgaug.HooksImages(activator=mask_hook))


def _size_changed(image, masks, changed_image, changed_masks):
    return DatasetError(
        f"The augmentation made an image of {image} and masks of {masks} into {changed_image} and "
        f"{changed_masks}: augmenters must keep the size (keep_size=True, no resizing)."
    )


def only_mirrors(augmenter) -> bool:
    """Whether all that an imgaug augmenter can do to a mask is mirroring it."""
    parts = [augmenter, *augmenter.get_all_children(flat=True)]
    moving = [part for part in parts if type(part).__name__ in MASK_AUGMENTERS]
    return all(
        type(part).__name__ in MIRRORS and type(part).__module__.startswith("imgaug.")
        for part in moving
    )


def augment_image_and_tell_mirroring(augmenter, image: np.ndarray):
    """Put an image through an augmenter of which `only_mirrors` is true.

    Args:
        augmenter: an imgaug augmenter.
        image: [height, width, channels] uint8.

    Returns the image as `augment_image_and_masks` gives it, and whether its masks are to be
    mirrored (vertically, horizontally). Raises DatasetError where the size has changed.
    """
    # A mask of four pixels, all different, goes where any other mask would go.
    mask = np.array([[0, 1], [2, 3]], np.uint8)[:, :, None]
    changed, first = _augment(augmenter, image, mask)
    if changed.shape != image.shape:
        raise _size_changed(image.shape, mask.shape, changed.shape, mask.shape)
    vertically, horizontally = divmod(int(first[0, 0, 0]), 2)
    return changed, (bool(vertically), bool(horizontally))


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


def _scale():
    from imgaug import augmenters

    return augmenters.Sequential([augmenters.Fliplr(0.5), _jitter()])


def _colour():
    from imgaug import augmenters

    return augmenters.Sequential([augmenters.Fliplr(0.5), *_colour_changes()])


def _strong():
    from imgaug import augmenters

    noise = augmenters.AdditiveGaussianNoise(scale=(0, 10), per_channel=0.5)
    return augmenters.Sequential(
        [
            augmenters.Fliplr(0.5),
            _jitter(rotate=(-10, 10)),
            *_colour_changes(),
            augmenters.Sometimes(0.3, augmenters.OneOf([augmenters.GaussianBlur((0, 1.5)), noise])),
        ]
    )


def _jitter(**more):
    from imgaug import augmenters

    shift = {"x": (-0.1, 0.1), "y": (-0.1, 0.1)}
    return augmenters.Affine(scale=(0.6, 1.5), translate_percent=shift, **more)


def _colour_changes():
    from imgaug import augmenters

    return [
        augmenters.MultiplySaturation((0.6, 1.4)),
        augmenters.AddToHue((-12, 12)),
        augmenters.Multiply((0.7, 1.3)),
        augmenters.LinearContrast((0.7, 1.3)),
    ]


# What each name of a script's --augmentation makes.
PRESETS = {
    "none": lambda: None,
    "flip": _flip,
    "light": _light,
    "scale": _scale,
    "colour": _colour,
    "strong": _strong,
}


def augmentation_preset(name: str):
    """The imgaug augmenter called `name` in PRESETS, None for "none".

    "flip" mirrors left and right in half of all cases, and so do all others. "light" also scales
    by 0.8 to 1.2 and changes brightness and contrast by up to a fifth. "scale" scales by 0.6 to
    1.5 and moves by up to a tenth of the size. "colour" changes saturation, hue, brightness and
    contrast. "strong" is scale and colour with up to 10 degrees of rotation, and blur or noise in
    some images. Raises ConfigError for any other name.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no augmentation {name!r}: choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]()
