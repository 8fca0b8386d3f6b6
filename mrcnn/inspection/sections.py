"""The parts of an inspection: each writes its pictures and explains what they show.

Every public function takes an `Inspected` and the folder for its pictures, and returns a `Section`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from mrcnn.config import Config
from mrcnn.drawing.figures import save_figure
from mrcnn.drawing.weight_table import table_text
from mrcnn.inspection import charts, pictures
from mrcnn.inspection import stages as inspection
from mrcnn.inspection.anchors import AnchorFit, anchor_levels
from mrcnn.inspection.feature_maps import chosen_layers, feature_maps, require_maps
from mrcnn.inspection.page import Section
from mrcnn.inspection.targets import head_targets
from mrcnn.inspection.targets import rpn_targets as targets_of_rpn
from mrcnn.inspection.weight_file import FileContents, read_contents
from mrcnn.inspection.weight_statistics import (
    WeightStatistics,
    file_statistics,
    model_statistics,
    table_rows,
    verdict,
)
from mrcnn.system.files import write_text


@dataclass
class Inspected:
    """The inputs of an inspection. Each part needs some of them.

    Attributes:
        config: the model's; for all parts except `weights`.
        class_names: by class id, background first.
        scene: the image; for all parts except `anchors` and `weights`.
        model: a `MaskRCNN` created with mode="inference"; not needed for `anchors` and
            `rpn_targets`, nor for `weights` if these are given.
        fit: how well the anchors fit a data set.
        weights: statistics of a file, see `read_file`; by default those of the model.
        contents: the contents of that file.
        layers: those whose activations are shown; by default `feature_maps.chosen_layers`.
        seed: of the random choices of a training step.
    """

    config: Config | None = None
    class_names: Sequence[str] = ()
    scene: inspection.Scene | None = None
    model: inspection.InspectedModel | None = None
    fit: AnchorFit | None = None
    weights: list[WeightStatistics] | None = None
    contents: FileContents | None = None
    layers: Sequence[str] = field(default_factory=list)
    seed: int = 0

    def read_file(self, path: str | os.PathLike) -> FileContents:
        """Set `contents` and `weights` from a weight file. Raises WeightsError."""
        contents = read_contents(path)
        self.contents, self.weights = contents, file_statistics(path)
        return contents

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """What the network computes for the image."""
        return inspection.run(_given(self.model, "model"), _given(self.scene, "scene"))

    @cached_property
    def detections(self) -> inspection.DetectionStages:
        """The stages of detection."""
        return inspection.detection_stages(
            self.values, _given(self.scene, "scene"), _given(self.config, "config")
        )


Given = TypeVar("Given")


def _given(value: Given | None, name: str) -> Given:
    if value is None:
        raise ValueError(f"This part of an inspection needs {name}.")
    return value


def anchors(inspected: Inspected, output: Path) -> Section:
    """The anchors of each level, and how well they fit a data set if there is one."""
    section = Section(
        "anchors",
        "Anchors",
        "The reference boxes of each pyramid level. An instance that no anchor overlaps by half "
        "trains the region proposal network only through its single best anchor.",
    )
    config = _given(inspected.config, "config")
    image = inspected.scene.image if inspected.scene else np.full(config.IMAGE_SHAPE, 230, np.uint8)
    levels = anchor_levels(config, image.shape)
    rows = [["level", "stride", "scale", "cells", "anchors"]]
    for level in levels:
        cells = f"{level.cells[0]} x {level.cells[1]}"
        own = [level.stride, f"{level.scale:g}", cells, f"{len(level.boxes):,}"]
        rows.append([level.name, *map(str, own)])
    section.tables.append((f"{sum(len(v.boxes) for v in levels):,} anchors", rows))
    _add(section, output, "anchors.png", pictures.anchors_at_centre(image, levels),
         "The anchors of the cells nearest to the centre: of all levels, then level by level with "
         "a dot for each cell.")  # fmt: skip
    section.figures["levels"] = [
        {"level": v.name, "stride": v.stride, "scale": v.scale, "anchors": len(v.boxes)}
        for v in levels
    ]
    if inspected.fit is not None:
        _anchor_fit(section, inspected.fit, inspected.class_names, output)
    return section


def _anchor_fit(section: Section, fit: AnchorFit, names: Sequence[str], output: Path) -> None:
    section.findings.append(fit.sentence())
    section.figures["fit"] = {
        "all": fit.figures(),
        "by_class": fit.by_class(names),
        "scales": list(fit.scales),
        "better_scales": fit.better_scales and list(fit.better_scales),
    }
    if not len(fit.best_iou):
        return
    rows = [["class", "instances", "mean best IoU", "IoU >= .5", "IoU >= .7"]]
    for name, of in [*fit.by_class(names).items(), ("all", fit.figures())]:
        if of["instances"]:
            shares = [f"{of['at_50']:.0%}", f"{of['at_70']:.0%}"]
            rows.append([name, str(of["instances"]), f"{of['mean']:.3f}", *shares])
    section.tables.append(("how well anchors fit the instances", rows))
    _add(section, output, "anchor_fit.png", charts.anchor_fit_chart(fit, names),
         "The IoU of each instance of the data set with its best anchor: all, by class, and by "
         "size beside the anchors' sizes. Many below .5 call for other "
         "RPN_ANCHOR_SCALES.")  # fmt: skip


def rpn_targets(inspected: Inspected, output: Path) -> Section:
    """The image's training targets for the region proposal network."""
    section = Section(
        "rpn_targets",
        "Targets of the region proposal network",
        "Which anchors one training step uses as foreground and background.",
    )
    scene, config = _given(inspected.scene, "scene"), _given(inspected.config, "config")
    targets = targets_of_rpn(scene, config, inspected.seed)
    section.figures = targets.figures()
    _count_table(section, "anchors", section.figures)
    if targets.forced and targets.forced == len(targets.positive):
        section.findings.append(
            "No anchor overlaps an instance by .7: each positive is only the best available."
        )
    picture = pictures.rpn_target_boxes(scene, targets, inspected.seed)
    _add(section, output, "rpn_targets.png", picture,
         "Green: positive anchors. Dashed and solid in one colour: a positive anchor, and the same "
         "moved by its deltas, which must be an instance's box. Red: negatives, which must not lie "
         "on an instance. Grey: neutral anchors, which train nothing.")  # fmt: skip
    return section


