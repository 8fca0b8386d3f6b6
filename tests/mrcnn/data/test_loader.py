"""Batches: the measured ones, the same for any worker, and an end to every way of failing."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import cv2
import imgaug.augmenters
import numpy as np
import pytest

from mrcnn.data.augmentation import augmentation_preset
from mrcnn.data.legacy_generator import data_generator
from mrcnn.data.loader import BatchLoader
from mrcnn.errors import ConfigError, DatasetError, TrainingError, UserError
from tests.mrcnn.golden_dataset import (
    FailingDataset,
    MemoryDataset,
    SpyingDataset,
    drawn_dataset,
    drawn_items,
    empty_items,
    make_config,
)
from tests.support import REPOSITORY, child_processes

DTYPES = ("float32", "float64", "int32", "float64", "int32", "int32", "bool")


def assert_equal_batches(batch, other):
    assert len(batch) == len(other)
    for array, expected in zip(batch, other, strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def batches(loader, first_step=0, last_step=4):
    with loader:
        return [inputs for _, _, inputs in loader.stream(first_step, last_step)]


@contextlib.contextmanager
def nothing_left_behind():
    threads, processes = set(threading.enumerate()), child_processes()
    yield
    assert set(threading.enumerate()) <= threads
    assert child_processes() <= processes


# What a batch holds


def test_batch_has_seven_arrays():
    config = make_config()
    inputs = BatchLoader(drawn_dataset(4), config, batch_size=3).batch(0)
    anchors = 3 * (32**2 + 16**2 + 8**2 + 4**2 + 2**2)
    shapes = [
        (3, 128, 128, 3), (3, 17), (3, anchors, 1), (3, 256, 4), (3, 10), (3, 10, 4),
        (3, 56, 56, 10),
    ]  # fmt: skip
    assert [array.shape for array in inputs] == shapes
    assert tuple(str(array.dtype) for array in inputs) == DTYPES


def test_batch_holds_what_the_generator_yields_but_for_random_draws():
    # So many anchors that none is left out: then nothing is drawn at random.
    config = make_config(RPN_TRAIN_ANCHORS_PER_IMAGE=9000)
    dataset = drawn_dataset(4)
    expected, _ = next(data_generator(dataset, config, shuffle=False, batch_size=4))
    assert_equal_batches(
        BatchLoader(dataset, config, batch_size=4, shuffle=False).batch(0), expected
    )


def test_surplus_instances_are_drawn_at_random():
    config = make_config(MAX_GT_INSTANCES=2)
    loader = BatchLoader(drawn_dataset(1, instances=6), config, batch_size=1)
    kept = {tuple(map(tuple, loader.batch(step)[5][0].tolist())) for step in range(8)}
    assert len(kept) > 1
    assert all(len(set(boxes)) == 2 for boxes in kept)


def test_random_rois_are_the_eighth_input():
    loader = BatchLoader(drawn_dataset(2), make_config(), batch_size=2, random_rois=40)
    rois = loader.batch(0)[7]
    assert rois.shape == (2, 40, 4) and rois.dtype == np.int32
    assert not np.array_equal(rois, loader.batch(1)[7])


def test_no_augmentation_sources():
    dataset = MemoryDataset(drawn_items(2, size=(128, 128)), sources=["drawn", "studio"])
    how = {"batch_size": 2, "shuffle": False}
    plain = BatchLoader(dataset, make_config(), **how).batch(0)[0]
    loader = BatchLoader(
        dataset,
        make_config(),
        augmentation=imgaug.augmenters.Fliplr(1.0),
        no_augmentation_sources={"studio"},
        **how,
    )
    np.testing.assert_array_equal(loader.batch(0)[0][0], plain[0][:, ::-1])
    np.testing.assert_array_equal(loader.batch(0)[0][1], plain[1])


@pytest.mark.parametrize("resize", ["exact", "fast"])
@pytest.mark.parametrize("cached", [0, 10])
@pytest.mark.parametrize("mini_masks", [True, False])
def test_a_shape_of_its_own_makes_batches_of_any_pictures(resize, cached, mini_masks):
    config = make_config(
        IMAGE_RESIZE_MODE="shape",
        IMAGE_HEIGHT=192,
        IMAGE_WIDTH=128,
        LOADER_RESIZE=resize,
        LOADER_CACHE_MB=cached,
        USE_MINI_MASK=mini_masks,
    )
    dataset = MemoryDataset(drawn_items(1, size=(300, 200)) + drawn_items(1, size=(50, 90)))
    for _ in range(2):  # the second time out of the cache
        inputs = BatchLoader(dataset, config, batch_size=2, shuffle=False).batch(0)
        images, metas, rpn_match, _, _, boxes, masks = inputs
        assert images.shape == (2, 192, 128, 3)
        assert metas[:, 4:7].tolist() == [[192, 128, 3]] * 2
        assert metas[:, 7:11].tolist() == [[0, 0, 192, 128], [60, 0, 131, 128]]
        assert rpn_match.shape[1] == 3 * sum(192 * 128 // s**2 for s in (4, 8, 16, 32, 64))
        assert masks.shape[1:3] == ((56, 56) if mini_masks else (192, 128))
        assert (boxes[0].max(axis=0) <= [192, 128, 192, 128]).all()
        assert boxes[1, 0, 0] >= 60 and boxes[1].max(axis=0)[2] <= 131


def test_images_of_different_sizes_do_not_make_a_batch():
    config = make_config(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=64)
    dataset = MemoryDataset(drawn_items(1, size=(64, 64)) + drawn_items(1, size=(64, 120)))
    one_by_one = BatchLoader(dataset, config, batch_size=1, shuffle=False)
    assert one_by_one.batch(0)[0].shape == (1, 64, 64, 3)
    assert one_by_one.batch(1)[0].shape == (1, 64, 128, 3)
    assert one_by_one.batch(1)[2].shape[1] > one_by_one.batch(0)[2].shape[1]
    with pytest.raises(DatasetError, match="different sizes"):
        BatchLoader(dataset, config, batch_size=2).batch(0)


# The sequence


def test_each_pass_has_every_image_once_in_an_order_of_its_own():
    loader = BatchLoader(drawn_dataset(6, size=(40, 40)), make_config(), batch_size=2, seed=3)
    steps = [loader.image_ids(step) for step in range(9)]
    passes = np.reshape(steps, (3, 6)).tolist()
    assert all(sorted(one_pass) == list(range(6)) for one_pass in passes)
    assert len({tuple(one_pass) for one_pass in passes}) == 3
    other = BatchLoader(drawn_dataset(6, size=(40, 40)), make_config(), batch_size=2, seed=4)
    assert [other.image_ids(i) for i in range(3)] != [loader.image_ids(i) for i in range(3)]
    in_order = BatchLoader(drawn_dataset(3), make_config(), batch_size=2, shuffle=False)
    assert [in_order.image_ids(i) for i in range(3)] == [[0, 1], [2, 0], [1, 2]]


# Everything that draws at random is on: window, augmentation, anchors, regions, surplus.
RANDOM_CONFIG = {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 64, "MAX_GT_INSTANCES": 2}


@pytest.mark.parametrize(
    ("workers", "backend"),
    [(0, "thread"), (1, "thread"), (4, "thread"), (1, "process"), (2, "process")],
)
def test_batches_depend_on_seed_and_step_alone(workers, backend):
    dataset, config = drawn_dataset(5), make_config(**RANDOM_CONFIG)
    how = {
        "batch_size": 2,
        "seed": 11,
        "augmentation": augmentation_preset("light"),
        "random_rois": 10,
    }
    reference = BatchLoader(dataset, config, workers=0, **how)
    expected = [reference.batch(step) for step in (7, 0, 5, 6)]  # in any order
    np.random.seed(workers)
    with nothing_left_behind():
        loader = BatchLoader(dataset, config, workers=workers, backend=backend, queue=3, **how)
        streamed = batches(loader, first_step=5, last_step=8)
    for batch, other in zip(streamed, [expected[2], expected[3], expected[0]], strict=True):
        assert_equal_batches(batch, other)
    assert not np.array_equal(expected[0][3], expected[1][3])
    different = BatchLoader(dataset, config, workers=0, **{**how, "seed": 12}).batch(5)
    assert not np.array_equal(different[0], expected[2][0])


def test_stream_says_step_and_images():
    loader = BatchLoader(drawn_dataset(4, size=(40, 40)), make_config(), batch_size=2)
    with loader:
        for step, image_ids, inputs in loader.stream(2, 6):
            assert image_ids == loader.image_ids(step)
            assert inputs[1][:, 0].tolist() == image_ids
        assert step == 5
        assert list(loader.stream(3, 3)) == []


def test_images_without_instances_give_way_to_the_next():
    items = drawn_items(2) + empty_items(3)
    crowd = (np.zeros((50, 50, 3), np.uint8), np.ones((50, 50, 1), bool), [-2])
    loader = BatchLoader(
        MemoryDataset([*items, crowd]), make_config(), batch_size=6, shuffle=False, workers=2
    )
    with loader:
        (_, image_ids, batch), = loader.stream(0, 1)  # fmt: skip
        assert image_ids == [0, 1, 0, 0, 0, 0]
        # A second time they are known, which changes nothing.
        assert_equal_batches(loader.batch(0), batch)


def test_only_image_may_lose_its_instances_to_the_window_now_and_then():
    image, masks = np.zeros((64, 256, 3), np.uint8), np.zeros((64, 256, 1), bool)
    masks[20:40, 2:12] = True
    config = make_config(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=64)
    loader = BatchLoader(MemoryDataset([(image, masks, [1])]), config, batch_size=8)
    assert np.all(loader.batch(0)[4][:, 0] == 1)


class BrokenPictures(MemoryDataset):
    """Some of its pictures are lost, and one lets the data set's own code fail."""

    lost, failing = {1}, {3}

    def load_image(self, image_id):
        if image_id in self.lost:
            raise DatasetError("it is lost", path=self.image_info[image_id]["path"])
        if image_id in self.failing:
            raise KeyError("colour")
        return super().load_image(image_id)


