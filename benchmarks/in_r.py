"""A piece of work in R, on data that it reads from files before its clock starts."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

READ = """
read <- function(name) {
  file <- file.path(commandArgs(TRUE)[1], name)
  readBin(file, "double", file.size(file) / 8)
}
"""


def in_r(script: str, data: Mapping[str, np.ndarray], found: str) -> dict[str, Any]:
    """CPU seconds of `spent` in a script that reads `data`, and what `found` gives; `missing` where R cannot run it.

    script: R; `read("name")` gives an array of `data`, column by column.
    """
    if shutil.which("Rscript") is None:
        return {"missing": True}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, values in data.items():
            np.asarray(values, np.float64).ravel(order="F").tofile(folder / label)
        told = f'\ncat(format(c(sum(spent[1:2]), {found}), digits = 17), sep = " ")\n'
        (folder / "work.R").write_text(READ + script + told)
        command = ["Rscript", str(folder / "work.R"), name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"missing": True}
    seconds, *beta = map(float, done.stdout.split())
    return {"seconds": seconds, "beta": beta}
