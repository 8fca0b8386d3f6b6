"""`fashion-mrcnn`, `python -m fashion` and the scripts: one table, one check of the environment."""

import importlib
import os
import re
import subprocess
import sys

import pytest

import fashion
import mrcnn
from fashion import command_table, commands
from tests.support import REPOSITORY

SCRIPTS = [
    path.relative_to(REPOSITORY).as_posix()
    for folder in ("tools", "model1/samples/custom", "model2/samples/custom")
    for path in sorted((REPOSITORY / folder).glob("*.py"))
    # They make files of the repository, which an installed package cannot do.
    if path.name not in ("make_demo_start.py", "make_photo_weights.py")
]


def run(*arguments, cwd, path=REPOSITORY):
    environment = {**os.environ, "PYTHONPATH": str(path)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise on Windows")
def test_a_reader_that_stops_early_gets_no_traceback(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "fashion", "--help"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_its_function():
    targets = {command.target for command in commands.COMMANDS.values()}
    for target in targets | set(commands.SCRIPTS.values()):
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), target


def test_every_script_is_in_the_table_under_its_own_path():
    named = {command.script for command in commands.COMMANDS.values()} | set(commands.SCRIPTS)
    assert named == set(SCRIPTS)
    for script in SCRIPTS:
        assert f'run_script("{script}")' in (REPOSITORY / script).read_text(encoding="utf-8")


def test_the_page_lists_every_command_with_its_script():
    page = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `fashion-mrcnn ([^`]+)` \| (.*?) \| `([^`]+)` \|$", page, re.MULTILINE)
    reported = {name: (summary, script) for name, summary, script in rows}
    assert reported == {n: (c.summary, c.script) for n, c in commands.COMMANDS.items()}


def test_both_packages_have_the_same_version():
    assert fashion.__version__ == mrcnn.__version__


def test_the_overview_names_every_command(capsys):
    assert commands.main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in commands.COMMANDS)
    assert commands.main([]) == 2
    assert commands.main(["--version"]) == 0
    assert capsys.readouterr().out.endswith(f"fashion-mrcnn {fashion.__version__}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["splt"], "there is no command 'splt' (did you mean split?)"),
        (["?"], "there is no command '?': fashion-mrcnn --help"),
        (["convert"], "convert needs one of to-via, to-coco, label-maps, export, import."),
        (["tools/none.py"], "there is no command 'tools/none.py'"),
    ],
)
def test_what_is_no_command(words, message, capsys):
    assert commands.main(words) == 2
    assert message in capsys.readouterr().err


def test_a_command_and_its_script_are_the_same(tmp_path):
    texts = []
    for start in (["-m", "fashion", "split"], [REPOSITORY / "tools" / "split_dataset.py"]):
        done = run(*start, "--help", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        texts.append(done.stdout)
    ours, scripts = (text[text.index("\nANN.json") :] for text in texts)
    assert ours == scripts
    assert "\n    python -m fashion split ANN.json" in texts[0]
    assert "\n    python3 tools/split_dataset.py ANN.json" in texts[1]


@pytest.mark.parametrize("script", ["coco", "custom"])
def test_modules_answer_help_and_point_to_commands(script, tmp_path):
    path = REPOSITORY / "model1" / "samples" / "custom" / f"{script}.py"
    done = run(path, "--help", cwd=tmp_path)
    assert done.returncode == 0 and "trainModaNet.py train" in done.stdout
    done = run(path, "train", cwd=tmp_path)
    assert done.returncode == 2 and "trainModaNet.py train" in done.stderr


@pytest.mark.parametrize("script", ["tools/split_dataset.py", "model1/samples/custom/custom.py"])
def test_without_the_environment_a_script_says_what_to_do(script, tmp_path):
    """-S leaves the environment's packages out."""
    done = run("-S", REPOSITORY / script, "--help", cwd=tmp_path)
    assert done.returncode == 2
    assert "lacks the package numpy" in done.stderr and ".venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_package_called_mrcnn_is_noticed(tmp_path):
    (tmp_path / "mrcnn").mkdir()
    (tmp_path / "mrcnn" / "__init__.py").write_text("")
    done = run("-m", "fashion", "split", "--help", cwd=tmp_path)
    assert done.returncode == 2 and str(tmp_path / "mrcnn") in done.stderr
    done = run("-c", "import fashion; fashion.load('x.h5')", cwd=tmp_path)
    assert "another package called mrcnn" in done.stderr.splitlines()[-1]


def test_stages_of_the_console(tmp_path):
    done = run("-m", "fashion", "train", "--help", "--stage=2", cwd=tmp_path)
    assert "--classes" in done.stdout and "mask_rcnn_Season.h5" in done.stdout.replace("\n", "")
    done = run("-m", "fashion", "train", "--stage=3", cwd=tmp_path)
    assert done.returncode == 2 and "invalid choice" in done.stderr


def test_importing_fashion_imports_nothing_else():
    code = "import sys, fashion; print(sorted({'numpy', 'mrcnn', 'cv2'} & sys.modules.keys()))"
    assert run("-c", code, cwd=REPOSITORY).stdout == "[]\n"


def test_there_is_no_other_lazy_name():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = fashion.lode


@pytest.mark.parametrize(
    ("text", "installed"),
    [
        ("convert it with tools/coco_to_via.py", "convert it with fashion-mrcnn convert to-via"),
        ("python3 tools/evaluate.py --stage=2", "fashion-mrcnn evaluate --stage=2"),
        ("what generateVggAnno.py wrote", "what fashion-mrcnn label wrote"),
        ("trainModaNet.py train --resume", "fashion-mrcnn train --resume"),
        ("run mine.py", "run mine.py"),
    ],
)
def test_advice_names_scripts_in_a_clone_and_else_commands(text, installed, monkeypatch):
    assert command_table.with_commands(text) == text
    monkeypatch.setattr(command_table, "IN_CLONE", False)
    assert command_table.with_commands(text) == installed


def test_no_placeholder_reads_as_a_pipe(capsys):
    """Somebody who copies a usage line into a shell would start another program."""
    for command in commands.COMMANDS.values():
        module, _, name = command.target.partition(":")
        with pytest.raises(SystemExit):
            getattr(importlib.import_module(module), name)(["--help"])
        assert not re.search(r"[A-Z]\|[A-Z]", capsys.readouterr().out), command.script
