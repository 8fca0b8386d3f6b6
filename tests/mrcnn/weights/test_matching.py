"""Weight files in and out: the layout on disk, what is refused, and that nothing is half done."""

import re
import shutil
import subprocess
import sys
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import UserError, WeightsError, WeightsNotFoundError
from mrcnn.network.layers import BatchNorm, TimeDistributed
from mrcnn.network.rpn import build_rpn_model
from mrcnn.weights.h5_reading import read_layers
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.keras_names import keras_applications_name
from mrcnn.weights.matching import (
    CLASS_DEPENDENT_LAYERS,
    layer_weights,
    load_weights,
    save_weights,
)
from tests.support import REPOSITORY, golden_json, recipe_weight

layers = keras.layers


def small_model(classes=5, width=4, blocks=1, mask_first=False, heads=True):
    """A network of every kind of layer that Mask R-CNN has, under its layer names, but tiny."""
    image = layers.Input((16, 16, 3), name="input_image")
    x = layers.Conv2D(width, 3, padding="same", name="conv1")(image)
    x = BatchNorm(name="bn_conv1")(x)
    for letter in "abcdef"[:blocks]:
        main = BatchNorm(name=f"bn2{letter}_branch2a")(
            layers.Conv2D(width, 1, name=f"res2{letter}_branch2a")(x)
        )
        side = BatchNorm(name=f"bn2{letter}_branch1")(
            layers.Conv2D(width, 1, name=f"res2{letter}_branch1")(x)
        )
        x = layers.Add(name=f"res2{letter}_add")([main, side])
    if not heads:
        return keras.Model(image, x)
    x = layers.Conv2D(6, 1, name="fpn_p2")(x)
    proposals = build_rpn_model(1, 3, 6, channels=8)(x)
    rois = layers.Reshape((4, 8, 8, 6), name="rois")(x)
    heads = [mask_head, class_head] if mask_first else [class_head, mask_head]
    outputs = [tensor for head in heads for tensor in head(rois, classes)]
    return keras.Model(image, [*proposals, *outputs])


def class_head(rois, classes):
    x = TimeDistributed(layers.Conv2D(8, 8), name="mrcnn_class_conv1")(rois)
    x = TimeDistributed(BatchNorm(), name="mrcnn_class_bn1")(x)
    x = layers.Reshape((4, 8), name="pool_squeeze")(x)
    logits = TimeDistributed(layers.Dense(classes), name="mrcnn_class_logits")(x)
    x = TimeDistributed(layers.Dense(4 * classes), name="mrcnn_bbox_fc")(x)
    return logits, layers.Reshape((4, classes, 4), name="mrcnn_bbox")(x)


def mask_head(rois, classes):
    deconv = layers.Conv2DTranspose(6, 2, strides=2)
    x = TimeDistributed(deconv, name="mrcnn_mask_deconv")(rois)
    return (TimeDistributed(layers.Conv2D(classes, 1), name="mrcnn_mask")(x),)


def recipe(model):
    """The model with the golden runs' weights."""
    for layer in model.layers:
        for name, variable in layer_weights(layer):
            owner, short = name.removesuffix(":0").split("/")
            variable.assign(recipe_weight(owner, short, variable.shape))
    return model


def snapshot(model):
    """Copies of all weights: (layer, weight name) -> array."""
    return {
        (layer.name, name): np.asarray(variable)
        for layer in model.layers
        for name, variable in layer_weights(layer)
    }


def differing_layers(before, after):
    return {key[0] for key in before if not np.array_equal(before[key], after[key])}


