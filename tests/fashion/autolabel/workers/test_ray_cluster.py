"""Labelling on a Ray cluster of this machine that loses a machine and a worker."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from fashion import DEMO_START
from fashion.autolabel.run import Staff, label_folder
from fashion.autolabel.workers.ray_cluster import Cluster, host_and_port
from fashion.demo.dataset import write_custom_set
from tests.fashion.autolabel.test_run import contents
from tests.fashion.fake_detector import Loader, callers, folder_of_photographs, job_of
from tests.stages.factory import draw_picture, run_script
from tests.support import REPOSITORY

COUNT = 30
has_ray = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not has_ray, reason='needs Ray: pip install ".[ray]"')


def test_without_ray_a_sentence_says_what_to_type(tmp_path):
    draw_picture(tmp_path / "images" / "bag_yaz_1.jpg")
    hidden = tmp_path / "path"
    hidden.mkdir()
    (hidden / "ray.py").write_text("raise ImportError('hidden by a test')\n")
    script = REPOSITORY / "model1" / "samples" / "custom" / "generateVggAnno.py"
    given = ("--images=images", "--output=out/a.json", "--engine=ray")
    done = run_script(script, *given, cwd=tmp_path, path=hidden)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert 'not installed; type: pip install ".[ray]"' in done.stderr


def test_an_address_is_for_ray(tmp_path):
    draw_picture(tmp_path / "images" / "bag_yaz_1.jpg")
    script = REPOSITORY / "model1" / "samples" / "custom" / "generateVggAnno.py"
    done = run_script(script, "--images=images", "--ray-address=auto", cwd=tmp_path)
    assert done.returncode == 2 and "--ray-address is for --engine=ray" in done.stderr


@pytest.fixture(scope="module", autouse=True)
def short_folder():
    """Ray's sockets need paths of at most 107 bytes, which the tests' own folder may exceed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        yield


@pytest.fixture
def cluster():
    """Two machines with a CPU each; the second one is given, too."""
    from ray.cluster_utils import Cluster

    # No processes are to be started ahead of need: on a busy machine that takes minutes.
    settings = {"enable_worker_prestart": False, "prestart_worker_first_driver": False}
    how = {"num_cpus": 1, "include_dashboard": False, "_system_config": settings}
    cluster = Cluster(initialize_head=True, head_node_args=how)
    node = cluster.add_node(num_cpus=1)
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, node
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("ignore")  # Ray's own
@pytest.mark.parametrize("lost", ["machine", "worker"])
def test_what_is_lost_on_the_way_changes_no_byte(tmp_path, cluster, lost):
    from fashion.autolabel.workers.ray_cluster import RayCrew, connect

    folder_of_photographs(tmp_path / "images", COUNT)
    options = {"images": str(tmp_path / "images"), "count": True}
    whole = options | {"output": str(tmp_path / "whole" / "a.json")}
    label_folder(job_of(whole), Path(whole["output"]), Loader(whole), quiet=True)

    gate = tmp_path / "gate"  # neither of the two finishes more than its first batch before
    gate.write_text("1")
    by_ray = options | {"output": str(tmp_path / "ray" / "a.json"), "gate": str(gate)}
    calls = tmp_path / "ray" / "calls.txt"
    ray_cluster, node = cluster
    assert connect().cpus == 2

    def disturb():
        while len(callers(calls)) < 2:
            time.sleep(0.05)
        if lost == "machine":
            ray_cluster.remove_node(node, allow_graceful=False)
        else:
            os.kill(callers(calls)[0], signal.SIGKILL)
        gate.unlink()

    thread = threading.Thread(target=disturb)
    thread.start()
    staff = Staff(2, lambda job, load, workers: RayCrew(job, load, threads=1))
    summary = label_folder(
        job_of(by_ray), Path(by_ray["output"]), Loader(by_ray), quiet=True, staff=staff
    )
    thread.join()
    assert (summary.images, summary.left) == (COUNT, 0)
    assert contents(tmp_path / "ray") == contents(tmp_path / "whole")
    if lost == "machine":  # then a worker has no place to come back to
        assert len(callers(calls)) == 2


