"""Running steps: order, failure, resuming, changed settings, Ctrl-C. The commands are real."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from fashion.pipeline.engine import (
    Command,
    Pipeline,
    Step,
    StepError,
    clear,
    duration,
    read_steps,
)
from mrcnn.errors import UserError
from tests.support import REPOSITORY

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals to processes")

# writes what it was called with, fails while a file "fail" is there
SCRIPT = """
import pathlib, sys
name, *words = sys.argv[1:]
with open("calls.txt", "a") as stream:
    print(name, *words, file=stream)
print("hello from", name)
if pathlib.Path("fail").exists():
    print("this went wrong", file=sys.stderr)
    sys.exit(3)
out = pathlib.Path("run") / name
out.mkdir(parents=True, exist_ok=True)
(out / "result.txt").write_text(" ".join(words))
"""


class Bench:
    """A folder with the script, and pipelines of it."""

    def __init__(self, root):
        self.root, self.folder, self.said = root, root / "run", []
        (root / "make.py").write_text(SCRIPT)

    def step(self, name, *words, needs=(), **more):
        command = Command(("make.py", name, *words))
        outputs = (self.folder / name / "result.txt",)
        return Step(name, f"make {name}", (command,), needs=needs, outputs=outputs, **more)

    def run(self, *steps, **more):
        pipeline = Pipeline(steps, self.folder, self.root, "python3", self.said.append)
        return pipeline.run(**more)

    def calls(self):
        """What was called since the last time."""
        path = self.root / "calls.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_all_steps_in_their_order_and_only_once(bench):
    steps = [bench.step("a", "1"), bench.step("b", "x y", needs=("a",)), bench.step("c")]
    assert bench.run(*steps) > 0
    assert bench.calls() == ["a 1", "b x y", "c"]
    assert "$ python3 make.py b 'x y'" in bench.said, "to be repeated by hand"
    assert [s.split(" (")[0] for s in bench.said if "/3]" in s][1] == "\n[2/3] make b"
    bench.said.clear()
    bench.run(*steps)
    assert bench.calls() == []
    assert [line.split(": done before")[0] for line in bench.said] == [
        "[1/3] make a",
        "[2/3] make b",
        "[3/3] make c",
    ]
    records = read_steps(bench.folder)
    assert list(records) == ["a", "b", "c"]
    assert records["a"]["status"] == "finished" and records["a"]["seconds"] > 0
    assert records["b"]["commands"] == ["python3 make.py b 'x y'"]


def test_it_stops_at_a_failure_and_resumes_there(bench):
    steps = [bench.step("a"), bench.step("b", needs=("a",)), bench.step("c", needs=("b",))]
    bench.run(steps[0])
    (bench.root / "fail").touch()
    with pytest.raises(StepError, match=r"python3 make.py b ended with exit code 3") as caught:
        bench.run(*steps)
    log = bench.folder / "step_logs" / "b.log"
    assert str(log) in str(caught.value)
    assert "this went wrong" in log.read_text() and "exit code 3" in log.read_text()
    assert read_steps(bench.folder)["b"]["status"] == "failed"
    assert "c" not in read_steps(bench.folder)
    bench.calls()
    (bench.root / "fail").unlink()
    bench.run(*steps)
    assert bench.calls() == ["b", "c"]


def test_other_settings_start_over_with_all_that_follows(bench):
    def steps(words):
        return [bench.step("a"), bench.step("b", words, needs=("a",)),
                bench.step("c", needs=("b",)), bench.step("d", needs=("a",))]  # fmt: skip

    bench.run(*steps("1"))
    bench.calls()
    leftover = bench.folder / "b" / "leftover"
    leftover.touch()
    bench.run(*steps("2"))
    assert bench.calls() == ["b 2", "c"]
    assert any("starts over" in line for line in bench.said)


def test_an_interrupted_step_keeps_what_it_has_unless_its_settings_changed(bench):
    def steps(words):
        resumable = Command(
            ("make.py", "a", words),
            resumed=("make.py", "a", "last"),
            started=lambda: (bench.folder / "logs").exists(),
        )
        outputs = (bench.folder / "a",)
        return Step("a", "make a", (resumable,), outputs=outputs, keep=(bench.folder / "logs",))

    (bench.root / "fail").touch()
    for expected in ("a new", "a last"):
        with pytest.raises(StepError):
            bench.run(steps("new"))
        assert bench.calls() == [expected]
        (bench.folder / "logs").mkdir(exist_ok=True)
        (bench.folder / "logs" / "epoch1").touch()
    (bench.root / "fail").unlink()
    bench.run(steps("other"))
    assert bench.calls() == ["a other"]
    assert (bench.folder / "logs.former" / "epoch1").exists(), "put aside, not lost"
    assert not (bench.folder / "logs").exists()


def test_an_output_that_is_gone_is_made_again(bench):
    steps = [bench.step("a"), bench.step("b", needs=("a",))]
    bench.run(*steps)
    bench.calls()
    (bench.folder / "a" / "result.txt").unlink()
    with pytest.raises(UserError, match="which is gone"):
        bench.run(*steps, chosen=["b"])
    bench.run(*steps)
    assert bench.calls() == ["a", "b"], "b was made of the former a"


def test_files_from_elsewhere_count(bench):
    photographs = bench.root / "photographs"
    photographs.mkdir()
    (photographs / "1.jpg").write_bytes(b"1")
    step = bench.step("a", inputs=(photographs,))
    bench.run(step)
    bench.run(step)
    assert bench.calls() == ["a"]
    (photographs / "2.jpg").write_bytes(b"2")
    bench.run(step)
    assert bench.calls() == ["a"]


def test_chosen_steps(bench):
    steps = [bench.step("a"), bench.step("b", needs=("a",)), bench.step("c", needs=("b",))]
    with pytest.raises(UserError, match=r'"b" uses the results of "a".*--stages a,b'):
        bench.run(*steps, chosen=["b"])
    bench.run(*steps, chosen=["a", "b"])
    assert bench.calls() == ["a", "b"]
    bench.run(*steps, chosen=["b"], restart=True)
    assert bench.calls() == ["b"]


def test_restart(bench):
    steps = [bench.step("a"), bench.step("b", needs=("a",))]
    bench.run(*steps)
    bench.calls()
    bench.run(*steps, restart=True)
    assert bench.calls() == ["a", "b"]
    bench.run(*steps, chosen=["a"], restart=True)
    bench.run(*steps)
    assert bench.calls() == ["a", "b"], "what follows is made of the new a"


def test_actions(bench):
    done = []

    def act():
        done.append(1)
        (bench.folder / "page").write_text(f"page {len(done)}")
        return "the page is written"

    step = Step("page", "write", action=act, outputs=(bench.folder / "page",), always=True)
    bench.run(step)
    bench.run(step)
    assert len(done) == 2 and "the page is written" in bench.said
    once = Step("once", "act", action=act, settings=1)
    for settings in (1, 1, 2):
        bench.run(Step(once.name, once.title, action=act, settings=settings))
    assert len(done) == 4


def test_an_action_that_fails_is_noted(bench):
    def act():
        raise UserError("no room")

    with pytest.raises(UserError, match="no room"):
        bench.run(Step("a", "act", action=act))
    assert read_steps(bench.folder)["a"]["status"] == "failed"


def test_a_missing_output_is_a_failure(bench):
    step = Step("a", "make", (Command(("make.py", "a")),), outputs=(bench.folder / "gone",))
    with pytest.raises(StepError, match=r"gone: the step .* did not write it"):
        bench.run(step)
    assert read_steps(bench.folder)["a"]["status"] == "failed"


def test_a_folder_of_other_things_is_refused(bench):
    bench.folder.mkdir()
    (bench.folder / "diary.txt").touch()
    with pytest.raises(UserError, match="holds files that are not"):
        bench.run(bench.step("a"))
    assert bench.calls() == []


def test_a_damaged_state_is_reported(bench):
    bench.run(bench.step("a"))
    (bench.folder / "pipeline.json").write_text('{"steps": {"a": 1}}')
    with pytest.raises(UserError, match="not the state file of a pipeline"):
        bench.run(bench.step("a"))
    (bench.folder / "pipeline.json").write_text('{"steps": ')
    with pytest.raises(UserError, match="not valid JSON"):
        bench.run(bench.step("a"))


def test_the_log_has_no_intermediate_states_of_progress_bars(bench, capfd):
    (bench.root / "bar.py").write_text(
        "import sys\n"
        "for n in range(50): sys.stderr.write(f'\\r{n} of 50')\n"
        "sys.stderr.write('\\n'); print('caf\\xe9, no newline', end='')"
    )
    bench.run(Step("bar", "bar", (Command(("bar.py",)),)))
    lines = (bench.folder / "step_logs" / "bar.log").read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["49 of 50", "caf\xe9, no newline", "exit code 0"]
    assert "49 of 50\n" in capfd.readouterr().out


def test_clear_puts_aside_again_and_again(tmp_path):
    logs = tmp_path / "logs"
    for number in range(3):
        logs.mkdir()
        (logs / str(number)).touch()
        clear([tmp_path / "absent"], [logs])
    names = {p.name: [q.name for q in p.iterdir()] for p in tmp_path.iterdir()}
    assert names == {"logs.former": ["0"], "logs.former1": ["1"], "logs.former2": ["2"]}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (61, "1 min 1 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


# ---- Ctrl-C and a killed run: the pipeline in a process of its own ----

WAITING = """
import os, pathlib, sys, time
pathlib.Path("calls.txt").open("a").write(" ".join(sys.argv[1:]) + "\\n")
pathlib.Path("child.pid").write_text(str(os.getpid()))
if sys.argv[1] != "last":
    try:
        pathlib.Path("started").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        pathlib.Path("state").touch()
        print("finishing the step")
        sys.exit(130)
