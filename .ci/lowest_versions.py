"""Print pip constraints that hold every requirement at the lowest version that its range allows.

    python .ci/lowest_versions.py requirements.txt > constraints.txt

`numpy>=1.26` becomes `numpy==1.26.*`, `pycocotools>=2.0.8` becomes `pycocotools==2.0.8`: of a range
that names a minor version, its last correction is taken, as nobody installs an earlier one.
"""

import re
import sys
from pathlib import Path

REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9.]+)")


def lowest(line: str) -> str:
    """The constraint of one requirement. Raises ValueError where it names no lowest version."""
    match = REQUIREMENT.match(line)
    if match is None:
        raise ValueError(f"{line!r} names no lowest version: expected such as numpy>=1.26")
    name, version = match.groups()
    return f"{name}=={version}" if version.count(".") > 1 else f"{name}=={version}.*"


def constraints(text: str) -> list[str]:
    """The constraints of a requirements file, without its comments and empty lines."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [lowest(line) for line in lines if line]


if __name__ == "__main__":
    print("\n".join(constraints(Path(sys.argv[1]).read_text(encoding="utf-8"))))
