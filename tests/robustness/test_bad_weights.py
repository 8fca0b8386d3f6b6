"""Weight files of strangers: nothing but arrays is read, nothing of others, and within bounds."""

import io
import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from fashion.stages.models import ModelChoice, check_preset, describe_weights
from fashion.stages.stage import MODANET_STAGE
from fashion.stages.training_labels import with_labels
from mrcnn.errors import UserError, WeightsError
from mrcnn.inspection.weight_file import read_contents
from mrcnn.training.state import read_progress
from mrcnn.weights.h5_reading import (
    MOST_NAMES,
    StoredWeight,
    read_arrays,
    read_attributes,
    read_layers,
)
from mrcnn.weights.h5_writing import write_layers
from tests.robustness.hostile import damaged, ran_code, touched_outside, value_or_sentence, watched

LAYERS = [
    ("conv1", [("conv1/kernel:0", np.ones((3, 3, 3, 4))), ("conv1/bias:0", np.zeros(4))]),
    ("activation", []),
    ("mrcnn_class_logits", [("mrcnn_class_logits/kernel:0", np.ones((8, 3)))]),
]
NOTE = {"fashion_stage": json.dumps({"preset": "demo", "classes": ["bag", "belt"]})}


def good_file(path):
    write_layers(path, LAYERS, NOTE)
    return path


def read_everything(path) -> None:
    """All that the project reads of a weight file before it has a model."""
    for weights in read_layers(path).values():
        for array in read_arrays(weight for _, weight in weights):
            assert array.dtype == np.float32
    read_attributes(path)
    read_contents(path).to_text()
    check_preset(describe_weights(path), "demo")


def check_damage(path, count: int) -> None:
    good = good_file(path).read_bytes()
    with watched() as events:
        for seed in range(count):
            path.write_bytes(damaged(good, seed))
            value_or_sentence(read_everything, path)
    assert not ran_code(events)
    assert not touched_outside(events, path.parent)


def test_damaged_files(tmp_path):
    check_damage(tmp_path / "a.h5", 250)


@pytest.mark.slow
def test_thousands_of_damaged_files(tmp_path):
    check_damage(tmp_path / "a.h5", 20_000)


def test_every_cut(tmp_path):
    data = good_file(tmp_path / "a.h5").read_bytes()
    for length in np.linspace(0, len(data) - 1, 60).astype(int):
        (tmp_path / "cut.h5").write_bytes(data[:length])
        with pytest.raises(WeightsError):
            read_everything(tmp_path / "cut.h5")


# --- files that want to do something --------------------------------------------------------


class Bomb:
    """A pickle that would make a file."""

    def __reduce__(self):
        return (open, ("was_here", "w"))


def keras_archive() -> bytes:
    """A .keras file with a Lambda layer."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Lambda"}))
        archive.writestr("model.weights.h5", b"")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps(Bomb()), "a pickle"),
        (pickle.dumps(Bomb(), protocol=0), "not an HDF5 file"),
        (keras_archive(), "a zip archive"),
    ],
)
def test_pickles_and_archives_are_not_opened(tmp_path, monkeypatch, data, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.h5").write_bytes(data)
    with watched() as events, pytest.raises(WeightsError, match=reason):
        read_layers(tmp_path / "a.h5")
    assert not ran_code(events)
    assert not (tmp_path / "was_here").exists()


def test_a_model_with_a_lambda_gives_its_arrays_alone(tmp_path):
    """A whole Keras 2 model, whose configuration holds marshalled code."""
    path = good_file(tmp_path / "a.h5")
    code = {"class_name": "Lambda", "config": {"function": ["4wAAAAA=", None, None]}}
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps({"config": {"layers": [code]}})
    with watched() as events:
        read_everything(path)
    assert not [event for event in events if event[0] in ("marshal.loads", "exec", "compile")]


# --- files that refer to others -------------------------------------------------------------


def external_link(file, secret):
    file["conv1/conv1/kernel:0"] = h5py.ExternalLink(str(secret), "/values")


def external_layer(file, secret):
    del file["conv1"]
    file["conv1"] = h5py.ExternalLink(str(secret), "/")


def soft_link(file, _):
    file["conv1/conv1/kernel:0"] = h5py.SoftLink("/mrcnn_class_logits")


def external_storage(file, secret):
    storage = [(str(secret), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("conv1/conv1/kernel:0", (3, 3, 3, 4), "f4", external=storage)


def virtual(file, secret):
    layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "values", (3, 3, 3, 4))
    file.create_virtual_dataset("conv1/conv1/kernel:0", layout)


@pytest.mark.parametrize(
    "refer", [external_link, external_layer, soft_link, external_storage, virtual]
)
def test_no_other_file_is_read(tmp_path, refer):
    path, secret = good_file(tmp_path / "a.h5"), tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["values"] = np.full((3, 3, 3, 4), 42, "f4")
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        refer(file, secret)
    with pytest.raises(WeightsError, match="refers to data outside itself"):
        read_everything(path)


@pytest.mark.parametrize("name", ["model_weights", "layers"])
def test_not_even_to_see_what_is_there(tmp_path, name):
    """`name in file` of h5py opens the file that an external link leads to."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")
    with pytest.raises(WeightsError, match=r"outside itself|Keras 3's own"):
        read_layers(tmp_path / "a.h5")


