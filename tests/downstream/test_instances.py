import numpy as np
import pytest
from PIL import Image

from onemask.data.labelled import LabelledWriter
from onemask.data.pidray import TRAIN, read_pidray
from onemask.demo.pidray import write_pidray
from onemask.downstream.instances import (
    Instances,
    annotation_quality,
    boxes_of,
    check_labels,
    from_dataset,
    from_scans,
    joined,
    read_instances,
    target_of,
    write_instances,
)
from onemask.errors import OnemaskError
from onemask.labels import LabelSet

SIZE = 32


def instances(count=3):
    """One square in each image but the first; its label is 1 or 2."""
    masks = np.zeros((count - 1, SIZE, SIZE), bool)
    for number, mask in enumerate(masks):
        mask[4 : 12 + number, 8:20] = True
    owners = np.arange(1, count)
    return Instances.of_masks(np.zeros((count, 3, SIZE, SIZE), np.uint8), masks, owners, 1 + owners % 2)


def test_boxes_end_behind_the_last_pixel():
    mask = np.zeros((1, 8, 8), bool)
    mask[0, 2:5, 3] = True
    assert boxes_of(mask).tolist() == [[3, 2, 4, 5]]


def test_targets_are_those_of_one_image():
    two = target_of(instances(), 2)
    assert two["boxes"].tolist() == [[8, 4, 20, 13]] and two["labels"].tolist() == [1]
    assert target_of(instances(), 0)["boxes"].shape == (0, 4)
    assert target_of(instances(), 0)["masks"].shape == (0, SIZE, SIZE)


def test_joined_sets_keep_whose_instances_are_whose():
    both = joined(instances(3), instances(2))
    assert len(both) == 5 and both.owners.tolist() == [1, 2, 4] and both.labels.tolist() == [2, 1, 2]
    assert both.first(2).owners.tolist() == [1]
    with pytest.raises(OnemaskError, match="6 images are asked for, there are 5"):
        both.first(6)


def test_instances_come_back_and_equal_ones_are_equal_bytes(tmp_path):
    for name in "ab":
        write_instances(tmp_path / f"{name}.npz", {"real": instances(), "test": instances(2)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    real, test = read_instances(tmp_path / "a.npz", "real", "test")
    assert np.array_equal(real.masks, instances().masks) and len(test) == 2
    with pytest.raises(OnemaskError, match="a.npz"):
        read_instances(tmp_path / "a.npz", "validation")


def test_scans_in_pidrays_layout_keep_their_items(tmp_path):
    write_pidray(tmp_path / "pidray", {"train": range(12), "test": range(50, 52)}, SIZE)
    data = read_pidray(tmp_path / "pidray")
    scans, items = data.splits[TRAIN], data.categories
    found = from_scans(scans, items, SIZE, SIZE)
    assert len(found) == 12 and len(found.masks) == sum(len(scan.items) for scan in scans)
    for owner, label in zip(found.owners, found.labels, strict=True):
        assert items[label - 1] in [name for name, _ in scans[owner].items]
    assert len(from_scans(scans, items[:1], SIZE, SIZE).masks) < len(found.masks)


def test_a_labelled_data_set_has_an_instance_per_part_of_a_label(tmp_path):
    labels = LabelSet(("background", "hammer", "wrench"), ("#000000", "#ff0000", "#00ff00"), {})
    writer = LabelledWriter(tmp_path / "set", labels, {})
    label_map = np.zeros((SIZE, SIZE), np.uint8)
    label_map[2:10, 2:10], label_map[20:22, 20:22] = 2, 1  # the hammer is smaller than any item
    label_map[10, 10] = label_map[30, 1] = 2  # touches by a corner; a speck far away
    label_map[14:18, 24:28] = 2
    for seed in range(2):
        writer.add(np.full((SIZE, SIZE, 3), 9, np.uint8), label_map, seed=seed)
    writer.finish()
    found = from_dataset(tmp_path / "set", ["hammer", "wrench"])
    assert len(found) == 2 and found.labels.tolist() == [2] * 4 and found.owners.tolist() == [0, 0, 1, 1]
    assert boxes_of(found.masks[:2]).tolist() == [[2, 2, 11, 11], [24, 14, 28, 18]]
    assert found.masks[:2].sum() == 8 * 8 + 1 + 4 * 4
    with pytest.raises(OnemaskError, match="set: has no pliers; there are hammer, wrench"):
        from_dataset(tmp_path / "set", ["pliers"])
    assert Image.open(tmp_path / "set/images/000000.png").size == (SIZE, SIZE)


def test_a_category_without_an_instance_is_named():
    images = np.zeros((1, 3, 4, 4), np.uint8)
    instances = Instances.of_masks(images, np.ones((1, 4, 4), bool), np.zeros(1, int), np.array([1]))
    check_labels(instances, ["hammer"], "scans")
    with pytest.raises(OnemaskError, match="scans: no training scan holds a 'wrench'"):
        check_labels(instances, ["hammer", "wrench"], "scans")


def test_how_well_scans_are_annotated_is_counted_per_item():
    truth, found = np.zeros((2, 3, 4, 4), bool), np.zeros((2, 3, 4, 4), bool)
    truth[0, 0, :2], found[0, 0, :1], found[0, 2, :2] = True, True, True
    hammer, wrench = annotation_quality(found, truth, ["hammer", "wrench"])
    assert hammer == {"item": "hammer", "scans": 3, "holding": 1, "found": 2, "iou": 4 / 16}
    assert wrench["found"] == 0 and np.isnan(wrench["iou"])
