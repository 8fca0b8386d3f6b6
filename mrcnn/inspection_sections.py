"""The parts of an inspection: each writes its pictures and says what they show.

Every public function takes a `Subject` and the folder for its pictures, and returns a `Section`.
"""

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from mrcnn import inspection, inspection_charts, inspection_pictures
from mrcnn.inspection_anchors import AnchorFit, anchor_levels
from mrcnn.inspection_file import FileContents, read_contents
from mrcnn.inspection_layers import chosen_layers, feature_maps, require_maps
from mrcnn.inspection_page import Section, write_text
from mrcnn.inspection_pictures import save_figure
from mrcnn.inspection_targets import head_targets
from mrcnn.inspection_targets import rpn_targets as targets_of_rpn
from mrcnn.inspection_weights import (
    WeightStatistics,
    file_statistics,
    model_statistics,
    table_rows,
    verdict,
)
from mrcnn.weight_table import display_table


@dataclass
class Subject:
    """What is looked into.

    Attributes:
        config: the model's.
        class_names: by class id, background first.
        scene: the image.
        model: a `MaskRCNN` made with mode="inference"; not needed for anchors and rpn_targets, nor
            for weights where `weights` are given.
        fit: how anchors fit a data set, where there is one.
        weights: statistics of a file, see `read_file`; else those of the model are taken.
        contents: what that file holds.
        layers: whose activations are shown; none: a choice.
        seed: of what training draws.
    """

    config: object = None
    class_names: Sequence[str] = ()
    scene: inspection.Scene | None = None
    model: object = None
    fit: AnchorFit | None = None
    weights: list[WeightStatistics] | None = None
    contents: FileContents | None = None
    layers: Sequence[str] = field(default_factory=list)
    seed: int = 0

    def read_file(self, path: str | os.PathLike) -> None:
        """Set `contents` and `weights` from a weight file. Raises WeightsError."""
        self.contents, self.weights = read_contents(path), file_statistics(path)

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """What the network computes for the image."""
        return inspection.run(self.model, self.scene)

    @cached_property
    def detections(self) -> inspection.DetectionStages:
        """The stages of detection."""
        return inspection.detection_stages(self.values, self.scene, self.config)


def anchors(subject: Subject, output: Path) -> Section:
    """The anchors of each level, and how they fit a data set where there is one."""
    section = Section(
        "anchors",
        "Anchors",
        "The reference boxes of each pyramid level. An instance that no anchor overlaps by half "
        "trains the region proposal network by its one best anchor only.",
    )
    config = subject.config
    image = subject.scene.image if subject.scene else np.full(config.IMAGE_SHAPE, 230, np.uint8)
    levels = anchor_levels(config, image.shape)
    rows = [["level", "stride", "scale", "cells", "anchors"]]
    for level in levels:
        cells = f"{level.cells[0]} x {level.cells[1]}"
        own = [level.stride, f"{level.scale:g}", cells, f"{len(level.boxes):,}"]
        rows.append([level.name, *map(str, own)])
    section.tables.append((f"{sum(len(v.boxes) for v in levels):,} anchors", rows))
    _add(section, output, "anchors.png", inspection_pictures.anchors_at_centre(image, levels),
         "The anchors of the cells nearest to the centre: of all levels, then level by level with "
         "a dot for each cell.")  # fmt: skip
    section.figures["levels"] = [
        {"level": v.name, "stride": v.stride, "scale": v.scale, "anchors": len(v.boxes)}
        for v in levels
    ]
    if subject.fit is not None:
        _anchor_fit(section, subject, output)
    return section


def _anchor_fit(section: Section, subject: Subject, output: Path) -> None:
    fit, names = subject.fit, subject.class_names
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
    _add(section, output, "anchor_fit.png", inspection_charts.anchor_fit_chart(fit, names),
         "The IoU of each instance of the data set with its best anchor: all, by class, and by "
         "size beside the anchors' sizes. Much on the left of .5 asks for other "
         "RPN_ANCHOR_SCALES.")  # fmt: skip


