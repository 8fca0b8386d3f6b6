"""Augmentation of training images: named presets, and imgaug augmenters applied safely to masks.

imgaug takes a second to import, so it is imported only when an augmenter is used.
"""

from typing import TYPE_CHECKING

import numpy as np

from mrcnn.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from imgaug.augmenters import Augmenter


# These move the pixels of images, but imgaug cannot move masks along with them.
_IMAGES_ONLY = {
    ("imgaug.augmenters.pillike", "Affine"),  # used by RandAugment
    ("imgaug.augmenters.imgcorruptlike", "ElasticTransform"),
}
# imgaug's modules whose augmenters (apart from their children) only change pixel values.
_PIXELS = {
    f"imgaug.augmenters.{name}"
    for name in ("arithmetic", "artistic", "blur", "color", "contrast", "convolutional", "edges")
}
# Augmenters that at most mirror a mask, provided that their children do no more.
_MIRRORS = {
    "imgaug.augmenters.flip": {"Fliplr", "Flipud"},
    "imgaug.augmenters.meta": {
        "ChannelShuffle",
        "Identity",
        "Noop",
        "OneOf",
        "Sequential",
        "SomeOf",
        "Sometimes",
        "WithChannels",
    },
}


def augment_image_and_masks(
    augmenter: "Augmenter", image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the same random change to an image and its masks.

    Masks are passed as imgaug's segmentation maps: an augmenter, nested or not, moves them along
    with the image by nearest neighbour, fills new areas with background whatever the image is
    filled with, and leaves them alone if it only changes pixel values.

    Args:
        augmenter: an imgaug augmenter.
        image: [height, width, channels] uint8.
        mask: [height, width, N] bool; N may be 0.

    Returns both, shapes and dtypes unchanged. Raises DatasetError if a shape has changed, and
    ConfigError for an augmenter that moves pixels but cannot move masks.
    """
    # Values of a segmentation map are never interpolated, so eight masks fit into one.
    changed, packed = _augment(augmenter, image, np.packbits(mask, axis=2))
    if changed.shape != image.shape or packed.shape[:2] != mask.shape[:2]:
        raise _size_changed(image.shape, mask.shape, changed.shape, packed.shape[:2])
    bits = np.unpackbits(packed.astype(np.uint8), axis=2, count=mask.shape[2])
    return changed, bits.astype(bool)


def _augment(augmenter, image, numbers):
    from imgaug.augmentables.segmaps import SegmentationMapsOnImage

    for kind in _kinds(augmenter):
        if (kind.__module__, kind.__name__) in _IMAGES_ONLY:
            raise ConfigError(
                f"{{augmentation}} has an augmenter that cannot move masks with their picture, "
                f"{kind.__module__.removeprefix('imgaug.augmenters.')}.{kind.__name__}",
                settings=("augmentation",),
                advice="take it out, or use those of imgaug.augmenters.geometric",
            )
    fixed = augmenter.to_deterministic()
    if not numbers.shape[2]:
        return fixed.augment_image(image), numbers
    maps = SegmentationMapsOnImage(numbers, shape=image.shape)
    changed, moved = fixed(image=image, segmentation_maps=maps)
    return changed, moved.arr


def _size_changed(image, masks, changed_image, changed_masks):
    return DatasetError(
        "the augmentation changed the size of an image or its masks",
        expected=f"{image} and {masks}",
        found=f"{changed_image} and {changed_masks}",
        advice="choose augmenters that keep the size (keep_size=True, no resizing)",
    )


def only_mirrors(augmenter: "Augmenter") -> bool:
    """Whether an imgaug augmenter is known to do nothing to a mask except mirror it."""
    return all(
        kind.__module__ in _PIXELS or kind.__name__ in _MIRRORS.get(kind.__module__, ())
        for kind in _kinds(augmenter)
    )


def _kinds(augmenter):
    return {type(part) for part in (augmenter, *augmenter.get_all_children(flat=True))}


def augment_image_and_note_mirroring(
    augmenter: "Augmenter", image: np.ndarray
) -> tuple[np.ndarray, tuple[bool, bool]]:
    """Apply an augmenter for which `only_mirrors` is true to an image.

    Args:
        augmenter: an imgaug augmenter.
        image: [height, width, channels] uint8.

    Returns the image as from `augment_image_and_masks`, and whether its masks must be mirrored
    (vertically, horizontally). Raises DatasetError if the size has changed.
    """
    # Four distinct pixels show what happens to every mask.
    corners = np.array([[0, 1], [2, 3]], np.uint8)[:, :, None]
    changed, first = _augment(augmenter, image, corners)
    if changed.shape != image.shape:
        raise _size_changed(image.shape, corners.shape, changed.shape, corners.shape)
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

    All of them flip left and right with probability 0.5, and "flip" does nothing else. "light"
    also scales by 0.8 to 1.2 and changes brightness and contrast by up to a fifth. "scale" scales
    by 0.6 to 1.5 and shifts by up to a tenth of the size. "colour" changes saturation, hue,
    brightness and contrast. "strong" combines scale and colour with up to 10 degrees of rotation,
    and blur or noise in some images. Raises ConfigError for any other name.
    """
    if name not in PRESETS:
        raise ConfigError(
            "{augmentation} is not a preset",
            settings=("augmentation",),
            expected=" or ".join(PRESETS),
            found=repr(name),
        )
    return PRESETS[name]()
