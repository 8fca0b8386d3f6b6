"""One image's path through a network, step by step, from anchors to proposals to detections.

    scene = scene_of_dataset(dataset, config, image_id)     # or scene_of_image(image, config)
    values = run(model, scene)
    proposals = proposal_stages(values, scene, config)
    detections = detection_stages(values, scene, config)

Boxes are float [N, (y1, x1, y2, x2)] in pixels of the molded image, exclusive at y2 and x2, unless
stated otherwise. The steps repeat what the layers `ROI` and `mrcnn_detection` do inside the
network, and end in the same boxes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.errors import ConfigError
from mrcnn.geometry.boxes import apply_box_deltas, clip_boxes, compute_overlaps, norm_boxes
from mrcnn.images.molding import mold_image, unmold_image

# The layers whose outputs the steps below are computed from.
OUTPUTS = (
    "rpn_class",
    "rpn_bbox",
    "ROI",
    "mrcnn_class",
    "mrcnn_bbox",
    "mrcnn_detection",
    "mrcnn_mask",
)
RECALL_IOUS = (0.5, 0.7)


class InspectedModel(Protocol):
    """The part of a `MaskRCNN` that an inspection uses."""

    mode: str
    config: Config
    keras_model: Any

    def get_anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Normalised anchors of a molded size, float32 [anchors, 4]."""


class Truth(NamedTuple):
    """The ground truth instances of an image.

    Attributes:
        class_ids: int [N], negative for crowds.
        boxes: int [N, 4], pixels of the molded image.
        masks: bool [height, width, N].
    """

    class_ids: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True)
class Scene:
    """An image as the network sees it, with its ground truth if known.

    Attributes:
        name: for titles.
        image: uint8 [height, width, 3], molded: resized and padded.
        meta: [12 + classes], see `mrcnn.images.molding.compose_image_meta`.
        window: (y1, x1, y2, x2), the picture's position in it.
        truth: None if unknown.
    """

    name: str
    image: np.ndarray
    meta: np.ndarray
    window: tuple[int, int, int, int]
    truth: Truth | None = None

    @property
    def instances(self) -> np.ndarray:
        """The ground truth boxes without crowds, int [N, 4]; none if the truth is unknown."""
        if self.truth is None:
            return np.zeros((0, 4), int)
        return self.truth.boxes[self.truth.class_ids > 0]


def scene_of_dataset(dataset: Dataset, config: Config, image_id: int) -> Scene:
    """An image of a prepared Dataset with its ground truth. Raises what `load_image_gt` raises."""
    image, meta, class_ids, boxes, masks = load_image_gt(dataset, config, image_id)
    name = str(dataset.image_info[image_id]["id"])
    y1, x1, y2, x2 = (int(n) for n in meta[7:11])
    return Scene(name, image, meta, (y1, x1, y2, x2), Truth(class_ids, boxes, masks))


def scene_of_image(image: np.ndarray, config: Config, name: str = "image") -> Scene:
    """A photograph, uint8 RGB [height, width, 3], without ground truth. Raises DatasetError."""
    from mrcnn.inference.predictor import mold_one

    molded = mold_one(image, config)
    # Rounded, since unmold_image truncates and mean subtraction may lose the last bit.
    picture = unmold_image(molded.image + 0.5, config)
    return Scene(name, picture, molded.meta, molded.window)


def run(
    model: InspectedModel,
    scene: Scene,
    layers: Iterable[str] = (),
    outputs: Iterable[str] = OUTPUTS,
) -> dict[str, np.ndarray]:
    """The outputs of layers for one image, float32 without the batch axis, by layer name.

    Args:
        model: a `MaskRCNN` created with mode="inference".
        scene: the image.
        layers: names of additional layers, such as "res2c_out".
        outputs: the layers that `proposal_stages` and `detection_stages` need.

    Raises ConfigError if the model has no layer of such a name, or is a training model.
    """
    if model.mode != "inference":
        raise ConfigError(
            "this model cannot be inspected",
            settings=("mode",),
            expected="{mode} 'inference'",
            found=repr(model.mode),
        )
    from mrcnn.network.graph_queries import run_graph

    inputs = {
        "input_image": mold_image(scene.image, model.config).astype(np.float32)[None],
        "input_image_meta": scene.meta[None],
        "input_anchors": model.get_anchors(scene.image.shape)[None],
    }
    tensors = {name: layer_output(model.keras_model, name) for name in (*outputs, *layers)}
    values = run_graph(model.keras_model, inputs, tensors)
    return {name: np.asarray(value[0]).astype(np.float32) for name, value in values.items()}


def layer_output(keras_model: Any, name: str) -> Any:
    """The output tensor of a layer; for an unknown one, raises a ConfigError with similar names."""
    names = [layer.name for layer in keras_model.layers]
    if name not in names:
        import difflib

        close = difflib.get_close_matches(name, names, 5) or names[-5:]
        raise ConfigError(
            f"the network has no layer {name!r}", expected=f"{', '.join(close)} or another layer"
        )
    return keras_model.get_layer(name).output


