"""What the benchmark of whole commands prints of its figures; it runs no command."""

from benchmarks import commands

ROW = {
    "command": "parse",
    "first_wall": 6.04,
    "first_processor": 9.0,
    "tensorflow_wall": 4.0,
    "tensorflow_processor": 4.5,
    "each_wall": 0.331,
    "each_processor": 0.6,
    "each_megabytes": 4.84,
    "network_share": 0.713,
}


def test_the_table():
    line = commands.table([ROW]).splitlines()[-1].split()
    assert line == ["parse", "6.0", "s", "2.00", "x", "0.33", "s", "0.60", "s", "4.8", "71", "%"]
    large = commands.table([ROW | {"large_wall": 3.14, "large_processor": 5.0}])
    assert large.splitlines()[-1].endswith("3.1 s      5.0 s")


def test_the_least_of_each_kind_counts():
    runs = [commands.Spent(3.0, 5.0), commands.Spent(4.0, 4.5)]
    assert commands.least(runs) == (3.0, 4.5)


def test_every_command_is_a_script_of_the_project():
    for line in commands.COMMANDS.values():
        assert (commands.REPOSITORY / line.split()[0]).is_file()
