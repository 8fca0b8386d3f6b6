"""Training batches: read ahead by several workers, and the same whatever their number.

`BatchLoader` is what training uses; `data_generator` is the generator of the original, for scripts
that call it. Images are read by `ground_truth.load_image_gt`, targets made by `samples`.
"""

import collections
import contextlib
import logging
import os
import random as python_random
import types
from collections.abc import Collection, Generator, Iterator

import numpy as np

from mrcnn.augmentation import seeded_augmenter
from mrcnn.errors import ConfigError, DatasetError, TrainingError, UserError
from mrcnn.ground_truth import load_image_gt
from mrcnn.image_cache import ImageCache
from mrcnn.loader_pool import start_pool
from mrcnn.pass_order import SAMPLE_STREAM, PassOrder
from mrcnn.samples import (
    AnchorCache,
    Sample,
    collate,
    collate_detection_targets,
    load_sample,
)

__all__ = ["BatchLoader", "SampleSource", "data_generator", "load_image_gt"]

logger = logging.getLogger(__name__)

TOLERATED_ERRORS = 5
# A random window or an augmentation may lose all instances of the only image a few times.
LEAST_ATTEMPTS = 100
MOST_WORKERS = 8
DEFAULT_QUEUE = 8


class SampleSource:
    """The endless sequence of training samples that a seed stands for.

    Position p of the sequence belongs to pass p // n over the n images, in that pass's own order;
    with `repeat_factors` images may stand at several places of it, see `PassOrder`.
    What is at a position depends on the seed and the position alone: not on what was asked for
    before, nor on who asks. Arguments are those of `BatchLoader`. It can be pickled if the data
    set can.
    """

    def __init__(
        self,
        dataset,
        config,
        *,
        shuffle: bool = True,
        augmentation=None,
        no_augmentation_sources: Collection[str] = (),
        seed: int = 0,
        random_rois: int = 0,
        repeat_factors: np.ndarray | None = None,
    ):
        self.dataset = dataset
        # Plain values, so that a process need not import the class of the configuration.
        self.config = types.SimpleNamespace(
            **{name: getattr(config, name) for name in dir(config) if name.isupper()}
        )
        self.augmentation = augmentation
        self.no_augmentation_sources = frozenset(no_augmentation_sources or ())
        self.seed = seed
        self.random_rois = random_rois
        self.anchors = AnchorCache(self.config)
        self.cache = ImageCache(int(getattr(config, "LOADER_CACHE_MB", 0) * 1e6))
        self.order = PassOrder(
            dataset.image_ids, shuffle=shuffle, seed=seed, repeat_factors=repeat_factors
        )
        # Images known to hold no instance at all; skipping them changes nothing but the time.
        self._empty: set[int] = set()
        if not self.order.places:
            raise DatasetError("The data set has no image to train on: add images to its folder.")

    def image_id(self, position: int) -> int:
        """The image that stands at a position, before any is skipped."""
        order, place = self.order.around(position)
        return int(order[place])

    def sample(self, position: int) -> Sample:
        """The sample at a position.

        An image without any instance to learn from gives way to the next of the pass that has
        one. Raises DatasetError naming the image that cannot be loaded, or saying that no image
        has an instance.
        """
        order, place = self.order.around(position)
        for attempt in range(max(len(order), LEAST_ATTEMPTS)):
            image_id = int(order[(place + attempt) % len(order)])
            if image_id in self._empty:
                continue
            seeds = np.random.SeedSequence(self.seed, spawn_key=(SAMPLE_STREAM, position, attempt))
            sample = self._load(image_id, seeds)
            if sample is not None:
                return sample
        raise DatasetError(_nothing_to_learn(len(self.order.image_ids)))

    def _load(self, image_id: int, seeds: np.random.SeedSequence) -> Sample | None:
        augmenter_seed, window_seed = (int(state) for state in seeds.generate_state(2))
        augmentation = self.augmentation
        try:
            if self.dataset.image_info[image_id]["source"] in self.no_augmentation_sources:
                augmentation = None
            if augmentation is not None:
                augmentation = seeded_augmenter(augmentation, augmenter_seed)
            sample = load_sample(
                self.dataset,
                self.config,
                image_id,
                self.anchors,
                augmentation=augmentation,
                random_rois=self.random_rois,
                random=np.random.default_rng(seeds),
                window_random=python_random.Random(window_seed),
                cache=self.cache,
            )
            if sample is None and not np.any(self.dataset.load_mask(image_id)[1] > 0):
                self._empty.add(image_id)
        except MemoryError as error:
            raise TrainingError(
                f"Memory ran out while {self._name(image_id)} was loaded: take fewer workers "
                "(LOADER_WORKERS), or a smaller IMAGE_MAX_DIM."
            ) from error
        except Exception as error:
            reason = (
                str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            )
            raise DatasetError(
                f"{self._name(image_id)} cannot be used for training: {reason}"
            ) from error
        return sample

    def _name(self, image_id: int) -> str:
        info = self.dataset.image_info[image_id]
        return f"Image {info.get('path')} (id {info.get('id')}, number {image_id})"


