#!/usr/bin/env python3
"""Train a small model on painted pictures, and draw what it finds: stage 1 from end to end.

    python3 tools/demo_stage1.py
    python3 tools/demo_stage1.py --images=400 --epochs=12 --output=DIR

The pictures are painted over real garment outlines by the material that lies beside this project in
`shared/` (FASHION_SHARED names another place); without it there is nothing to train on, and the
script says so. Nine tenths train, one tenth is held back to be drawn and measured. Every command
is printed before it runs, so that it can be repeated by hand. Takes about half an hour on two cores
with the default sizes; what was trained stays, and a second call goes on.
"""

import argparse
import json
import os
import random
import shlex
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run
from fashion.json_files import read_json, write_json
from fashion.stages import REPOSITORY
from mrcnn.errors import DatasetError, UserError


def parse_arguments() -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=REPOSITORY / "outputs" / "demo_stage1")
    parser.add_argument("--images", type=int, default=600, metavar="N", help="pictures to paint")
    parser.add_argument("--epochs", type=int, default=24, metavar="N")
    parser.add_argument("--steps", type=int, default=60, metavar="N", help="batches an epoch")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    return parser.parse_args()


def shared_material() -> tuple[Path, Path]:
    """The painter and the outlines beside the project; DatasetError where they are absent."""
    root = Path(os.environ.get("FASHION_SHARED", REPOSITORY.parent / "shared"))
    painter = root / "tools" / "paint_modanet.py"
    outlines = root / "modanet" / "instances_val.json"
    for path in (painter, outlines):
        if not path.is_file():
            raise DatasetError(
                f"The demo needs {path}, which is not there: name the folder that holds it in "
                f"FASHION_SHARED, or train on your own pictures as README.md tells."
            )
    return painter, outlines


def call(*command: str | Path) -> None:
    """Print and run one command of the project; UserError where it fails."""
    words = [str(word) for word in command]
    print("\n$ " + shlex.join(["python3", *words]), flush=True)
    result = subprocess.run([sys.executable, *words], check=False)
    if result.returncode == 130:
        raise KeyboardInterrupt
    if result.returncode:
        raise UserError(f"The command above ended with exit code {result.returncode}.")


def split(painted: Path, data: Path, seed: int) -> None:
    """Link the painted pictures into train/ and val/, nine to one, with their annotations."""
    coco = read_json(painted / "instances.json")
    order = [image["id"] for image in coco["images"]]
    random.Random(seed).shuffle(order)
    held_back = set(order[: max(1, len(order) // 10)])
    for subset, is_validation in (("train", False), ("val", True)):
        folder = data / subset
        folder.mkdir(parents=True, exist_ok=True)
        images = [i for i in coco["images"] if (i["id"] in held_back) == is_validation]
        ids = {image["id"] for image in images}
        for image in images:
            target = folder / image["file_name"]
            if not target.exists():
                target.write_bytes((painted / image["file_name"]).read_bytes())
        annotations = [a for a in coco["annotations"] if a["image_id"] in ids]
        part = {**coco, "images": images, "annotations": annotations}
        write_json(data / f"{subset}.json", part)
        call("tools/coco_to_via.py", data / f"{subset}.json", folder)


def main() -> int:
    """Paint, convert, train, draw, measure."""
    options = parse_arguments()
    painter, outlines = shared_material()
    output = options.output.absolute()
    os.chdir(REPOSITORY)  # the commands are printed as README.md has them
    painted, data, logs = output / "painted", output / "dataset", output / "logs"
    painted.mkdir(parents=True, exist_ok=True)
    settings = {"images": options.images, "seed": options.seed}
    marker = data / "settings.json"
    if not marker.exists() or json.loads(marker.read_text()) != settings:
        call(painter, "modanet", outlines, painted, "--limit", str(options.images))
        split(painted, data, options.seed)
        write_json(marker, settings)
    started = any(logs.glob("modanet*/mask_rcnn_modanet_*.h5"))
    train = ["model1/samples/custom/trainModaNet.py", "train", f"--dataset={data}"]
    train += [f"--logs={logs}", "--preset=demo", f"--model={'last' if started else 'none'}"]
    train += [f"--epochs={options.epochs}", f"--steps={options.steps}", f"--seed={options.seed}"]
    call(*train)
    weights = sorted(logs.glob("modanet*/best_mask_rcnn_modanet.h5"))[-1]
    pictures = output / "pictures"
    call(
        "model1/samples/custom/testModaNet.py",
        f"--model={weights}",
        f"--images={data / 'val'}",
        f"--output={pictures}",
    )
    figures = output / "figures.json"
    call("tools/evaluate.py", f"--dataset={data}", f"--model={weights}", f"--json={figures}")
    print(f"\nLook at the pictures in {pictures}; loss curve: {weights.parent / 'history.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
