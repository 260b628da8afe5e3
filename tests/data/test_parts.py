"""Real data sets in their own formats, written here a few images large."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from onemask.config import REPOSITORY
from onemask.data import celebamask_hq, datasetgan_cats, pascal_part
from onemask.data.parts import PartImage, labelled, paint, read_mapping, to_square
from onemask.errors import OnemaskError
from onemask.labels import read_labels


def labels_and_mapping(data_set, name):
    labels = read_labels(REPOSITORY / f"config/labels/{name}.yaml")
    return labels, read_mapping(REPOSITORY / f"config/datasets/{data_set}.{name}.yaml", labels)


def rectangle(top, left, bottom, right, size=64):
    mask = np.zeros((size, size), np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


# CelebAMask-HQ


@pytest.fixture
def faces(tmp_path):
    lines = ["\ufeffidx orig_idx orig_file", "0 100 000101.jpg", "1 162771 162772.jpg", "2000 182638 182639.jpg", ""]
    (tmp_path / "CelebA-HQ-to-CelebA-mapping.txt").write_bytes("\r\n".join(lines).encode())
    for index in (0, 1, 2000):
        save(tmp_path / f"CelebA-HQ-img/{index}.jpg", np.full((128, 128, 3), index % 251, np.uint8))
        masks = {"skin": rectangle(8, 8, 56, 56), "hair": rectangle(0, 0, 12, 64), "eye_g": rectangle(20, 12, 28, 52)}
        masks |= {"l_eye": rectangle(22, 16, 26, 24), "mouth": rectangle(40, 24, 44, 40)}
        for part, mask in masks.items():
            save(tmp_path / f"CelebAMask-HQ-mask-anno/{index // 2000}/{index:05d}_{part}.png", mask * 255)
    return tmp_path


def test_celebamask_splits_by_the_original_id_and_paints_in_the_indices_order(faces):
    images = celebamask_hq.read(faces)
    assert [(image.name, image.split) for image in images] == [
        ("00000", "train"),
        ("00001", "validation"),
        ("02000", "test"),
    ]
    labels, mapping = labels_and_mapping("celebamask_hq", "face")
    image, parts = images[2].load()
    label_map, rare = paint(parts, mapping, labels)
    assert image.shape == (128, 128, 3) and label_map.shape == (64, 64)
    at = {name: labels.index(name) for name in labels.names}
    # glasses are skin, the eye that was there before them is gone under them: later parts cover earlier ones
    assert label_map[30, 30] == label_map[21, 40] == at["skin"] and label_map[10, 30] == at["hair"]
    assert label_map[24, 20] == at["eye"] and label_map[42, 30] == at["mouth"] and label_map[60, 60] == 0
    assert rare["eye_g"].sum() == 8 * 40 and rare["teeth"].sum() == 4 * 16 and not rare["cloth"].any()


def test_celebamask_problems_are_named(faces):
    (outer := faces.parent / f"{faces.name}.outer").mkdir()
    faces = faces.rename(outer / "x")
    with pytest.raises(OnemaskError, match=r"lies one folder too deep, in .*x/?; state that folder"):
        celebamask_hq.read(outer)
    (faces / "CelebA-HQ-img/0.jpg").write_bytes(b"no image")
    with pytest.raises(OnemaskError, match="0.jpg: not a readable image"):
        celebamask_hq.read(faces)[0].load()
    (faces / "CelebA-HQ-to-CelebA-mapping.txt").write_text("idx\nzero one\n")
    with pytest.raises(OnemaskError, match="line 2 is 'zero one'"):
        celebamask_hq.read(faces)
    with pytest.raises(OnemaskError, match="no CelebA-HQ-img, CelebAMask-HQ-mask-anno"):
        celebamask_hq.read(faces / "CelebA-HQ-img")


# PASCAL-Part


def structs(entries, fields):
    """A MATLAB struct array [1, n]."""
    made = np.empty((1, len(entries)), dtype=[(field, object) for field in fields])
    for number, entry in enumerate(entries):
        made[0, number] = tuple(entry)
    return made


def write_pascal(root, name, objects, size=200):
    entries = [
        (kind, 7, mask, structs(parts, ("part_name", "mask")) if parts else np.zeros((0, 0)))
        for kind, mask, parts in objects
    ]
    anno = structs([(name, structs(entries, ("class", "class_ind", "mask", "parts")))], ("imname", "objects"))
    (root / "Annotations_Part").mkdir(exist_ok=True)
    savemat(root / f"Annotations_Part/{name}.mat", {"anno": anno})
    save(root / f"JPEGImages/{name}.jpg", np.full((size, size, 3), 90, np.uint8))


def test_pascal_part_cuts_out_objects_that_are_alone_and_large(tmp_path):
    def at(*corners):
        return rectangle(*corners, size=200)

    whole = at(50, 50, 150, 130)
    wheels = [("wheel_1", at(130, 60, 150, 80)), ("leftside", at(60, 55, 140, 125))]
    wheels.append(("bliplate", at(120, 90, 126, 110)))
    write_pascal(tmp_path, "2008_a", [("car", whole, wheels), ("dog", at(0, 0, 60, 60), [])])
    pair = [("car", at(0, 0, 60, 60), wheels[:1]), ("car", at(40, 40, 120, 120), wheels[:1])]
    write_pascal(tmp_path, "2008_b", pair)
    write_pascal(tmp_path, "2008_c", [("car", at(0, 0, 20, 90), wheels[:1])])
    write_pascal(tmp_path, "2008_d", [("car", at(0, 0, 90, 90), [])])
    images = pascal_part.read(tmp_path, "car")
    assert [image.name for image in images] == ["2008_a_0"]
    image, parts = images[0].load()
    assert image.shape == (120, 100, 3)  # a margin of a tenth of the longer side all around
    labels, mapping = labels_and_mapping("pascal_part", "car")
    label_map, rare = paint(parts, mapping, labels)
    # in the file's order: the side covers most of the wheel that came before it
    assert label_map[105, 25] == labels.index("wheel") and label_map[92, 25] == labels.index("body")
    assert rare["plate"].sum() == 6 * 20 and label_map[84, 60] == labels.index("body")
    square = to_square(label_map, 60)
    assert square.shape == (60, 60) and not square[:, :5].any() and square[52, 17] == labels.index("wheel")


def test_a_horse_s_rider_is_the_image_s_person(tmp_path):
    horse, person = rectangle(40, 10, 190, 190, 200), rectangle(20, 80, 100, 120, 200)
    write_pascal(tmp_path, "2008_h", [("horse", horse, [("torso", horse)]), ("person", person, [])])
    labels, mapping = labels_and_mapping("pascal_part", "horse")
    _, parts = pascal_part.read(tmp_path, "horse")[0].load()
    label_map, rare = paint(parts, mapping, labels)
    assert np.array_equal(label_map == labels.index("rider"), rare["rider"])
    assert rare["rider"].sum() == 40 * 78  # from the crop's first row on


def test_pascal_part_problems_are_named(tmp_path):
    write_pascal(tmp_path, "2008_a", [("dog", rectangle(0, 0, 90, 90, 200), [])])
    with pytest.raises(OnemaskError, match="no car that is whole and large enough"):
        pascal_part.read(tmp_path, "car")
    (tmp_path / "Annotations_Part/2008_b.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b"\0" * 200)
    with pytest.raises(OnemaskError, match="2008_b.mat: not an annotation of PASCAL-Part"):
        pascal_part.read(tmp_path, "dog")


# DatasetGAN's cats


@pytest.fixture
def cats(tmp_path):
    for folder in ("training_data/cat_processed", "testing_data/cat_16_class"):
        for number in (2, 10):
            values = np.zeros((64, 64), np.int64)
            values[10:30, 10:30], values[12:16, 12:16] = 7, 9
            save(tmp_path / f"annotation/{folder}/image_{number}.jpg", np.full((64, 64, 3), number, np.uint8))
            np.save(tmp_path / f"annotation/{folder}/image_mask{number}.npy", values)
    return tmp_path


def test_datasetgan_s_cats_pair_by_number(cats):
    images = datasetgan_cats.read(cats)
    assert [(image.name, image.split) for image in images] == [
        ("train2", "train"),
        ("train10", "train"),
        ("test2", "test"),
        ("test10", "test"),
    ]
    image, parts = images[1].load()
    labels, mapping = labels_and_mapping("datasetgan_cats", "cat")
    label_map, _ = paint(parts, mapping, labels)
    assert image[0, 0, 0] == 10
    assert label_map[13, 13] == labels.index("eye") and label_map[25, 25] == labels.index("head")


def test_datasetgan_s_problems_are_named(cats):
    folder = cats / "annotation/training_data/cat_processed"
    np.save(folder / "image_mask2.npy", np.full((4, 4), 16))
    with pytest.raises(OnemaskError, match="image_mask2.npy: expected whole numbers .* below 16"):
        datasetgan_cats.read(cats)[0].load()
    np.save(folder / "image_mask2.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(OnemaskError, match="image_mask2.npy: not a readable label map"):
        datasetgan_cats.read(cats)[0].load()
    (folder / "image_2.jpg").unlink()
    with pytest.raises(OnemaskError, match="image_mask2.npy: there is no image of its number"):
        datasetgan_cats.read(cats)


# Mappings


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config/datasets").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_mapping_names_labels_of_its_class(path):
    labels = read_labels(REPOSITORY / f"config/labels/{path.stem.split('.')[1]}.yaml")
    assert read_mapping(path, labels).parts


def test_what_a_mapping_cannot_paint_is_named(tmp_path):
    labels = read_labels(REPOSITORY / "config/labels/car.yaml")
    (tmp_path / "m.yaml").write_text("parts: {door: dor}\n")
    with pytest.raises(OnemaskError, match="m.yaml: 'dor' is no label of the class"):
        read_mapping(tmp_path / "m.yaml", labels)
    (tmp_path / "m.yaml").write_text("parts: {door: door}\n")
    mapping = read_mapping(tmp_path / "m.yaml", labels)
    with pytest.raises(OnemaskError, match="the part 'roof' is not in .*m.yaml"):
        paint([("roof_2", np.ones((2, 2), bool))], mapping, labels)
    with pytest.raises(OnemaskError, match=r"the mask of door is \[3, 3\], others are \[2, 2\]"):
        paint([("door_1", np.ones((2, 2), bool)), ("door", np.ones((3, 3), bool))], mapping, labels)
    with pytest.raises(OnemaskError, match="has no part"):
        paint([], mapping, labels)


def test_masks_of_another_size_are_scaled_and_of_another_shape_refused(tmp_path):
    labels = read_labels(REPOSITORY / "config/labels/car.yaml")
    (tmp_path / "m.yaml").write_text("parts: {door: door}\n")
    mapping = read_mapping(tmp_path / "m.yaml", labels)

    def image(*shape):
        parts = [("door", np.tri(*shape, dtype=bool))]
        return PartImage("a7", None, lambda: (np.zeros((40, 30, 3), np.uint8), parts))

    assert labelled(image(20, 15), mapping, labels, 16).label_map.shape == (16, 16)
    assert labelled(image(13, 10), mapping, labels, 16).label_map.shape == (16, 16)  # 40 x 30 divided by three
    with pytest.raises(OnemaskError, match="image a7: its masks are 20 x 20, the image 30 x 40, of another shape"):
        labelled(image(20, 20), mapping, labels, 16)
