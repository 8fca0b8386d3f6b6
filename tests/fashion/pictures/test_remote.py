"""Pictures and annotations at addresses: fsspec's memory and files, and a server that speaks S3."""

import importlib.util
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fashion.autolabel.job import LabelJob
from fashion.autolabel.policy import LabelPolicy
from fashion.autolabel.report import annotation_paths
from fashion.autolabel.run import LabelFiles, label_folder
from fashion.pictures import remote as remote_files
from fashion.pictures.listing import list_images
from fashion.pictures.remote import RemoteFolder, RemoteOutput, place
from mrcnn.errors import DatasetError, UserError
from tests.fashion.fake_detector import CLASS_NAMES, detect, folder_of_photographs
from tests.support import REPOSITORY

COUNT = 15


def has(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


needs_fsspec = pytest.mark.skipif(not has("fsspec"), reason='needs fsspec: pip install ".[remote]"')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The user's cache, where journals of addresses stand."""
    monkeypatch.setenv("FASHION_MRCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_files, "PAUSE_SECONDS", 0.01)
    return tmp_path / "cache"


@pytest.fixture
def images(tmp_path):
    return folder_of_photographs(tmp_path / "images", COUNT)


def label(images, output, *, load=lambda: detect, **more):
    """Label pictures given by path or address; the summary."""
    job = LabelJob(
        images=list_images(images),
        class_names=CLASS_NAMES,
        policy=LabelPolicy(min_confidence=0.8),
        batch=3,
    )
    remote = RemoteOutput(output) if isinstance(output, RemoteFolder) else None
    files = LabelFiles(remote.local if remote else output, remote=remote, **more)
    return label_folder(job, files, load, quiet=True)


def no_model():
    raise AssertionError("no model is needed here")


def copied(images, url):
    """The pictures at an address, too."""
    from fsspec.core import url_to_fs

    files, path = url_to_fs(url)
    files.makedirs(path, exist_ok=True)
    for picture in images.iterdir():
        files.put_file(str(picture), f"{path}/{picture.name}")
    return files, path


def test_what_is_an_address():
    assert place("s3://bucket/a b") == RemoteFolder("s3://bucket/a b")
    assert str(place("s3://bucket/x/")) == "s3://bucket/x/" and place("gs://b/x/").name == "x"
    for text in ("images", "/a/b", "./c:d", "C:\\photos"):
        assert place(text) == Path(text)


def test_paths_of_this_machine_need_no_fsspec(tmp_path, images):
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from pathlib import Path\n"
        "from tests.fashion.pictures.test_remote import label\n"
        f"print(label(Path({str(images)!r}), Path({str(tmp_path / 'a.json')!r})).images)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=1800
    )
    assert done.stdout.split() == [str(COUNT)], done.stderr


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UserError, match=r'fsspec is not installed; type: pip install "\.\[remote'):
        list_images(RemoteFolder("s3://bucket/folder"))


