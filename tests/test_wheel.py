"""The wheel: what is in it, and what works where only that is installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from fashion import DEMO_START, __version__
from tests.stages.factory import draw_picture, make_dataset
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow
SOURCES = ("mrcnn", "fashion", "setup.py", "pyproject.toml", "requirements.txt", "README.md")
LEGAL = ("LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*SOURCES, *LEGAL):
        source, copy = REPOSITORY / name, folder / "source" / name
        copy.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w"]
    done = subprocess.run([*command, folder, folder / "source"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A Python of its own with the wheel; the other packages are those of the running one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    # A .pth file within these packages, as of an editable installation, has no effect.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"]
    done = subprocess.run([*command, "--no-index", wheel], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


def run(command, folder):
    """A command in `folder`, where neither PYTHONPATH nor a clone is in reach."""
    hidden = ("PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )


def test_what_is_in_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("mrcnn/py.typed", "fashion/py.typed", "fashion/demo/demo_start.h5"):
        assert name in names
    for name in LEGAL:
        assert any(entry.endswith(f".dist-info/licenses/{name}") for entry in names), names
    assert any(entry.startswith("fashion/html/static/") for entry in names)
    assert not any(entry.startswith(("tests", "tools")) for entry in names)


def test_the_console_command(python, tmp_path):
    program = python.with_name("fashion-mrcnn")
    assert run([program, "--version"], tmp_path).stdout == f"fashion-mrcnn {__version__}\n"
    make_dataset(tmp_path / "data")
    done = run([program, "stats", "data", "--output", "figures"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "figures" / "statistics.json").read_text())


def test_defaults_are_in_the_current_folder(python, tmp_path):
    program = python.with_name("fashion-mrcnn")
    for command in ("train", "test", "label", "evaluate", "pipeline"):
        text = run([program, command, "--help"], tmp_path).stdout.replace("\n", "")
        assert "site-packages" not in text
    done = run([program, "test"], tmp_path)
    assert done.returncode == 2
    assert str(tmp_path / "model1" / "images") in done.stderr


def test_the_demos_steps_need_no_scripts(python, tmp_path):
    done = run([python, "-m", "fashion", "demo", "--dry-run"], tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert lines and all(" -m fashion " in line for line in lines)
    words = lines[0].split(" -m fashion ")[1].split()
    done = run([python, "-m", "fashion", words[0], "--help"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_detecting_from_python(python, tmp_path):
    draw_picture(tmp_path / "street.jpg")
    code = (
        "import fashion\n"
        f"model = fashion.load({str(DEMO_START)!r})\n"
        "print(model.detect('street.jpg').save('out.png').name)\n"
    )
    done = run([python, "-c", code], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out.png\n", "")
    assert (tmp_path / "out.png").is_file()
