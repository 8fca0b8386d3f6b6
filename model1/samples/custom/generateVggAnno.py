#!/usr/bin/env python3
"""Label photographs named <garment>_<season>_<anything> with what the model finds in them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("model1/samples/custom/generateVggAnno.py"))
