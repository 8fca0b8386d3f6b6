"""The commands of the project: `fashion-mrcnn NAME`, `python -m fashion NAME`, and the scripts.

Before a command's module is imported, the environment is checked, so that a script started with the
wrong Python says so in a sentence. This module and `fashion/__init__.py` therefore import nothing
but the standard library, and also run on an older Python.
"""

from __future__ import annotations

import atexit
import difflib
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence

from fashion import IN_CLONE, REPOSITORY, __version__, check_network
from fashion.command_table import COMMANDS, PROGRAM, SCRIPTS

OLDEST_PYTHON = (3, 11)
# A few of the packages in requirements.txt; they are installed together or not at all.
REQUIRED = ("numpy", "tensorflow", "keras", "cv2", "h5py", "skimage", "tqdm")


def main(arguments: Sequence[str] | None = None, prog: str = PROGRAM) -> int:
    """Run the command that the arguments name, and return the exit code.

    A script's path in a clone is a command too, since the pipeline's steps are written that way.
    """
    try:
        return _run(arguments, prog)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain again on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: Sequence[str] | None, prog: str) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview(prog))
        return 0 if words else 2
    if words[0] == "--version":
        print(f"{prog} {__version__}")
        return 0
    if words[0].endswith(".py") and _target_of(words[0]):
        return execute(_target_of(words[0]), words[1:], f"{prog} {words[0]}")
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in COMMANDS:
            return execute(COMMANDS[name].target, words[count:], f"{prog} {name}")
    print(f"error: {_unknown(words, prog)}", file=sys.stderr)
    return 2


def overview(prog: str) -> str:
    """The commands, for `--help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {prog} COMMAND ...",
            "",
            *lines,
            "",
            f"{prog} COMMAND --help explains a command; {prog} --version prints the version.",
        ]
    )


def _unknown(words: list[str], prog: str) -> str:
    inner = [name for name in COMMANDS if name.startswith(words[0] + " ")]
    if inner:
        choices = ", ".join(name.split()[1] for name in inner)
        if words[1:] and words[1] in ("-h", "--help"):
            return f"{prog} {words[0]} does one of several things: {choices}."
        return f"{prog} {words[0]} needs one of {choices}."
    near = difflib.get_close_matches(words[0], COMMANDS, 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"there is no command {words[0]!r}{meant}: {prog} --help lists them."


def run_script(script: str) -> int:
    """Run a script of the clone, named by its path there, and return the exit code."""
    return execute(_target_of(script), sys.argv[1:], f"python3 {script}")


def _target_of(script: str) -> str:
    """The target of a script; empty for any other path."""
    own = {command.script: command.target for command in COMMANDS.values()}
    return {**own, **SCRIPTS}.get(script, "")


def execute(target: str, arguments: list[str], prog: str) -> int:
    """Call `module:function` with the arguments and the program's name; return the exit code."""
    problem = environment_problem()
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    from fashion.terminal import run

    # On exit Python would search everything loaded for garbage: half a second with TensorFlow.
    atexit.register(gc.freeze)

    def call() -> int | None:
        module, _, name = target.partition(":")
        function: Callable[..., int | None] = getattr(importlib.import_module(module), name)
        return function(arguments, prog)

    return run(call)


def environment_problem() -> str:
    """What is wrong with the running Python, and what to do about it; empty if nothing is."""
    mine = f"this Python ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        version = ".".join(map(str, sys.version_info[:2]))
        return f"{mine} is version {version}, and {wanted} or later is needed: {_advice()}"
    missing = next((name for name in REQUIRED if importlib.util.find_spec(name) is None), None)
    if missing:
        return f"{mine} lacks the package {missing}: {_advice()}"
    try:
        check_network()
    except ImportError as error:
        return str(error)
    return ""


def _advice() -> str:
    activate = REPOSITORY / ".venv" / "bin" / "activate"
    if activate.is_file():
        return f"activate the project's environment with `. {activate}`."
    if IN_CLONE:
        return (
            "`make demo` or `make test` makes the project's environment .venv, and "
            "`. .venv/bin/activate` activates it."
        )
    return "install fashion-mask-rcnn into it with pip."