def rpn_targets(subject: Subject, output: Path) -> Section:
    """What the image trains in the region proposal network."""
    section = Section(
        "rpn_targets",
        "Targets of the region proposal network",
        "Which anchors one step of training takes as foreground and background.",
    )
    targets = targets_of_rpn(subject.scene, subject.config, subject.seed)
    section.figures = targets.figures()
    _count_table(section, "anchors", section.figures)
    if targets.forced and targets.forced == len(targets.positive):
        section.findings.append(
            "No anchor overlaps an instance by .7: all positives are but the best of a poor choice."
        )
    picture = inspection_pictures.rpn_target_boxes(subject.scene, targets, subject.seed)
    _add(section, output, "rpn_targets.png", picture,
         "Green: positive anchors. Dashed and solid in one colour: a positive anchor and where its "
         "deltas take it, which must be an instance's box. Red: negatives, which must not sit on "
         "an instance. Grey: neutral ones, which train nothing.")  # fmt: skip
    return section


def proposals(subject: Subject, output: Path) -> Section:
    """From the best anchors to the proposals."""
    section = Section(
        "proposals",
        "Proposals",
        "What the region proposal network makes of the anchors. What no proposal hits cannot be "
        "detected, however good the heads are.",
    )
    stages = inspection.proposal_stages(subject.values, subject.scene, subject.config)
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
         inspection_pictures.proposal_boxes(subject.scene, stages),
         "The best boxes of each step, the better the stronger. Trained well, the refined boxes "
         "gather on instances.")  # fmt: skip
    if found is not None:
        _add(section, output, "recall.png", inspection_charts.recall_chart(figures),
             "Boxes and recall at each step. Recall that falls from 'clipped' to 'after NMS' asks "
             "for a higher RPN_NMS_THRESHOLD or more POST_NMS_ROIS_INFERENCE.")  # fmt: skip
    _add(section, output, "rpn_histograms.png", inspection_charts.rpn_histograms(stages),
         "Scores of all anchors, few of which should be near 1, and their deltas in units of "
         "RPN_BBOX_STD_DEV: a mean near 0 and a spread near 1 for the best is right, much more is "
         "a sign of wrong anchors or of a training that went astray.")  # fmt: skip
    return section


def rois(subject: Subject, output: Path) -> Section:
    """What the image trains in the heads."""
    section = Section(
        "rois",
        "RoIs that train the heads",
        "Sampled from the proposals as one step of training does it.",
    )
    targets = head_targets(subject.scene, subject.config, subject.values, subject.seed)
    by_class = targets.by_class(subject.class_names)
    section.findings.append(targets.sentence())
    section.figures = {**targets.figures(), "by_class": by_class}
    _count_table(section, "RoIs", targets.figures())
    _add(section, output, "rois.png",
         inspection_pictures.head_target_boxes(subject.scene, targets, subject.class_names),
         "Positives in the colour of their class, where their deltas take them, and negatives in "
         "red; without negatives beside the garments the heads learn no background.")  # fmt: skip
    _add(section, output, "rois_by_class.png",
         inspection_charts.class_histogram(by_class, "RoIs by class", subject.class_names),
         "How many RoIs train each class. One that never has any is not learned.")  # fmt: skip
    if (masks := inspection_pictures.mask_targets(targets, subject.class_names)) is not None:
        _add(section, output, "mask_targets.png", masks,
             "What the mask head shall give for positive RoIs: the instance as seen through the "
             "RoI. Empty or shifted masks mean bad annotations.")  # fmt: skip
    return section