def keras2_read(path):
    """What Keras 2's reader takes from a file: layer_names -> groups -> weight_names -> arrays.

    The oldest reader, and so the strictest: names are bytes that it decodes, arrays are float32.
    """
    with h5py.File(path, "r") as file:
        root = file
        if "layer_names" not in file.attrs and "model_weights" in file:
            root = file["model_weights"]
        assert root.attrs["keras_version"].decode("utf8").startswith("2.")
        assert root.attrs["backend"].decode("utf8") == "tensorflow"
        found = {}
        for layer in [name.decode("utf8") for name in root.attrs["layer_names"]]:
            group = root[layer]
            names = [name.decode("utf8") for name in group.attrs["weight_names"]]
            found[layer] = [(name, np.asarray(group[name])) for name in names]
    return found


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file of a five-class model with recipe weights; tests only read it."""
    path = tmp_path_factory.mktemp("weights") / "five.h5"
    save_weights(recipe(small_model()), path)
    return path


@pytest.fixture
def copy(saved, tmp_path):
    """A copy of that file to damage."""
    return shutil.copy(saved, tmp_path / "copy.h5")


# --- what is written


def test_a_keras_2_reader_finds_every_array(saved):
    found = keras2_read(saved)
    model = small_model()
    assert list(found) == [layer.name for layer in model.layers]  # weightless layers too
    for layer, weights in found.items():
        for name, array in weights:
            owner, short = name.removesuffix(":0").split("/")
            assert array.dtype == np.float32
            assert np.array_equal(array, recipe_weight(owner, short, array.shape)), (layer, name)
    assert sum(map(len, found.values())) == len(model.weights)


def test_paths_and_order_are_those_of_the_contract(saved):
    contract = {
        entry["layer"]: [(w["h5_dataset"], w["weight_name"]) for w in entry["weights"]]
        for entry in golden_json("weights_contract")["resnet50/inference"][
            "weight_layers_in_h5_order"
        ]
    }
    compared = 0
    for layer, weights in read_layers(saved).items():
        if weights:
            ours = [(stored.dataset.lstrip("/"), name) for name, stored in weights]
            assert ours == contract[layer]
            compared += 1
    assert compared == 14


def test_equal_weights_give_equal_bytes_at_another_time(saved, tmp_path):
    time.sleep(1.1)  # HDF5's time stamps, if there were any, count seconds
    save_weights(recipe(small_model()), tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == saved.read_bytes()


def test_frozen_layers_keep_the_order_of_their_weights(saved, tmp_path):
    model = recipe(small_model())
    model.trainable = False
    save_weights(model, tmp_path / "frozen.h5")
    assert (tmp_path / "frozen.h5").read_bytes() == saved.read_bytes()


def test_bfloat16_weights_are_written_as_float32_and_read_back(tmp_path):
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2, name="d", dtype="bfloat16")])
    model.layers[0].set_weights([np.full((3, 2), 1.5), np.array([0.25, -2])])
    save_weights(model, tmp_path / "half.h5")
    kernel = keras2_read(tmp_path / "half.h5")["d"][0][1]
    assert kernel.dtype == np.float32 and (kernel == 1.5).all()
    model.layers[0].set_weights([np.zeros((3, 2)), np.zeros(2)])
    load_weights(model, tmp_path / "half.h5")
    assert np.array_equal(np.asarray(model.layers[0].bias), [0.25, -2])


def test_half_floats_are_read_back_as_they_are_written(saved, tmp_path):
    model = recipe(small_model())
    before = snapshot(model)
    save_weights(model, tmp_path / "half.h5", half=True)
    found = keras2_read(tmp_path / "half.h5")
    dtypes = {str(array.dtype) for weights in found.values() for _, array in weights}
    assert dtypes == {"float16"}
    arrays = saved.stat().st_size - sum(values.nbytes for values in before.values())
    halves = sum(values.nbytes for values in before.values()) / 2
    assert abs((tmp_path / "half.h5").stat().st_size - arrays - halves) < 4096  # HDF5 aligns
    model.set_weights([np.zeros(weight.shape) for weight in model.get_weights()])
    assert load_weights(model, tmp_path / "half.h5").complete
    for key, values in snapshot(model).items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, before[key].astype(np.float16).astype(np.float32))
    # Once rounded, the same values come back for ever.
    save_weights(model, tmp_path / "again.h5", half=True)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "half.h5").read_bytes()


def test_what_a_half_float_cannot_hold_stays_a_float(tmp_path):
    arrays = {"small": [65504.0, 1e-9], "large": [65520.0, 1.0], "none": []}
    layer = [(name, np.array(values)) for name, values in arrays.items()]
    write_layers(tmp_path / "x.h5", [("bn", layer)], half=True)
    ((_, stored),) = read_layers(tmp_path / "x.h5").items()
    found = {name: weight.read() for name, weight in stored}
    assert found["small"].tolist() == [65504.0, 0.0]
    assert found["large"].tolist() == [65520.0, 1.0]
    assert found["none"].shape == (0,)


def test_a_name_list_above_64_kb_is_cut_into_pieces(tmp_path):
    names = [f"layer_{i:05d}_{'x' * 200}" for i in range(700)]
    write_layers(tmp_path / "many.h5", ((name, []) for name in names))
    with h5py.File(tmp_path / "many.h5") as file:
        assert "layer_names" not in file.attrs and len(file.attrs["layer_names1"]) > 1
    assert list(read_layers(tmp_path / "many.h5")) == names


@pytest.mark.parametrize(
    "target",
    ["missing/five.h5", "file/five.h5", "folder"],
    ids=["no such folder", "a file in the folder's place", "a folder in the file's place"],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path, target):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WeightsError, match=r"cannot be written .*choose a folder"):
        save_weights(small_model(heads=False), tmp_path / target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


FILL_THE_DISK = """
import resource, signal, sys
import numpy as np
from mrcnn.errors import WeightsError
from mrcnn.weights.h5_writing import write_layers
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
size, count = int(sys.argv[2]), int(sys.argv[3])
try:
    write_layers(sys.argv[1], ((f"l{i}", [("a/k:0", np.ones(size))]) for i in range(count)))
