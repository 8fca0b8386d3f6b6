"""Pictures of boxes and masks on the molded image, for the steps of `mrcnn.inspection.stages`.

Every function returns a matplotlib Figure, which `mrcnn.drawing.figures.save_figure` writes.
matplotlib is imported when a figure is made, and no window is opened.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.drawing import figures
from mrcnn.drawing.painting import as_rgb, name_of
from mrcnn.drawing.palette import Colour, class_colour
from mrcnn.inspection.anchors import AnchorLevel
from mrcnn.inspection.stages import DetectionStages, ProposalStages, Scene
from mrcnn.inspection.targets import HeadTargets, RpnTargets

POSITIVE, NEGATIVE, NEUTRAL, TRUTH = "#16a34a", "#dc2626", "#9ca3af", "#facc15"
LEVEL_COLOURS = ("#0ea5e9", "#22c55e", "#eab308", "#f97316", "#d946ef")
# More boxes than this would hide the image and each other.
MOST_BOXES, MOST_NEUTRAL = 50, 200
MOST_MASKS = 12


def show_image(axes, image: np.ndarray, title: str, margin: float = 0.0) -> None:
    """Show an image without axes; `margin` is the space around it as a fraction of its sides."""
    height, width = image.shape[:2]
    axes.imshow(as_rgb(image), interpolation="nearest")
    axes.set_xlim(-0.5 - margin * width, width * (1 + margin) - 0.5)
    axes.set_ylim(height * (1 + margin) - 0.5, -0.5 - margin * height)
    axes.set_title(title, fontsize=10)
    axes.axis("off")


def add_boxes(axes, boxes, colour, style: str = "solid", width: float = 1.2, alpha: float = 1.0):
    """Add the outlines of boxes [N, 4] in pixels, whose corners are at pixel borders."""
    from matplotlib.collections import LineCollection

    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) - 0.5
    y1, x1, y2, x2 = boxes.T
    corners = np.stack([x1, y1, x2, y1, x2, y2, x1, y2, x1, y1], axis=1).reshape(-1, 5, 2)
    axes.add_collection(
        LineCollection(
            list(corners), colors=[colour], linestyles=style, linewidths=width, alpha=alpha
        ),
        autolim=False,
    )


def anchors_at_centre(image: np.ndarray, levels: Sequence[AnchorLevel]):
    """The anchors of the cells nearest to the image's centre: all levels together, then each alone.

    The dots are the cells of a level, all of which have such anchors.
    """
    centre = np.array(image.shape[:2]) / 2
    columns = -(-(len(levels) + 1) // 2)
    figure, panels = figures.new_figure(2, columns)
    panels = panels.ravel()
    everything = np.concatenate([level.around(*centre) for level in levels])
    title = "the centre's anchors of all levels"
    show_image(panels[0], image, title, margin=_overhang(everything, image))
    for axes in panels[len(levels) + 1 :]:
        axes.axis("off")
    for axes, level, colour in zip(panels[1:], levels, _colours(len(levels)), strict=False):
        own = level.around(*centre)
        add_boxes(panels[0], own, colour)
        rows, cells = level.cells
        plural = "s" * (len(level.boxes) != 1)
        title = f"{level.name}: {len(level.boxes):,} anchor{plural} of {level.scale:g} pixels\n"
        title += f"{rows} x {cells} cells, stride {level.stride}"
        show_image(axes, image, title, margin=_overhang(own, image))
        centres = (level.boxes[:, :2] + level.boxes[:, 2:]) / 2 - 0.5
        size = 0.6 if len(level.boxes) > 5000 else 3
        axes.scatter(centres[:, 1], centres[:, 0], s=size, color=colour, alpha=0.35, linewidths=0)
        add_boxes(axes, own, colour, width=1.8)
    return figure


def _overhang(boxes: np.ndarray, image: np.ndarray) -> float:
    """How far boxes extend beyond an image, as a fraction of its side; at least a little."""
    height, width = image.shape[:2]
    low, high = boxes.min(axis=0), boxes.max(axis=0)
    beyond = [-low[0] / height, -low[1] / width, high[2] / height - 1, high[3] / width - 1]
    return max(0.05, 0.03 + max(beyond))


def _colours(count: int) -> list[str]:
    return [LEVEL_COLOURS[i % len(LEVEL_COLOURS)] for i in range(count)]


def rpn_target_boxes(scene: Scene, targets: RpnTargets, seed: int = 0):
    """Positive, negative and neutral anchors, and where the positives' deltas move them."""
    figure, panels = figures.new_figure(2, 2)
    panels = panels.ravel()
    for axes, boxes, colour, word, most in (
        (panels[0], targets.positive, POSITIVE, "positive", MOST_BOXES),
        (panels[2], targets.negative, NEGATIVE, "negative", MOST_BOXES),
        (panels[3], targets.neutral, NEUTRAL, "neutral", MOST_NEUTRAL),
    ):
        some, shown = _some(boxes, most, seed)
        show_image(axes, scene.image, f"{len(boxes)} {word} anchors{shown}", margin=0.05)
        add_boxes(axes, scene.instances, TRUTH, width=2)
        add_boxes(axes, some, colour, alpha=0.8)
    show_image(panels[1], scene.image, "positive anchors (dashed), refined (solid)", margin=0.05)
    pairs, _ = _some(np.concatenate([targets.positive, targets.refined], 1), MOST_BOXES, seed)
    _refinements(panels[1], pairs[:, :4], pairs[:, 4:])
    return figure


