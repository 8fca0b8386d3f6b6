"""What the tests of the scripts need: annotated photographs, a copy of the project, weights."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fashion.labels import MODANET_TABLE
from tests.fashion.factories import entry, region, write_json
from tests.support import REPOSITORY

WIDTH, HEIGHT = 96, 128
# Class name -> outline (x, y) on a picture of that size, and colour.
GARMENTS = {
    "top": ([(30, 30), (66, 30), (70, 62), (26, 62)], (190, 40, 50)),
    "pants": ([(28, 64), (68, 64), (64, 112), (48, 80), (32, 112)], (30, 40, 160)),
    "bag": ([(72, 60), (90, 60), (90, 84), (72, 84)], (40, 150, 60)),
}


def draw_picture(path: Path, seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[dict]:
    """A JPEG with three garments on a plain wall, and its VIA regions."""
    shift = np.random.default_rng(seed).integers(-4, 5, 2)
    image = np.full((HEIGHT, WIDTH, 3), 200 + 5 * (seed % 8), np.uint8)
    regions = []
    for name, (outline, colour) in GARMENTS.items():
        points = np.array(outline) + shift
        cv2.fillPoly(image, [points.astype(np.int32)], colour)
        code = str(MODANET_TABLE.id_of(name))
        regions.append(region(points.tolist(), fashion=code, label=name))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(cv2.resize(image, size)).save(path, quality=95)
    return regions


def make_dataset(root: Path, train: int = 4, val: int = 2) -> Path:
    """`root` with train/ and val/, each with pictures and via_region_data.json."""
    for subset, count in (("train", train), ("val", val)):
        entries = {}
        for index in range(count):
            name = f"{subset}{index}.jpg"
            regions = draw_picture(root / subset / name, seed=index + 100 * (subset == "val"))
            entries[name] = entry(name, regions, size=(WIDTH, HEIGHT))
        write_json(root / subset / "via_region_data.json", entries)
    return root


def copy_project(root: Path) -> Path:
    """The project's code in `root`, so that what scripts write by default stays out of ours."""
    for package in ("mrcnn", "fashion"):
        shutil.copytree(
            REPOSITORY / package, root / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for folder in ("model1/samples/custom", "tools"):
        (root / folder).mkdir(parents=True)
        for script in (REPOSITORY / folder).glob("*.py"):
            shutil.copy(script, root / folder)
    return root


def run_script(script: Path, *arguments: object, cwd: Path, path: Path | None = None):
    """A script in a process of its own, as a user types it: the CompletedProcess.

    `path` is put before the installed packages, see `without_tensorflow`.
    """
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    if path:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,  # against a hang: a crowded machine may take ten times the usual minute
    )


def without_tensorflow(folder: Path) -> Path:
    """A folder for `path` of `run_script` with which TensorFlow and Keras cannot be imported."""
    folder.mkdir(parents=True)
    for name in ("tensorflow", "keras"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n")
    return folder


def demo_weights(path: Path, table=MODANET_TABLE, note: bool = True) -> Path:
    """Random weights of the demo preset, as its training writes them."""
    import keras

    from fashion.stages.models import weights_note
    from fashion.stages.presets import make_config
    from mrcnn.network.build import build_model
    from mrcnn.weights.matching import save_weights

    keras.utils.set_random_seed(1)
    config = make_config("demo", "modanet", 1 + len(table), inference=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = weights_note("demo", table) if note else None
    save_weights(build_model("inference", config), path, notes)
    return path


def head_weights(
    path: Path, classes: int = 14, width: int = 8, notes: dict[str, str] | None = None
) -> Path:
    """A weight file of the class layer alone, background included: enough for what is checked."""
    from mrcnn.weights.h5_writing import write_layers

    arrays = [("kernel:0", np.zeros((width, classes))), ("bias:0", np.zeros(classes))]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_layers(path, [("mrcnn_class_logits", arrays)], notes)
    return path
