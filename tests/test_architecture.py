"""The tree keeps its shape: imports run downwards, folders stay small, each is described."""

import ast
from pathlib import Path

import pytest

from tests.support import REPOSITORY

# From the bottom up. A folder imports from those before it, and from itself.
ORDER = (
    "mrcnn.errors",
    "mrcnn.system",
    "mrcnn.images",
    "mrcnn.geometry",
    "mrcnn.config_rules",
    "mrcnn.config",
    "mrcnn.drawing",
    "mrcnn.network",
    "mrcnn.data",
    "mrcnn.evaluation",
    "mrcnn.inference",
    "mrcnn.weights",
    "mrcnn.training",
    "mrcnn.utils",
    "mrcnn.matterport_names",
    "mrcnn.model",
    "mrcnn.parallel_model",
    "mrcnn.visualize",
    "mrcnn.inspection",
    "mrcnn.export",
    "fashion.command_table",
    "fashion.terminal",
    "fashion.commands",
    "fashion.json_files",
    "fashion.labels",
    "fashion.polygons",
    "fashion.annotations",
    "fashion.pictures",
    "fashion.dataset",
    "fashion.streams",
    "fashion.html",
    "fashion.stages",
    "fashion.detector",
    "fashion.presets",
    "fashion.report",
    "fashion.data_quality",
    "fashion.splitting",
    "fashion.review",
    "fashion.autolabel",
    "fashion.exchange",
    "fashion.evaluation",
    "fashion.rounds",
    "fashion.demo",
    "fashion.parsing",
    "fashion.photo",
    "fashion.pipeline",
    "fashion.__main__",
)
MOST_MODULES = 14
MOST_LINES = 400
# Commands of the project, above both packages.
ABOVE = {"tools", "model1", "model2", "tests", "benchmarks"}


def modules():
    """Dotted name -> file of every module of both packages; a package by its own name."""
    found = {}
    for package in ("mrcnn", "fashion"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(path):
    """Dotted names of all modules that a file imports, at its top or within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


GRAPH = {name: set(imported(path)) for name, path in MODULES.items()}


def place(module):
    """Position in ORDER of what a module belongs to; None for the packages themselves."""
    parts = module.split(".")
    return ORDER.index(".".join(parts[:2])) if len(parts) > 1 else None


def circles(graph):
    """Groups of modules that import each other, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in graph:
                continue
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(stack[at:])
            del stack[at:]

    for node in graph:
        if node not in index:
            visit(node)
    return [sorted(group) for group in found if len(group) > 1]


def test_circles_are_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({}) == []


def test_no_modules_import_each_other():
    assert circles(GRAPH) == []


def test_the_order_names_what_is_there():
    assert set(ORDER) == {".".join(name.split(".")[:2]) for name in MODULES if "." in name}


def test_no_module_imports_upwards():
    upwards = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if other in MODULES and place(name) is not None and place(other) is not None
        if place(other) > place(name)
    ]
    assert upwards == []


def test_the_network_does_not_know_fashion():
    assert [
        name
        for name, others in GRAPH.items()
        if name.startswith("mrcnn") and any(other.startswith("fashion") for other in others)
    ] == []


def test_packages_do_not_import_commands():
    assert [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if other.split(".")[0] in ABOVE
    ] == []


@pytest.mark.parametrize("package", ["mrcnn", "fashion"])
def test_folders_are_small(package):
    folders = {path.parent for path in (REPOSITORY / package).rglob("*.py")}
    sizes = {
        str(folder.relative_to(REPOSITORY)): len(
            [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        )
        for folder in folders
    }
    assert {name: size for name, size in sizes.items() if size > MOST_MODULES} == {}


def test_modules_are_short():
    lines = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_every_folder_is_described():
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = {
        path.parent.relative_to(REPOSITORY).as_posix()
        for package in ("mrcnn", "fashion")
        for path in Path(REPOSITORY / package).rglob("*.py")
    }
    assert [folder for folder in sorted(folders) if f"`{folder}/`" not in text] == []
