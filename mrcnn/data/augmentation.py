"""Random changes to training images: named presets, and imgaug augmenters kept safe for masks.

imgaug takes a second to import, so it is imported only where an augmenter is used.
"""

from typing import TYPE_CHECKING

import numpy as np

from mrcnn.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from imgaug.augmenters import Augmenter


# These move pixels without changing their values, so only these may be applied to a mask.
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

# Of these, the ones that can do no more than mirror, if their children can do no more.
MIRRORS = MASK_AUGMENTERS - {"CropAndPad", "Affine", "PiecewiseAffine"}


def mask_hook(images, augmenter, parents, default: bool) -> bool:
    """Activator of imgaug's HooksImages: whether an augmenter may change a mask."""
    return type(augmenter).__name__ in MASK_AUGMENTERS


def augment_image_and_masks(
    augmenter: "Augmenter", image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the same random change to an image and its masks.

    Args:
        augmenter: an imgaug augmenter; its parts in MASK_AUGMENTERS are applied to the masks.
        image: [height, width, channels] uint8.
        mask: [height, width, N] bool; N may be 0.

    Returns both, shapes and dtypes unchanged. Raises DatasetError if a shape has changed.
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
        "the augmentation changed the size of an image or its masks",
        expected=f"{image} and {masks}",
        found=f"{changed_image} and {changed_masks}",
        advice="choose augmenters that keep the size (keep_size=True, no resizing)",
    )


def only_mirrors(augmenter: "Augmenter") -> bool:
    """Whether an imgaug augmenter can do nothing to a mask but mirror it."""
    parts = [augmenter, *augmenter.get_all_children(flat=True)]
    moving = [part for part in parts if type(part).__name__ in MASK_AUGMENTERS]
    return all(
        type(part).__name__ in MIRRORS and type(part).__module__.startswith("imgaug.")
        for part in moving
    )


def augment_image_and_note_mirroring(
    augmenter: "Augmenter", image: np.ndarray
) -> tuple[np.ndarray, tuple[bool, bool]]:
    """Apply an augmenter for which `only_mirrors` is true to an image.

    Args:
        augmenter: an imgaug augmenter.
        image: [height, width, channels] uint8.

    Returns the image as `augment_image_and_masks` gives it, and whether its masks are to be
    mirrored (vertically, horizontally). Raises DatasetError if the size has changed.
    """
    # Four pixels, all different, show what happens to every mask.
    mask = np.array([[0, 1], [2, 3]], np.uint8)[:, :, None]
    changed, first = _augment(augmenter, image, mask)
    if changed.shape != image.shape:
        raise _size_changed(image.shape, mask.shape, changed.shape, mask.shape)
    vertically, horizontally = divmod(int(first[0, 0, 0]), 2)
    return changed, (bool(vertically), bool(horizontally))


def seeded_augmenter(augmenter: "Augmenter", seed: int) -> "Augmenter":
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


PRESETS = {
    "none": lambda: None,
    "flip": _flip,
    "light": _light,
    "scale": _scale,
    "colour": _colour,
    "strong": _strong,
}


def augmentation_preset(name: str) -> "Augmenter | None":
    """The imgaug augmenter called `name` in PRESETS, None for "none".

    All of them mirror left and right with probability 0.5, and "flip" does nothing else. "light"
    also scales by 0.8 to 1.2 and changes brightness and contrast by up to a fifth. "scale" scales
    by 0.6 to 1.5 and moves by up to a tenth of the size. "colour" changes saturation, hue,
    brightness and contrast. "strong" is scale and colour with up to 10 degrees of rotation, and
    blur or noise in some images. Raises ConfigError for any other name.
    """
    if name not in PRESETS:
        raise ConfigError(
            "{augmentation} is not a preset",
            settings=("augmentation",),
            expected=" or ".join(PRESETS),
            found=repr(name),
        )
    return PRESETS[name]()
