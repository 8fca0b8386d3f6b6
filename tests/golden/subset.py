"""Copy what the tests need of the golden measurements into this folder, under 8 MB.

    python tests/golden/subset.py PATH/TO/golden

Large arrays are thinned where a part proves as much as the whole: case b and c keep every eighth
anchor, case b keeps every second mask, and arrays that follow from others (softmax of stored
logits, molded images, anchors) are left out. Nothing is rounded.
"""

import gzip
import io
import pathlib
import sys
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent
WHOLE_TEXTS = ("behaviour.json", "noise_floor.json")
THINNED = {
    "forward_b_rpn.npz": {"rpn_class_logits": 8, "rpn_bbox": 8},
    "forward_c_rpn.npz": {"rpn_class_logits": 8, "rpn_bbox": 8},
    "forward_b_heads.npz": {"mrcnn_class_logits": 2, "mrcnn_bbox": 10},
}
THINNED_ROWS = {"forward_b_masks.npz": {"mrcnn_mask_selected_0": 2, "mrcnn_mask_selected_1": 2}}
LEFT_OUT = {
    "forward_b_rpn.npz": {"rpn_class", "rpn_rois"},
    "forward_c_rpn.npz": {"rpn_class", "rpn_rois"},
    "forward_b_heads.npz": {"mrcnn_class"},
    "forward_b_inputs.npz": {"molded_images", "anchors_normalized", "anchors_pixel"},
    "forward_c_inputs.npz": {"molded_images", "anchors_normalized", "anchors_pixel"},
    "data_generator_full.npz": {"images"},
}


def write_npz(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz that `np.load` reads, LZMA-compressed and without time stamps."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(zipfile.ZipInfo(name + ".npy"), buffer.getvalue(), zipfile.ZIP_LZMA)


def thin(name: str, key: str, array: np.ndarray) -> np.ndarray:
    if key in THINNED.get(name, {}):
        return array[:, :: THINNED[name][key]]
    if key in THINNED_ROWS.get(name, {}):
        return array[:: THINNED_ROWS[name][key]]
    return array


def main() -> None:
    source = pathlib.Path(sys.argv[1])
    for path in sorted(source.glob("*.npz")):
        with np.load(path) as data:
            kept = [key for key in data.files if key not in LEFT_OUT.get(path.name, ())]
            write_npz(HERE / path.name, {key: thin(path.name, key, data[key]) for key in kept})
    for name in WHOLE_TEXTS:
        (HERE / name).write_bytes((source / name).read_bytes())
    contract = (source / "weights_contract.json").read_bytes()
    (HERE / "weights_contract.json.gz").write_bytes(gzip.compress(contract, mtime=0))


if __name__ == "__main__":
    main()
