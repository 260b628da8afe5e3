"""Fig. 2: colours go on from column to column, every tile finds its place, bad files are one line."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from onemask.errors import OnemaskError
from onemask.paper.fig2 import PALETTE, consistent, make

OPTIONS = {"study": "x", "classes": ["face"]}


def write(path, blocks, merged, value=40):
    """A file of two grey images of 4 px with these clusters of each."""
    content = {
        "images": np.full((2, 4, 4, 3), value, np.uint8),
        "blocks": np.asarray(blocks, np.uint8),
        "sizes": np.array([2, 4]),
        "block_clusters": 3,
        "merged": np.asarray(merged, np.uint8),
        "merged_clusters": np.array([2, 1]),
    }
    np.savez(path, **content)
    return str(path)


def test_a_cluster_goes_on_under_the_number_of_the_one_it_overlaps_most():
    first = [[5, 5, 5, 5, 2, 2, 7]]
    renamed = [[0, 0, 0, 0, 3, 3, 6]]
    split = [[1, 1, 1, 8, 4, 4, 4]]
    result = consistent(np.array([first, renamed, split]))
    assert result[0].tolist() == [[0, 0, 0, 0, 1, 1, 2]]
    assert result[1].tolist() == result[0].tolist()
    assert result[2, 0, [0, 1, 2]].tolist() == [0, 0, 0] and result[2, 0, [4, 5, 6]].tolist() == [1, 1, 1]
    assert result[2, 0, 3] not in (0, 1)


def test_numbers_change_and_regions_stay():
    columns = np.random.default_rng(0).integers(0, len(PALETTE), (4, 2, 8, 8), dtype=np.uint8)
    for before, after in zip(columns, consistent(columns), strict=True):
        pairs = np.unique(np.stack([before.ravel(), after.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(before)) == len(np.unique(after))


def test_every_column_of_clusters_is_drawn_in_the_palettes_colours(tmp_path):
    """The most common cluster is the palette's first colour; merged into one, it has all of a tile."""
    blocks = np.zeros((2, 2, 4, 4))
    blocks[:, :, 0, 0] = 1
    merged = np.stack([blocks[0], np.zeros((2, 4, 4))])
    path = write(tmp_path / "face.npz", blocks, merged)
    outputs = {kind: str(tmp_path / f"fig2.{kind}") for kind in ("png", "pdf")}
    make({"clusters": [path]}, outputs, OPTIONS)
    with Image.open(outputs["png"]) as image:
        drawn = np.asarray(image.convert("RGB"))
    tile = 128 * 128
    assert (drawn == PALETTE[0]).all(2).sum() == 6 * tile * 15 // 16 + 2 * tile
    assert (drawn == PALETTE[1]).all(2).sum() == 6 * tile // 16
    assert (tmp_path / "fig2.pdf").stat().st_size > 1000


def test_equal_files_are_equal_figures(tmp_path):
    path = write(tmp_path / "face.npz", np.zeros((2, 2, 4, 4)), np.zeros((2, 2, 4, 4)))
    for name in ("a", "b"):
        make({"clusters": [path]}, {"pdf": str(tmp_path / f"{name}.pdf")}, OPTIONS)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_bad_files_are_one_line(tmp_path):
    many = write(tmp_path / "many.npz", np.full((2, 2, 4, 4), len(PALETTE)), np.zeros((2, 2, 4, 4)))
    with pytest.raises(OnemaskError, match=r"many\.npz: holds cluster 10, but fig2 has 10 colours"):
        make({"clusters": [many]}, {}, OPTIONS)
    np.savez(tmp_path / "less.npz", images=np.zeros(3))
    with pytest.raises(OnemaskError, match=r"less\.npz: holds no blocks and no"):
        make({"clusters": [str(tmp_path / "less.npz")]}, {}, OPTIONS)
