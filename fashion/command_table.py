"""The table of commands: those of the console (`fashion-mrcnn NAME`) and a clone's scripts.

Like `fashion/__init__.py`, it imports only the standard library, and also runs on an older Python.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fashion import IN_CLONE

PROGRAM = "fashion-mrcnn"


class Command(NamedTuple):
    """A command of the console.

    Attributes:
        target: `module:function`; the function takes the arguments and the program's name.
        summary: what it does.
        script: the script of a clone that does the same.
    """

    target: str
    summary: str
    script: str


COMMANDS = {
    "demo": Command(
        "fashion.pipeline.run:demo",
        "both stages on drawn pictures, from nothing to a page of results",
        "tools/run_pipeline.py",
    ),
    "train": Command(
        "fashion.stages.scripts:train",
        "train on garments (--stage=1) or on season labels (--stage=2)",
        "model1/samples/custom/trainModaNet.py",
    ),
    "test": Command(
        "fashion.stages.scripts:test",
        "draw what a model finds in pictures",
        "model1/samples/custom/testModaNet.py",
    ),
    "splash": Command(
        "fashion.stages.scripts:splash",
        "a picture or video with its garments in colour, the rest in grey",
        "model1/samples/custom/trainModaNet.py",
    ),
    "label": Command(
        "fashion.autolabel.command:main",
        "label photographs with what a model finds in them",
        "model1/samples/custom/generateVggAnno.py",
    ),
    "review": Command(
        "fashion.review.command:main",
        "review labels in a browser, and clean them",
        "tools/review_labels.py",
    ),
    "rounds": Command(
        "fashion.rounds.run:main",
        "label, review, train and label again, until the model is good enough",
        "tools/rounds.py",
    ),
    "name-seasons": Command(
        "fashion.pictures.season_command:main",
        "names with a season for photographs, from a table or from their folders",
        "tools/name_seasons.py",
    ),
    "evaluate": Command(
        "fashion.evaluation.command:main",
        "COCO average precision of a model",
        "tools/evaluate.py",
    ),
    "parse": Command(
        "fashion.parsing.main:main",
        "parse clothing: body, garments, superpixels, one label per pixel",
        "tools/parse_clothing.py",
    ),
    "split": Command(
        "fashion.splitting.command:main",
        "divide annotated pictures into train, val and test",
        "tools/split_dataset.py",
    ),
    "stats": Command(
        "fashion.data_quality.command:main",
        "describe or check annotated pictures",
        "tools/dataset_stats.py",
    ),
    "repair": Command(
        "fashion.data_quality.repair_command:main",
        "repair the boots and footwear of ModaNet's file",
        "tools/repair_modanet.py",
    ),
    "convert to-via": Command(
        "fashion.streams.coco_to_via:main",
        "COCO annotations to VIA",
        "tools/coco_to_via.py",
    ),
    "convert to-coco": Command(
        "fashion.streams.via_to_coco:main",
        "VIA annotations to COCO",
        "tools/via_to_coco.py",
    ),
    "convert label-maps": Command(
        "fashion.streams.label_maps_to_coco:main",
        "label maps (a number for each pixel) to COCO instances",
        "tools/label_maps_to_coco.py",
    ),
    "convert export": Command(
        "fashion.exchange.export_command:main",
        "annotations for other tools",
        "tools/export_annotations.py",
    ),
    "convert import": Command(
        "fashion.exchange.import_command:main",
        "annotations of other tools",
        "tools/import_annotations.py",
    ),
    "export": Command(
        "fashion.stages.export_command:main",
        "write a model as SavedModel, ONNX or LiteRT",
        "tools/export_model.py",
    ),
    "inspect": Command(
        "fashion.stages.inspect_command:main",
        "every step inside a network, or a weight file, as a page",
        "tools/inspect_model.py",
    ),
    "compare models": Command(
        "fashion.stages.compare_command:main",
        "garments and season labels side by side",
        "tools/compare_models.py",
    ),
    "compare labels": Command(
        "fashion.review.compare_command:main",
        "automatic labels against the truth",
        "tools/compare_labels.py",
    ),
    "draw": Command(
        "fashion.demo.command:main",
        "draw the demo's pictures",
        "tools/draw_demo.py",
    ),
    "pipeline": Command(
        "fashion.pipeline.run:main",
        "the whole pipeline on your own pictures",
        "tools/run_pipeline.py",
    ),
}
# Scripts that are not simply the script of one command.
SCRIPTS = {
    "model1/samples/custom/coco.py": "fashion.stages.scripts:coco_module",
    "model1/samples/custom/custom.py": "fashion.stages.scripts:garments_module",
    "model1/samples/custom/testModaNet.py": "fashion.stages.scripts:test_garments",
    "model1/samples/custom/trainModaNet.py": "fashion.stages.scripts:train_garments",
    "model2/samples/custom/customSeason.py": "fashion.stages.scripts:seasons_module",
    "model2/samples/custom/testSeason.py": "fashion.stages.scripts:test_seasons",
    "model2/samples/custom/trainSeasonData.py": "fashion.stages.scripts:train_seasons",
    "tools/run_pipeline.py": "fashion.pipeline.run:main",
}
# A script's name in a text, with what is typed around it.
_SCRIPT = re.compile(r"(?:python3 )?(?:[\w/]+/)?(\w+\.py)\b(?: (?:train|splash)\b)?")


def with_commands(text: str) -> str:
    """A message that names scripts; outside a clone, with the console commands in their place.

    "tools/coco_to_via.py" then becomes "fashion-mrcnn convert to-via".
    """
    if IN_CLONE:
        return text
    names: dict[str, str] = {}
    for name, command in COMMANDS.items():
        names.setdefault(command.script.rpartition("/")[2], name)

    def console(found: re.Match[str]) -> str:
        name = names.get(found[1])
        return f"{PROGRAM} {name}" if name else found[0]

    return _SCRIPT.sub(console, text)
