#!/usr/bin/env python3
"""Measure annotation files image by image: time, and the most memory each step needs.

    python3 benchmarks/annotations.py --images 20000
    python3 benchmarks/annotations.py --images 1000000 --json annotations.json

Writes VIA entries as ModaNet's are (1 to 4 garments an image, 2.5 on average, polygons of 20 to 40
points, with sizes), reads them, turns them into COCO and back. Each step runs in its own process,
whose peak resident memory the system reports. The last line says whether memory stayed under the
limit and every step had all images and garments; if not, the exit code is 1. A million images take
7 GB on the disk (--folder; removed at the end).
"""

import argparse
import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.labels import MODANET_TABLE
from fashion.terminal import text_table

STEPS = ("write VIA", "read VIA", "VIA to COCO", "COCO to VIA")
LIMIT = 512  # MB
WIDTH, HEIGHT = 400, 600
DIFFERENT = 5000  # garments drawn before they repeat, so that writing is what is measured


def garment(rng):
    """A region: a ring of 20 to 40 points about some place, as a person would draw it."""
    row = rng.choice(list(MODANET_TABLE))
    count, x, y = rng.randint(20, 40), rng.uniform(80, 320), rng.uniform(80, 520)
    across, down = rng.uniform(20, 80), rng.uniform(20, 80)
    xs, ys = [], []
    for step in range(count):
        angle, reach = 2 * math.pi * step / count, rng.uniform(0.8, 1.0)
        xs.append(round(x + across * reach * math.cos(angle), 1))
        ys.append(round(y + down * reach * math.sin(angle), 1))
    return {
        "shape_attributes": {"name": "polygon", "all_points_x": xs, "all_points_y": ys},
        "region_attributes": {"fashion": row.code, "label": row.name},
    }


def write_via(path, count):
    """Write `count` entries; return the numbers of images and garments."""
    from fashion.streams.via_writing import ViaStreamWriter

    rng, number = random.Random(1), 0
    garments = [garment(rng) for _ in range(DIFFERENT)]
    with ViaStreamWriter(path) as writer:
        for image in range(1, count + 1):
            regions = []
            for _ in range(rng.choice((1, 2, 3, 4))):
                number += 1
                drawn = garments[number % DIFFERENT]
                attributes = drawn["region_attributes"] | {"instance": str(number)}
                regions.append(drawn | {"region_attributes": attributes})
            entry = {
                "filename": f"{image:07d}.jpg",
                "size": -1,
                "regions": regions,
                "file_attributes": {"width": WIDTH, "height": HEIGHT},
            }
            writer.add(str(image), entry)
    return count, number


def read_via(path):
    from fashion.streams.images import open_annotations

    with open_annotations(path) as images:
        return sum(1 for _ in images), images.region_count


def step(name, folder, count):
    """Do one step; return the numbers of images and garments."""
    from fashion.streams import conversion

    via, coco, back = (folder / name for name in ("via.json", "coco.json", "back.json"))
    if name == "write VIA":
        return write_via(via, count)
    if name == "read VIA":
        return read_via(via)
    if name == "VIA to COCO":
        result, _ = conversion.via_to_coco(via, coco)
        return result.images, result.annotations
    result, _ = conversion.coco_to_via(coco, back)
    return result.images, result.instances


def run_step(name, folder, count):
    """Time and memory of one step in a separate process."""
    command = [
        sys.executable,
        __file__,
        f"--images={count}",
        f"--folder={folder}",
        f"--step={name}",
    ]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    figures = json.loads(done.stdout) | {"seconds": round(time.perf_counter() - start, 1)}
    print(f"{name}: {figures}", file=sys.stderr, flush=True)
    return figures


def peak_megabytes():
    """The greatest resident memory of this process so far; Linux counts in kilobytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def parse_arguments(arguments=None):
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000, metavar="N")
    parser.add_argument("--folder", type=Path, help="where the files go (default: temporary)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Print the table; exit code 1 if memory or the files are not as they should be."""
    options = parse_arguments(arguments)
    if options.step:
        images, garments = step(options.step, options.folder, options.images)
        figures = {"images": images, "garments": garments, "peak_mb": peak_megabytes()}
        print(json.dumps(figures | {"cpu_seconds": round(time.process_time(), 1)}))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="annotations-", dir=options.folder))
    os.environ["TMPDIR"] = str(folder)  # the index belongs on the same disk
    try:
        figures = {name: run_step(name, folder, options.images) for name in STEPS}
        sizes = {p.name: p.stat().st_size for p in sorted(folder.glob("*.json"))}
    finally:
        shutil.rmtree(folder)
    rows = [
        [name, f"{f['seconds']:.0f}", f"{f['cpu_seconds']:.0f}", str(f["peak_mb"])]
        for name, f in figures.items()
    ]
    print(text_table(["step", "seconds", "of the processor", "peak MB"], rows))
    print(", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items()))
    peak = max(f["peak_mb"] for f in figures.values())
    counts = {(f["images"], f["garments"]) for f in figures.values()}
    lost = "" if len(counts) == 1 else "; NOT ALL STEPS HAD ALL OF THEM"
    images, garments = max(counts)
    print(f"{images} images, {garments} garments{lost}; peak {peak} MB, limit {LIMIT} MB")
    if options.json:
        from fashion.json_files import write_json

        figures = {"images": options.images, "steps": figures, "bytes": sizes}
        write_json(options.json, figures, indent=1)
    return int(peak > LIMIT or bool(lost))


if __name__ == "__main__":
    sys.exit(main())