except WeightsError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the file size the POSIX way")
@pytest.mark.parametrize(
    ("size", "count"),
    [(1_000_000, 2), (100, 2000), (10_000, 8)],
    ids=["one array is too large", "many small arrays", "full only when HDF5 closes"],
)
def test_a_full_disk_leaves_the_former_file_and_no_other(tmp_path, size, count):
    target = tmp_path / "weights.h5"
    target.write_bytes(b"the former file")
    run = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, target, str(size), str(count)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=1800,
    )
    assert run.returncode == 0 and run.stderr == ""
    assert "cannot be written" in run.stdout and "File too large" in run.stdout
    assert target.read_bytes() == b"the former file"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_half_way_leaves_the_former_file_and_no_other(tmp_path):
    target = tmp_path / "weights.h5"
    target.write_bytes(b"the former file")

    def interrupted():
        yield "conv1", [("conv1/kernel:0", np.ones(3))]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layers(target, interrupted())
    assert target.read_bytes() == b"the former file"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.h5").symlink_to(tmp_path / "real" / "weights.h5")
    write_layers(tmp_path / "link.h5", [("d", [("d/kernel:0", np.ones(2))])])
    assert (tmp_path / "link.h5").is_symlink() and (tmp_path / "real" / "weights.h5").is_file()


# --- what is read


@pytest.mark.parametrize("by_name", [True, False])
def test_what_was_saved_loads_completely(saved, by_name):
    model = small_model()
    report = load_weights(model, saved, by_name=by_name)
    expected = snapshot(recipe(small_model()))
    assert not differing_layers(expected, snapshot(model))
    assert report.complete and report.weight_count == len(model.weights)
    assert report.parameter_count == model.count_params()
    assert report.layout == ("matterport" if by_name else "order")
    assert not (report.skipped or report.missing_in_file or report.unused_in_file)
    assert f"{len(model.weights)} of the model's {len(model.weights)} weights" in report.summary()


# The cases measured on the reference: case -> (model, file's model, arguments, error or None).
GOLDEN_CASES = {
    "training model <- inference-mode h5, by_name=True": ({"mask_first": True}, {}, {}, None),
    "training model <- inference-mode h5, by_name=False": (
        {"mask_first": True},
        {},
        {"by_name": False},
        "another order",
    ),
    "5-class model <- 14-class h5, by_name=True": (
        {},
        {"classes": 14},
        {},
        r"mrcnn_bbox_fc: .*kernel:0 has shape \(8, 56\) .* \(8, 20\) in the model: "
        r"the file is for 14 classes, the model for 5",
    ),
    "5-class model <- 14-class h5, exclude heads": (
        {},
        {"classes": 14},
        {"by_name": False, "exclude": list(CLASS_DEPENDENT_LAYERS)},
        None,
    ),
    "resnet101 <- resnet50 h5, by_name=True": ({"blocks": 3}, {}, {}, None),
    "file whose weights lie under /model_weights": ({}, {}, {}, None),
}


@pytest.mark.parametrize("case", golden_json("behaviour")["load_weights"], ids=lambda c: c["case"])
def test_cases_of_the_reference(case, tmp_path):
    mine, theirs, arguments, error = GOLDEN_CASES[case["case"]]
    assert (case["result"] == "ok") == (error is None)
    path = tmp_path / "weights.h5"
    save_weights(recipe(small_model(**theirs)), path)
    if "/model_weights" in case["case"]:
        move_under_model_weights(path)
    model = small_model(**mine)
    before = snapshot(model)
    if error:
        with pytest.raises(ValueError, match=error):
            load_weights(model, path, **arguments)
        assert not differing_layers(before, snapshot(model))
    else:
        report = load_weights(model, path, **arguments)
        golden = snapshot(recipe(small_model(**mine)))
        left_out = {*report.skipped, *report.missing_in_file}
        assert differing_layers(golden, snapshot(model)) <= left_out
        assert set(report.loaded) | left_out == {key[0] for key in golden}


