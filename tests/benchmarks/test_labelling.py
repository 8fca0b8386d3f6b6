"""What the benchmark of labelling makes of its arguments and marks; it runs no network."""

import os
import shlex
from pathlib import Path

import pytest

from benchmarks import labelling, run

RUN = {"images": 4, "workers": 2, "seconds": 10.0, "seconds_an_image": None}
RUN |= {"processor_seconds": 8.5, "peak_mb": 400}


def test_counts_and_workers_are_numbers_with_commas():
    options = labelling.parse_arguments(shlex.split("--counts 1,10,100 --workers 1,2"))
    assert (options.counts, options.workers) == ([1, 10, 100], [1, 2])


@pytest.mark.parametrize("wrong", ["0,1", "1;2", "", "1,"])
def test_other_counts_are_refused(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        labelling.parse_arguments(["--counts", wrong])
    assert ended.value.code == 2
    assert "argument --counts: " in capsys.readouterr().err


@pytest.mark.parametrize("quick", [[], ["--quick"]])
def test_what_all_benchmarks_pass_on_is_understood(quick):
    script, *arguments = run.commands(run.parse_arguments(quick))["labelling"]
    assert script == "labelling.py"
    assert labelling.parse_arguments(arguments).counts[:2] == [1, 10]


def test_pictures_are_repeated_under_other_names(tmp_path):
    pictures = [tmp_path / "bag_yaz_1.jpg", tmp_path / "top_kis_2.jpg"]
    for picture in pictures:
        picture.write_text(picture.name)
    folder = labelling.repeated(pictures, tmp_path / "five", 5)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "bag_yaz_1.jpg": "bag_yaz_1.jpg",
        "bag_yaz_1_2.jpg": "bag_yaz_1.jpg",
        "bag_yaz_1_3.jpg": "bag_yaz_1.jpg",
        "top_kis_2.jpg": "top_kis_2.jpg",
        "top_kis_2_2.jpg": "top_kis_2.jpg",
    }
    one = labelling.repeated(pictures, tmp_path / "one", 1)
    assert [path.name for path in one.iterdir()] == ["bag_yaz_1.jpg"]


def test_the_first_batch_is_no_part_of_the_time_of_an_image():
    marks = [(30.0, 4), (31.0, 8), (34.0, 20)]
    assert labelling.seconds_an_image(marks) == 4 / 16
    assert labelling.seconds_an_image(marks[:1]) is None
    assert labelling.seconds_an_image([]) is None


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_memory_is_told_and_nothing_of_a_process_that_has_ended():
    assert labelling.memory(os.getpid()) > 10
    assert labelling.memory(2**30) == 0


def test_a_run_is_a_line_of_both_tables():
    lines = labelling.table([RUN]).splitlines()
    assert lines[-1].split() == ["4", "2", "10.0", "-", "8.5", "400"]
    one, two = run.labelling_rows({"runs": [RUN | {"workers": 1}, RUN]})
    assert (one.values, one.unit, one.way) == ([2.5], "s/image", "4 images")
    assert two.way == "4 images, 2 workers"