def proposals(inspected: Inspected, output: Path) -> Section:
    """From the best anchors to the proposals."""
    section = Section(
        "proposals",
        "Proposals",
        "How the region proposal network selects and moves anchors. An instance that no proposal "
        "hits cannot be detected, however good the heads are.",
    )
    scene, config = _given(inspected.scene, "scene"), _given(inspected.config, "config")
    stages = inspection.proposal_stages(inspected.values, scene, config)
    figures = stages.figures()
    section.figures = {"anchors": stages.total, "stages": figures}
    rows = [["stage", "boxes", "recall at IoU .5", "recall at IoU .7"]]
    for name, of in figures.items():
        shares = [_share(of["recall_50"]), _share(of["recall_70"])]
        rows.append([name, f"{of['boxes']:,}", *shares])
    section.tables.append((f"of {stages.total:,} anchors", rows))
    found = figures["after NMS"]["recall_50"]
    if found is not None:
        section.findings.append(
            f"The {figures['after NMS']['boxes']} proposals hit {found:.0%} of the image's "
            f"{len(stages.truth)} instances at IoU .5, {figures['after NMS']['recall_70']:.0%} at "
            ".7."
        )
    _add(section, output, "proposals.png",
         pictures.proposal_boxes(scene, stages),
         "The best boxes of each step, drawn stronger the higher their score. In a well-trained "
         "network the refined boxes gather on instances.")  # fmt: skip
    if found is not None:
        _add(section, output, "recall.png", charts.recall_chart(figures),
             "Boxes and recall at each step. Recall that falls from 'clipped' to 'after NMS' calls "
             "for a higher RPN_NMS_THRESHOLD or more POST_NMS_ROIS_INFERENCE.")  # fmt: skip
    _add(section, output, "rpn_histograms.png", charts.rpn_histograms(stages),
         "Scores of all anchors, few of which should be near 1, and their deltas in units of "
         "RPN_BBOX_STD_DEV. For the best anchors a mean near 0 and a spread near 1 are right; "
         "much more is a sign of wrong anchors or of failed training.")  # fmt: skip
    return section


def rois(inspected: Inspected, output: Path) -> Section:
    """The image's training targets for the heads."""
    section = Section(
        "rois",
        "RoIs that train the heads",
        "Sampled from the proposals as in one training step.",
    )
    scene, config = _given(inspected.scene, "scene"), _given(inspected.config, "config")
    targets = head_targets(scene, config, inspected.values, inspected.seed)
    by_class = targets.by_class(inspected.class_names)
    section.findings.append(targets.sentence())
    section.figures = {**targets.figures(), "by_class": by_class}
    _count_table(section, "RoIs", targets.figures())
    _add(section, output, "rois.png",
         pictures.head_target_boxes(scene, targets, inspected.class_names),
         "Positives in the colour of their class, the same moved by their deltas, and negatives in "
         "red. Without negatives near garments the heads do not learn background.")  # fmt: skip
    _add(section, output, "rois_by_class.png",
         charts.class_histogram(by_class, "RoIs by class", inspected.class_names),
         "How many RoIs train each class. A class that never has any is not learned.")  # fmt: skip
    if (masks := pictures.mask_targets(targets, inspected.class_names)) is not None:
        _add(section, output, "mask_targets.png", masks,
             "The mask head's targets for positive RoIs: the part of the instance within the RoI. "
             "Empty or shifted masks mean bad annotations.")  # fmt: skip
    return section