def move_under_model_weights(path):
    with h5py.File(path, "r+") as file:
        names = list(file)
        group = file.create_group("model_weights")
        for name in names:
            file.move(name, f"model_weights/{name}")
        for key in list(file.attrs):
            group.attrs[key] = file.attrs[key]
            del file.attrs[key]


def rename_with_suffix(file):
    """Keras names a layer built a second time conv1_1; the group keeps the layer's name."""
    group = file["conv1"]
    group.move("conv1", "conv1_1")
    group.attrs["weight_names"] = np.array([b"conv1_1/kernel:0", b"conv1_1/bias:0"])


def names_as_text(file):
    file.attrs["layer_names"] = [name.decode() for name in file.attrs["layer_names"]]


def names_in_pieces(file):
    names = file.attrs["layer_names"]
    del file.attrs["layer_names"]
    file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:3], names[3:]


def values_in_float64(file):
    values = file["conv1/conv1/kernel:0"][()]
    del file["conv1/conv1/kernel:0"]
    file["conv1/conv1/kernel:0"] = values.astype(np.float64)


def anchors_of_a_port(file):
    file.attrs["layer_names"] = np.array([b"anchors", *file.attrs["layer_names"]])
    group = file.create_group("anchors")
    group.attrs["weight_names"] = np.array([b"Variable:0"])
    group["Variable:0"] = np.zeros((2, 30, 4), np.float32)


def without_version(file):
    del file.attrs["keras_version"], file.attrs["backend"]


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        rename_with_suffix,
        names_as_text,
        names_in_pieces,
        values_in_float64,
        anchors_of_a_port,
        without_version,
    ],
)
def test_variants_of_the_layout_load_the_same(copy, change, by_name):
    with h5py.File(copy, "r+") as file:
        change(file)
    model = small_model()
    report = load_weights(model, copy, by_name=by_name)
    assert report.complete and not report.unused_in_file
    assert not differing_layers(snapshot(recipe(small_model())), snapshot(model))


def test_excluded_and_unselected_layers_keep_their_weights(saved):
    model = small_model()
    before = snapshot(model)
    report = load_weights(model, saved, exclude="conv1")
    assert report.skipped == {"conv1": "excluded"}
    assert "conv1" not in differing_layers(before, snapshot(model))

    model = small_model()
    before = snapshot(model)
    report = load_weights(model, saved, keep=r"(rpn_.*)|(fpn_.*)")
    assert report.loaded == ["fpn_p2", "rpn_model"]
    assert differing_layers(before, snapshot(model)) == {"fpn_p2", "rpn_model"}


def test_exclude_means_top_level_layers(saved):
    report = load_weights(small_model(), saved, exclude=["rpn_conv_shared"])
    assert "rpn_model" in report.loaded and not report.skipped


def test_other_classes_can_be_left_out_all_together(tmp_path):
    save_weights(recipe(small_model(classes=14)), tmp_path / "fourteen.h5")
    model = small_model()
    before = snapshot(model)
    report = load_weights(model, tmp_path / "fourteen.h5", class_mismatch="skip")
    heads = {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}
    assert report.skipped == dict.fromkeys(heads, "14 classes in the file, 5 in the model")
    assert not differing_layers(before, snapshot(model)) & heads
    golden = snapshot(recipe(small_model()))
    assert differing_layers(golden, snapshot(model)) == heads
    assert "14 classes in the file, 5 in the model" in report.summary()


def test_equal_classes_are_not_skipped(saved):
    assert load_weights(small_model(), saved, class_mismatch="skip").complete


def test_one_head_of_other_classes_takes_the_others_with_it(copy):
    with h5py.File(copy, "r+") as file:
        del file["mrcnn_mask/mrcnn_mask/kernel:0"], file["mrcnn_mask/mrcnn_mask/bias:0"]
        file["mrcnn_mask/mrcnn_mask/kernel:0"] = np.ones((1, 1, 6, 9), np.float32)
        file["mrcnn_mask/mrcnn_mask/bias:0"] = np.ones(9, np.float32)
    report = load_weights(small_model(), copy, class_mismatch="skip")
    assert set(report.skipped) == {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}


