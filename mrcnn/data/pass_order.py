"""The order of images in a pass, and how rare classes get their share.

Images with rare classes may be shown more often: repeat-factor sampling, Gupta et al., "LVIS"
(2019), section 5.1 and appendix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.instances import load_instances
from mrcnn.errors import ConfigError

# Distinguishes the two uses of a seed: the order of a pass, and the random choices for one image.
ORDER_STREAM, SAMPLE_STREAM = 0, 1


class PassOrder:
    """The order of the images, and how often each occurs in a pass.

    Args:
        image_ids: of the data set, int `[n]`.
        shuffle: use a new random order for each pass, else that of `image_ids`.
        seed: a whole number of at least 0.
        repeat_factors: how often each image is shown in a pass on average, float `[n]`, see
            `pass_order.repeat_factors`; None: once. 2.3 means three times in 30 % of the passes.

    Attributes:
        places: positions in a pass.
    """

    def __init__(
        self,
        image_ids: np.ndarray,
        *,
        shuffle: bool = True,
        seed: int = 0,
        repeat_factors: np.ndarray | None = None,
    ):
        self.image_ids = np.array(image_ids)
        self.shuffle, self.seed, self.repeat_factors = shuffle, seed, repeat_factors
        self.places = len(self.image_ids)
        if repeat_factors is not None:
            self.places = places_of_a_pass(repeat_factors)
        self._known: dict[int, np.ndarray] = {}

    def around(self, position: int) -> tuple[np.ndarray, int]:
        """The images of the pass that a position is in, int `[places]`, and its index there."""
        pass_number, place = divmod(position, self.places)
        return self._of_pass(pass_number), place

    def _of_pass(self, pass_number: int) -> np.ndarray:
        if not self.shuffle and self.repeat_factors is None:
            return self.image_ids
        order = self._known.get(pass_number)
        if order is None:
            order = self._new_order(pass_number)
            # Other threads may still be reading the old dictionary; at most two passes are in use.
            before = self._known.get(pass_number - 1)
            self._known = {pass_number: order}
            if before is not None:
                self._known[pass_number - 1] = before
        return order

    def _new_order(self, pass_number: int) -> np.ndarray:
        seeds = np.random.SeedSequence(self.seed, spawn_key=(ORDER_STREAM, pass_number))
        random = np.random.default_rng(seeds)
        order = self.image_ids
        if self.repeat_factors is not None:
            order = np.repeat(order, repeated(self.repeat_factors, random))
        return random.permutation(order) if self.shuffle else order


# Otherwise a class with a handful of instances would outweigh all the others.
GREATEST_BALANCED = 10.0


def classes_of_images(dataset: Dataset) -> list[np.ndarray]:
    """Class numbers of each image's instances, without crowds, in the order of `image_ids`.

    An image's `image_info` may contain them under `class_ids` (a keyword of `add_image`); otherwise
    its masks are loaded, which takes a while for a large data set.
    """
    found = []
    for image_id in dataset.image_ids:
        known = dataset.image_info[image_id].get("class_ids")
        class_ids = load_instances(dataset, image_id)[1] if known is None else known
        class_ids = np.asarray(class_ids, dtype=np.int64).reshape(-1)
        found.append(class_ids[class_ids > 0])
    return found


def class_factors(classes: Sequence[np.ndarray], num_classes: int, threshold: float) -> np.ndarray:
    """How often the images of each class should be shown, float64 `[num_classes]`, at least 1.

    `sqrt(threshold / f)` for a class that occurs in a share f of the images, if f is below the
    threshold; 1 for classes that no image shows.

    Args:
        classes: class numbers of each image's instances.
        num_classes: background included.
        threshold: Config.REPEAT_FACTOR_THRESHOLD, a share of the images.
    """
    images = np.zeros(num_classes)
    for class_ids in classes:
        images[np.unique(class_ids)] += 1
    factors = np.ones(num_classes)
    there = images > 0
    factors[there] = np.sqrt(threshold * len(classes) / images[there])
    return np.maximum(factors, 1.0)


def repeat_factors(classes: Sequence[np.ndarray], num_classes: int, threshold: float) -> np.ndarray:
    """How often each image should be shown, float64 `[images]`: as often as its rarest class."""
    factors = class_factors(classes, num_classes, threshold)
    return np.array([factors[class_ids].max(initial=1.0) for class_ids in classes])


def places_of_a_pass(factors: np.ndarray) -> int:
    """Number of places in a pass over images with these repeat factors, the same in every pass."""
    return int(np.floor(factors).sum()) + _extra_places(factors)


def _extra_places(factors: np.ndarray) -> int:
    # A sum of fractions that should be a whole number may be slightly above it.
    return int(np.ceil(np.sum(factors % 1) - 1e-9))


def repeated(factors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How often each image occurs in one pass, int `[images]`, `places_of_a_pass` in total.

    A factor of 2.3 becomes 2 or 3 at random, 2.3 on average (slightly more: the extra places are
    rounded up). Extra images are drawn by systematic sampling, at even distances along a line on
    which each image's length is its fraction, so that their number is the same in every pass.
    """
    counts = np.floor(factors).astype(np.int64)
    extra = _extra_places(factors)
    if extra:
        order = random.permutation(len(factors))
        ends = np.cumsum(factors[order] % 1)
        ends *= extra / ends[-1]
        ends[-1] = extra
        passed = np.floor(ends + random.random()).astype(np.int64)
        counts[order] += np.diff(passed, prepend=0)
    return counts


