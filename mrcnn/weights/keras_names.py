"""Layer names in the weight files of `keras.applications`, and the names of those layers here."""

import re

_RESNET_LAYER = re.compile(r"(res|bn)([2-5])([a-z])_branch(1|2a|2b|2c)")
_BRANCHES = {"1": 0, "2a": 1, "2b": 2, "2c": 3}


def keras_applications_name(layer_name: str) -> str | None:
    """The name that one of Matterport's backbone layers has in `keras.applications`' ResNet files.

    `res2a_branch2a` is `conv2_block1_1_conv`: stage, block, position in the block, where position 0
    is the shortcut (`branch1`). None for any other layer.
    """
    if layer_name in ("conv1", "bn_conv1"):
        return "conv1_conv" if layer_name == "conv1" else "conv1_bn"
    match = _RESNET_LAYER.fullmatch(layer_name)
    if match is None:
        return None
    kind, stage, letter, branch = match.groups()
    block = ord(letter) - ord("a") + 1
    return f"conv{stage}_block{block}_{_BRANCHES[branch]}_{'conv' if kind == 'res' else 'bn'}"