def to_pixels(boxes: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Convert normalised boxes [N, 4] to float32 pixel boxes, not rounded."""
    height, width = image_shape[:2]
    scale = np.array([height - 1, width - 1, height - 1, width - 1], np.float32)
    return np.asarray(boxes, np.float32) * scale + np.array([0, 0, 1, 1], np.float32)


def recall(boxes: np.ndarray, truth: np.ndarray, iou: float) -> float | None:
    """Fraction of true boxes matched by some box at `iou` or more; None without true boxes."""
    if not len(truth):
        return None
    if not len(boxes):
        return 0.0
    return float((compute_overlaps(truth, boxes).max(axis=1) >= iou).mean())


@dataclass(frozen=True)
class ProposalStages:
    """How the region proposal network turns anchors into proposals.

    Attributes:
        total: number of the image's anchors.
        scores: float [K], of the K best anchors (PRE_NMS_LIMIT), descending.
        anchors: float [K, 4], these anchors.
        refined: float [K, 4], moved by their deltas; may extend beyond the image.
        clipped: float [K, 4], clipped to the image.
        kept: float [M, 4], after non-maximum suppression: the network's own output.
        truth: int [N, 4], ground truth boxes for recall.
        all_scores: float [total]; all_deltas: float [total, 4], as output by the network.
    """

    total: int
    scores: np.ndarray
    anchors: np.ndarray
    refined: np.ndarray
    clipped: np.ndarray
    kept: np.ndarray
    truth: np.ndarray
    all_scores: np.ndarray = field(repr=False)
    all_deltas: np.ndarray = field(repr=False)

    def figures(self) -> dict[str, dict]:
        """The number of boxes, and the recall at each IoU (None without truth), by stage."""
        stages = {
            "anchors by score": self.anchors,
            "refined": self.refined,
            "clipped": self.clipped,
            "after NMS": self.kept,
        }
        return {
            stage: {
                "boxes": len(boxes),
                **{
                    f"recall_{iou * 100:.0f}": recall(boxes, self.truth, iou) for iou in RECALL_IOUS
                },
            }
            for stage, boxes in stages.items()
        }


def proposal_stages(values: dict[str, np.ndarray], scene: Scene, config: Config) -> ProposalStages:
    """The stages of the layer `ROI`, from the outputs of `run`."""
    from mrcnn.network.build import pyramid_anchors

    shape = scene.image.shape
    anchors = pyramid_anchors(config, shape).astype(np.float32)
    scores, deltas = values["rpn_class"][:, 1], values["rpn_bbox"]
    # Stable like top_k: of equal scores, the lower index comes first.
    best = np.argsort(-scores, kind="stable")[: config.PRE_NMS_LIMIT]
    # The network refines normalised boxes, in which y2 and x2 are inclusive.
    normal = norm_boxes(anchors[best], shape[:2])
    refined = apply_box_deltas(normal, deltas[best] * np.asarray(config.RPN_BBOX_STD_DEV))
    clipped = clip_boxes(refined, np.array([0, 0, 1, 1], np.float32))
    kept = values["ROI"][np.abs(values["ROI"]).sum(axis=1) > 0]
    return ProposalStages(
        total=len(anchors),
        scores=scores[best],
        anchors=anchors[best],
        refined=to_pixels(refined, shape),
        clipped=to_pixels(clipped, shape),
        kept=to_pixels(kept, shape),
        truth=scene.instances,
        all_scores=scores,
        all_deltas=deltas,
    )


@dataclass(frozen=True)
class DetectionStages:
    """How the class and box head turns proposals into detections.

    Attributes:
        rois: float [R, 4], the proposals.
        class_ids: int [R], the most probable class of each; 0 is background.
        scores: float [R], its probability.
        boxes: float [R, 4], the proposals moved by that class's deltas, clipped to the window.
        confident: bool [R], not background and of at least DETECTION_MIN_CONFIDENCE.
        kept: int [D], rows after non-maximum suppression within each class, by descending score.
        class_masks: float [D, 28, 28, classes] (MASK_SHAPE), each kept row's masks of all classes.
    """

    rois: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    confident: np.ndarray
    kept: np.ndarray
    class_masks: np.ndarray

    @property
    def masks(self) -> np.ndarray:
        """The mask of each kept row's class, float [D, 28, 28]."""
        rows = np.arange(len(self.kept))
        return self.class_masks[rows, ..., self.class_ids[self.kept]]

    def counts(self, class_names: Sequence[str]) -> dict[str, dict[str, int]]:
        """Counts of `proposals`, `confident` and `after NMS` for each class that a proposal has."""
        return {
            class_names[number]: {
                "proposals": int((self.class_ids == number).sum()),
                "confident": int((self.confident & (self.class_ids == number)).sum()),
                "after NMS": int((self.class_ids[self.kept] == number).sum()),
            }
            for number in np.unique(self.class_ids)
        }


def detection_stages(
    values: dict[str, np.ndarray], scene: Scene, config: Config
) -> DetectionStages:
    """The stages of the layer `mrcnn_detection`, from the outputs of `run`."""
    from mrcnn.network.detection import detection_settings, suppress_within_classes

    settings, shape = detection_settings(config), scene.image.shape
    present = np.abs(values["ROI"]).sum(axis=1) > 0
    rois, probabilities = values["ROI"][present], values["mrcnn_class"][present]
    class_ids = probabilities.argmax(axis=1)
    rows = np.arange(len(rois))
    scores = probabilities[rows, class_ids]
    deltas = values["mrcnn_bbox"][present][rows, class_ids] * settings["bbox_std_dev"]
    window = norm_boxes(np.array([scene.window], np.float32), shape[:2])[0]
    boxes = clip_boxes(apply_box_deltas(rois, deltas), window)
    last = settings["last_class"] or config.NUM_CLASSES
    confident = (class_ids > 0) & (class_ids <= last) & (scores >= settings["min_confidence"])
    kept = suppress_within_classes(
        boxes,
        class_ids.astype(np.int32),
        scores,
        confident,
        settings["max_instances"],
        settings["nms_threshold"],
    ).numpy()
    kept = kept[kept >= 0]
    return DetectionStages(
        rois=to_pixels(rois, shape),
        class_ids=class_ids,
        scores=scores,
        boxes=to_pixels(boxes, shape),
        confident=confident,
        kept=kept,
        class_masks=values["mrcnn_mask"][: len(kept)],
    )
