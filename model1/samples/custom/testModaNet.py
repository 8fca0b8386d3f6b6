#!/usr/bin/env python3
"""Stage 1: draw what the ModaNet model finds in pictures, one PNG per picture."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("model1/samples/custom/testModaNet.py"))
