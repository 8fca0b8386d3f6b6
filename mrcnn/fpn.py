"""The feature pyramid: P2 to P6 from C2 to C5.

Lin et al., "Feature Pyramid Networks for Object Detection" (2017), section 3.
"""

from collections.abc import Sequence

import keras
from keras import layers


def build_fpn(features: Sequence[keras.KerasTensor], channels: int) -> list[keras.KerasTensor]:
    """Merge backbone maps from coarse to fine.

    Args:
        features: `[C2, C3, C4, C5]`, float `[batch, h, w, any]`, each half the size of the one
            before.
        channels: of every pyramid map.

    Returns:
        `[P2, P3, P4, P5, P6]`, float `[batch, h, w, channels]`; P6 is P5 at half the size and
        serves the region proposals only.
    """
    C2, C3, C4, C5 = features
    top_down5 = layers.Conv2D(channels, 1, name="fpn_c5p5")(C5)
    top_down4 = _merge(top_down5, C4, channels, 4)
    top_down3 = _merge(top_down4, C3, channels, 3)
    top_down2 = _merge(top_down3, C2, channels, 2)
    merged = {2: top_down2, 3: top_down3, 4: top_down4, 5: top_down5}
    P2, P3, P4, P5 = (
        layers.Conv2D(channels, 3, padding="same", name=f"fpn_p{level}")(tensor)
        for level, tensor in merged.items()
    )
    P6 = layers.MaxPooling2D(pool_size=(1, 1), strides=2, name="fpn_p6")(P5)
    return [P2, P3, P4, P5, P6]


def _merge(coarse, lateral, channels, level):
    upsampled = layers.UpSampling2D(size=(2, 2), name=f"fpn_p{level + 1}upsampled")(coarse)
    reduced = layers.Conv2D(channels, 1, name=f"fpn_c{level}p{level}")(lateral)
    return layers.Add(name=f"fpn_p{level}add")([upsampled, reduced])
