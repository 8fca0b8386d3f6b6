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
    figures = {"network": "photo", "seconds": {"float32": seconds}}
    figures |= {"gflop": {"float32": {"plain": 8.0}}, "peak_gflops": {"float32": 4.0}}
    rows = run.detection_rows(figures)
    ratios = {row.way.removeprefix("float32, "): bool(row.base) for row in rows}
    assert ratios == {"plain": True, "molding": False, "mask head": False, "detect": True}
    assert {row.part for row in rows} == {"photo"}


def test_a_way_without_counted_operations_has_no_rate():
    ways = {"step": {"clock": [1.0], "gflop": 50.0}, "torchvision": {"clock": [2.0]}}
    rows = run.training_rows({"layers": {"preset": ways}, "peak_gflops": 100.0})
    ours, theirs = map(run.line, rows)
    assert ours.split()[-3:] == ["1.00", "50", "50%"]
    assert theirs.split()[-1] == "0.50"


def test_whole_commands_are_timed_where_there_are_photographs():
    assert "commands" not in run.commands(run.parse_arguments([]))
    options = run.parse_arguments(["--photographs", "photos", "--parts", "commands"])
    assert run.commands(options) == {"commands": ["commands.py", "photos"]}
    (first, each) = run.commands_rows([{"command": "parse", "first_wall": 5.0, "each_wall": 0.3}])
    assert (first.values, each.values) == ([5.0], [0.3])


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
    broken = {"detection": ["detection.py", "--size", "none"]}
    monkeypatch.setattr(run, "commands", lambda options: broken)
    assert run.main([]) == 1
    assert "failed: detection" in capfd.readouterr().err