def detections(subject: Subject, output: Path) -> Section:
    """From the proposals to the detections."""
    section = Section(
        "detections",
        "Detections",
        "Each proposal stands for its most probable class. Then the threshold "
        "(DETECTION_MIN_CONFIDENCE), then non-maximum suppression within each class.",
    )
    stages, config = subject.detections, subject.config
    counts = stages.counts(subject.class_names)
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
    picture = inspection_pictures.detection_boxes(
        subject.scene, stages, subject.class_names, config.DETECTION_MIN_CONFIDENCE or 0
    )
    _add(section, output, "detections.png", picture,
         "Boxes in the colour of their class at each step. Several boxes of one garment at the "
         "end ask for a lower DETECTION_NMS_THRESHOLD; garments that go at the threshold for more "
         "training or a lower threshold.")  # fmt: skip
    return section


def masks(subject: Subject, output: Path) -> Section:
    """The detections' masks."""
    section = Section(
        "masks", "Masks", "What the mask head gives for the detected class, and the pasted mask."
    )
    stages = subject.detections
    section.figures = {"detections": len(stages.kept)}
    picture = inspection_pictures.detection_masks(subject.scene, stages, subject.class_names)
    if picture is None:
        section.findings.append("Nothing is detected, so there is no mask: --min-confidence=0.")
        return section
    _add(section, output, "masks.png", picture,
         "Left: probabilities within the box, dark 0 to bright 1. Right: pasted, cut at .5. Grey "
         "areas in the middle mean a mask head that is unsure; one shape for all garments one "
         "that has learned little.")  # fmt: skip
    _add(section, output, "class_masks.png",
         inspection_pictures.class_masks(stages, subject.class_names),
         "The mask head gives a mask for every class; only that of the detected class (framed) is "
         "taken. Here those of the most certain detection.")  # fmt: skip
    return section


def activations(subject: Subject, output: Path) -> Section:
    """Feature maps, and figures of each layer's."""
    section = Section(
        "activations",
        "Activations",
        "Feature maps of the image. Maps that are alike whatever the image shows, or flat, are "
        "channels without use; many of them in trained weights mean dead units.",
    )
    network = subject.model.keras_model
    names = list(subject.layers) or chosen_layers(network)
    require_maps(network, names)
    values = inspection.run(subject.model, subject.scene, names, outputs=())
    rows = [["layer", "shape", "min", "max", "mean", "std", "zeros", "flat channels"]]
    for name in names:
        maps = feature_maps(name, values[name])
        of = section.figures[name] = maps.figures()
        shape = "x".join(map(str, of["shape"]))
        spread = [f"{of[key]:.4g}" for key in ("minimum", "maximum", "mean", "std")]
        rows.append([name, shape, *spread, f"{of['zeros']:.0%}", str(of["flat_channels"])])
        file = f"activations_{name.replace('/', '_')}.png"
        _add(section, output, file, inspection_charts.activation_grid(maps), f"The layer {name}.")
    section.tables.append(("activations in numbers", rows))
    return section


def weights(subject: Subject, output: Path) -> Section:
    """Every weight in numbers."""
    section = Section(
        "weights",
        "Weights",
        "Range and spread of every weight. Dead, zero and exploded ones are marked; stages of the "
        "backbone that resemble each other and heads of a similar size are right.",
    )
    statistics = subject.weights
    if statistics is None:
        statistics = model_statistics(subject.model.keras_model)
    rows = table_rows(statistics)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        display_table(rows)
    write_text(output / "weights.txt", text.getvalue())
    section.findings.append(verdict(statistics))
    section.figures["weights"] = [weight.to_json() for weight in statistics]
    section.tables.append((f"{len(statistics)} weights (also in weights.txt)", rows))
    _add(section, output, "weights.png", inspection_charts.weight_chart(statistics),
         "Each kernel's spread and largest value on a logarithmic scale, from the image to the "
         "heads. Lone points far off the others are worth a look.")  # fmt: skip
    return section


def _add(section: Section, output: Path, file: str, figure, caption: str) -> None:
    save_figure(output / file, figure)
    section.pictures.append((file, caption))


def _count_table(section: Section, caption: str, counts: dict[str, int]) -> None:
    rows = [["", "count"], *([name, f"{count:,}"] for name, count in counts.items())]
    section.tables.append((caption, rows))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
