"""Heart disease: four real hospitals in three countries (UCI Machine Learning Repository, CC BY 4.0).

Janosi, Steinbrunn, Pfisterer & Detrano (1988); principal investigators: Andras Janosi MD, Hungarian Institute of
Cardiology, Budapest; William Steinbrunn MD, University Hospital, Zurich; Matthias Pfisterer MD, University Hospital,
Basel; Robert Detrano MD PhD, V.A. Medical Center, Long Beach, and Cleveland Clinic Foundation. Detrano et al. (1989) Am
J Cardiol 64:304. The files are read from a folder, or downloaded once, and must have the published content.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from gagyo.demo import copy_files
from gagyo.errors import FileFault
from gagyo.finding import Finding

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/heart-disease/"
SHA256 = {
    "processed.cleveland.data": "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
    "processed.hungarian.data": "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
    "processed.switzerland.data": "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
    "processed.va.data": "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
}


def prepare(folder: Path, data: Path | None = None, url: str = URL) -> tuple[Path, Path]:
    """Write the study, four site files and the four data files, from `data` or from `url`."""
    found = {name: (data / name) for name in SHA256} if data else download(url)
    check(found)
    study, hospitals = copy_files("heart", folder)
    for name, path in found.items():
        shutil.copyfile(path, hospitals / name)
    return study, hospitals


def check(found: dict[str, Path]) -> None:
    """Raise FileFault, naming every file that is missing or does not have the published content."""
    findings = []
    for name, path in found.items():
        if not path.exists():
            findings.append(Finding("demo_missing", values={"found": str(path.parent), "expected": name}))
        elif hashlib.sha256(path.read_bytes()).hexdigest() != SHA256[name]:
            findings.append(Finding("demo_other_content", values={"found": name, "expected": SHA256[name]}))
    if findings:
        raise FileFault(*findings)


def download(url: str) -> dict[str, Path]:
    """The four files, downloaded once into the user's cache and checked there."""
    import pooch

    kept = pooch.create(
        path=pooch.os_cache("gagyo"), base_url=url, registry={n: f"sha256:{s}" for n, s in SHA256.items()}
    )
    try:
        return {name: Path(kept.fetch(name, progressbar=False)) for name in SHA256}
    except ValueError as fault:  # pooch: the content is not the published one
        raise FileFault.of("demo_other_content", found=url, expected="SHA-256") from fault
    except OSError as fault:
        raise FileFault.of("demo_no_download", found=url) from fault
