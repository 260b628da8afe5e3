import numpy as np
import pytest

from onemask.downstream.pairs import Pairs, check_labels, mixed, read_splits, write_splits
from onemask.errors import OnemaskError


def pairs(count, value=0):
    return Pairs(np.full((count, 3, 8, 8), value, np.uint8), np.full((count, 8, 8), value, np.uint8))


def test_a_mixed_set_holds_all_real_and_the_first_synthetic_pairs():
    synthetic = Pairs(np.arange(6, dtype=np.uint8).repeat(3 * 64).reshape(6, 3, 8, 8), np.ones((6, 8, 8), np.uint8))
    both = mixed(pairs(2), synthetic, 2)
    assert len(both) == 6 and list(both.images[:, 0, 0, 0]) == [0, 0, 0, 1, 2, 3]
    assert list(both.label_maps[:, 0, 0]) == [0, 0, 1, 1, 1, 1]
    assert len(mixed(pairs(2), None, 5)) == len(mixed(pairs(2), synthetic, 0)) == 2


def test_a_ratio_that_asks_for_more_than_there_is():
    with pytest.raises(OnemaskError, match="5 synthetic images per real one are 10, there are 6"):
        mixed(pairs(2), pairs(6), 5)


def test_labels_that_no_training_image_holds_are_named():
    two = Pairs(np.zeros((2, 3, 8, 8), np.uint8), np.stack([np.zeros((8, 8)), np.ones((8, 8))]).astype(np.uint8))
    names = ("background", "ear", "tail")
    check_labels(two, [two, pairs(1)], names, "real.npz")  # the data set annotates no tail
    with pytest.raises(OnemaskError, match="real.npz: no image to train on holds 'tail'"):
        check_labels(two, [pairs(1), pairs(1, 2)], names, "real.npz")
    with pytest.raises(OnemaskError, match="a label map holds 2, there are labels 0 to 1"):
        check_labels(two, [pairs(1, 2)], names[:2], "real.npz")
    with pytest.raises(OnemaskError, match="a label map holds 1, there are labels 0 to 0"):
        check_labels(two, [pairs(1)], names[:1], "real.npz")


def test_splits_come_back_and_equal_ones_are_equal_bytes(tmp_path):
    for name in "ab":
        write_splits(tmp_path / f"{name}.npz", {"real": pairs(3, 7), "test": pairs(1)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back, _ = read_splits(tmp_path / "a.npz", "real", "test")
    assert len(back) == 3 and back.images.max() == 7
    with pytest.raises(OnemaskError, match="a.npz"):
        read_splits(tmp_path / "a.npz", "validation")