def _refinements(axes, before: np.ndarray, after: np.ndarray, colours=None) -> None:
    """Boxes (dashed), what they become (solid), and a line between their corners."""
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        colour = colours[number] if colours else f"C{number % 10}"
        add_boxes(axes, one, colour, style="dashed", width=0.9)
        add_boxes(axes, other, colour, width=1.6)
        axes.plot([one[1], other[1]], [one[0], other[0]], color=colour, linewidth=0.8)


def _some(rows: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, str]:
    """At most `most` random rows, and a note for the title if some are left out."""
    if len(rows) <= most:
        return rows, ""
    chosen = np.random.default_rng(seed).choice(len(rows), most, replace=False)
    return rows[np.sort(chosen)], f", {most} of them shown"


def proposal_boxes(scene: Scene, stages: ProposalStages, most: int = MOST_BOXES):
    """The best anchors by score, refined, clipped, and what non-maximum suppression keeps."""
    figure, panels = figures.new_figure(2, 2)
    panels = panels.ravel()
    numbers = stages.figures()
    titles = {
        "anchors by score": "best anchors by score, before refinement",
        "refined": "the same, refined (dashed: before)",
        "clipped": "the same, clipped to the image",
        "after NMS": "best after non-maximum suppression",
    }
    boxes = (stages.anchors, stages.refined, stages.clipped, stages.kept)
    for axes, (stage, title), own in zip(panels, titles.items(), boxes, strict=True):
        figure_of = numbers[stage]
        found = figure_of["recall_50"]
        note = "" if found is None else f", recall {found:.0%} at IoU .5"
        title = f"{title}\n{min(most, len(own))} of {figure_of['boxes']}{note}"
        show_image(axes, scene.image, title, margin=0.1)
        add_boxes(axes, stages.truth, TRUTH, width=2.2)
        if stage == "refined":
            add_boxes(axes, stages.anchors[:most], NEUTRAL, style="dashed", width=0.7)
        # The best are on top, in the strongest colour.
        for rank in reversed(range(min(most, len(own)))):
            add_boxes(axes, own[rank], POSITIVE, alpha=1 - 0.75 * rank / most)
    return figure


def head_target_boxes(scene: Scene, targets: HeadTargets, class_names: Sequence[str]):
    """Sampled RoIs: positives in their class's colour, what they become, and negatives."""
    figure, panels = figures.new_figure(1, 3)
    positive = targets.class_ids > 0
    colours = [_unit(class_colour(i)) for i in targets.class_ids[positive]]
    rois, negatives = targets.rois[positive], targets.rois[~positive]
    axes = panels[0, 0]
    show_image(axes, scene.image, f"{len(rois)} positive RoIs", margin=0.05)
    for box, colour in zip(rois, colours, strict=True):
        add_boxes(axes, box, colour)
    _class_legend(axes, targets.class_ids[positive], class_names)
    axes = panels[0, 1]
    show_image(axes, scene.image, "positive (dashed), refined (solid)", margin=0.05)
    _refinements(axes, rois[:MOST_BOXES], targets.refined[:MOST_BOXES], colours)
    axes = panels[0, 2]
    some, shown = _some(negatives, MOST_BOXES, 0)
    show_image(axes, scene.image, f"{len(negatives)} negative RoIs{shown}", margin=0.05)
    add_boxes(axes, some, NEGATIVE, alpha=0.7)
    return figure


def _class_legend(axes, class_ids, class_names) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(color=_unit(class_colour(i)), label=name_of(i, class_names))
        for i in np.unique(class_ids)
    ]
    if patches:
        axes.legend(handles=patches, fontsize=7, loc="lower left", framealpha=0.8)


