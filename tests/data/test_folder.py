"""A folder of images with label maps, as docs/your-own.md describes it."""

import numpy as np
import pytest
from PIL import Image

from onemask.data.folder import read
from onemask.data.parts import labelled, read_mapping
from onemask.errors import OnemaskError
from onemask.labels import LabelSet

LABELS = LabelSet(("background", "wheel"), ((0, 0, 0), (255, 0, 0)), {})


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"images/{name}.png", np.full((6, 8, 3), 7, np.uint8))
        write(tmp_path / f"label_maps/{name}.png", np.array([[0, 1] * 4] * 6, np.uint8))
    return tmp_path


def test_values_are_parts_and_a_mapping_names_their_labels(root):
    first, second = read(root)
    assert (first.name, second.name) == ("a", "b")
    (root / "folder.yaml").write_text('parts: {"0": background, "1": wheel}\n')
    made = labelled(first, read_mapping(root / "folder.yaml", LABELS), LABELS, 8)
    assert made.label_map.shape == (8, 8) and made.label_map[1:7].tolist() == [[0, 1] * 4] * 6
    assert (made.image[1:7] == 7).all() and not made.label_map[[0, 7]].any()


def test_images_in_the_folder_test_are_the_test_split(root):
    (root / "images/test").mkdir()
    (root / "images/b.png").rename(root / "images/test/b.png")
    assert [image.split for image in read(root)] == ["train", "test"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((6, 8, 3), np.uint8), "a.png: expected one channel of 8 bits.*found RGB"),
        (np.zeros((3, 4), np.uint8), "a.png: is 4 x 3, its image 8 x 6"),
    ],
)
def test_a_label_map_of_another_kind_or_size_is_one_line(root, values, message):
    write(root / "label_maps/a.png", values)
    with pytest.raises(OnemaskError, match=message):
        read(root)[0].load()


def test_what_is_missing_is_named(root, tmp_path):
    (root / "images/b.png").unlink()
    with pytest.raises(OnemaskError, match=r"b.png: no image b in"):
        read(root)
    for path in (root / "label_maps").iterdir():
        path.unlink()
    with pytest.raises(OnemaskError, match="holds no png"):
        read(root)
    with pytest.raises(OnemaskError, match="no images, label_maps"):
        read(root / "elsewhere")