def test_another_width_is_an_error_even_where_classes_may_differ(saved):
    model = small_model(width=5)
    before = snapshot(model)
    with pytest.raises(WeightsError, match=r"conv1: .* \(3, 3, 3, 4\) .* \(3, 3, 3, 5\) in the"):
        load_weights(model, saved, class_mismatch="skip")
    assert not differing_layers(before, snapshot(model))


def test_another_number_of_weights_is_an_error(copy):
    with h5py.File(copy, "r+") as file:
        file["conv1"].attrs["weight_names"] = np.array([b"conv1/kernel:0"])
    with pytest.raises(WeightsError, match=r"conv1 has 1 weights in .* but 2 in the model"):
        load_weights(small_model(), copy)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_change_nothing(copy, value):
    with h5py.File(copy, "r+") as file:
        file["rpn_model/rpn_bbox_pred/bias:0"][3] = value
    model = small_model()
    before = snapshot(model)
    with pytest.raises(WeightsError, match=r"rpn_model holds NaN or infinity .*rpn_bbox_pred/bias"):
        load_weights(model, copy)
    assert not differing_layers(before, snapshot(model))


def test_no_common_layer_is_an_error(saved):
    stranger = keras.Sequential([layers.Input((3,)), layers.Dense(2, name="stranger")])
    with pytest.raises(WeightsError, match=r"no layer of .*conv1.*stranger"):
        load_weights(stranger, saved)


def test_a_model_without_weights_is_an_error(saved):
    image = layers.Input((3,))
    with pytest.raises(WeightsError, match="it has no weights"):
        load_weights(keras.Model(image, layers.ReLU()(image)), saved)


def test_excluding_everything_is_an_error(saved):
    with pytest.raises(WeightsError, match="every layer is left out"):
        load_weights(small_model(), saved, keep="nothing")


def test_by_order_the_names_may_differ_but_not_the_count(saved):
    with pytest.raises(WeightsError, match=r"the model has 18 layers with weights, .* has 14"):
        load_weights(small_model(blocks=2), saved, by_name=False)


def test_an_unknown_choice_is_a_programming_error(saved):
    with pytest.raises(ValueError, match="class_mismatch is 'ignore'") as caught:
        load_weights(small_model(), saved, class_mismatch="ignore")
    assert not isinstance(caught.value, UserError)


# --- what is refused


def write_text(text):
    return lambda path: path.write_bytes(text)


def cut(path):
    path.write_bytes(path.read_bytes()[:-4000])


def scramble_the_tree(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"TREE") : data.index(b"TREE") + 4] = b"XXXX"
    path.write_bytes(data)


def zip_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


def edit(change):
    def apply(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return apply


def replace_dataset(make):
    """Puts something else in the place of one array."""

    def change(file):
        del file["conv1/conv1/kernel:0"]
        make(file["conv1/conv1"])

    return edit(change)


def external_storage(group):
    group.create_dataset(
        "kernel:0", (3, 3, 3, 4), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    )


def virtual(group):
    layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "kernel", (3, 3, 3, 4))
    group.create_virtual_dataset("kernel:0", layout)


