"""One round with a real network, from photographs to the model of the next round."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fashion.rounds.folder import RoundsFolder
from tests.fashion.factories import entry, write_json
from tests.stages.factory import HEIGHT, WIDTH, demo_weights, draw_picture
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow  # a training

COUNT = 6


def lay_pattern(path, number):
    """Make a picture differ from the others, which are near-duplicates by their layout."""
    pixels = np.array(Image.open(path))
    blocks = np.random.default_rng(number).integers(0, 256, (8, 6, 3)).repeat(16, 0).repeat(16, 1)
    Image.fromarray((0.4 * pixels + 0.6 * blocks).astype(np.uint8)).save(path, quality=95)


def rounds(folder, *words):
    command = [sys.executable, str(REPOSITORY / "tools" / "rounds.py"), str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_round(tmp_path):
    weights = demo_weights(tmp_path / "first.h5")
    folder, images = tmp_path / "rounds", tmp_path / "images"
    entries = {}
    for number in range(COUNT):
        name = f"{number}.jpg"
        regions = draw_picture(images / name, seed=number)
        lay_pattern(images / name, number)
        entries[name] = entry(name, regions, size=(WIDTH, HEIGHT))
    rounds(folder, "start", f"--images={images}", f"--model={weights}", "--holdout=1")
    state = RoundsFolder(folder)
    assert state.settings.duplicates == [] and len(state.settings.holdout) == 1
    # All corrected at once, but for a picture that is left to label.
    left = next(name for name in entries if name not in state.settings.holdout)
    del entries[left]
    write_json(state.corrections / "truth.json", entries)
    text = rounds(folder, "train", "--epochs=1", "--steps=1", "--precision=float32")
    first = state.round(1)
    assert first.weights.stat().st_size > 0
    figures = json.loads(first.result.read_text())["figures"]
    assert figures["pictures"] == 1 and 0 <= figures["AP"] <= figures["AP50"] <= 1
    assert "Next: next" in text
    rounds(folder, "next")
    report = json.loads((state.round(2).folder / "auto.report.json").read_text())
    assert list(report["images"]) == [left]
