"""Training batches: loaded ahead by several workers, and identical whatever their number.

Images are loaded by `ground_truth.load_image_gt`, targets are made by `samples`.
"""

import contextlib
import os
import random as python_random
import secrets
from collections import deque
from collections.abc import Collection, Generator, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.config import Config
from mrcnn.data.augmentation import seeded_augmenter
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import ImageCache
from mrcnn.data.instances import load_instances
from mrcnn.data.loader_pool import ProcessPool, ThreadPool, start_pool
from mrcnn.data.pass_order import SAMPLE_STREAM, PassOrder
from mrcnn.data.samples import (
    LEAST_ATTEMPTS,
    AnchorCache,
    TrainingSample,
    collate,
    load_sample,
    no_images,
    nothing_to_learn,
)
from mrcnn.errors import ConfigError, DatasetError, TrainingError

if TYPE_CHECKING:
    from imgaug.augmenters import Augmenter


MOST_WORKERS = 8

Samples = Generator[tuple[int, list[TrainingSample]], None, None]


class SampleSource:
    """The endless sequence of training samples that a seed determines.

    Position p of the sequence belongs to pass p // n over the n images, in the order of that pass;
    with `repeat_factors` an image may occur several times in it, see `PassOrder`. The sample at a
    position depends on the seed and the position alone, not on earlier requests or the caller.
    The arguments are those of `BatchLoader`. It can be pickled if the data set can.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: Config,
        *,
        shuffle: bool = True,
        augmentation: "Augmenter | None" = None,
        no_augmentation_sources: Collection[str] = (),
        seed: int = 0,
        random_rois: int = 0,
        repeat_factors: np.ndarray | None = None,
    ):
        self.dataset = dataset
        self.config = _plain(config)
        self.augmentation = augmentation
        self.no_augmentation_sources = frozenset(no_augmentation_sources or ())
        self.seed = seed
        self.random_rois = random_rois
        self.anchors = AnchorCache(self.config)
        self.cache = ImageCache(int(config.LOADER_CACHE_MB * 1e6))
        image_ids = np.asarray(dataset.image_ids)
        if repeat_factors is None:
            image_ids = _with_instances(dataset, image_ids)
        self.order = PassOrder(image_ids, shuffle=shuffle, seed=seed, repeat_factors=repeat_factors)
        # Images known to have no instances; skipping them only saves time.
        self._empty: set[int] = set()
        if not self.order.places:
            raise no_images()

    def image_id(self, position: int) -> int:
        """The image at a position, before skipping any."""
        order, place = self.order.around(position)
        return int(order[place])

    def sample(self, position: int) -> TrainingSample:
        """The sample at a position.

        An image without instances to learn from is replaced by the next in the pass that has some;
        so is one that cannot be loaded, if SKIP_BAD_IMAGES allows it. Raises a DatasetError that
        names the image that cannot be loaded, or says that no image has an instance. Any other
        error is a bug in the data set and gets a note naming the image.
        """
        order, place = self.order.around(position)
        bad: dict[int, str] = {}
        for attempt in range(max(len(order), LEAST_ATTEMPTS)):
            image_id = int(order[(place + attempt) % len(order)])
            if image_id in self._empty:
                continue
            seeds = np.random.SeedSequence(self.seed, spawn_key=(SAMPLE_STREAM, position, attempt))
            try:
                sample = self._load(image_id, seeds)
            except (TrainingError, ConfigError):
                raise
            except Exception as error:
                bad[image_id] = _reason(error)
                if len(bad) > self.config.SKIP_BAD_IMAGES:
                    raise
                continue
            if sample is not None:
                sample.instead_of = bad
                return sample
        raise nothing_to_learn(len(self.order.image_ids))

    def _load(self, image_id: int, seeds: np.random.SeedSequence) -> TrainingSample | None:
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
            if sample is None and not np.any(load_instances(self.dataset, image_id)[1] > 0):
                self._empty.add(image_id)
        except MemoryError as error:
            raise TrainingError(
                "memory ran out while this image was loaded",
                path=self._path(image_id),
                settings=("LOADER_WORKERS", "IMAGE_MAX_DIM"),
                advice="take fewer workers ({LOADER_WORKERS}), or a smaller {IMAGE_MAX_DIM}",
            ) from error
        except DatasetError as error:
            name = f"id {self.dataset.image_info[image_id].get('id')}, number {image_id}"
            raise error.replace(
                problem=f"cannot be used for training ({name}): {error.problem}",
                path=error.path or self._path(image_id),
            ) from error
        except Exception as error:
            error.add_note(f"While image {image_id} ({self._path(image_id)}) was loaded to train.")
            raise
        return sample

    def _path(self, image_id: int) -> object:
        return self.dataset.image_info[image_id].get("path")


def _reason(error: Exception) -> str:
    """An error as one line of text, with the image that its notes name."""
    if isinstance(error, DatasetError):
        return error.sentence()
    return " ".join([f"{type(error).__name__}: {error}.", *getattr(error, "__notes__", [])])


def _with_instances(dataset: Dataset, image_ids: np.ndarray) -> np.ndarray:
    """The images without those whose `class_ids` in `image_info` are empty; all if none is left."""
    noted = (dataset.image_info[image_id].get("class_ids") for image_id in image_ids)
    kept = image_ids[np.array([ids is None or len(ids) > 0 for ids in noted], bool)]
    return kept if len(kept) else image_ids


def _plain(config: Config) -> Config:
    """The same settings without their class, so that a loader process need not import it."""
    plain = Config.__new__(Config)
    vars(plain).update({name: getattr(config, name) for name in dir(config) if name.isupper()})
    return plain


class BatchLoader:
    """Training batches as a function of seed and step, prepared ahead by workers.

        with BatchLoader(dataset, config, batch_size=2, seed=7) as loader:
            for step, image_ids, inputs in loader.stream(first_step=resumed_at):
                ...

    The batches are the same for any number and kind of workers, so that training resumed at a step
    sees what uninterrupted training would have seen.

    Args:
        dataset: a prepared `Dataset` whose loading methods may be called from several threads, or
            which can be pickled (backend "process").
        config: its settings are read once, here.
        batch_size: images per batch.
        shuffle: use a new random order for each pass over the images, else the data set's order.
        share: `(i, n)`: load only the i-th of n equal slices of each batch, for the i-th of n
            processes that train on it together.
        augmentation: an imgaug augmenter, or None; each image gets a copy with its own seed.
        no_augmentation_sources: images of these sources are not augmented.
        seed: a whole number of at least 0; None draws one.
        workers: how many load at the same time; 0 loads in the caller's thread. The default is
            config.LOADER_WORKERS, or if that is None, one per core, at most 8.
        backend: "thread", or "process" for data sets whose Python code is slow; by default
            config.LOADER_BACKEND. Processes are spawned, not forked, and do not import TensorFlow
            unless the data set's class does.
        queue: batches kept ready; by default config.LOADER_QUEUE.
        random_rois: number of random regions per image, as an eighth input, for USE_RPN_ROIS False.
        repeat_factors: how often each image is shown in a pass, see `pass_order.repeat_factors`;
            None: once.

    Raises ConfigError for a value out of range, DatasetError for an empty data set.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: Config,
        *,
        batch_size: int,
        shuffle: bool = True,
        augmentation: "Augmenter | None" = None,
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
            workers = config.LOADER_WORKERS
        self.workers: int = min(os.cpu_count() or 1, MOST_WORKERS) if workers is None else workers
        self.queue: int = config.LOADER_QUEUE if queue is None else queue
        self.backend: str = backend or config.LOADER_BACKEND
        self.batch_size = batch_size
        self.share = share
        seed = secrets.randbits(128) if seed is None else seed
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("workers", self.workers, 0),
            ("queue", self.queue, 1),
            ("seed", seed, 0),
        ):
            if value < least:
                raise ConfigError(
                    f"{{{name}}} is too small",
                    settings=(name,),
                    expected=f"at least {least}",
                    found=value,
                )
        if batch_size % share[1]:
            raise ConfigError(
                f"a batch of {batch_size} images cannot be divided by {share[1]}",
                settings=("batch_size",),
            )
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
        self._pool: ThreadPool | ProcessPool | None = None
        self._bad: set[int] = set()

    def sample(self, position: int) -> TrainingSample:
        """The sample at a position of the sequence, loaded by the caller."""
        return self.source.sample(position)

    def batch(self, step: int) -> list[np.ndarray]:
        """The inputs of a step, loaded by the caller; see `samples.collate` for the arrays."""
        return self._collate([self.sample(position) for position in self._positions(step)])

    def image_ids(self, step: int) -> list[int]:
        """The images of a step; those without instances are replaced during loading."""
        return [self.source.image_id(position) for position in self._positions(step)]

    def stream(
        self, first_step: int = 0, last_step: int | None = None
    ) -> Generator[tuple[int, list[int], list[np.ndarray]], None, None]:
        """(step, image ids, inputs) for first_step, first_step + 1, ... before last_step.

        Endless if last_step is None. The ids are those of the images actually in the batch. Each
        image that is skipped (see Config.SKIP_BAD_IMAGES) is reported on a separate line.
        Raises DatasetError for an image that cannot be used, TrainingError if a worker dies, and
        whatever a bug in the data set raises, with a note that names the image.
        """
        steps = self._steps(first_step, last_step)
        read = self._read_here if self.workers == 0 else self._read_ahead
        with contextlib.closing(read(steps)) as parts:
            for step, samples in parts:
                for sample in samples:
                    self._report(sample.instead_of)
                yield step, [sample.image_id for sample in samples], self._collate(samples)

    def _report(self, bad: Mapping[int, str]) -> None:
        """Report images that were skipped; raises DatasetError if there are too many."""
        most = self.source.config.SKIP_BAD_IMAGES
        for image_id in bad.keys() - self._bad:
            self._bad.add(image_id)
            if len(self._bad) > most:
                raise DatasetError(
                    f"more images than {{SKIP_BAD_IMAGES}} allows cannot be loaded, this one among "
                    f"them ({bad[image_id]})",
                    path=self.source.dataset.image_info[image_id].get("path"),
                    settings=("SKIP_BAD_IMAGES",),
                    expected=f"at most {most}",
                    advice="correct the data set, or leave these images out of it",
                )
            print(f"left out ({len(self._bad)} of at most {most}): {bad[image_id]}", flush=True)

    def close(self) -> None:
        """Stop the workers. A loader that is used again starts new ones."""
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

    def _collate(self, samples: list[TrainingSample]) -> list[np.ndarray]:
        return collate(samples, self.source.config)

    @staticmethod
    def _steps(first_step: int, last_step: int | None) -> Iterator[int]:
        step = first_step
        while last_step is None or step < last_step:
            yield step
            step += 1

    def _read_here(self, steps: Iterator[int]) -> Samples:
        for step in steps:
            yield step, [self.sample(position) for position in self._positions(step)]

    def _read_ahead(self, steps: Iterator[int]) -> Samples:
        if self._pool is None:
            self._pool = start_pool(self.backend, self.source.sample, self.workers)
        pool = self._pool
        ahead: deque[tuple[int, list[Future]]] = deque()
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