"""
DRIVER = """
import sys
from pathlib import Path
from fashion.pipeline.engine import Command, Pipeline, Step
from fashion.terminal import run
command = Command(("wait.py", "new"), ("wait.py", "last"), lambda: Path("state").exists())
after = Command(("wait.py", "last"))
steps = [Step("train", "train", (command,)), Step("after", "after", (after,))]
sys.exit(run(lambda: Pipeline(steps, Path("run"), Path("."), "python3").run() and 0))
"""


def start(root):
    (root / "wait.py").write_text(WAITING)
    (root / "driver.py").write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, "driver.py"], cwd=root, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_for(path):
    for _ in range(600):
        if path.exists() and (path.suffix != ".pid" or path.read_text()):
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


@posix_only
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_lets_the_command_finish_its_step(tmp_path, kind):
    process = start(tmp_path)
    wait_for(tmp_path / "started")
    process.send_signal(kind)
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 130, output
    assert "finishing the step" in output and "repeat the command to resume" in output
    assert read_steps(tmp_path / "run")["train"]["status"] == "stopped"
    again = start(tmp_path)
    output, _ = again.communicate(timeout=1800)
    assert again.returncode == 0, output
    assert (tmp_path / "calls.txt").read_text().split("\n")[:3] == ["new", "last", "last"]


@posix_only
def test_a_killed_run_resumes_once_its_command_has_ended(tmp_path):
    process = start(tmp_path)
    wait_for(tmp_path / "started")
    process.kill()
    process.communicate(timeout=1800)
    meanwhile = start(tmp_path)
    output, _ = meanwhile.communicate(timeout=1800)
    assert meanwhile.returncode == 2 and "a command that it left behind" in output
    os.kill(int((tmp_path / "child.pid").read_text()), signal.SIGINT)
    wait_for(tmp_path / "state")
    for _ in range(100):
        again = start(tmp_path)
        output, _ = again.communicate(timeout=1800)
        if again.returncode != 2:
            break
        time.sleep(0.1)
    assert again.returncode == 0, output
    assert (tmp_path / "calls.txt").read_text().split() == ["new", "last", "last"]


def test_the_state_file_is_json_for_people(bench):
    bench.run(bench.step("a"))
    data = json.loads((bench.folder / "pipeline.json").read_text())
    assert data["steps"]["a"]["title"] == "make a"