def class_weights(
    setting: str | Sequence[float] | Mapping[int | str, float] | None,
    class_names: Sequence[str],
    counts: np.ndarray | None = None,
) -> np.ndarray | None:
    """Config.CLASS_WEIGHTS as one number per class, float32 `[classes]`; None for None.

    Args:
        setting: a list, background first; a dictionary by class name or number, in which missing
            classes count as 1; or 'balanced': the mean number of instances per class divided by
            that of the class, at most 10, and 1 for the background and classes without any.
        class_names: of the data set, background first.
        counts: instances of each class, for 'balanced'.

    Raises:
        ConfigError: the number of weights is not that of the classes, or there is no such class.
    """
    if setting is None:
        return None
    names = list(class_names)
    weights = np.ones(len(names), np.float32)
    if isinstance(setting, str):
        if counts is None:
            raise ValueError("'balanced' needs the number of instances of each class")
        there = np.flatnonzero(counts[1:]) + 1
        weights[there] = np.minimum(np.mean(counts[there]) / counts[there], GREATEST_BALANCED)
    elif isinstance(setting, Mapping):
        for key, weight in setting.items():
            weights[_class_number(key, names)] = weight
    elif len(setting) != len(names):
        raise ConfigError(
            "{CLASS_WEIGHTS} does not fit the data set",
            settings=("CLASS_WEIGHTS",),
            expected=f"a number for each of {len(names)} classes, the background included",
            found=f"{len(setting)}",
            advice="give one for each, or a dictionary",
        )
    else:
        weights[:] = setting
    return weights


def _class_number(key: int | str, names: list[str]) -> int:
    if key in names:
        return names.index(key)
    if not isinstance(key, str) and 0 <= key < len(names):
        return int(key)
    raise ConfigError(
        "{CLASS_WEIGHTS} names a class that the data set does not have",
        settings=("CLASS_WEIGHTS",),
        expected=" or ".join(names),
        found=repr(key),
    )


@dataclass(frozen=True)
class ClassBalance:
    """What a training run does for rare classes.

    Attributes:
        factors: how often each image is shown, float64 `[images]`; None: once per pass.
        weights: of the class loss, float32 `[classes]`; None: all equal.
        summary: one line for each, for the terminal; empty if nothing is done.
    """

    factors: np.ndarray | None = None
    weights: np.ndarray | None = None
    summary: str = ""


def class_balance(dataset: Dataset, config: Config) -> ClassBalance:
    """What REPEAT_FACTOR_THRESHOLD and CLASS_WEIGHTS mean for a prepared Dataset.

    Raises:
        ConfigError: CLASS_WEIGHTS does not fit the data set's classes.
    """
    threshold, setting = config.REPEAT_FACTOR_THRESHOLD, config.CLASS_WEIGHTS
    names, counts, factors, lines = dataset.class_names, None, None, []
    if threshold or isinstance(setting, str):
        classes = classes_of_images(dataset)
        counts = np.bincount(np.concatenate([*classes, []]).astype(int), minlength=len(names))
    if threshold:
        factors = repeat_factors(classes, len(names), threshold)
        of_class = class_factors(classes, len(names), threshold)
        rare = [f"{names[c]} x{of_class[c]:.2g}" for c in np.flatnonzero(of_class > 1)]
        lines.append(
            f"Images shown more often: {', '.join(rare) or 'none, no class is rare'}; "
            f"{places_of_a_pass(factors)} places in a pass over {len(factors)} images."
        )
    weights = class_weights(setting, names, counts)
    if weights is not None:
        shown = ", ".join(f"{n} {w:.3g}" for n, w in zip(names, weights, strict=True))
        lines.append(f"Weights of the class loss: {shown}.")
    return ClassBalance(factors, weights, "\n".join(lines))
