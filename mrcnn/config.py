"""Settings of a model, under Matterport's names and with Matterport's defaults.

Subclass `Config`, override class attributes, make an instance:

    class FashionConfig(Config):
        NAME = "fashion"
        NUM_CLASSES = 1 + 13

    config = FashionConfig()
    config.display()
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mrcnn.config_rules import LOSS_NAMES, check, make_plain

# image id (1), original shape (3), molded shape (3), window (4), scale (1); class flags follow.
META_SIZE_WITHOUT_CLASSES = 12


class Config:
    """All settings for building, training and running the network.

    Override class attributes in a subclass; derived values (BATCH_SIZE, IMAGE_SHAPE,
    IMAGE_META_SIZE) are computed by `__init__`, and again by `validate` if values have changed.

    Raises:
        ConfigError: from `__init__` and `validate`, for a value that cannot work.
    """

    # Name of the experiment: part of the log folder and of the checkpoints' names.
    NAME: str | None = None

    # Number of devices of a machine to train on, and images that each processes at once.
    # BATCH_SIZE = GPU_COUNT * IMAGES_PER_GPU. A CPU counts as one device. With TF_CONFIG set, a
    # step uses BATCH_SIZE images from each worker.
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2

    # Training batches per epoch: an epoch is the time between two checkpoints and need not
    # cover the data set once.
    STEPS_PER_EPOCH = 1000

    # Batches used for validation at the end of each epoch.
    VALIDATION_STEPS = 50

    # "resnet50", "resnet101", "efficientnet-lite0" (a tenth of ResNet-50's arithmetic),
    # "efficientnet-lite2" (a sixth; the ImageNet weights of both expect a MEAN_PIXEL of 127), or a
    # function
    # `backbone(input_image, stage5=True, train_bn=...) -> [C1, C2, C3, C4, C5]`.
    # A function that is a class attribute must be wrapped in `staticmethod`.
    BACKBONE: str | Callable[..., Any] = "resnet101"

    # With a function as BACKBONE: `compute_backbone_shape(image_shape) -> [[height, width], ...]`,
    # the feature map sizes of P2 to P6.
    COMPUTE_BACKBONE_SHAPE: Callable[..., Any] | None = None

    # Pixels of the molded image per cell of P2, P3, P4, P5, P6.
    BACKBONE_STRIDES: Sequence[int] = [4, 8, 16, 32, 64]

    # Units of the two fully connected layers of the class and box head.
    FPN_CLASSIF_FC_LAYERS_SIZE = 1024

    # Channels of the feature pyramid.
    TOP_DOWN_PYRAMID_SIZE = 256

    # Classes, background included.
    NUM_CLASSES = 1

    # Side of a square anchor in pixels, one per pyramid level.
    RPN_ANCHOR_SCALES: Sequence[float] = (32, 64, 128, 256, 512)

    # Width / height of the anchors at each cell.
    RPN_ANCHOR_RATIOS: Sequence[float] = [0.5, 1, 2]

    # Anchors at every cell (1) or at every other cell (2).
    RPN_ANCHOR_STRIDE = 1

    # IoU above which the lower-scoring of two proposals is dropped.
    RPN_NMS_THRESHOLD = 0.7

    # Number of anchors that an image contributes to the RPN's losses.
    RPN_TRAIN_ANCHORS_PER_IMAGE = 256

    # Top-scoring anchors kept before non-maximum suppression.
    PRE_NMS_LIMIT = 6000

    # Proposals kept after non-maximum suppression.
    POST_NMS_ROIS_TRAINING = 2000
    POST_NMS_ROIS_INFERENCE = 1000

    # Train on masks cropped to their box and shrunk to MINI_MASK_SHAPE (height, width in
    # pixels): much less memory, slightly coarser targets.
    USE_MINI_MASK = True
    MINI_MASK_SHAPE: Sequence[int] = (56, 56)

    # How an image is resized to the input size:
    #   none    not resized; height and width must be multiples of 64
    #   square  scaled and zero-padded to [IMAGE_MAX_DIM, IMAGE_MAX_DIM]
    #   shape   scaled up or down to fit, and zero-padded to, [IMAGE_HEIGHT, IMAGE_WIDTH]: less
    #           padding if most pictures are portraits, say
    #   fit64   scaled as in square, but padded only to multiples of 64: detection takes a third
    #           less time for 2:3 pictures, and differs slightly; not for training
    #   pad64   scaled by IMAGE_MIN_DIM and IMAGE_MIN_SCALE, padded to multiples of 64
    #   crop    scaled likewise, then a random square of IMAGE_MIN_DIM; for training only
    IMAGE_RESIZE_MODE = "square"
    # Pixels. The shorter side is scaled up to IMAGE_MIN_DIM (never down to it); in square and
    # fit64 mode the longer side is then limited to IMAGE_MAX_DIM.
    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1024
    # Size in shape mode, in pixels; multiples of 64.
    IMAGE_HEIGHT = 1024
    IMAGE_WIDTH = 1024
    # Minimum scale factor (2 doubles an image even if IMAGE_MIN_DIM asks for less); 0: none.
    IMAGE_MIN_SCALE: float = 0
    # 3: colour (RGB). Anything else needs a MEAN_PIXEL of that length and a Dataset.load_image
    # that returns as many channels.
    IMAGE_CHANNEL_COUNT = 3

    # Subtracted from every pixel; RGB, in grey levels (0 to 255).
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])

    # Number of proposals that an image contributes to the heads' losses, and the share of
    # positive ones.
    TRAIN_ROIS_PER_IMAGE = 200
    ROI_POSITIVE_RATIO = 0.33

    # Bins of ROIAlign (side) for the class/box head and for the mask head.
    POOL_SIZE = 7
    MASK_POOL_SIZE = 14

    # Size of a predicted mask (height, width): twice MASK_POOL_SIZE, since Matterport's mask head
    # ends in one upsampling by 2, or four times that, with a second one.
    MASK_SHAPE: Sequence[int] = [28, 28]

    # True adds logits from the finest pyramid level to every mask, for finer outlines of large
    # objects. It adds layers that Matterport's files lack.
    MASK_DETAIL = False

    # Maximum number of instances of an image used in training.
    MAX_GT_INSTANCES = 100

    # Standard deviations of the box deltas (dy, dx, log dh, log dw) in the RPN and the heads.
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])

    # Maximum number of detections per image.
    DETECTION_MAX_INSTANCES = 100

    # Minimum class probability of a detection; 0 keeps everything that is not background.
    DETECTION_MIN_CONFIDENCE = 0.7

    # True: a proposal may be detected as every class whose probability reaches
    # DETECTION_MIN_CONFIDENCE, not only as its most probable one. Above .5 that is the same; below,
    # as for average precision, fewer instances are missed.
    DETECTION_EVERY_CLASS = False

    # Classes 1 to this one are detected, later ones ignored; None detects all.
    DETECTION_LAST_CLASS = None

    # IoU above which the lower-scoring of two detections of the same class is dropped.
    DETECTION_NMS_THRESHOLD = 0.3

    # SGD. The learning rate is constant within one call of `train`, see LEARNING_RATE_SCHEDULE.
    LEARNING_RATE = 0.001
    LEARNING_MOMENTUM = 0.9

    # Factor of the L2 penalty, sum(w^2) / size(w) over kernels and biases.
    WEIGHT_DECAY = 0.0001

    # Weights of the five losses; a missing name counts as 1.
    LOSS_WEIGHTS: Mapping[str, float] = dict.fromkeys(LOSS_NAMES, 1.0)

    # True: the heads are trained on the RPN's proposals. False: on regions given as an extra input.
    USE_RPN_ROIS = True

    # Batch normalisation: False uses the stored statistics without updating them (right for small
    # batches), None is Keras' normal behaviour (batch statistics while training), True uses
    # batch statistics even in inference (only good for experiments). Even with False, layers of
    # the small backbones use batch statistics while they are trained: otherwise they do not
    # learn.
    TRAIN_BN: bool | None = False

    # Maximum L2 norm of a gradient; None: gradients are not clipped.
    GRADIENT_CLIP_NORM: float | None = 5.0

    # ---- What Matterport does not have; each default keeps Matterport's results. ----

    # What GRADIENT_CLIP_NORM measures: "global" all gradients together (as Keras 2.0 did),
    # "variable" each variable's gradient separately (as tf.keras' clipnorm does).
    GRADIENT_CLIP_MODE = "global"

    # How detected masks are enlarged: "exact" as in Matterport's code; "fast", the same up to
    # rounding; "aligned", to where RoIAlign sampled them, since Matterport's come out too small;
    # "guided", which also moves their outlines to edges of the photograph, of three channels.
    MASK_RESAMPLE = "exact"

    # Number format of the network's activations: "float32", "bfloat16" (faster if the processor
    # supports it, detections change slightly), or "auto" (bfloat16 where it pays off).
    PRECISION = "float32"

    # True stops the gradient of mrcnn_bbox_loss at the target deltas. Matterport lets it flow
    # through them into the RPN, which doubles some gradients there.
    STOP_TARGET_GRADIENTS = False

    # "sgd", as in Matterport's code, or "adam" (Kingma and Ba, 2015), which learns much faster from
    # random weights. Both use the learning rate passed to `train`; LEARNING_MOMENTUM is for SGD.
    OPTIMIZER = "sgd"

    # Steps over which the learning rate of a new training run rises linearly from 0 to its value.
    WARMUP_STEPS = 0
    # How the learning rate changes within one call of `train`: "constant", "cosine" (to 0 at the
    # end of the call) or "cosine:0.01" (to that fraction), "step:60,80" (divided by 10 after 60
    # and after 80 epochs of training) or "step:60,80:0.5" (multiplied by that factor instead).
    LEARNING_RATE_SCHEDULE = "constant"

    # True multiplies the learning rate passed to `train` by the number of devices, reached over
    # WARMUP_STEPS, or 500 steps if that is 0 (Goyal et al., 2017).
    SCALE_LEARNING_RATE = False

    # Batches whose gradients are averaged for one weight update. A step is still one batch.
    ACCUMULATE_STEPS = 1

    # Decay of a moving average of the weights, such as .998 for some 500 updates (Polyak and
    # Juditsky, 1992). If it is above 0, validation, evaluation and checkpoints use the averages;
    # the training state contains both.
    WEIGHTS_AVERAGE = 0.0

    # Images with a class that is in less than this fraction of all images are shown more often
    # (Gupta et al., "LVIS", 2019; .001 there, .1 suits a dozen classes). 0: each once per pass.
    REPEAT_FACTOR_THRESHOLD: float = 0

    # Weights of the class loss: a list with one per class, background first; a dictionary by class
    # name or number (1 if missing); or "balanced" (inverse to the number of instances).
    CLASS_WEIGHTS: Sequence[float] | Mapping[str | int, float] | str | None = None

    # Epochs between evaluations of COCO's AP on the validation set; the best weights are then those
    # with the best mask AP instead of the lowest val_loss. 0: never.
    EVALUATE_EVERY = 0

    # Maximum number of validation images for it, spread evenly; None: all.
    EVALUATE_IMAGES: int | None = None

    # A call of `train` ends after this many epochs without a better mask AP (EVALUATE_EVERY) or
    # val_loss. 0: never.
    EARLY_STOPPING = 0

    # True also trains the heads on the ground truth boxes, besides the RPN's proposals.
    # Matterport's heads learn nothing from an image until the RPN hits one of its instances,
    # which wastes much of the training from random weights.
    ADD_GT_TO_PROPOSALS = False

    # Channels of the mask head's convolutions, and of the RPN's shared convolution.
    MASK_HEAD_CHANNELS = 256
    RPN_CHANNELS = 512

    # Minimum and maximum factor of a random scale for training images, such as (0.5, 2), relative
    # to the scale at which they just fit IMAGE_SHAPE. Larger images are cropped at random, smaller
    # ones placed at random. It replaces IMAGE_RESIZE_MODE in training. None: no jitter.
    SCALE_JITTER = None

    # How much saturation, contrast, brightness and hue of training images vary at random, from 0
    # (not at all) to 1; .4 is a lot.
    COLOUR_JITTER = 0.0

    # Workers that prepare training batches; None: one per core, at most 8; 0: none, the training
    # loop loads batches itself.
    LOADER_WORKERS: int | None = None

    # Workers are threads ("thread") or processes ("process", for a Dataset whose Python code
    # is the bottleneck).
    LOADER_BACKEND = "thread"

    # Batches kept ready ahead of the training step.
    LOADER_QUEUE = 8

    # Maximum number of images that training may skip because they cannot be loaded, each of which
    # is reported; Matterport's code tolerates 5 errors. 0 ends training at the first.
    SKIP_BAD_IMAGES = 0

    # How training images are resized: "exact" as in Matterport's code, or "fast" by OpenCV, in a
    # tenth of the time; grey levels differ by 1, and pictures do not darken along their border.
    LOADER_RESIZE = "exact"

    # Megabytes of resized training images kept in memory (in each worker process), so that they
    # are decoded and resized only once; 0: none. An image of 1024 x 1024 takes 3.1.
    LOADER_CACHE_MB: float = 0

    # Seconds between writes of the state to resume from within an epoch.
    STATE_SECONDS: float = 600

    # Integer that makes data order, augmentation and sampling repeatable; None: a new seed for
    # each run.
    SEED: int | None = None

    BATCH_SIZE: int
    IMAGE_SHAPE: Any  # an array [height, width, channels]
    IMAGE_META_SIZE: int
    _derived: Mapping[str, Any] = {}

    def __init__(self):
        self.validate()

    def validate(self) -> None:
        """Check every attribute's current value; call it again after changing some.

        Whole-numbered floats become integers, and a single number as MEAN_PIXEL applies to every
        channel. Derived attributes are computed again if their sources have changed; until then,
        one that was set by hand is kept.

        Raises:
            ConfigError: for the first attribute that cannot work: its name, its value, and what
                is expected.
        """
        make_plain(self)
        check(self)
        side = self.IMAGE_MIN_DIM if self.IMAGE_RESIZE_MODE == "crop" else self.IMAGE_MAX_DIM
        size = (side, side)
        if self.IMAGE_RESIZE_MODE == "shape":
            size = (self.IMAGE_HEIGHT, self.IMAGE_WIDTH)
        derived = {
            "BATCH_SIZE": self.IMAGES_PER_GPU * self.GPU_COUNT,
            "IMAGE_SHAPE": (*size, self.IMAGE_CHANNEL_COUNT),
            "IMAGE_META_SIZE": META_SIZE_WITHOUT_CLASSES + self.NUM_CLASSES,
        }
        for name, value in derived.items():
            if self._derived.get(name) != value:
                setattr(self, name, np.array(value) if isinstance(value, tuple) else value)
        self._derived = derived

    def to_dict(self) -> dict:
        """All attributes by name, sorted, as plain Python values.

        Arrays and tuples become lists, functions their qualified names.
        """
        return {name: _plain(getattr(self, name)) for name in self._attribute_names()}

    def to_json(self) -> str:
        """`to_dict` as JSON text, one attribute per line."""
        return json.dumps(self.to_dict(), indent=1, default=str)

    def display(self) -> None:
        """Print all attributes, one per line, sorted by name."""
        print("\nConfigurations:")
        for name in self._attribute_names():
            print(f"{name:30} {getattr(self, name)}")
        print("\n")

    def _attribute_names(self) -> list[str]:
        # Methods are callables in lower case; a function in upper case is a setting (BACKBONE).
        return [
            name
            for name in dir(self)
            if not name.startswith("_") and (name.isupper() or not callable(getattr(self, name)))
        ]


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return value