def set_link(link):
    return lambda group: group.__setitem__("kernel:0", link)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (write_text(b""), "is empty"),
        (write_text(b"<!DOCTYPE html><html>Not Found"), "HTML or XML page"),
        (write_text(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"),
        (write_text(b"\x80\x04\x95"), "a pickle"),
        (write_text(b"hello"), "not an HDF5 file"),
        (zip_archive, "a zip archive"),
        (cut, "damaged or cut short"),
        (scramble_the_tree, "damaged"),
        (edit(lambda f: f.attrs.__delitem__("layer_names")), "no attribute layer_names"),
        (edit(lambda f: f.attrs.__setitem__("layer_names", [1.5, 2.5])), "damaged"),
        (edit(lambda f: f.attrs.__setitem__("layer_names", np.array([b"\xff\xfe"]))), "damaged"),
        (edit(lambda f: f.attrs.__setitem__("backend", b"theano")), "Theano"),
        (edit(lambda f: f.__delitem__("conv1")), "lists conv1 but does not hold it"),
        (edit(lambda f: f.__delitem__("conv1/conv1/kernel:0")), "lists conv1/kernel:0 but"),
        (replace_dataset(lambda g: g.create_group("kernel:0")), "is not an array of floating"),
        (replace_dataset(lambda g: g.create_dataset("kernel:0", data=[1, 2])), "is not an array"),
        (replace_dataset(lambda g: g.create_dataset("kernel:0", data=b"x")), "is not an array"),
        (replace_dataset(set_link(h5py.ExternalLink("other.h5", "/k"))), "outside itself"),
        (replace_dataset(set_link(h5py.SoftLink("/conv1/conv1/bias:0"))), "outside itself"),
        (replace_dataset(external_storage), "outside itself"),
        (replace_dataset(virtual), "outside itself"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(copy, damage, message):
    damage(copy)
    model = small_model(heads=False)
    before = snapshot(model)
    with pytest.raises(WeightsError, match=re.escape(str(copy)) + ".*" + message):
        load_weights(model, copy)
    assert not differing_layers(before, snapshot(model))


def test_keras_3_own_layout_is_named(tmp_path):
    path = tmp_path / "own.weights.h5"
    small_model(heads=False).save_weights(path)
    with pytest.raises(WeightsError, match=r"Keras 3's own \.weights\.h5"):
        load_weights(small_model(heads=False), path)


def test_every_cut_is_noticed_or_harmless(saved, tmp_path):
    """No cut gives anything but the whole weights or a WeightsError."""
    data = saved.read_bytes()
    path = tmp_path / "cut.h5"
    for length in np.linspace(1, len(data) - 1, 60).astype(int):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError):
            read_layers(path)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_give_another_error(saved, tmp_path, seed):
    """Damage within the bookkeeping ends in WeightsError; within the values it cannot be seen."""
    data = np.frombuffer(saved.read_bytes(), np.uint8).copy()
    rng = np.random.RandomState(seed)
    data[rng.randint(0, len(data), 200)] = rng.randint(0, 256, 200)
    path = tmp_path / "flipped.h5"
    path.write_bytes(data.tobytes())
    model = small_model(heads=False)
    before = snapshot(model)
    try:
        load_weights(model, path)
    except WeightsError:
        assert not differing_layers(before, snapshot(model))


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(WeightsNotFoundError, match=r"none\.h5: there is no such weight file"):
        load_weights(small_model(heads=False), tmp_path / "none.h5")
    with pytest.raises(FileNotFoundError):
        load_weights(small_model(heads=False), tmp_path / "none.h5")


def test_a_folder_is_named(tmp_path):
    with pytest.raises(WeightsError, match="is a folder"):
        load_weights(small_model(heads=False), tmp_path)


# --- ImageNet


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("conv1", "conv1_conv"),
        ("bn_conv1", "conv1_bn"),
        ("res2a_branch1", "conv2_block1_0_conv"),  # the shortcut
        ("bn2a_branch2a", "conv2_block1_1_bn"),
        ("res3d_branch2c", "conv3_block4_3_conv"),
        ("res4w_branch2b", "conv4_block23_2_conv"),  # the last of resnet101
        ("fpn_p2", None),
        ("res6a_branch1", None),
    ],
)
def test_names_of_keras_applications(ours, theirs):
    assert keras_applications_name(ours) == theirs


def test_every_layer_of_keras_own_resnet50_has_its_place():
    model = keras.applications.ResNet50(weights=None, include_top=False)
    shapes = {
        layer.name: [tuple(variable.shape) for _, variable in layer_weights(layer)]
        for layer in model.layers
        if layer.weights
    }
    contract = golden_json("weights_contract")["resnet50/inference"]["weight_layers_in_h5_order"]
    backbone = {
        keras_applications_name(entry["layer"]): [tuple(w["shape"]) for w in entry["weights"]]
        for entry in contract
        if keras_applications_name(entry["layer"])
    }
    assert backbone == shapes


def test_a_file_with_the_names_of_keras_applications_is_recognised(tmp_path):
    golden = recipe(small_model())
    save_weights(golden, tmp_path / "golden.h5")
    renamed = (
        (keras_applications_name(layer), [(name, stored.read()) for name, stored in weights])
        for layer, weights in read_layers(tmp_path / "golden.h5").items()
        if keras_applications_name(layer)
    )
    write_layers(tmp_path / "imagenet.h5", renamed)
    model = small_model(blocks=2)  # as a deeper backbone, whose further blocks are not in the file
    report = load_weights(model, tmp_path / "imagenet.h5")
    assert report.layout == "keras.applications"
    assert report.loaded == [n for n in (x.name for x in model.layers) if n in set(report.loaded)]
    assert {"conv1", "bn_conv1", "res2a_branch1", "bn2a_branch2a"} <= set(report.loaded)
    assert {"res2b_branch2a", "fpn_p2", "mrcnn_mask"} <= set(report.missing_in_file)
    different = differing_layers(snapshot(golden), snapshot(model))
    assert not different & set(report.loaded)
