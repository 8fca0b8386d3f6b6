"""What all labelling workers share, and the crew of one that this process is."""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from fashion.autolabel.job import LabelJob, detected, read_picture
from fashion.autolabel.pictures import Picture
from fashion.autolabel.policy import LabelPolicy, LeftOut, Subject
from fashion.autolabel.workers.crew import Done, LocalCrew, Ready, Task, portable_error
from mrcnn.errors import UserError, WeightsError, WeightsNotFoundError
from tests.fashion.fake_detector import CLASS_NAMES, detect, photograph

BAG = ("bag", (5, 5, 30, 30), 0.95)


def task(folder, number):
    path = photograph(folder / f"bag_yaz_{number}.png", [BAG])
    return Task(number, [(Picture(path, Subject("bag", "yaz"), [1, 2], False), "")])


@pytest.fixture
def job():
    return LabelJob(images=(), class_names=CLASS_NAMES, policy=LabelPolicy(), readers=2)


@pytest.fixture
def crew(job):
    crew = LocalCrew(job, detect)
    yield crew
    crew.end()


def test_tasks_end_in_their_order_with_the_records_of_their_pictures(tmp_path, crew):
    worker = crew.hire()
    for number in range(3):
        crew.give(worker, task(tmp_path, number))
    events = []
    while len(events) < 4:
        events += crew.wait(0.1)
    assert events[0] == Ready(worker)
    assert [event.task for event in events[1:] if isinstance(event, Done)] == [0, 1, 2]
    (record,) = events[1].records
    assert record["file"] == "bag_yaz_0.png" and record["report"]["labels"] == ["bag_yaz"]


def test_tasks_that_are_not_begun_are_taken_back(tmp_path, crew):
    crew.hire()
    assert crew.take_back() == []
    for number in range(3):
        crew.give(0, task(tmp_path, number))
    crew.wait(0.1)  # reports that the worker is ready
    events = crew.wait(0.1)  # labels the first one, which may be recorded by now or not
    assert crew.take_back() == [1, 2] and crew.take_back() == []
    while not events:
        events = crew.wait(0.1)
    assert [event.task for event in events] == [0]
    assert crew.wait(0) == [], "nothing is left"


def test_the_network_runs_in_the_thread_that_waits(tmp_path, job):
    threads = []

    def noting(images):
        threads.append(threading.current_thread())
        return detect(images)

    crew = LocalCrew(job, noting)
    crew.give(crew.hire(), task(tmp_path, 1))
    for _ in range(2):
        crew.wait(0.1)
    crew.end()
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize(("batch", "at_once"), [(1, 4), (2, 3), (8, 3)])
def test_enough_is_read_ahead_for_all_readers(job, batch, at_once):
    """A batch at hand, one that is recorded, and those that two readers read."""
    crew = LocalCrew(LabelJob((), CLASS_NAMES, batch=batch), detect)
    assert crew.at_once == at_once
    crew.end()


def test_an_error_of_the_detector_passes_through(tmp_path, job):
    def failing(images):
        raise MemoryError("too large")

    crew = LocalCrew(job, failing)
    crew.give(crew.hire(), task(tmp_path, 1))
    assert crew.wait(0.1) == [Ready(0)]
    with pytest.raises(MemoryError, match="too large"):
        crew.wait(0.1)
    crew.end()


def test_what_cannot_be_read_keeps_its_place_and_says_why(tmp_path):
    path = tmp_path / "bag_yaz_1.png"
    path.write_bytes(b"no picture")
    unreadable = read_picture(Picture(path, Subject("bag", "yaz"), [], False))
    assert isinstance(unreadable, LeftOut) and unreadable.why == "unreadable"
    assert unreadable.detail.startswith("bag_yaz_1.png: not a readable image")
    assert str(tmp_path) not in unreadable.detail, "reports do not depend on the place"
    image = np.zeros((4, 5, 3), np.uint8)
    batch = detected(detect, [image, unreadable, image])
    assert batch[1] is unreadable and batch[0].image is batch[2].image is image
    assert detected(lambda images: 1 / 0, [unreadable]) == [unreadable], "no empty batch"


def test_a_users_error_crosses_to_another_process_whole():
    error = WeightsNotFoundError("is not there", path=Path("x.h5"), settings=("model",))
    crossed = pickle.loads(pickle.dumps(portable_error(error)))
    assert type(crossed) is WeightsNotFoundError and isinstance(crossed, WeightsError)
    assert crossed.fields == error.fields and str(crossed) == "x.h5: is not there."


def test_any_other_error_crosses_as_its_traceback():
    class Unpicklable(Exception):
        pass

    try:
        raise Unpicklable("a defect")
    except Unpicklable as error:
        crossed = pickle.loads(pickle.dumps(portable_error(error)))
    assert not isinstance(crossed, UserError)
    assert "Traceback" in str(crossed) and "Unpicklable: a defect" in str(crossed)
