"""Where the COCO and ImageNet weights come from, on a server of our own."""

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn.errors import DownloadError
from mrcnn.weights import known_files
from mrcnn.weights.known_files import (
    COCO_MODEL_URL,
    KNOWN,
    TF_WEIGHTS_PATH_NO_TOP,
    cache_folder,
    download_trained_weights,
    fetch_known,
    get_imagenet_weights_path,
    keras_applications_resnet50,
)
from tests.mrcnn.http_server import Route, running_server
from tests.support import REPOSITORY

BODY = b"\x89HDF stands for the weights" * 1000
OTHER = b"\x89HDF the file of a newer Keras" * 1000


def md5(data):
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def server():
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Nothing of the user's own folders or environment is looked at."""
    for name in ("FASHION_MRCNN_MD5_COCO", "FASHION_MRCNN_MD5_IMAGENET", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("FASHION_MRCNN_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def table(server, monkeypatch):
    """The table and Keras' file, led to our server: {"coco", "imagenet", "keras"} -> routes."""
    routes = {"coco": Route(BODY), "imagenet": Route(BODY), "keras": Route(OTHER)}
    urls = {key: server.add(f"/{key}.h5", route) for key, route in routes.items()}
    for key in ("coco", "imagenet"):
        known = dataclasses.replace(KNOWN[key], url=urls[key], md5=md5(BODY), size=len(BODY))
        monkeypatch.setitem(KNOWN, key, known)
    current = dataclasses.replace(
        KNOWN["imagenet"], file_name="keras.h5", url=urls["keras"], md5=md5(OTHER), size=len(OTHER)
    )
    monkeypatch.setattr(known_files, "keras_applications_resnet50", lambda: current)
    return routes


def test_the_table_holds_the_published_files():
    coco = KNOWN["coco"]
    assert (coco.url, coco.file_name) == (COCO_MODEL_URL, "mask_rcnn_coco.h5")
    assert (coco.size, coco.md5) == (257557808, "e98aaff6f99e307b5e2a8a3ff741a518")
    assert KNOWN["imagenet"].url == TF_WEIGHTS_PATH_NO_TOP
    assert KNOWN["imagenet"].md5 == "a268eb855778b3df3c7506639542a6af"


def test_the_module_does_not_import_keras():
    slow = "{'keras', 'tensorflow', 'h5py'}"
    code = f"import sys, mrcnn.weights.known_files; print({slow} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"


def test_coco_is_fetched_once(server, table, home):
    assert download_trained_weights(home / "coco.h5", verbose=0) == home / "coco.h5"
    assert (home / "coco.h5").read_bytes() == BODY
    download_trained_weights(home / "coco.h5", verbose=0)
    assert len(server.seen) == 1


def test_a_file_of_the_users_is_kept(server, table, home):
    (home / "coco.h5").write_bytes(b"mine")
    download_trained_weights(home / "coco.h5", verbose=0)
    assert (home / "coco.h5").read_bytes() == b"mine" and not server.seen


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_shows_progress(table, home, capsys, verbose):
    download_trained_weights(home / "coco.h5", verbose=verbose)
    assert bool(capsys.readouterr().err) == bool(verbose)


# How a checksum is overridden: (argument, environment, whether OTHER is then taken for COCO)
@pytest.mark.parametrize(
    ("arguments", "environment", "accepted"),
    [
        ({}, None, False),  # the table's
        ({"md5": None}, None, True),
        ({"md5": md5(OTHER)}, None, True),
        ({"md5": md5(BODY)}, None, False),
        ({}, "none", True),
        ({}, md5(OTHER), True),
        ({}, md5(BODY), False),
        ({"md5": md5(BODY)}, "none", False),  # the argument wins
    ],
)
def test_the_checksum_can_be_overridden(
    server, table, home, monkeypatch, arguments, environment, accepted
):
    if environment is not None:
        monkeypatch.setenv("FASHION_MRCNN_MD5_COCO", environment)
    url = server.add("/mirror.h5", Route(OTHER))
    path = home / "coco.h5"
    if accepted:
        download_trained_weights(path, verbose=0, url=url, **arguments)
        assert path.read_bytes() == OTHER
    else:
        with pytest.raises(DownloadError, match="expected"):
            download_trained_weights(path, verbose=0, url=url, **arguments)
        assert not path.exists()


def test_imagenet_is_fetched_once_into_the_cache(server, table, home):
    path = get_imagenet_weights_path(progress=False)
    assert path == home / "cache" / KNOWN["imagenet"].file_name
    assert path.read_bytes() == BODY
    assert get_imagenet_weights_path(progress=False) == path and len(server.seen) == 1
    other = get_imagenet_weights_path(home / "elsewhere", progress=False)
    assert other.parent == home / "elsewhere" and len(server.seen) == 2


def test_imagenet_falls_back_to_the_file_of_keras(server, table, home):
    table["imagenet"].statuses[:] = [404]
    path = get_imagenet_weights_path(progress=False)
    assert path.name == "keras.h5" and path.read_bytes() == OTHER
    assert get_imagenet_weights_path(progress=False) == path and len(server.seen) == 2


def test_imagenet_without_any_source_says_what_to_do(table, home):
    table["imagenet"].statuses[:] = table["keras"].statuses[:] = [404]
    with pytest.raises(DownloadError, match=r"imagenet\.h5 .*by hand and put it at .*cache"):
        get_imagenet_weights_path(progress=False)


@pytest.mark.parametrize("data", [BODY, OTHER])
def test_a_copy_that_keras_has_fetched_is_used(server, table, home, data):
    copy = home / "keras" / "models" / KNOWN["imagenet"].file_name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(data)
    assert get_imagenet_weights_path(progress=False) == copy and not server.seen


def test_a_damaged_copy_of_keras_is_not_used(server, table, home):
    copy = home / "keras" / "models" / KNOWN["imagenet"].file_name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(BODY[:-1])
    assert get_imagenet_weights_path(progress=False).parent == home / "cache"


def test_the_installed_keras_names_its_own_file():
    current = keras_applications_resnet50()
    assert current.url.startswith("https://") and current.url.endswith("_notop.h5")
    assert current.md5 != KNOWN["imagenet"].md5 and len(current.md5) == 32
    assert current.file_name != KNOWN["imagenet"].file_name


def test_a_keras_without_the_address_gives_the_older_file(monkeypatch):
    from keras.src.applications import resnet

    monkeypatch.delattr(resnet, "WEIGHTS_HASHES")
    assert keras_applications_resnet50() == KNOWN["imagenet"]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"FASHION_MRCNN_CACHE": "/data/cache"}, Path("/data/cache")),
        ({"FASHION_MRCNN_CACHE": "~/mine"}, Path.home() / "mine"),
        ({"XDG_CACHE_HOME": "/data"}, Path("/data/fashion_mrcnn")),
        ({}, Path.home() / ".cache" / "fashion_mrcnn"),
    ],
)
def test_the_cache_folder(monkeypatch, environment, folder):
    monkeypatch.delenv("FASHION_MRCNN_CACHE")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == folder


def test_fetch_known_checks_the_size_first(table, home):
    known = dataclasses.replace(KNOWN["coco"], size=5)
    with pytest.raises(DownloadError, match="where 5 were expected"):
        fetch_known(known, home / "coco.h5", progress=False)
