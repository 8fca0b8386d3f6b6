"""The same batches on one device and on two, in a process whose processor is divided into two.

python -m tests.mrcnn.distributed_steps CASE...

One line of JSON for each case of `CASES`: the losses of each step and of a validation after them;
and by how much the weights differ in the end, relative to how far the one device has moved them.

The RoIs are drawn from given regions, which do not move with the weights. Region proposals do, and
where two have nearly equal scores the last bit decides which of them suppresses the other, and so
which RoIs the heads learn from. After an update the last bits differ, so that with proposals only
the first step is compared.
"""

import json
import sys

import numpy as np

from tests.mrcnn.distributed_script import divide_processor

BATCH = 4
STEPS = 4
# Config attributes, and what is done to the batches.
CASES = {
    "plain": ({}, None),
    # The gradient of the heads' losses flows on into the proposals.
    "proposals": ({"USE_RPN_ROIS": True}, None),
    # The positives are all of one device's images: the mean of the devices' means is far off.
    "uneven": ({"GRADIENT_CLIP_NORM": 0.5}, "empty half"),
    # The norm of each device's gradient is limited by itself, unless they are added up before.
    "clipped": ({"GRADIENT_CLIP_NORM": 0.05, "WEIGHT_DECAY": 0.01}, None),
    "accumulated": ({"ACCUMULATE_STEPS": 2, "OPTIMIZER": "adam", "LEARNING_RATE": 1e-4}, None),
    "weighted": ({"CLASS_WEIGHTS": [1, 3, 0.5], "STOP_TARGET_GRADIENTS": True}, None),
    "active classes": ({"GRADIENT_CLIP_MODE": "variable"}, "other classes"),
    # Statistics of four images pass the last bit on a hundredfold at the usual rate.
    "batch norm": ({"TRAIN_BN": None, "LEARNING_RATE": 1e-3}, None),
}


def normalised_backbone(image, stage5=True, train_bn=None):
    """The tiny one, with a batch norm that looks at the batch."""
    from mrcnn.network.layers import BatchNorm
    from tests.mrcnn.tiny import tiny_backbone

    stages = tiny_backbone(image, stage5, train_bn)
    if train_bn is not False:
        stages[4] = BatchNorm(train_bn=train_bn, name="bn5a_branch2a")(stages[4])
    return stages


def make_config(changes, devices):
    from tests.mrcnn.tiny import TinyConfig

    sizes = {"GPU_COUNT": devices, "IMAGES_PER_GPU": BATCH // devices}
    # With the annotated boxes the heads learn from the first step on.
    common = {"ADD_GT_TO_PROPOSALS": True, "USE_RPN_ROIS": False}
    common["BACKBONE"] = staticmethod(normalised_backbone)
    return type("StepConfig", (TinyConfig,), {**sizes, **common, **changes})()


def change(inputs, how):
    """A batch whose second half is another kind of images."""
    half = BATCH // 2
    if how == "empty half":
        inputs[2][half:] = np.where(inputs[2][half:] == 1, 0, inputs[2][half:])
        inputs[4][half:] = 0
        inputs[5][half:] = 0
    if how == "other classes":  # of another source, where only the background is known
        inputs[1][half:, -2:] = 0
    return inputs


def train(model, batches, weights):
    """Losses of each step and of a validation, and the weights after them."""
    from mrcnn.network.losses import use_class_weights

    config = model.config
    for variable, value in zip(model.keras_model.weights, weights, strict=True):
        variable.assign(value)
    model.set_trainable(".*", verbose=0)
    step = model.compile(config.LEARNING_RATE, 0.9)
    step.seed = 7
    use_class_weights(model.keras_model, config.CLASS_WEIGHTS)
    losses = [step.train(batch, number) for number, batch in enumerate(batches)]
    if len(batches) > 1:
        losses.append(step.validate(batches[0], 0))
    return losses, [np.asarray(v.value) for v in model.keras_model.weights]


def starting_weights(model) -> list[np.ndarray]:
    """The model's own, but that pixels, of about 100, come out of the first layer as about 1.

    Else the scores of a random RPN are 1 to the last bit, and that bit decides which of its
    proposals stay: after a first update, which differs by as much, they would be others.
    """
    values = {v.path: np.asarray(v.value) for v in model.weights}
    return [value * 0.01 if path.startswith("conv1/") else value for path, value in values.items()]


def copies_differ(model) -> bool:
    """Whether a device has other weights than the first."""
    results = model.distribution.strategy.experimental_local_results
    trained = model.keras_model.trainable_variables
    copies = [[copy.numpy() for copy in results(v.value)] for v in trained]
    return any(not np.array_equal(a, b) for a, b in copies)


def compare(name) -> dict:
    from mrcnn.data.loader import BatchLoader
    from mrcnn.model import MaskRCNN
    from tests.mrcnn.tiny import ShapesDataset

    changes, how = CASES[name]
    models = [MaskRCNN("training", make_config(changes, n), "logs") for n in (1, 2)]
    config = models[0].config
    loader = BatchLoader(
        ShapesDataset(10),
        config,
        batch_size=BATCH,
        workers=0,
        random_rois=0 if config.USE_RPN_ROIS else config.POST_NMS_ROIS_TRAINING,
    )
    steps = 1 if config.USE_RPN_ROIS else STEPS
    batches = [change(loader.batch(step), how) for step in range(steps)]
    start = starting_weights(models[0].keras_model)
    (one, end), (two, other) = (train(model, batches, start) for model in models)
    moved = np.sqrt(sum(np.sum((a - b) ** 2.0) for a, b in zip(end, start, strict=True)))
    apart = np.sqrt(sum(np.sum((a - b) ** 2.0) for a, b in zip(end, other, strict=True)))
    return {
        "one": np.array(one, float).tolist(),
        "two": np.array(two, float).tolist(),
        "apart": float(apart / moved),
        "copies differ": copies_differ(models[1]),
    }


def main(names):
    divide_processor(2)
    import keras

    from mrcnn.training.step import repeatable_training

    with repeatable_training(0):
        for name in names:
            keras.utils.set_random_seed(1)
            print(json.dumps(compare(name)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
