from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from onemask.data.wheel import fetch_wheel
from onemask.errors import OnemaskError
from onemask.files import sha256


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the package index, holding toy 1.0; nothing goes to the network."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "toy-1.0.dist-info"
    files = {
        "toy/data.bin": "numbers",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\nRequires-Dist: not-there\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / "toy-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder / "toy-1.0-py3-none-any.whl"


def test_the_wheel_arrives_alone_and_unchanged(index: Path, tmp_path: Path) -> None:
    fetch_wheel("toy==1.0", sha256(index), tmp_path / "data" / "toy.whl")
    assert (tmp_path / "data" / "toy.whl").read_bytes() == index.read_bytes()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["toy.whl"]


def test_another_content_or_version_is_one_line_and_leaves_nothing(index: Path, tmp_path: Path) -> None:
    with pytest.raises(OnemaskError, match="expected 00ff"):
        fetch_wheel("toy==1.0", "00ff", tmp_path / "toy.whl")
    with pytest.raises(OnemaskError, match="toy==2.0: pip cannot download it") as raised:
        fetch_wheel("toy==2.0", sha256(index), tmp_path / "toy.whl")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "toy.whl").exists()