@pytest.mark.slow
@needs_ray
def test_the_script_makes_a_cluster_of_its_own(tmp_path):
    write_custom_set(tmp_path / "images", tmp_path / "truth.json", 5, 3, quiet=True)
    draw_picture(tmp_path / "images" / "holiday.jpg")
    script = REPOSITORY / "model1" / "samples" / "custom" / "generateVggAnno.py"
    how = ("--images=images", f"--model={DEMO_START}", "--all-garments", "--batch=2")
    for folder, more in (("one", ()), ("ray", ("--engine=ray", "--workers=1"))):
        done = run_script(script, *how, f"--output={folder}/a.json", *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert "Workers of the Ray cluster: 1, each with a model" in done.stdout
    made = contents(tmp_path / "ray")
    assert made == contents(tmp_path / "one")
    assert sum(len(entry["regions"]) for entry in json.loads(made["a.json"]).values()) > 5


@pytest.mark.slow
@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "auto", "nonsense"])
def test_a_cluster_that_does_not_answer(address):
    code = (
        "from fashion.autolabel.workers.ray_cluster import connect\n"
        "from fashion.terminal import run\n"
        f"import sys\nsys.exit(run(lambda: connect({address!r}) and 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "RAY_ADDRESS": "127.0.0.1:1"},  # which "auto" means then
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"{address}: the Ray cluster cannot be used" in done.stderr
    assert "check --ray-address" in done.stderr


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (None, None),
        ("local", None),
        ("head:6379", ("head", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("ray://10.0.0.1:10002", ("10.0.0.1", 10002)),
        ("ray://head", ("head", 10001)),
        ("ray://head:10002/space?x=1", ("head", 10002)),
        ("auto", ("of.the.environment", 7)),
        ("service://head:1", None),  # Ray knows what that is, or says that it does not
        ("head", None),
        ("", None),
    ],
)
def test_where_a_cluster_is_to_answer(monkeypatch, address, place):
    monkeypatch.setenv("RAY_ADDRESS", "of.the.environment:7")
    assert host_and_port(address) == place


@pytest.mark.parametrize(
    ("machines", "workers", "share"),
    [
        ([16], 4, 4),
        ([8, 8], 3, 4),  # two of 5 would leave room for no third
        ([1, 1], 1, 1),  # never more than a machine has
        ([2, 8], 3, 2),
        ([4, 0], 8, 1),  # more workers than CPUs: the rest waits
        ([], 1, 1),
    ],
)
def test_the_share_of_each_worker_fits_on_the_machines(machines, workers, share):
    assert Cluster(machines).share(workers) == share


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_worker_that_finds_no_room_is_reported_once(tmp_path, cluster, monkeypatch):
    """A third worker, where there are two CPUs: the two do all the work, but not before."""
    from fashion.autolabel.workers.ray_cluster import RayCrew

    monkeypatch.setattr("fashion.autolabel.workers.ray_cluster.SECONDS_TO_START", 1)
    folder_of_photographs(tmp_path / "images", COUNT)
    output = tmp_path / "out" / "a.json"
    gate, reports = tmp_path / "gate", []
    gate.write_text("0")

    def note(text, **_):
        reports.append(text)
        gate.unlink()

    monkeypatch.setattr("fashion.autolabel.workers.ray_cluster.tqdm.write", note)
    options = {"images": str(tmp_path / "images"), "output": str(output), "gate": str(gate)}
    staff = Staff(3, lambda job, load, workers: RayCrew(job, load, threads=1))
    summary = label_folder(job_of(options), output, Loader(options), quiet=True, staff=staff)
    assert summary.images == COUNT
    (report,) = reports
    assert "Workers that have not started yet: " in report
    assert "of 2). They are starting, or wait for room." in report