def _unit(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


def mask_targets(targets: HeadTargets, class_names: Sequence[str], most: int = 2 * MOST_MASKS):
    """What the mask head should predict for each positive RoI; None if there are none."""
    classes = targets.class_ids[targets.class_ids > 0][:most]
    if not len(classes):
        return None
    titles = [name_of(class_id, class_names) for class_id in classes]
    return _mask_grid(targets.masks[: len(classes)], titles, columns=8)


def _mask_grid(masks, titles, columns):
    columns = min(columns, len(masks))
    figure, panels = figures.new_figure(-(-len(masks) // columns), columns, panel=(0.4, 0.45))
    for axes in panels.ravel():
        axes.axis("off")
    for axes, mask, title in zip(panels.ravel(), masks, titles, strict=False):
        axes.imshow(mask, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=8)
    return figure


def detection_boxes(
    scene: Scene, stages: DetectionStages, class_names: Sequence[str], min_confidence: float
):
    """RoIs by their most probable class: before and after the threshold, and after NMS."""
    figure, panels = figures.new_figure(1, 4)
    panels = panels.ravel()
    wanted = stages.class_ids > 0
    best = np.argsort(-np.where(wanted, stages.scores, -1), kind="stable")[: int(wanted.sum())]
    sure = best[stages.confident[best]]
    for axes, rows, boxes, title in (
        (panels[0], best, stages.rois, f"{len(best)} of {len(wanted)} RoIs are foreground"),
        (panels[1], best, stages.boxes, "the same, refined for their class"),
        (panels[2], sure, stages.boxes, f"{len(sure)} score {min_confidence:g} or more"),
        (panels[3], stages.kept, stages.boxes, f"{len(stages.kept)} after NMS within each class"),
    ):
        shown = rows[:MOST_BOXES]
        note = f"\n(the best {len(shown)} shown)" if len(rows) > len(shown) else "\n"
        show_image(axes, scene.image, title + note, margin=0.05)
        add_boxes(axes, scene.instances, TRUTH, style="dotted", width=2)
        for row in reversed(shown):
            add_boxes(axes, boxes[row], _unit(class_colour(stages.class_ids[row])))
        _class_legend(axes, stages.class_ids[shown], class_names)
    return figure


def detection_masks(
    scene: Scene, stages: DetectionStages, class_names: Sequence[str], most: int = MOST_MASKS
):
    """The mask head's mask for each detection, and pasted on the image; None if there are none."""
    rows = stages.kept[:most]
    if not len(rows):
        return None
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    figure, panels = figures.new_figure(lines, 2 * columns, panel=(0.55, 0.68))
    for axes in panels.ravel():
        axes.axis("off")
    for number, row in enumerate(rows):
        soft, pasted = panels.reshape(-1, 2)[number]
        title = f"{name_of(stages.class_ids[row], class_names)} {stages.scores[row]:.2f}"
        soft.imshow(stages.masks[number], cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        soft.set_title(f"{title}\n{'x'.join(map(str, stages.masks[number].shape))}", fontsize=8)
        _pasted(pasted, scene, stages.masks[number], stages.boxes[row], stages.class_ids[row])
    return figure


def class_masks(stages: DetectionStages, class_names: Sequence[str], number: int = 0):
    """The masks of all classes for one detection, with its detected class framed."""
    own = int(stages.class_ids[stages.kept[number]])
    masks = np.moveaxis(stages.class_masks[number], -1, 0)[1:]
    figure = _mask_grid(masks, list(class_names[1:]), columns=7)
    axes = figure.axes[own - 1]
    axes.axis("on")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color=TRUTH, linewidth=3)
    return figure


def _pasted(axes, scene: Scene, mask: np.ndarray, box: np.ndarray, class_id: int) -> None:
    from mrcnn.drawing.painting import overlay_masks
    from mrcnn.geometry.masks import paste_mask

    full = np.zeros(scene.image.shape[:2], bool)
    y1, x1, y2, x2 = (int(n) for n in np.around(box))
    if y2 > y1 and x2 > x1:
        paste_mask(mask, (y1, x1, y2, x2), full)
    colour = class_colour(class_id)
    image = overlay_masks(scene.image, full[..., None], [colour], alpha=0.55)
    show_image(axes, image, f"{int(full.sum())} pixels", margin=0.02)
    axes.title.set_fontsize(8)
    add_boxes(axes, box, _unit(colour))
    figures.add_outline(axes, full, _unit(colour))
    # On the whole image, small garments would be dots.
    reach = max(y2 - y1, x2 - x1, 8)
    middle_y, middle_x = (y1 + y2) / 2 - 0.5, (x1 + x2) / 2 - 0.5
    axes.set_xlim(middle_x - reach, middle_x + reach)
    axes.set_ylim(middle_y + reach, middle_y - reach)
    axes.set_facecolor("white")
