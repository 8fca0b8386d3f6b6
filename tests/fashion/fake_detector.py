"""Photographs that carry their own detections, and the detector that reads them back.

Of every pixel, red is ten times the class id, green the score in 250ths, and blue separates
instances. As with a real network, the last digits of a score depend a little on the rest of the
batch.
Run as a script it labels a folder with this detector, for tests that kill the process.
"""

import json
import os
import pathlib
import sys
import time

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from fashion.autolabel.job import LabelJob
from fashion.autolabel.policy import LabelPolicy
from fashion.autolabel.run import Staff, label_folder
from fashion.labels import MODANET_TABLE

CLASS_NAMES = ["background", *MODANET_TABLE.names]


def photograph(path, garments=(), width=60, height=80):
    """Write a picture; a garment is (name, (y1, x1, y2, x2), score), drawn in this order."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for number, (name, (y1, x1, y2, x2), score) in enumerate(garments, 1):
        pixels[y1:y2, x1:x2] = (10 * MODANET_TABLE.id_of(name), round(250 * score), 20 * number)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def detect(images, jitter=0.0):
    """The detections of pictures made by `photograph`, as `MaskRCNN.detect` gives them."""
    return [_found(image, jitter * (place + len(images))) for place, image in enumerate(images)]


def _found(image, shift):
    numbers = [n for n in np.unique(image[..., 2]) if n]
    masks = [image[..., 2] == n for n in numbers]
    pixels = [image[mask][0] for mask in masks]
    scores = np.array([p[1] / 250 - shift for p in pixels], np.float32)
    order = np.argsort(-scores, kind="stable")
    stacked = np.stack(masks, axis=-1) if masks else np.zeros((*image.shape[:2], 0), bool)
    ids = np.array([p[0] // 10 for p in pixels], np.int32)
    return {
        "rois": np.zeros((len(masks), 4), np.int32),
        "class_ids": ids[order],
        "scores": scores[order],
        "masks": stacked[..., order],
    }


def folder_of_photographs(folder, count):
    """`count` pictures: most with what they are named for, some without, some unreadable."""
    names = ["bag_yaz", "skirt_kis", "boots_sonb", "top_4mev", "holiday", "belt_yaz"]
    for number in range(count):
        name = names[number % len(names)]
        path = folder / f"{name}_{number:03d}.png"
        garment = MODANET_TABLE.find(name.split("_")[0])
        box = (5, 5, 30 + number % 20, 40)
        garments = [("dress", (50, 10, 70, 50), 0.99)]
        if garment and number % 7:
            garments.append((garment.name, box, 0.75 + 0.01 * (number % 25)))
        photograph(path, garments)
        if number % 11 == 10:
            path.write_bytes(b"no picture")
    return folder


class Loader:
    """Loads the detector, which can be sent to other processes. `options` make it deadly, or wait:

    loading: a file that appears when the model is being loaded, which then takes for ever.
    count: each call is a line of `calls.txt` beside the output: number of pictures, process.
    gate: a file that holds how many calls a process may finish; without the file, all.
    together: no call is finished before so many processes have made one.
    kill_at: the process kills itself at this line of `calls.txt`; with `kill_once`, a file that
        appears then, one process alone.
    deadly: a garment; pictures that show it kill the process.
    """

    def __init__(self, options):
        self.options = options
        self.calls = pathlib.Path(options["output"]).parent / "calls.txt"
        self.number = 0

    def __call__(self):
        if "loading" in self.options:
            pathlib.Path(self.options["loading"]).touch()
            while True:
                time.sleep(1)
        return self.detect

    def detect(self, images):
        options = self.options
        if options.get("count"):
            with self.calls.open("a") as stream:
                stream.write(f"{len(images)} {os.getpid()}\n")
        due = "kill_at" in options and self.calls.read_text().count("\n") >= options["kill_at"]
        if due and ("kill_once" not in options or _is_first(pathlib.Path(options["kill_once"]))):
            os.kill(os.getpid(), 9)
        if "deadly" in options and any(_shows(image, options["deadly"]) for image in images):
            os.kill(os.getpid(), 9)
        self.number += 1
        while not self._may_finish():
            time.sleep(0.005)
        return detect(images, jitter=0.0003)

    def _may_finish(self):
        options = self.options
        if len(callers(self.calls)) < options.get("together", 0):
            return False
        try:
            return self.number <= int(pathlib.Path(options["gate"]).read_text())
        except (KeyError, FileNotFoundError):
            return True


def callers(calls):
    """The processes that made the calls of a file `calls.txt`, the first one first."""
    lines = calls.read_text().splitlines() if calls.exists() else []
    return list(dict.fromkeys(int(line.split()[1]) for line in lines))


def _is_first(marker):
    """Whether nobody else has asked with this marker."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _shows(image, garment):
    return bool((image[..., 0] == 10 * MODANET_TABLE.id_of(garment)).any())


def job_of(options):
    """The job that a JSON object on the command line means; see the tests."""
    folder, output = pathlib.Path(options["images"]), pathlib.Path(options["output"])
    return LabelJob(
        images=sorted(folder.iterdir()),
        class_names=CLASS_NAMES,
        policy=LabelPolicy(min_confidence=0.8),
        batch=options.get("batch", 3),
        segments=output.parent / "segments",
        segments_alpha=True,
        previews=output.parent / "previews",
        model={"model": "fake"},
    )


def main(arguments):
    """Label as a JSON object on the command line says; see the tests."""
    options = json.loads(arguments[0])
    output = pathlib.Path(options["output"])
    staff = Staff(options.get("workers", 1))
    wanted = {name: options[name] for name in ("restart", "overwrite") if name in options}
    summary = label_folder(
        job_of(options), output, Loader(options), quiet=True, staff=staff, **wanted
    )
    print(summary.text())
    return 130 if summary.left else 0


if __name__ == "__main__":
    from fashion.terminal import run

    sys.exit(run(lambda: main(sys.argv[1:])))
