"""Run an exported file in a process that cannot import this project, nor Keras.

python run_exported.py FOLDER PICTURES.npz FOUND.npz PAGE FORMAT [FORMAT ...]

The pictures are arrays by name. What a format finds goes to FOUND.npz as <format>/<picture>/<key>.
PAGE is docs/export.md, whose Python functions prepare pictures for LiteRT and paste mini masks.
"""

import json
import re
import sys
from pathlib import Path

for package in ("mrcnn", "fashion", "keras"):
    sys.modules[package] = None  # importing it raises ImportError

import numpy as np  # noqa: E402


def functions_of(page):
    """The functions that the page's Python blocks define."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    namespace = {}
    for block in blocks:
        if block.startswith("import numpy as np\nimport skimage"):
            exec(block, namespace)
    return namespace


def saved_model(folder, pictures, page):
    import tensorflow as tf

    model = tf.saved_model.load(str(folder / "saved_model"))
    names = model.signatures["class_names"]()["class_names"].numpy()
    yield "names", {"names": names.astype(bytes)}  # not as Python objects
    for name, image in pictures.items():
        yield name, model.signatures["serving_default"](image=tf.constant(image))
        encoded = tf.io.encode_png(tf.constant(image))
        yield f"{name}, encoded", model.signatures["encoded"](encoded=encoded)
        found = {k: v.numpy() for k, v in model.signatures["mini"](image=image).items()}
        yield f"{name}, pasted", found | {"masks": pasted(page, found, image)}


def onnx(folder, pictures, page):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
    yield "names", {"names": np.array(names, dtype=bytes)}
    keys = [output.name for output in session.get_outputs()]
    for name, image in pictures.items():
        found = dict(zip(keys, session.run(None, {"image": image}), strict=True))
        if "mini_masks" in found:
            found["masks"] = pasted(page, found, image)
        yield name, found


def tflite(folder, pictures, page):
    import tensorflow as tf

    runner = tf.lite.Interpreter(str(folder / "model.tflite")).get_signature_runner()
    config = json.loads((folder / "model.tflite.json").read_text(encoding="utf-8"))["config"]
    for name, image in pictures.items():
        molded, window = page["prepare"](image, config)
        found = runner(image=molded, window=window)
        count = int(found.pop("count"))
        found = {key: value[:count] for key, value in found.items()}
        found["boxes"] = page["in_photograph"](found["boxes"], window, image.shape)
        yield name, found | {"masks": pasted(page, found, image)}


def pasted(page, found, image):
    aligned = page["resample"] == "aligned"
    masks = [
        page["paste"](mask, box, image.shape[:2], aligned)
        for mask, box in zip(found["mini_masks"], found["boxes"], strict=True)
    ]
    return np.array(masks, dtype=bool).reshape(-1, *image.shape[:2])


def main():
    folder, pictures, out, page = (Path(argument) for argument in sys.argv[1:5])
    with np.load(pictures) as stored:
        pictures = dict(stored)
    page, arrays = functions_of(page), {}
    for kind in sys.argv[5:]:
        file = "saved_model" if kind == "saved_model" else f"model.{kind}"
        described = json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))
        page["resample"] = described["config"]["MASK_RESAMPLE"]
        for name, found in globals()[kind](folder, pictures, page):
            arrays |= {f"{kind}/{name}/{key}": np.asarray(v) for key, v in found.items()}
    np.savez(out, **arrays)


if __name__ == "__main__":
    main()