class BatchLoader:
    """Training batches as a function of seed and step, prepared ahead by workers.

        with BatchLoader(dataset, config, batch_size=2, seed=7) as loader:
            for step, image_ids, inputs in loader.stream(first_step=resumed_at):
                ...

    The batches are equal for any number and kind of workers, so that training resumed at a step
    sees what uninterrupted training would have seen.

    Args:
        dataset: a prepared `Dataset` whose loading methods may be called from several threads, or
            which can be pickled (backend "process").
        config: Matterport's attributes; read once, here.
        batch_size: images a batch.
        shuffle: a new random order for each pass over the images, else the data set's order.
        share: `(i, n)`: load the i-th of n equal slices of each batch only, for the i-th of n
            processes that train on it together.
        augmentation: an imgaug augmenter, or None; each image gets a copy with its own seed.
        no_augmentation_sources: images of these sources are not augmented.
        seed: a whole number of at least 0; None draws one.
        workers: how many load at the same time; 0 loads in the caller's thread. None takes
            config.LOADER_WORKERS, and where that is None one for each core, at most 8.
        backend: "thread", or "process" for data sets whose Python code is slow; None takes
            config.LOADER_BACKEND. Processes are started afresh (not forked) and do not import
            TensorFlow unless the data set's class does.
        queue: batches kept ready; None takes config.LOADER_QUEUE.
        random_rois: so many random regions an image as an eighth input, for USE_RPN_ROIS False.
        repeat_factors: how often each image is shown in a pass, of `class_balance.repeat_factors`;
            None: once.

    Raises ConfigError for a value that cannot work, DatasetError for an empty data set.
    """

    def __init__(
        self,
        dataset,
        config,
        *,
        batch_size: int,
        shuffle: bool = True,
        augmentation=None,
        no_augmentation_sources: Collection[str] = (),
        seed: int | None = 0,
        workers: int | None = None,
        backend: str | None = None,
        queue: int | None = None,
        random_rois: int = 0,
        repeat_factors: np.ndarray | None = None,
        share: tuple[int, int] = (0, 1),
    ):
        if workers is None:
            workers = getattr(config, "LOADER_WORKERS", None)
        if workers is None:
            workers = min(os.cpu_count() or 1, MOST_WORKERS)
        if queue is None:
            queue = getattr(config, "LOADER_QUEUE", DEFAULT_QUEUE)
        if seed is None:
            seed = np.random.SeedSequence().entropy
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("workers", workers, 0),
            ("queue", queue, 1),
            ("seed", seed, 0),
        ):
            if value < least:
                raise ConfigError(f"{name} is {value}, but must be at least {least}.")
        if batch_size % share[1]:
            raise ConfigError(f"A batch of {batch_size} images cannot be divided by {share[1]}.")
        self.batch_size = batch_size
        self.share = share
        self.workers = workers
        self.backend = backend or getattr(config, "LOADER_BACKEND", "thread")
        self.queue = queue
        self.source = SampleSource(
            dataset,
            config,
            shuffle=shuffle,
            augmentation=augmentation,
            no_augmentation_sources=no_augmentation_sources,
            seed=seed,
            random_rois=random_rois,
            repeat_factors=repeat_factors,
        )
        self._pool = None

    def sample(self, position: int) -> Sample:
        """The sample at a position of the sequence, loaded here and now."""
        return self.source.sample(position)

    def batch(self, step: int) -> list[np.ndarray]:
        """The inputs of a step, loaded here and now; see `samples.collate` for the arrays."""
        return self._collate([self.sample(position) for position in self._positions(step)])

    def image_ids(self, step: int) -> list[int]:
        """The images that stand at a step; those without instances are replaced when loaded."""
        return [self.source.image_id(position) for position in self._positions(step)]

    def stream(
        self, first_step: int = 0, last_step: int | None = None
    ) -> Generator[tuple[int, list[int], list[np.ndarray]], None, None]:
        """(step, image ids, inputs) for first_step, first_step + 1, ... before last_step.

        Endless where last_step is None. The ids are those of the images really in the batch.
        Raises DatasetError for an image that cannot be used, TrainingError where a worker dies.
        """
        steps = self._steps(first_step, last_step)
        samples_of = self._read_here if self.workers == 0 else self._read_ahead
        with contextlib.closing(samples_of(steps)) as parts:
            for step, samples in parts:
                yield step, [sample.image_id for sample in samples], self._collate(samples)

    def close(self) -> None:
        """End the workers. A loader that is used again starts new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def __enter__(self) -> "BatchLoader":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _positions(self, step: int) -> range:
        index, count = self.share
        size = self.batch_size // count
        first = step * self.batch_size + index * size
        return range(first, first + size)

    def _collate(self, samples: list[Sample]) -> list[np.ndarray]:
        return collate(samples, self.source.config)

    @staticmethod
    def _steps(first_step: int, last_step: int | None) -> Iterator[int]:
        step = first_step
        while last_step is None or step < last_step:
            yield step
            step += 1

    def _read_here(self, steps: Iterator[int]):
        for step in steps:
            yield step, [self.sample(position) for position in self._positions(step)]

    def _read_ahead(self, steps: Iterator[int]):
        if self._pool is None:
            self._pool = start_pool(self.backend, self.source.sample, self.workers)
        pool = self._pool
        ahead = collections.deque()
        try:
            while True:
                while len(ahead) < self.queue and (step := next(steps, None)) is not None:
                    ahead.append((step, [pool.submit(p) for p in self._positions(step)]))
                if not ahead:
                    return
                step, futures = ahead[0]
                samples = [future.result() for future in futures]
                ahead.popleft()
                yield step, samples
        finally:
            for _, futures in ahead:
                for future in futures:
                    future.cancel()


def _nothing_to_learn(images: int) -> str:
    return (
        f"None of the {images} images of the data set gives an instance of a class to learn: "
        "check the annotations and the class table."
    )


def data_generator(
    dataset,
    config,
    shuffle: bool = True,
    augment: bool = False,
    augmentation=None,
    random_rois: int = 0,
    batch_size: int = 1,
    detection_targets: bool = False,
    no_augmentation_sources: Collection[str] | None = None,
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """The original's generator of training batches: endless, one image after the other.

    It draws from the global `numpy.random` and `random`, in the original's order. `BatchLoader`
    is quicker and can be resumed.

    Args:
        dataset: a prepared `Dataset`.
        config: Matterport's attributes.
        shuffle: a new order for every pass over the images.
        augment: deprecated, see `load_image_gt`.
        augmentation: an imgaug augmenter, or None.
        random_rois: add so many random regions an image to the inputs.
        batch_size: images a batch.
        detection_targets: with random_rois, add the regions chosen for the heads to the inputs,
            and classes, boxes and masks for them as outputs; for debugging the heads.
        no_augmentation_sources: images of these sources are not augmented.

    Yields (inputs, outputs): inputs as `samples.collate` gives them, outputs empty without
    detection_targets. Images without instances are skipped. The error of an image is logged and
    the image left out; the sixth error is raised. DatasetError where a whole pass holds no
    instance.
    """
    image_ids = np.copy(dataset.image_ids)
    if not len(image_ids):
        raise DatasetError("The data set has no image to train on: add images to its folder.")
    anchors = AnchorCache(config)
    unaugmented = frozenset(no_augmentation_sources or ())
    samples: list[Sample] = []
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
                raise DatasetError(_nothing_to_learn(len(image_ids)))
            continue
        fruitless = 0
        samples.append(sample)
        if len(samples) == batch_size:
            yield _legacy_batch(samples, config)
            samples = []


def _legacy_batch(samples: list[Sample], config) -> tuple[list, list]:
    inputs, outputs = collate(samples, config), []
    if samples[0].detection_targets is not None:
        regions, outputs = collate_detection_targets(samples)
        inputs += regions
    return inputs, outputs
