"""Backbones by name, and the feature pyramid on top of them: P2 to P6 from C2 to C5.

He et al., "Deep Residual Learning for Image Recognition" (2015); Lin et al., "Feature Pyramid
Networks for Object Detection" (2017), section 3.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers

from mrcnn.network.efficientnet import LEVELS, efficientnet_lite_graph
from mrcnn.network.layers import BatchNorm

STAGE_4_BLOCKS = {"resnet50": 5, "resnet101": 22}


def identity_block(
    input_tensor: keras.KerasTensor,
    kernel_size: int,
    filters: Sequence[int],
    stage: int,
    block: str,
    use_bias: bool = True,
    train_bn: bool | None = True,
) -> keras.KerasTensor:
    """A bottleneck block whose shortcut is the identity.

    Args:
        input_tensor: float `[batch, height, width, filters[2]]`.
        kernel_size: of the middle convolution.
        filters: channels of the three convolutions.
        stage: 2 to 5, for the layer names.
        block: 'b', 'c', ..., for the layer names.
        use_bias: whether the convolutions have biases.
        train_bn: see `BatchNorm`.
    """
    x = _bottleneck(input_tensor, kernel_size, filters, stage, block, 1, use_bias, train_bn)
    x = layers.Add()([x, input_tensor])
    return layers.Activation("relu", name=f"res{stage}{block}_out")(x)


def conv_block(
    input_tensor: keras.KerasTensor,
    kernel_size: int,
    filters: Sequence[int],
    stage: int,
    block: str,
    strides: int | tuple[int, int] = (2, 2),
    use_bias: bool = True,
    train_bn: bool | None = True,
) -> keras.KerasTensor:
    """A bottleneck block with a 1x1 convolution in its shortcut; `strides` apply to both paths."""
    x = _bottleneck(input_tensor, kernel_size, filters, stage, block, strides, use_bias, train_bn)
    conv = layers.Conv2D(
        filters[2], 1, strides=strides, use_bias=use_bias, name=f"res{stage}{block}_branch1"
    )
    shortcut = conv(input_tensor)
    shortcut = BatchNorm(train_bn, name=f"bn{stage}{block}_branch1")(shortcut)
    x = layers.Add()([x, shortcut])
    return layers.Activation("relu", name=f"res{stage}{block}_out")(x)


def _bottleneck(x, kernel_size, filters, stage, block, strides, use_bias, train_bn):
    conv_name, bn_name = f"res{stage}{block}_branch2", f"bn{stage}{block}_branch2"
    x = layers.Conv2D(filters[0], 1, strides=strides, use_bias=use_bias, name=conv_name + "a")(x)
    x = BatchNorm(train_bn, name=bn_name + "a")(x)
    x = layers.Activation("relu")(x)
    x = layers.Conv2D(
        filters[1], kernel_size, padding="same", use_bias=use_bias, name=conv_name + "b"
    )(x)
    x = BatchNorm(train_bn, name=bn_name + "b")(x)
    x = layers.Activation("relu")(x)
    x = layers.Conv2D(filters[2], 1, use_bias=use_bias, name=conv_name + "c")(x)
    return BatchNorm(train_bn, name=bn_name + "c")(x)


def resnet_graph(
    input_image: keras.KerasTensor,
    architecture: str,
    stage5: bool = False,
    train_bn: bool | None = True,
) -> list[keras.KerasTensor | None]:
    """ResNet-50 or ResNet-101.

    Args:
        input_image: float `[batch, height, width, channels]`, height and width divisible by 64.
        architecture: 'resnet50' or 'resnet101'.
        stage5: whether to build C5; otherwise it is None.
        train_bn: see `BatchNorm`.

    Returns:
        `[C1, C2, C3, C4, C5]` with 64, 256, 512, 1024 and 2048 channels.
    """
    blocks = (3, 4, 1 + STAGE_4_BLOCKS[architecture], 3)
    return residual_stages(input_image, blocks, 64, stage5=stage5, train_bn=train_bn)


def residual_stages(
    input_image: keras.KerasTensor,
    blocks: Sequence[int],
    width: int,
    stage5: bool = True,
    train_bn: bool | None = False,
) -> list[keras.KerasTensor | None]:
    """The stem and stages 2 to 5 of any ResNet with bottleneck blocks.

    Args:
        input_image: float `[batch, height, width, channels]`.
        blocks: blocks in each of stages 2 to 5; ResNet-50 has (3, 4, 6, 3).
        width: channels of the stem; the stages end in 4, 8, 16 and 32 times as many.
        stage5: whether to build the last stage.
        train_bn: see `BatchNorm`.
    """
    x = layers.ZeroPadding2D((3, 3))(input_image)
    x = layers.Conv2D(width, 7, strides=2, use_bias=True, name="conv1")(x)
    x = BatchNorm(train_bn, name="bn_conv1")(x)
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D((3, 3), strides=2, padding="same")(x)
    outputs: list[keras.KerasTensor | None] = [x]
    for stage, count in enumerate(blocks, start=2):
        if stage == 5 and not stage5:
            outputs.append(None)
            break
        channels = width * 2 ** (stage - 2)
        filters = [channels, channels, 4 * channels]
        strides = 1 if stage == 2 else 2
        x = conv_block(x, 3, filters, stage, "a", strides=strides, train_bn=train_bn)
        for i in range(1, count):
            x = identity_block(x, 3, filters, stage, chr(ord("a") + i), train_bn=train_bn)
        outputs.append(x)
    return outputs


def compact_resnet_graph(
    input_image: keras.KerasTensor, stage5: bool = True, train_bn: bool | None = False
) -> list[keras.KerasTensor | None]:
    """A half-width ResNet-26: a backbone for CPUs, with an eighth of ResNet-50's arithmetic.

    Set it as `Config.BACKBONE`, with `compact_backbone_shapes` as
    `Config.COMPUTE_BACKBONE_SHAPE`, both wrapped in `staticmethod`. It has no pretrained weights
    whose statistics could be kept, so even where `train_bn` is False, its batch norms use batch
    statistics while they are trained; frozen ones do not.
    """
    own = None if train_bn is False else train_bn
    return residual_stages(input_image, (2, 2, 2, 2), 32, stage5=stage5, train_bn=own)


def compact_backbone_shapes(image_shape: Sequence[int]) -> np.ndarray:
    """Sizes of P2 to P6 of `compact_resnet_graph`, `[[height, width], ...]`, for a molded size."""
    strides = np.array([4, 8, 16, 32, 64])
    return np.ceil(np.asarray(image_shape[:2])[None] / strides[:, None]).astype(int)


def build_backbone(
    input_image: keras.KerasTensor,
    backbone: str | Callable,
    train_bn: bool | None,
) -> list[keras.KerasTensor]:
    """C1 to C5 of a backbone by name, or of a callable `f(image, stage5=True, train_bn=...)`."""
    if callable(backbone):
        return backbone(input_image, stage5=True, train_bn=train_bn)
    if backbone in LEVELS:
        return efficientnet_lite_graph(input_image, backbone, train_bn=train_bn)
    return resnet_graph(input_image, backbone, stage5=True, train_bn=train_bn)


def build_fpn(features: Sequence[keras.KerasTensor], channels: int) -> list[keras.KerasTensor]:
    """Merge backbone maps from coarse to fine.

    Args:
        features: `[C2, C3, C4, C5]`, float `[batch, h, w, any]`, each half the size of the
            previous one.
        channels: of every pyramid map.

    Returns:
        `[P2, P3, P4, P5, P6]`, float `[batch, h, w, channels]`; P6 is P5 at half the size, used
        for region proposals only.
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
