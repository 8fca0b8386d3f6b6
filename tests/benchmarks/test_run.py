"""One table of all benchmarks: figures become rows, and a part that fails is named."""

import json

import pytest

from benchmarks import run


def test_a_row_compares_with_the_baseline_of_its_part():
    figures = {"milliseconds": {"classic": [500.0, 520.0, 540.0], "fast": [20.0, 26.0, 40.0]}}
    classic, fast = map(run.line, run.loader_rows(figures))
    assert classic.split()[2:] == ["520", "ms", "500", "to", "540", "1.00"]
    assert fast.split()[2:] == ["26", "ms", "20", "to", "40", "20.00"]


def test_a_row_tells_its_share_of_the_peak():
    found = {"clock": [2.0], "processor": [4.0], "gflop": 100.0}
    (row,) = run.training_rows({"layers": {"heads": {"step": found}}, "peak_gflops": 200.0})
    assert run.line(row).split()[-2:] == ["50", "25%"]


def test_stages_are_not_compared_with_the_whole():
    seconds = {"plain": [4.0], "molding": [0.1], "mask head": [0.5], "detect": [3.0]}
    figures = {"seconds": seconds, "gflop": {"plain": 8.0}, "peak_gflops": 4.0}
    ratios = {row.way: bool(row.base) for row in run.inference_rows(figures)}
    assert ratios == {"plain": True, "molding": False, "mask head": False, "detect": True}


@pytest.mark.parametrize("quick", [[], ["--quick"]])
def test_every_command_is_a_script_of_the_folder(quick):
    for command in run.commands(run.parse_arguments(quick)).values():
        assert (run.HERE / command[0]).is_file()


def test_a_part_runs_in_its_own_process_and_leaves_json(tmp_path, capfd):
    target = tmp_path / "all.json"
    assert run.main(["--quick", "--parts", "loader", "--json", str(target)]) == 0
    written = json.loads(target.read_text(encoding="utf-8"))
    assert {row["way"] for row in written["rows"]} == {"classic", "exact", "fast", "cached"}
    assert "loader" in capfd.readouterr().out


def test_a_part_that_fails_is_named(monkeypatch, capfd):
    broken = {"inference": ["inference_stages.py", "--size", "none"]}
    monkeypatch.setattr(run, "commands", lambda options: broken)
    assert run.main([]) == 1
    assert "failed: inference" in capfd.readouterr().err
