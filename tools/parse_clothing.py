#!/usr/bin/env python3
"""Parse the clothing of photographs: body, garments, superpixels, one label per pixel."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/parse_clothing.py"))