@needs_fsspec
@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_pictures_at_an_address_get_the_same_labels(tmp_path, images, protocol):
    here = tmp_path / "here.json"
    label(images, here)
    url = f"{protocol}://{tmp_path}/remote"
    copied(images, url)
    there = tmp_path / "there" / "here.json"
    label(RemoteFolder(url), there)
    for name in ("here.json", "here.report.json"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert label(RemoteFolder(url), there, load=no_model).images == COUNT


@needs_fsspec
def test_the_one_picture_the_limit_and_changed_pictures(tmp_path, images):
    files, path = copied(images, "memory://changed")
    one = "memory://changed/bag_yaz_006.png"
    assert [p.name for p in list_images(RemoteFolder(one))] == ["bag_yaz_006.png"]
    assert len(list_images(RemoteFolder("memory://changed"), 4)) == 4
    assert [p.name for p in list_images(RemoteFolder("memory://changed"))] == sorted(
        p.name for p in images.iterdir()
    )
    label(RemoteFolder("memory://changed"), tmp_path / "a.json")
    files.pipe_file(f"{path}/bag_yaz_006.png", b"no picture")
    label(RemoteFolder("memory://changed"), tmp_path / "a.json")
    reported = json.loads((tmp_path / "a.report.json").read_text())["images"]["bag_yaz_006.png"]
    assert reported["why"] == "unreadable" and reported["detail"].startswith(
        "bag_yaz_006.png: not a"
    )


@needs_fsspec
def test_annotations_go_to_an_address_whole(tmp_path, images, cache):
    url = f"file://{tmp_path}/store/labels/a.json"
    label(images, RemoteFolder(url))
    store = tmp_path / "store" / "labels"
    assert sorted(p.name for p in store.iterdir()) == ["a.json", "a.report.json"]
    (journal,) = cache.rglob("*.journal.jsonl")
    local = journal.with_name("a.json")
    assert local.read_bytes() == (store / "a.json").read_bytes()
    assert label(images, RemoteFolder(url), load=no_model).images == COUNT

    own = (store / "a.json").read_bytes()
    (store / "a.json").write_text("{}")
    with pytest.raises(UserError, match=r"store/labels/a\.json: was not written by this command"):
        label(images, RemoteFolder(url), load=no_model)
    assert (store / "a.json").read_text() == "{}"
    label(images, RemoteFolder(url), load=no_model, overwrite=True)
    assert (store / "a.json").read_bytes() == own


@needs_fsspec
def test_shards_go_to_an_address_too(tmp_path, images):
    label(images, RemoteFolder("memory://shards/a.json"), shard_size=3)
    from fsspec.core import url_to_fs

    files, path = url_to_fs("memory://shards")
    names = sorted(Path(name).name for name in files.ls(path, detail=False))
    assert names[0].startswith("a-00000-of-0000") and names[-1] == "a.report.json"
    local = RemoteOutput(RemoteFolder("memory://shards/a.json")).local
    assert names[:-1] == [p.name for p in annotation_paths(local)]


@needs_fsspec
@pytest.mark.parametrize(
    ("url", "reported"),
    [
        ("memory://nothing-here", r"memory://nothing-here: does not exist; check the address"),
        ("nonsense://bucket/x", r"nonsense://bucket/x: cannot be used \(Protocol not known"),
    ],
)
def test_addresses_that_cannot_be_used(url, reported):
    with pytest.raises(UserError, match=reported):
        list_images(RemoteFolder(url))


@needs_fsspec
def test_a_folder_without_pictures_and_an_output_without_a_name():
    from fsspec.core import url_to_fs

    url_to_fs("memory://texts")[0].pipe_file("/texts/a.txt", b"no picture")
    with pytest.raises(DatasetError, match="memory://texts: there is no picture in this folder"):
        list_images(RemoteFolder("memory://texts"))
    with pytest.raises(UserError, match=r"ends with \.json"):
        RemoteOutput(RemoteFolder("s3://bucket/labels"))


@needs_fsspec
def test_a_store_that_fails_leaves_the_picture_to_a_later_run(tmp_path, images, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    copied(images, "memory://failing")
    read, calls = MemoryFileSystem.cat_file, []

    def failing(self, path, **more):
        calls.append(path)
        if len(calls) > 4:
            raise TimeoutError("no answer")
        return read(self, path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "cat_file", failing)
        with pytest.raises(UserError, match=r"cannot be used \(no answer\).*are kept in"):
            label(RemoteFolder("memory://failing"), tmp_path / "a.json")
    assert len(calls) >= 4 + remote_files.TRIES
    assert label(RemoteFolder("memory://failing"), tmp_path / "a.json").images == COUNT
    reported = json.loads((tmp_path / "a.report.json").read_text())
    label(images, tmp_path / "b.json")
    assert reported == json.loads((tmp_path / "b.report.json").read_text())


@pytest.fixture
def s3(monkeypatch):
    """The address of a bucket on a server of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.2)
        from fsspec.core import url_to_fs

        url_to_fs("s3://bucket")[0].mkdir("bucket")
        yield "s3://bucket"
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
@pytest.mark.skipif(not has("s3fs", "moto", "flask"), reason="needs s3fs and moto[server]")
@pytest.mark.filterwarnings("ignore")  # of the packages of S3
def test_from_s3_to_s3(tmp_path, images, s3):
    here = tmp_path / "here.json"
    label(images, here)
    files, _ = copied(images, f"{s3}/photos")
    output = RemoteFolder(f"{s3}/labels/here.json")
    label(RemoteFolder(f"{s3}/photos"), output)
    for name in ("here.json", "here.report.json"):
        assert files.cat_file(f"bucket/labels/{name}") == (tmp_path / name).read_bytes()
    assert label(RemoteFolder(f"{s3}/photos"), output, load=no_model).images == COUNT
    files.pipe_file("bucket/labels/here.json", b"{}")
    with pytest.raises(UserError, match="was not written by this command"):
        label(RemoteFolder(f"{s3}/photos"), output, load=no_model)
    with pytest.raises(UserError, match="does not exist"):
        list_images(RemoteFolder("s3://no-such-bucket/x"))
