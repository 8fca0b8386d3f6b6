"""Labelling by several processes that are killed, interrupted, and given deadly pictures."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from fashion import DEMO_START
from fashion.autolabel.job import survey
from fashion.autolabel.journal import LabelJournal
from fashion.autolabel.labelling import WorkerError, label_pictures
from fashion.autolabel.run import Staff, label_folder
from fashion.autolabel.workers.crew import (
    BatchLabeller,
    Done,
    Failed,
    LocalCrew,
    Lost,
    Ready,
)
from fashion.autolabel.workers.processes import ProcessCrew
from fashion.demo.dataset import write_custom_set
from mrcnn.errors import UserError, WeightsError
from tests.fashion.autolabel.test_run import (
    SCRIPT,
    contents,
    finish,
    finished_names,
    release,
    start,
    start_and_hold,
    wait_for_note,
)
from tests.fashion.fake_detector import Loader, callers, folder_of_photographs, job_of, photograph
from tests.stages.factory import run_script
from tests.support import REPOSITORY

COUNT = 30
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def options_of(folder, **more):
    return {"images": str(folder / "images"), "output": str(folder / "out" / "a.json"), **more}


@pytest.fixture(scope="module")
def by_one_process(tmp_path_factory):
    """What a run of one process leaves."""
    folder = tmp_path_factory.mktemp("one")
    folder_of_photographs(folder / "images", COUNT)
    options = options_of(folder)
    label_folder(job_of(options), folder / "out" / "a.json", Loader(options), quiet=True)
    return contents(folder / "out")


@pytest.fixture
def folder(tmp_path):
    folder_of_photographs(tmp_path / "images", COUNT)
    return tmp_path


def worker_ids(folder):
    return callers(folder / "out" / "calls.txt")


def test_a_worker_that_is_killed_changes_no_byte(folder, by_one_process):
    how = {"workers": 2, "count": True, "kill_at": 3, "kill_once": str(folder / "killed")}
    code, output, errors = finish(start(folder, together=2, **how))
    assert (code, errors) == (0, ""), errors
    assert (folder / "killed").exists() and len(worker_ids(folder)) >= 2
    assert "2 processes label, each with a model" in output
    assert contents(folder / "out") == by_one_process
    assert Counter(finished_names(folder)).most_common(1)[0][1] == 1


def test_pictures_that_kill_every_worker_are_named(folder, by_one_process):
    # The last by name: it leaves the other batches as they are.
    deadly = photograph(folder / "images" / "top_yaz_999.png", [("outer", (5, 5, 30, 30), 0.99)])
    code, _, errors = finish(start(folder, workers=2, deadly="outer", count=True))
    assert (code, errors.count("\n")) == (2, 1), errors
    assert "3 labelling workers ended while they had the pictures" in errors
    assert deadly.name in errors and "by SIGKILL" in errors and "kept in" in errors
    assert not all_alive(worker_ids(folder))
    deadly.unlink()
    code, output, _ = finish(start(folder))
    assert code == 0 and "are labelled already" in output
    assert contents(folder / "out") == by_one_process


def test_ctrl_c_finishes_the_batches_at_hand(folder, by_one_process):
    process = start_and_hold(folder, 2, workers=2, together=2)
    process.send_signal(signal.SIGINT)
    wait_for_note(process)
    release(folder)
    code, output, errors = finish(process)
    assert code == 130 and "Traceback" not in errors
    finished = finished_names(folder)
    assert 0 < len(finished) < COUNT
    assert f"Stopped by Ctrl-C with {COUNT - len(finished)} images to go" in output
    reported = json.loads((folder / "out" / "a.report.json").read_text())
    assert reported["totals"]["images"] == len(finished)
    assert not all_alive(worker_ids(folder))
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == by_one_process


def test_ctrl_c_in_a_terminal_while_workers_start(folder):
    """There it goes to all processes."""
    (folder / "gate").write_text("0")
    options = options_of(folder, workers=2, gate=str(folder / "gate"))
    command = [sys.executable, str(SCRIPT), json.dumps(options)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None and len(children.read_text().split()) < 3:  # one is Python's own
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    release(folder)
    code, output, errors = finish(process)
    assert code == 130 and "Traceback" not in errors, errors
    assert "Stopped by Ctrl-C with" in output


def test_workers_end_when_their_parent_is_killed(folder, by_one_process):
    process = start_and_hold(folder, 2, workers=2, together=2)
    workers = worker_ids(folder)
    assert len(workers) == 2 == len(all_alive(workers))
    process.kill()
    finish(process)
    while all_alive(workers):  # for ever, if they stay
        time.sleep(0.02)
    release(folder)
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == by_one_process


class Broken:
    """Loads no detector."""

    def __call__(self):
        print("not to be seen")
        raise WeightsError("is damaged", path="x.h5", settings=("model",))


def test_an_error_of_loading_arrives_as_it_was_raised(folder, capfd):
    options = options_of(folder)
    with pytest.raises(WeightsError) as raised:
        label_folder(job_of(options), Path(options["output"]), Broken(), quiet=True, staff=Staff(2))
    assert raised.value.path == "x.h5" and raised.value.settings == ("model",)
    assert "are kept in" in raised.value.advice
    assert "not to be seen" not in capfd.readouterr().out


def test_hiring_leaves_this_process_as_it_was(folder):
    """Its environment, signals and output are other threads', too."""

    def state():
        return (dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, ()), sys.stdout)

    before = state()
    options = options_of(folder)
    crews = [ProcessCrew(job_of(options), Loader(options), threads=n) for n in (1, 2)]
    threads = [threading.Thread(target=crew.hire) for crew in crews]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state() == before
    for crew in crews:
        while not (events := crew.wait(1)):
            pass
        assert events == [Ready(0)]
        crew.end()
    assert state() == before