def detections(inspected: Inspected, output: Path) -> Section:
    """From the proposals to the detections."""
    section = Section(
        "detections",
        "Detections",
        "Each proposal gets its most probable class. Then the threshold "
        "(DETECTION_MIN_CONFIDENCE) and non-maximum suppression within each class are applied.",
    )
    scene, config = _given(inspected.scene, "scene"), _given(inspected.config, "config")
    stages = inspected.detections
    counts = stages.counts(inspected.class_names)
    section.figures = {"by_class": counts, "min_confidence": config.DETECTION_MIN_CONFIDENCE}
    rows = [["class", "proposals", "confident", "after NMS"]]
    rows += [[name, *map(str, of.values())] for name, of in counts.items()]
    section.tables.append(("most probable class of the proposals", rows))
    if not len(stages.kept):
        best = stages.scores[stages.class_ids > 0].max(initial=0)
        section.findings.append(
            f"Nothing is detected: the best score of a class is {best:.2f}, the threshold "
            f"{config.DETECTION_MIN_CONFIDENCE:g}."
        )
    picture = pictures.detection_boxes(
        scene, stages, inspected.class_names, config.DETECTION_MIN_CONFIDENCE or 0
    )
    _add(section, output, "detections.png", picture,
         "Boxes in the colour of their class at each step. Several boxes of one garment at the "
         "end call for a lower DETECTION_NMS_THRESHOLD; garments that are lost at the threshold "
         "for more training or a lower threshold.")  # fmt: skip
    return section


def masks(inspected: Inspected, output: Path) -> Section:
    """The detections' masks."""
    section = Section(
        "masks", "Masks", "The mask head's output for the detected class, and the pasted mask."
    )
    stages = inspected.detections
    section.figures = {"detections": len(stages.kept)}
    scene = _given(inspected.scene, "scene")
    picture = pictures.detection_masks(scene, stages, inspected.class_names)
    if picture is None:
        section.findings.append(
            "Nothing is detected, so there is no mask; a lower DETECTION_MIN_CONFIDENCE gives some."
        )
        return section
    _add(section, output, "masks.png", picture,
         "Left: probabilities within the box, dark 0 to bright 1. Right: pasted, thresholded at "
         ".5. Grey areas in the middle mean that the mask head is unsure; the same shape for all "
         "garments means that it has learned little.")  # fmt: skip
    _add(section, output, "class_masks.png",
         pictures.class_masks(stages, inspected.class_names),
         "The mask head gives a mask for every class, of which that of the detected class (framed) "
         "is used. These are the masks of the detection of the highest score.")  # fmt: skip
    return section


def activations(inspected: Inspected, output: Path) -> Section:
    """Feature maps of layers, and statistics of them."""
    section = Section(
        "activations",
        "Activations",
        "Feature maps of the image. Maps that are flat, or the same whatever the image shows, are "
        "unused channels; many of them in trained weights mean dead units.",
    )
    model, scene = _given(inspected.model, "model"), _given(inspected.scene, "scene")
    names = list(inspected.layers) or chosen_layers(model.keras_model)
    require_maps(model.keras_model, names)
    values = inspection.run(model, scene, names, outputs=())
    rows = [["layer", "shape", "min", "max", "mean", "std", "zeros", "flat channels"]]
    for name in names:
        maps = feature_maps(name, values[name])
        of = section.figures[name] = maps.figures()
        shape = "x".join(map(str, of["shape"]))
        spread = [f"{of[key]:.4g}" for key in ("minimum", "maximum", "mean", "std")]
        rows.append([name, shape, *spread, f"{of['zeros']:.0%}", str(of["flat_channels"])])
        file = f"activations_{name.replace('/', '_')}.png"
        _add(section, output, file, charts.activation_grid(maps), f"The layer {name}.")
    section.tables.append(("activations in numbers", rows))
    return section


def weights(inspected: Inspected, output: Path) -> Section:
    """Statistics of every weight."""
    section = Section(
        "weights",
        "Weights",
        "Range and spread of every weight. Dead, zero and exploded ones are marked. In a good "
        "network the stages of the backbone resemble each other, and so do the heads.",
    )
    statistics = inspected.weights
    if statistics is None:
        statistics = model_statistics(_given(inspected.model, "model").keras_model)
    rows = table_rows(statistics)
    write_text(output / "weights.txt", table_text(rows) + "\n")
    section.findings.append(verdict(statistics))
    section.figures["weights"] = [weight.to_json() for weight in statistics]
    section.tables.append((f"{len(statistics)} weights (also in weights.txt)", rows))
    _add(section, output, "weights.png", charts.weight_chart(statistics),
         "Each kernel's spread and largest value on a logarithmic scale, from the image to the "
         "heads. Single points far from the others are worth a look.")  # fmt: skip
    return section


def _add(section: Section, output: Path, file: str, figure, caption: str) -> None:
    save_figure(output / file, figure)
    section.pictures.append((file, caption))


def _count_table(section: Section, caption: str, counts: dict[str, int]) -> None:
    rows = [["", "count"], *([name, f"{count:,}"] for name, count in counts.items())]
    section.tables.append((caption, rows))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
