"""EfficientNet-Lite as a feature extractor: C1 to C5 at strides 2, 4, 8, 16 and 32.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), table
1, in the Lite variant for CPUs: no squeeze-and-excitation, ReLU6 instead of swish. Lite2 is Lite0
with 1.1 times the channels and 1.2 times the blocks, except for the stem and for the numbers of the
first and last blocks. Padding is TensorFlow's SAME throughout, as in the networks that produced the
ImageNet weights.

Layers are named by pyramid level and block, like those of the ResNets (`res4b_expand`,
`bn4b_expand`, `res4b_out`), so that '3+', '4+', '5+' and custom expressions select the same levels.
"""

from string import ascii_lowercase

import keras
from keras import layers

from mrcnn.network.layers import BatchNorm, DepthwiseConv2D

STEM_CHANNELS = 32

# Grey levels, after mean subtraction, per unit of the first convolution's input.
INPUT_SCALE = 128.0

# The blocks of each level, 1 to 5: (repetitions, kernel, stride of the first, expansion, channels).
LEVELS = {
    "efficientnet-lite0": (
        ((1, 3, 1, 1, 16),),
        ((2, 3, 2, 6, 24),),
        ((2, 5, 2, 6, 40),),
        ((3, 3, 2, 6, 80), (3, 5, 1, 6, 112)),
        ((4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
    ),
    "efficientnet-lite2": (
        ((1, 3, 1, 1, 16),),
        ((3, 3, 2, 6, 24),),
        ((3, 5, 2, 6, 48),),
        ((4, 3, 2, 6, 88), (4, 5, 1, 6, 120)),
        ((5, 5, 2, 6, 208), (1, 3, 1, 6, 352)),
    ),
}


def efficientnet_lite_graph(
    input_image: keras.KerasTensor,
    variant: str,
    stage5: bool = True,
    train_bn: bool | None = False,
) -> list[keras.KerasTensor | None]:
    """An EfficientNet-Lite without its classifier.

    Args:
        input_image: float `[batch, height, width, 3]` in grey levels minus MEAN_PIXEL; the ImageNet
            weights expect a mean of 127. Padding that is 0 here is 0 for the first convolution.
        variant: a key of `LEVELS`.
        stage5: whether to build C5; otherwise it is None.
        train_bn: see `BatchNorm`. Even where it is False, these batch norms use batch statistics
            while their layers are trained, like those of `compact_resnet_graph`; frozen ones keep
            their moving statistics.

    Returns:
        `[C1, C2, C3, C4, C5]`; in Lite0 with 16, 24, 40, 112 and 320 channels, in Lite2 with 16,
        24, 48, 120 and 352. C2 to C5 pass through one more batch norm (`fpn_c2_bn` ...
        `fpn_c5_bn`, selected with the heads): the blocks end in a linear convolution whose outputs
        have standard deviations of 3 to 9, and a pyramid directly on these does not learn.
    """
    train_bn = None if train_bn is False else train_bn
    # Divide in the graph, not in the kernel: the optimizer's steps suit kernels of usual magnitude.
    x = layers.Rescaling(1 / INPUT_SCALE, name="input_scaled")(input_image)
    x = layers.Conv2D(STEM_CHANNELS, 3, strides=2, padding="same", use_bias=False, name="conv1")(x)
    x = _norm_relu6(x, train_bn, "conv1")
    outputs: list[keras.KerasTensor | None] = []
    for level, groups in enumerate(LEVELS[variant], start=1):
        if level == 5 and not stage5:
            outputs.append(None)
            break
        blocks = [
            (kernel, stride if i == 0 else 1, expansion, channels)
            for repetitions, kernel, stride, expansion, channels in groups
            for i in range(repetitions)
        ]
        for letter, block in zip(ascii_lowercase, blocks, strict=False):
            x = inverted_residual_block(x, *block, name=f"{level}{letter}", train_bn=train_bn)
        outputs.append(x if level == 1 else BatchNorm(train_bn, name=f"fpn_c{level}_bn")(x))
    return outputs


def inverted_residual_block(
    x: keras.KerasTensor,
    kernel_size: int,
    strides: int,
    expansion: int,
    channels: int,
    name: str,
    train_bn: bool | None,
) -> keras.KerasTensor:
    """Expand, convolve each channel, project linearly; with a shortcut if the shape is unchanged.

    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), section 3.

    Args:
        x: float `[batch, height, width, any]`.
        kernel_size: of the depthwise convolution.
        strides: of the depthwise convolution.
        expansion: factor of the channels within the block; 1 omits the expansion.
        channels: of the output.
        name: level and letter, such as '4b', for the layer names.
        train_bn: see `BatchNorm`.
    """
    shortcut = x
    if expansion != 1:
        x = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False, name=f"res{name}_expand")(x)
        x = _norm_relu6(x, train_bn, f"{name}_expand")
    x = DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        name=f"res{name}_depthwise",
    )(x)
    x = _norm_relu6(x, train_bn, f"{name}_depthwise")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"res{name}_project")(x)
    x = BatchNorm(train_bn, name=f"bn{name}_project")(x)
    if strides == 1 and shortcut.shape[-1] == channels:
        x = layers.Add(name=f"res{name}_out")([x, shortcut])
    return x


def _norm_relu6(x, train_bn, name):
    norm = "bn_conv1" if name == "conv1" else f"bn{name}"
    x = BatchNorm(train_bn, name=norm)(x)
    return layers.Activation("relu6", name=f"{norm}_relu6")(x)
