"""The network that is exported: folded, with the outputs for detections only."""

import keras

from mrcnn.inference.folding import DetectedRows, fold_inference
from mrcnn.inference.predictor import DETECTIONS, MASKS


def exported_network(
    model: keras.Model, portable: bool = False, fixed_rows: bool = False
) -> keras.Model:
    """A network for deployment, with weights of its own where convolutions are folded.

    Args:
        model: of `mrcnn.network.build.build_model("inference", ...)`.
        portable: use the layers of `mrcnn.export_layers`, which other runtimes can run, for one
            image of a known size.
        fixed_rows: always give masks for DETECTION_MAX_INSTANCES rows.

    Returns:
        A model of `[image, meta, anchors]` to `[detections [batch, n, 6], masks
        [batch, rows, h, w, classes]]`, as `Predictor.run_detection` gives them.
    """
    from mrcnn.export_layers import PORTABLE, AllRows

    changed = dict(PORTABLE) if portable else {}

    def exported(layer):
        name = layer.name
        if fixed_rows and isinstance(layer, DetectedRows):
            return AllRows(name=name)
        if type(layer) in changed:
            return changed[type(layer)](layer, name=name)
        return layer

    folded = fold_inference(model)
    wanted = keras.Model(folded.inputs, [folded.outputs[DETECTIONS], folded.outputs[MASKS]])
    # Every layer is called again, so that a replacement takes the place of the original.
    return keras.models.clone_model(
        wanted,
        clone_function=exported,
        call_function=lambda layer, *args, **kwargs: layer(*args, **kwargs),
    )