@pytest.mark.parametrize("workers", [0, 2])
def test_as_many_bad_images_as_allowed_are_left_out_and_named(workers, capsys):
    config = make_config(SKIP_BAD_IMAGES=2)
    how = {"batch_size": 2, "shuffle": False, "workers": workers}
    with BatchLoader(BrokenPictures(drawn_items(5)), config, **how) as loader:
        ids = [ids for _, ids, _ in loader.stream(0, 5)]  # two passes
    assert ids == [[0, 2], [2, 4], [4, 0], [2, 2], [4, 4]]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2  # once each
    assert said[0].startswith("left out (1 of at most 2): /pictures/1.jpg: cannot be used for")
    assert "KeyError: 'colour'. While image 3 (/pictures/3.jpg) was loaded" in said[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_more_bad_images_than_allowed_end_the_training(workers, capsys):
    how = {"batch_size": 1, "shuffle": False, "workers": workers}
    dataset = BrokenPictures(drawn_items(5))
    with (
        BatchLoader(dataset, make_config(SKIP_BAD_IMAGES=1), **how) as loader,
        pytest.raises(DatasetError, match=r"3\.jpg: more images than .* allows.*KeyError"),
    ):
        batches(loader, 0, 5)
    assert capsys.readouterr().out.count("left out") == 1
    with (
        BatchLoader(dataset, make_config(), **how) as strict,
        pytest.raises(DatasetError, match=r"1\.jpg.*it is lost"),
    ):
        batches(strict, 0, 5)


@pytest.mark.parametrize("workers", [0, 2])
def test_no_image_with_an_instance(workers):
    loader = BatchLoader(
        MemoryDataset(empty_items(3)), make_config(), batch_size=1, workers=workers
    )
    with (
        nothing_left_behind(),
        pytest.raises(DatasetError, match="from 3 images"),
    ):
        batches(loader)


# Ends


@pytest.mark.parametrize(("workers", "backend"), [(0, "thread"), (3, "thread"), (2, "process")])
@pytest.mark.parametrize(
    ("failing", "error", "said"),
    [
        ("damaged", DatasetError, r"/pictures/2.jpg: .*\(id id2, number 2\): the file is damaged"),
        ("memory", TrainingError, r"/pictures/2.jpg: memory ran out"),
    ],
)
def test_image_that_cannot_be_loaded_is_named(workers, backend, failing, error, said):
    dataset = FailingDataset(drawn_items(4, size=(40, 40)))
    dataset.failing = {2: failing}
    loader = BatchLoader(
        dataset, make_config(), batch_size=1, shuffle=False, workers=workers, backend=backend
    )
    with nothing_left_behind(), loader:
        steps = loader.stream()
        assert [next(steps)[0], next(steps)[0]] == [0, 1]  # what comes before still comes
        with pytest.raises(error, match=said):
            next(steps)


@pytest.mark.parametrize("backend", ["thread", "process"])
@pytest.mark.parametrize(
    ("failing", "error", "said"),
    [
        ("defect", KeyError, "no such thing"),
        ("unreadable", PermissionError, "no permission"),
        ("unsendable", Exception, "a and b"),
    ],
)
def test_a_bug_in_the_data_set_keeps_its_kind_and_traceback(backend, failing, error, said):
    dataset = FailingDataset(drawn_items(1, size=(40, 40)))
    dataset.failing = {0: failing}
    loader = BatchLoader(dataset, make_config(), batch_size=1, workers=1, backend=backend)
    with nothing_left_behind(), loader, pytest.raises(error, match=said) as caught:
        next(loader.stream())
    assert not isinstance(caught.value, UserError)
    report = "".join(traceback.format_exception(caught.value))
    assert "golden_dataset.py" in report and "in load_image" in report
    assert "While image 0 (/pictures/0.jpg) was loaded to train." in report


@pytest.mark.parametrize("first", [0, 1])
def test_opencv_has_its_threads_again_in_whatever_order_loaders_close(first):
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        loaders = [BatchLoader(drawn_dataset(1), make_config(), batch_size=1) for _ in "ab"]
        streams = [loader.stream() for loader in loaders]
        for stream in streams:
            next(stream)
        loaders[first].close()
        assert cv2.getNumThreads() == 1
        loaders[1 - first].close()
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_starting_processes_changes_nothing_here():
    environment, main = dict(os.environ), sys.modules["__main__"]
    seen = []

    def watch():
        while not done.is_set():
            seen.append(sys.modules["__main__"] is main and dict(os.environ) == environment)

    done = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        loader = BatchLoader(
            drawn_dataset(2), make_config(), batch_size=1, workers=2, backend="process"
        )
        batches(loader, last_step=2)
    finally:
        done.set()
        watcher.join()
    assert seen and all(seen)


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_close_ends_the_workers_soon_whatever_they_do(backend):
    dataset = FailingDataset(drawn_items(4, size=(40, 40)))
    dataset.failing = dict.fromkeys(range(4), "slow")
    with nothing_left_behind():
        loader = BatchLoader(dataset, make_config(), batch_size=2, workers=2, backend=backend)
        next(loader.stream())
        began = time.monotonic()
        loader.close()
        assert time.monotonic() - began < 2
        loader.close()  # twice does no harm


def test_exception_in_the_loop_ends_the_workers():
    loader = BatchLoader(drawn_dataset(3), make_config(), batch_size=1, workers=2)
    with nothing_left_behind(), pytest.raises(ZeroDivisionError), loader:
        for _ in loader.stream():
            raise ZeroDivisionError


def test_stream_can_be_left_and_another_begun():
    with BatchLoader(drawn_dataset(3), make_config(), batch_size=1, workers=2) as loader:
        first = loader.stream()
        next(first)
        expected = next(first)[2]
        first.close()
        assert_equal_batches(next(loader.stream(1))[2], expected)


def test_no_more_than_the_queue_is_read_ahead():
    asked = []

    class CountingDataset(MemoryDataset):
        def load_image(self, image_id):
            asked.append(image_id)
            return super().load_image(image_id)

    dataset = CountingDataset(drawn_items(3, size=(40, 40)))
    with BatchLoader(dataset, make_config(), batch_size=2, workers=4, queue=3) as loader:
        next(loader.stream())
        time.sleep(0.3)
        assert len(asked) <= 8  # the batch that was taken, and three ahead


def test_worker_process_knows_no_tensorflow_and_one_thread(tmp_path):
    dataset = SpyingDataset(drawn_items(2, size=(40, 40)))
    dataset.folder = str(tmp_path)
    loader = BatchLoader(dataset, make_config(), batch_size=1, workers=2, backend="process")
    batches(loader)
    reports = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert reports and str(os.getpid()) not in reports
    assert set(reports.values()) == {"[] 1 1"}


def test_killed_worker_is_reported():
    dataset = FailingDataset(drawn_items(4, size=(40, 40)))
    dataset.failing = dict.fromkeys(range(4), "slow")
    loader = BatchLoader(dataset, make_config(), batch_size=1, workers=2, backend="process")
    before = child_processes()
    with nothing_left_behind(), loader:
        steps = loader.stream()
        next(steps)
        victim = min(child_processes() - before)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(TrainingError, match=f"process {victim} was ended by SIGKILL.*memory"):
            for _ in range(20):
                next(steps)


def test_data_set_that_cannot_be_sent_to_a_process():
    dataset = drawn_dataset(1)
    dataset.opened = threading.Lock()
    loader = BatchLoader(dataset, make_config(), batch_size=1, workers=1, backend="process")
    with nothing_left_behind(), pytest.raises(TrainingError, match="LOADER_BACKEND to 'thread'"):
        batches(loader)


SCRIPT = """
    import sys, pathlib
    sys.path.insert(0, {repository!r})
    sys.modules["tensorflow"] = sys  # as a script that has imported TensorFlow
    from mrcnn.data.loader import BatchLoader
    from tests.mrcnn.golden_dataset import {base}, drawn_items, make_config
    {dataset_class}

    def main():
        dataset = Dataset(drawn_items(3, size=(40, 40)))
        dataset.folder = {folder!r}
        loader = BatchLoader(dataset, make_config(), batch_size=1, workers=2, backend="process")
        with loader:
            for step, _, _ in loader.stream(0, {steps}):
                print(step, flush=True)

    if __name__ == "__main__":
        main()
"""


def write_script(tmp_path, dataset_class, steps, base="SpyingDataset"):
    folder = tmp_path / "reports"
    folder.mkdir()
    script = tmp_path / "train_script.py"
    script.write_text(
        textwrap.dedent(SCRIPT).format(
            repository=str(REPOSITORY),
            folder=str(folder),
            steps=steps,
            base=base,
            dataset_class=dataset_class,
        )
    )
    return script, folder


def test_a_script_without_guard_is_asked_to_have_one(tmp_path):
    script, _ = write_script(tmp_path, "class Dataset(SpyingDataset): pass", steps=3)
    script.write_text(script.read_text().replace('if __name__ == "__main__"', "if True"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=1800)
    assert done.returncode != 0
    assert "put what the script does under" in done.stderr


@pytest.mark.parametrize(
    ("dataset_class", "script_is_imported"),
    [
        ("Dataset = SpyingDataset", False),  # a class of a module: the script stays out
        ("class Dataset(SpyingDataset): pass", True),  # the script's own class
    ],
)
def test_script_is_imported_by_workers_only_where_its_class_is_needed(
    tmp_path, dataset_class, script_is_imported
):
    script, folder = write_script(tmp_path, dataset_class, steps=3)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "1", "2"]
    for report in folder.iterdir():
        assert ("tensorflow" in report.read_text()) == script_is_imported


def test_interrupt_ends_script_and_workers(tmp_path):
    script, folder = write_script(tmp_path, "Dataset = SpyingDataset", steps=None)
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(4):
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: to all of them
    _, errors = process.communicate(timeout=1800)
    assert process.returncode != 0
    assert errors.count("KeyboardInterrupt") == 1
    workers = [int(path.name) for path in folder.iterdir()]
    assert workers
    assert not any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers)


