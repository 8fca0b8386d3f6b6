"""What the pages name exists: files, headings, scripts, their options, and what examples import.

Every script that a page names is run once with --help (once for each of its commands). A page may
hold whole scripts of its own, each under a line that is nothing but its path in bold: they are run
too.
"""

import ast
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OWN_SCRIPT = re.compile(r"^\*\*`([\w./]+\.py)`\*\*\n\n```python\n(.*?)^```$", re.M | re.S)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
COMMAND = re.compile(r"(?:python3|\.venv/bin/python) ([\w./-]+\.py)((?:\\\n|[^\n`])*)")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@functools.cache
def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    return [body for name, body in FENCE.findall(text_of(page)) if name == language]


def without_code(page):
    """The page's text without code, in which brackets are no links and # no headings."""
    text = FENCE.sub("", text_of(page))
    return re.sub(r"`[^`]*`", lambda code: code[0].replace("[", "").replace("]", ""), text)


def slugs(page):
    """The anchors of a page's headings, as GitHub makes them."""
    found = []
    for heading in re.findall(r"^#+ +(.*?) *$", FENCE.sub("", text_of(page)), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return found


def links(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def test_slugs_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# 1. Names\n## A, step by step\n```\n# none\n```\n### `a.npz` & b\n# 1. Names")
    assert slugs(page) == ["1-names", "a-step-by-step", "anpz--b", "1-names-1"]


@every_page
def test_links_lead_somewhere(page):
    dead = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        there = file.exists() and (not anchor or anchor in slugs(file))
        dead += [] if there else [target]
    assert dead == []


def commands(page):
    """(script, arguments) of each command line of the page outside its Python examples."""
    text = re.sub(r"^```python\n.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return [(script, rest.replace("\\\n", " ")) for script, rest in COMMAND.findall(text)]


def own_scripts(page):
    """Scripts that the page tells the reader to write: path -> text."""
    return dict(OWN_SCRIPT.findall(text_of(page)))


@every_page
def test_scripts_exist(page):
    named = {script for script, _ in commands(page)} - own_scripts(page).keys()
    assert [script for script in sorted(named) if not (REPOSITORY / script).is_file()] == []


def run_help(script, *words):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
    command = [sys.executable, str(script), *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    assert done.returncode == 0, done.stderr
    return done.stdout


def options_in(help_text):
    """The options of an argparse help: those at the beginning of its indented lines."""
    heads = re.findall(r"^  (-.*?)(?:  |$)", help_text, re.MULTILINE)
    return {option for head in heads for option in OPTION.findall(head)}


@functools.cache
def help_of(script):
    """Options of a script and of each of its commands: command ("" for none) -> options."""
    text = run_help(REPOSITORY / script)
    found = {"": options_in(text)}
    listed = re.search(r"^usage: .*\{([a-z]+(?:,[a-z]+)+)\} \.\.\.", text, re.MULTILINE)
    for word in listed[1].split(",") if listed else ():
        found[word] = options_in(run_help(REPOSITORY / script, word))
    return found


def options_of(script, arguments):
    """The options that a command line of a script may have."""
    known = help_of(script)
    word = arguments.split()[0] if arguments.split() else ""
    return known.get(word, known[""]) | {"--help"}


def test_options_of_a_script_and_its_commands():
    training = options_of("model1/samples/custom/trainModaNet.py", " train --dataset=DIR")
    assert {"--dataset", "--weights", "--steps"} <= training
    assert "--image" not in training
    assert "--image" in options_of("model1/samples/custom/trainModaNet.py", " splash")


@every_page
def test_command_lines_have_only_options_that_exist(page):
    unknown = []
    for script, arguments in commands(page):
        if (REPOSITORY / script).is_file():
            wrong = set(OPTION.findall(arguments)) - options_of(script, arguments)
            unknown += [f"{script} {option}" for option in sorted(wrong)]
    assert unknown == []


@functools.cache
def all_scripts():
    """Every script that any page runs."""
    named = {script for page in PAGES for script, _ in commands(page)}
    return {script for script in named if (REPOSITORY / script).is_file()}


def known_options(scripts):
    """The options of scripts and their commands."""
    return set().union({"--help"}, *(o for s in scripts for o in help_of(s).values()))


@every_page
def test_options_in_the_text_exist(page):
    """An option by itself must be some script's; one behind a script's name must be that one's."""
    unknown = []
    for span in re.findall(r"`([^`\n]*--[^`\n]*)`", FENCE.sub("", text_of(page))):
        first = span.split()[0]
        own = {script for script in all_scripts() if f"/{script}".endswith(f"/{first}")}
        if first.startswith("--"):
            own = all_scripts()
        if own:  # else it is another program's
            known = known_options(own)
            unknown += [f"{span}: {o}" for o in OPTION.findall(span) if o not in known]
    assert unknown == []


@every_page
def test_json_examples_are_json(page):
    for block in blocks(page, "json"):
        json.loads(block)


@every_page
def test_python_examples_import_what_exists(page):
    missing = []
    for block in blocks(page, "python"):
        imports = (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom))
        for node in imports:
            if node.module.split(".")[0] in ("fashion", "mrcnn"):
                wanted = {alias.name for alias in node.names}
                missing += [f"{node.module}.{name}" for name in wanted - defined_in(node.module)]
    assert missing == []


@functools.cache
def defined_in(module):
    """The names that `from module import` finds, without importing it."""
    path = REPOSITORY / Path(*module.split("."))
    names = set()
    if path.is_dir():
        names = {entry.stem for entry in path.iterdir()}
        path = path / "__init__"
    for node in ast.parse(path.with_suffix(".py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        else:
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return names


OWN_SCRIPTS = [(page, path) for page in PAGES for path in own_scripts(page)]


@pytest.mark.parametrize(("page", "path"), OWN_SCRIPTS, ids=[path for _, path in OWN_SCRIPTS])
def test_scripts_of_the_page_run_as_they_stand(page, path):
    """The script answers --help, and the page's command lines have only options of it."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, path)
        script.parent.mkdir(parents=True)
        script.write_text(own_scripts(page)[path], encoding="utf-8")
        for name, arguments in commands(page):
            if name == path:
                word = [w for w in arguments.split()[:1] if w.islower()]
                known = options_in(run_help(script, *word)) | {"--help"}
                assert set(OPTION.findall(arguments)) <= known
