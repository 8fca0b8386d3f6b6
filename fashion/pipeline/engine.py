"""Running steps one after another, and resuming where an earlier run stopped.

A step is a few commands of this project, each in a separate process, or an action in this process.
The state file records what each step was run with: a finished step is skipped while its commands,
its input files and the steps it needs stay the same. An interrupted step resumes; one whose
settings have changed starts over, after its former outputs have been removed.
"""

import hashlib
import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashion.json_files import read_json, write_json
from fashion.pipeline.process import Interrupted, invocation, run_process
from mrcnn.errors import UserError
from mrcnn.system.files import saving
from mrcnn.system.locks import lock

STATE_FILE = "pipeline.json"
LOCK_FILE = "pipeline.lock"
FINISHED, FAILED, STOPPED, RUNNING = "finished", "failed", "stopped", "running"


class StepError(UserError):
    """A step failed; `path` is what is missing, or the log of the command that failed."""


@dataclass(frozen=True)
class Command:
    """A command of a step: the words after the interpreter.

    `resumed` are the words that continue an interrupted run, once `started` says that the run has
    left something to continue. `accepted` are the exit codes that do not mean failure.
    """

    words: tuple[str, ...]
    resumed: tuple[str, ...] = ()
    started: Callable[[], bool] = lambda: False
    accepted: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: what --stages calls it.
        title: what it does, as the page and the terminal show it.
        commands: run in this order.
        action: called in this process instead; the sentence it returns is printed.
        settings: what else the result depends on, as JSON values.
        needs: names of the steps whose results it uses.
        inputs: files and folders from elsewhere that it reads; if one changes, it starts over.
        outputs: files and folders that it must leave. They are removed before it starts over.
        keep: files and folders that are put aside (`<name>.former`) instead of removed.
        always: run it every time, even when it is finished; it replaces what it wrote before.
    """

    name: str
    title: str
    commands: tuple[Command, ...] = ()
    action: Callable[[], str] | None = None
    settings: Any = None
    needs: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()
    keep: tuple[Path, ...] = ()
    always: bool = False


@dataclass
class Pipeline:
    """Steps that work in one folder.

    Attributes:
        steps: in the order in which they run.
        folder: of state, logs and results; a folder with other contents is refused.
        root: where commands run; paths in their words are relative to it.
        interpreter: the word before a command's words, as a user types it.
        say: prints a line.
        state: the records of the steps, by name; read when a run starts.
    """

    steps: Sequence[Step]
    folder: Path
    root: Path
    interpreter: str
    say: Callable[[str], None] = lambda text: print(text, flush=True)
    state: dict[str, Any] = field(default_factory=dict)

    def run(self, chosen: Sequence[str] | None = None, *, restart: bool = False) -> float:
        """Run the chosen steps (all by default); return the seconds it took.

        restart: start all of them over. Raises `StepError` if one fails, `KeyboardInterrupt`
        after Ctrl-C, once the running command has ended, and `UserError` for a folder with other
        contents, for a choice that needs unfinished steps, or while another run is using the
        folder.
        """
        names = [step.name for step in self.steps if chosen is None or step.name in chosen]
        began = time.monotonic()
        with self._locked() as handle:
            self.state = self._read_state()
            if restart:
                for name in names:
                    self.state.pop(name, None)
            for number, step in enumerate(self.steps, 1):
                if step.name in names:
                    place = f"[{number}/{len(self.steps)}]"
                    self._step(step, place, time.monotonic() - began, handle)
        return time.monotonic() - began

    def _step(self, step: Step, place: str, elapsed: float, handle: int) -> None:
        self._require(step)
        stamp = self._stamp(step)
        record = self.state.get(step.name, {})
        same = record.get("stamp") == stamp
        there = all(path.exists() for path in step.outputs)
        if same and record.get("status") == FINISHED and there and not step.always:
            self.say(f"{place} {step.title}: done before ({duration(record['seconds'])})")
            return
        self.say(f"\n{place} {step.title} (after {duration(elapsed)})")
        resuming = same and record.get("status") != FINISHED
        if not resuming:
            if record and not same and not step.always:
                self.say("its settings or inputs have changed: it starts over")
            if not step.always:
                clear(step.outputs, step.keep)
        seconds = record.get("seconds", 0.0) if resuming else 0.0
        self._carry_out(step, stamp, seconds, handle)

    def _carry_out(self, step: Step, stamp: str, before: float, handle: int) -> None:
        began = time.monotonic()
        self._note(step, stamp, RUNNING, before)
        try:
            for command in step.commands:
                self._command(step, command, handle)
            if step.action:
                self.say(step.action())
            self._check_outputs(step)
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            status = STOPPED if stopped else FAILED
            self._note(step, stamp, status, before + time.monotonic() - began)
            if stopped:
                self.say(f'Stopped in the step "{step.name}"; repeat the command to resume.')
            raise
        self._note(step, stamp, FINISHED, before + time.monotonic() - began)

    def _command(self, step: Step, command: Command, handle: int) -> None:
        words = command.words
        if command.resumed and command.started():
            words = command.resumed
        words = invocation(words)
        text = shlex.join([self.interpreter, *words])
        self.say(f"$ {text}")
        log = self.log_of(step.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            code = run_process(words, self.root, log, text, keep_open=handle)
        except Interrupted:
            raise KeyboardInterrupt from None
        if code not in command.accepted:
            raise StepError(
                f'the step "{step.name}" failed, {text} ended with exit code {code}',
                path=log,
                advice="correct what this log reports, then repeat the command to resume",
            )

    def _check_outputs(self, step: Step) -> None:
        for path in step.outputs:
            if not path.exists():
                raise StepError(
                    f'the step "{step.name}" ended without an error and did not write it',
                    path=path,
                    advice=f"look into {self.log_of(step.name)}",
                )

    def log_of(self, name: str) -> Path:
        """The file with what a step printed."""
        return self.folder / "step_logs" / f"{name}.log"

    def _require(self, step: Step) -> None:
        known = {other.name: other for other in self.steps}
        for name in step.needs:
            advice = f"run both (--stages {name},{step.name}), or all steps"
            if self.state.get(name, {}).get("status") != FINISHED:
                raise UserError(
                    f'the step "{step.name}" uses the results of "{name}", which is not finished',
                    advice=advice,
                )
            if gone := [path for path in known[name].outputs if not path.exists()]:
                raise UserError(
                    f'the step "{step.name}" needs this result of "{name}", which is gone',
                    path=gone[0],
                    advice=advice,
                )

    def _stamp(self, step: Step) -> str:
        """A digest that changes when the step would not give the same result again."""
        own = [list(command.words) for command in step.commands]
        files = [[path.as_posix(), _signature(path)] for path in step.inputs]
        needs = [self.state[name]["token"] for name in step.needs]
        text = json.dumps([own, step.settings, files, needs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _note(self, step: Step, stamp: str, status: str, seconds: float) -> None:
        texts = [shlex.join([self.interpreter, *command.words]) for command in step.commands]
        record = {"title": step.title, "status": status, "stamp": stamp, "commands": texts}
        # Later steps depend on this exact result, not only on its settings.
        record["token"] = f"{stamp} {time.time_ns()}" if status == FINISHED else ""
        self.state[step.name] = record | {"seconds": round(seconds, 3)}
        order = [step.name for step in self.steps]
        steps = {name: self.state[name] for name in order if name in self.state}
        write_json(self.folder / STATE_FILE, {"steps": steps}, indent=1)

    def _read_state(self) -> dict[str, Any]:
        path = self.folder / STATE_FILE
        others = {entry.name for entry in self.folder.iterdir()} - {LOCK_FILE}
        if not path.exists() and others:
            raise UserError(
                "the folder holds files that are not a pipeline's, and starting over would remove "
                "them",
                path=self.folder,
                advice="name an empty or a new folder with --output",
            )
        return read_steps(self.folder)

    def _locked(self) -> "_Lock":
        with saving(self.folder, advice="name another with --output"):
            self.folder.mkdir(parents=True, exist_ok=True)
            return _Lock(self.folder / LOCK_FILE)


class _Lock:
    """An open, locked file; commands inherit it, so it stays locked until the last has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def __enter__(self) -> int:
        if not lock(self.handle):
            os.close(self.handle)
            raise UserError(
                "another run, or a command that it left behind, is using the folder",
                path=self.path.parent,
                advice="wait for it, or name another folder with --output",
            )
        return self.handle

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)


def read_steps(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of a run's steps, by name; empty if there is no run.

    Each has `title`, `status`, `commands` (strings) and `seconds`. Raises `UserError` for a
    damaged file.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return {}
    data = read_json(path)
    steps: Mapping = data.get("steps", {}) if isinstance(data, dict) else {}
    if not all(isinstance(record, dict) and "status" in record for record in steps.values()):
        raise UserError(
            "this is not the state file of a pipeline",
            path=path,
            advice="move it away to start over",
        )
    return dict(steps)


def clear(paths: Sequence[Path], keep: Sequence[Path] = ()) -> None:
    """Remove files and folders; those in `keep` are put aside as `<name>.former<n>` instead."""
    for path in [*keep, *paths]:
        if path in keep and path.exists():
            free = (path.with_name(f"{path.name}.former{n or ''}") for n in range(1000))
            path.rename(next(name for name in free if not name.exists()))
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _signature(path: Path) -> Any:
    """Size and time of a file, or of all files in a folder with their names; None for nothing."""
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if entry.is_file())
        return [[entry.relative_to(path).as_posix(), *_signature(entry)] for entry in files]
    if not path.exists():
        return None
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def duration(seconds: float) -> str:
    """Seconds as a user reads them: "4.2 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