def test_links_in_a_circle_end(tmp_path):
    path = good_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["conv1/loop"] = file["conv1"]
        file["conv1"].attrs["weight_names"] = [b"loop/" * 200 + b"conv1/kernel:0"]
    assert read_layers(path)["conv1"][0][1].shape == (3, 3, 3, 4)


# --- files that declare, or unpack to, more than memory holds -------------------------------


def declared(file):
    """A trillion numbers of which none is stored."""
    file.create_dataset("conv1/conv1/kernel:0", (10**6, 10**6), "f4", chunks=(64, 64))


def packed(file):
    file.create_dataset("conv1/conv1/kernel:0", data=np.zeros((3, 3, 3, 4)), compression="gzip")


def many_names(file):
    file["conv1"].attrs["weight_names"] = np.array([b"conv1/bias:0"] * (MOST_NAMES // 2))
    file["conv1/conv1/kernel:0"] = np.zeros((3, 3, 3, 4))
    for name in ("a", "b", "c"):
        file[name] = file["conv1"]
    file.attrs["layer_names"] = np.array([b"conv1", b"a", b"b", b"c"])


def one_array_many_times(file):
    """A quarter of a gigabyte that is listed again and again."""
    file.create_dataset("conv1/conv1/kernel:0", (1 << 26,), "f4", chunks=(1 << 20,))
    file["conv1"].attrs["weight_names"] = np.array([b"conv1/kernel:0"] * 50)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (declared, "declares more than"),
        (packed, "compressed or filtered array"),
        (many_names, "declares more than"),
        (one_array_many_times, "declares more than"),
    ],
)
def test_more_than_any_network_has_is_refused(tmp_path, change, reason):
    path = good_file(tmp_path / "a.h5")
    with h5py.File(path, "r+", libver="latest") as file:
        del file["conv1/conv1/kernel:0"]
        change(file)
    with pytest.raises(WeightsError, match=reason):
        read_everything(path)


def test_names_that_all_stand_in_one_large_place(tmp_path):
    """Texts of variable length: 5,000 references, here to 2 MB each."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_group("conv1")
        file.attrs["note"] = "x" * (2 << 20)
        file.attrs.create("layer_names", ["conv1"] * 5000, dtype=h5py.string_dtype())
    with pytest.raises(WeightsError, match="5,000 texts"):
        read_layers(path)


# --- other content --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "note",
    ["[" * 50_000, "9" * 5000, "null", "[]", '{"classes": 3}', '{"classes": [1, null]}',
     '{"classes": "abc"}', '{"preset": ["demo"], "classes": {"a": 1}}', "\x1b[2J"],
)  # fmt: skip
def test_notes_that_are_none_count_as_none(tmp_path, note):
    path = tmp_path / "a.h5"
    write_layers(path, LAYERS, {"fashion_stage": note})
    read_everything(path)
    assert with_labels(ModelChoice(MODANET_STAGE, path), None).stage is MODANET_STAGE


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "a" * 300, "a\0b"])
def test_what_is_no_file_is_not_opened(path):
    with pytest.raises(WeightsError, match="there is no such weight file"):
        read_layers(path)


def test_an_error_of_ours_keeps_its_traceback(tmp_path):
    """Only what h5py says of a bad file is the file's fault."""
    path = good_file(tmp_path / "a.h5")
    with pytest.raises(AttributeError, match="strip"):
        list(read_arrays([StoredWeight(path, None, (8, 3))]))


# --- the state of a training ----------------------------------------------------------------


def objects(stream):
    np.savez(stream, progress=np.array([Bomb()], dtype=object))


def other_keys(stream):
    np.savez(stream, progress=np.array(json.dumps({"format": 1, "nonsense": 5})))


def no_object(stream):
    np.savez(stream, progress=np.array("[1, 2]"))


def no_format(stream):
    np.savez(stream, progress=np.array("{}"))


@pytest.mark.parametrize("write", [objects, other_keys, no_object, no_format])
def test_a_state_of_strangers_is_left_aside(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "training_state.npz").open("wb") as stream:
        write(stream)
    with watched() as events:
        try:
            assert read_progress(tmp_path) is None
        except UserError as error:
            assert "training_state" in str(error)
    assert not ran_code(events)
    assert not (tmp_path / "was_here").exists()