# Values that cannot work


@pytest.mark.parametrize("values", [{"batch_size": 0}, {"workers": -1}, {"queue": 0}, {"seed": -5}])
def test_values_out_of_range(values):
    with pytest.raises(ConfigError, match="is too small: expected at least") as caught:
        BatchLoader(drawn_dataset(1), make_config(), **{"batch_size": 1, **values})
    assert caught.value.settings == tuple(values)


def test_unknown_backend():
    loader = BatchLoader(drawn_dataset(1), make_config(), batch_size=1, backend="cloud")
    with pytest.raises(ConfigError, match="'cloud'"):
        next(loader.stream())


def test_empty_data_set():
    with pytest.raises(DatasetError, match="no image"):
        BatchLoader(MemoryDataset([]), make_config(), batch_size=1)


def test_settings_come_from_the_config():
    config = make_config(LOADER_WORKERS=3, LOADER_BACKEND="process", LOADER_QUEUE=5)
    loader = BatchLoader(drawn_dataset(1), config, batch_size=1)
    assert (loader.workers, loader.backend, loader.queue) == (3, "process", 5)
    config = make_config(LOADER_WORKERS=None)
    assert 1 <= BatchLoader(drawn_dataset(1), config, batch_size=1).workers <= 8


def test_seed_of_none_draws_one():
    loaders = [BatchLoader(drawn_dataset(2), make_config(), batch_size=1, seed=None) for _ in "ab"]
    assert not np.array_equal(loaders[0].batch(0)[2], loaders[1].batch(0)[2])


def test_module_needs_no_tensorflow():
    code = (
        "import sys, mrcnn.data.loader; print({'tensorflow', 'keras', 'imgaug'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "set()"
