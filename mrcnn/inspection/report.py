"""A whole inspection as pictures, a page and JSON: its parts, and what they need.

inspected = Inspected(config, class_names, scene=scene, model=model)
sections = write_inspection(inspected, ["proposals", "masks"], Path("pictures"))
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mrcnn.errors import ConfigError, DatasetError
from mrcnn.inspection import sections as inspection_sections
from mrcnn.inspection.page import Section, write_page
from mrcnn.inspection.sections import Inspected
from mrcnn.inspection.weight_file import FileContents
from mrcnn.system.files import write_text

# In the order of the data flow through the network.
PARTS: dict[str, Callable[[Inspected, Path], Section]] = {
    "anchors": inspection_sections.anchors,
    "rpn_targets": inspection_sections.rpn_targets,
    "proposals": inspection_sections.proposals,
    "rois": inspection_sections.rois,
    "detections": inspection_sections.detections,
    "masks": inspection_sections.masks,
    "activations": inspection_sections.activations,
    "weights": inspection_sections.weights,
}
NEED_TRUTH = frozenset(("rpn_targets", "rois"))
NEED_MODEL = frozenset(("proposals", "rois", "detections", "masks", "activations"))


def check_parts(parts: Sequence[str]) -> list[str]:
    """The parts in the order of `PARTS`, each once. Raises ConfigError for an unknown one."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ConfigError(
            f"there is no part {', '.join(unknown)} to show", expected=", ".join(PARTS)
        )
    return [part for part in PARTS if part in parts]


def write_inspection(
    inspected: Inspected,
    parts: Sequence[str],
    output: Path,
    title: str = "Inspection",
    done: Callable[[str], object] = lambda part: None,
) -> list[Section]:
    """Write the pictures of `parts`, `index.html`, `inspection.json` and texts into a folder.

    `done` is called after each part. Raises DatasetError if a part needs ground truth and the image
    has none, ConfigError for an unknown part or layer, UserError if a file cannot be written.
    """
    parts, scene = check_parts(parts), inspected.scene
    sections = [_file_section(inspected.contents, output)] if inspected.contents else []
    for part in parts:
        if part in NEED_TRUTH and (scene is None or scene.truth is None):
            raise DatasetError(
                f"{part} needs the truth of the image", advice="choose an image of a data set"
            )
        sections.append(PARTS[part](inspected, output))
        done(part)
    subtitle = ""
    if scene is not None:
        height, width = scene.image.shape[:2]
        subtitle = f"{scene.name}, as the network sees it: {height} x {width} pixels."
        if scene.truth is not None:
            subtitle += f" Yellow boxes are its {len(scene.instances)} true instances."
    write_page(output / "index.html", title, subtitle, sections)
    numbers = {section.name: section.figures | _said(section) for section in sections}
    write_text(output / "inspection.json", json.dumps(numbers, indent=1) + "\n")
    return sections


def _said(section: Section) -> dict:
    return {"findings": section.findings} if section.findings else {}


def _file_section(contents: FileContents, output: Path) -> Section:
    write_text(output / "file.txt", contents.to_text() + "\n")
    write_text(output / "file.json", json.dumps(contents.to_json(), indent=1) + "\n")
    section = Section("file", "Weight file", texts=[contents.to_text(with_layers=False)])
    rows = [["layer", "numbers", "weights"]]
    for layer in contents.layers:
        if layer.weights:
            shapes = "; ".join(
                f"{n.split('/')[-1]} {'x'.join(map(str, s))}" for n, s in layer.weights
            )
            rows.append([layer.name, f"{layer.parameters:,}", shapes])
    section.tables.append((f"{len(rows) - 1} layers with weights (also in file.txt)", rows))
    section.figures = {k: v for k, v in contents.to_json().items() if k != "layers"}
    return section