def all_alive(processes):
    """Those of the processes that are there still."""
    alive = []
    for number in processes:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            continue
        status = Path(f"/proc/{number}/stat")
        if not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z":
            alive.append(number)
    return alive


class Script:
    """A crew in this process; `plan` says how a worker is lost, by its task or at its start."""

    at_once = 2

    def __init__(self, job, loader, plan=lambda worker, task: None):
        self.job, self.detect, self.plan = job, loader(), plan
        self.events, self.held, self.hired, self.most, self.ended = [], {}, 0, 0, False

    def hire(self):
        worker, self.hired = self.hired, self.hired + 1
        lost = self.plan(worker, None)
        self.held[worker] = []
        self.events.append(Lost(worker, lost) if lost else Ready(worker))
        return worker

    def give(self, worker, task):
        self.held[worker].append(task)
        self.most = max(self.most, *map(len, self.held.values()))

    def take_back(self):
        return []

    def wait(self, seconds):
        events, self.events = self.events, []
        for worker, tasks in list(self.held.items()):
            if tasks and not events:
                lost = self.plan(worker, tasks[0])
                if lost:
                    del self.held[worker]
                    return [Lost(worker, lost)]
                task = tasks.pop(0)
                return [Done(worker, task.number, self.records(task))]
        return events

    def records(self, task):
        return BatchLabeller(self.job, lambda: self.detect).submit(task).result()

    def end(self):
        self.ended = True


def work(folder, plan=lambda worker, task: None, workers=2):
    """Label by a `Script`; the crew and the names that are in the journal."""
    options = options_of(folder)
    job = job_of(options)
    for path in (job.segments, job.previews):
        path.mkdir(parents=True, exist_ok=True)
    crew = Script(job, Loader(options), plan)
    with LabelJournal(folder / "j.jsonl", job.settings(folder)) as journal:
        try:
            label_pictures(job, survey(job, journal), journal, crew, workers)
        finally:
            crew.done = [p.name for p in job.images if p.name in journal]
            assert crew.ended
    return crew


def test_no_worker_has_more_than_the_next_batch(folder):
    crew = work(folder, workers=3)
    assert crew.most == crew.at_once and crew.hired == 3
    assert len(crew.done) == COUNT


def test_every_batch_may_lose_a_worker_once(folder):
    seen = set()

    def plan(worker, task):
        if task is None or task.number in seen:
            return None
        seen.add(task.number)
        return "by a test"

    crew = work(folder, plan)
    assert len(crew.done) == COUNT and crew.hired >= len(seen) > 4


def test_workers_that_do_not_come_up(folder):
    with pytest.raises(WorkerError, match="3 labelling workers in succession ended before"):
        work(folder, lambda worker, task: "by a test")
    with pytest.raises(WorkerError):
        work(folder, lambda worker, task: "by a test" if worker else None, workers=4)


def test_an_error_in_a_worker_is_reported_as_it_is(folder):
    options = options_of(folder)
    job = job_of(options)

    class Failing(Script):
        def wait(self, seconds):
            return [Failed(0, UserError("the weights are damaged"))]

    with LabelJournal(folder / "j.jsonl", job.settings(folder)) as journal:
        crew = Failing(job, Loader(options))
        with pytest.raises(UserError, match=r"the weights are damaged\."):
            label_pictures(job, survey(job, journal), journal, crew)
        assert crew.ended


def test_what_is_done_already_is_not_given_out(folder):
    options = options_of(folder)
    job = job_of(options)
    for path in (job.segments, job.previews):
        path.mkdir(parents=True)
    with LabelJournal(folder / "j.jsonl", job.settings(folder)) as journal:
        label_pictures(job, survey(job, journal), journal, LocalCrew(job, Loader(options)()))
        crew = Script(job, Loader(options))
        assert label_pictures(job, survey(job, journal), journal, crew, 2)
    assert crew.hired == 0


@pytest.mark.slow
def test_two_real_networks_label_as_one(tmp_path):
    """The script on drawn people, with the weights that come with the project."""
    write_custom_set(tmp_path / "images", tmp_path / "truth.json", 9, 3, quiet=True)
    script = REPOSITORY / "model1" / "samples" / "custom" / "generateVggAnno.py"
    how = ("--images=images", f"--model={DEMO_START}", "--all-garments", "--batch=2")
    for workers in (1, 2):
        given = (f"--output={workers}/a.json", f"--workers={workers}")
        given += (f"--previews={workers}/previews", f"--segments={workers}/segments")
        done = run_script(script, *how, *given, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    made = contents(tmp_path / "2")
    assert made == contents(tmp_path / "1")
    assert sum(len(entry["regions"]) for entry in json.loads(made["a.json"]).values()) > 9
    assert len(made) > 2 + 9, "cut-outs and previews"
