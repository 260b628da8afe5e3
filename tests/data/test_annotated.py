"""Annotated sets: what is written is read, and every kind of bad file is one line that names it."""

import numpy as np
import pytest

from onemask.data.annotated import AnnotatedSet, read_annotated, read_metadata, write_annotated
from onemask.errors import OnemaskError
from onemask.labels import LabelSet

LABELS = LabelSet(("background", "skin", "hair"), ("#000000", "#111111", "#222222"), {"teeth": "#ffffff"})


class Generator:
    resolution, w_dim, num_ws = 6, 4, 5

    def fingerprint(self):
        return "these weights"


@pytest.fixture
def annotated():
    rng = np.random.default_rng(0)
    return AnnotatedSet(
        rng.standard_normal((7, 4)).astype(np.float32),
        rng.integers(0, 3, (7, 6, 6)).astype(np.uint8),
        {"teeth": rng.random((7, 6, 6)) < 0.3},
        {"exemplars": np.array([0, 1]), "test": np.array([4, 5, 6]), "rare_exemplars/teeth": np.array([3])},
        rng.integers(0, 3, (3, 6, 6)).astype(np.uint8),
        {"agreement": {"miou": 0.5}},
    )


def rewrite(path, annotated, **changes):
    for name, value in changes.items():
        setattr(annotated, name, value)
    write_annotated(path, annotated)


def test_what_is_written_is_read(tmp_path, annotated):
    write_annotated(tmp_path / "a.npz", annotated)
    read = read_annotated(tmp_path / "a.npz", LABELS, Generator())
    for name in ("ws", "label_maps", "second_label_maps"):
        np.testing.assert_array_equal(getattr(read, name), getattr(annotated, name))
        assert getattr(read, name).dtype == getattr(annotated, name).dtype
    np.testing.assert_array_equal(read.rare["teeth"], annotated.rare["teeth"])
    assert read.rare["teeth"].dtype == bool
    assert read.metadata == annotated.metadata
    assert {name: list(indices) for name, indices in read.splits.items()} == {
        name: list(indices) for name, indices in annotated.splits.items()
    }


def test_a_set_that_names_its_generator_and_labels_is_read_with_them_alone(tmp_path, annotated):
    rewrite(tmp_path / "a.npz", annotated, metadata={"generator": "these weights", "labels": list(LABELS.names)})
    assert len(read_annotated(tmp_path / "a.npz", LABELS, Generator()).ws) == 7


def test_metadata_are_read_without_the_maps(tmp_path, annotated):
    write_annotated(tmp_path / "a.npz", annotated)
    with np.load(tmp_path / "a.npz") as stored:
        np.savez(tmp_path / "b.npz", metadata=stored["metadata"], label_maps=np.array([{}], dtype=object))
    assert read_metadata(tmp_path / "a.npz") == read_metadata(tmp_path / "b.npz") == annotated.metadata
    np.savez(tmp_path / "none.npz", ws=np.zeros(3))
    with pytest.raises(OnemaskError, match=r"none\.npz: holds no metadata"):
        read_metadata(tmp_path / "none.npz")


def test_equal_sets_are_equal_bytes(tmp_path, annotated):
    for name in ("a.npz", "b.npz"):
        write_annotated(tmp_path / name, annotated)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_latents_exact_in_half_precision_take_half_the_room(tmp_path, annotated):
    ws = np.random.default_rng(1).standard_normal((7, 5, 4)).astype(np.float16).astype(np.float32)
    rewrite(tmp_path / "a.npz", annotated, ws=ws)
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["ws"].dtype == np.float16
    np.testing.assert_array_equal(read_annotated(tmp_path / "a.npz", LABELS, Generator()).ws, ws)


def test_splits(annotated):
    ws, label_maps = annotated.split("test")
    np.testing.assert_array_equal(ws, annotated.ws[4:])
    np.testing.assert_array_equal(label_maps, annotated.label_maps[4:])
    np.testing.assert_array_equal(annotated.indices("rare_exemplars/teeth"), [3])
    with pytest.raises(OnemaskError, match="no split 'tests'; it has exemplars"):
        annotated.split("tests")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ws": np.zeros((3, 4), np.float32)}, r"label maps are uint8 \[7, 6, 6\], expected uint8 \[3, H, W\]"),
        ({"ws": np.zeros((7, 1, 1, 4), np.float32)}, r"ws are float16 .*expected float32|ws are float32 .*expected"),
        ({"label_maps": np.full((7, 6, 6), 3, np.uint8)}, "holds 3, but the class has labels 0 to 2"),
        ({"second_label_maps": np.full((3, 6, 6), 9, np.uint8)}, "holds 9, but the class has labels 0 to 2"),
        ({"rare": {"hat": np.zeros((7, 6, 6), bool)}}, "'hat', which is no rare label"),
        ({"rare": {"teeth": np.zeros((7, 5, 6), bool)}}, r"masks of teeth are \[7, 5, 6\]"),
        ({"splits": {"test": np.array([7])}}, "split test points outside the 7 samples"),
        ({"ws": np.zeros((7, 3), np.float32)}, r"latents are \[3\], the generator takes \[5, 4\] or \[4\]"),
        ({"ws": np.zeros((7, 9, 4), np.float32)}, r"latents are \[9, 4\], the generator takes \[5, 4\]"),
        (
            {"label_maps": np.zeros((7, 8, 8), np.uint8), "rare": {}, "second_label_maps": None},
            r"label maps are \[8, 8\], the generator makes 6 px images",
        ),
        ({"metadata": {"generator": "others"}}, "was annotated on another generator, of other weights"),
        ({"metadata": {"labels": ["background", "hair"]}}, r"was labelled with \['background', 'hair'\]; config/"),
        ({"second_label_maps": np.zeros((3, 5, 6), np.uint8)}, r"second_label_maps are uint8 \[3, 5, 6\], not like"),
    ],
)
def test_a_bad_set_is_one_line_that_names_the_file(tmp_path, annotated, changes, message):
    rewrite(tmp_path / "bad.npz", annotated, **changes)
    with pytest.raises(OnemaskError, match=message) as caught:
        read_annotated(tmp_path / "bad.npz", LABELS, Generator())
    assert "bad.npz" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("metadata", "[]", "metadata are no JSON object"),
        ("metadata", "{", "metadata are no JSON "),
        ("metadata", '{"labels": 3}', "was labelled with 3; config/labels has"),
        ("second_label_maps", np.full((3, 6, 6), 0.5), r"second_label_maps are float64 \[3, 6, 6\], not like"),
        ("rare/teeth", np.zeros((7, 6, 0), np.uint8), r"rare/teeth is uint8 \[7, 6, 0\], expected packed bits"),
        ("split/test", np.array(["a"]), r"split/test is <U1 \[1\], expected integers \[n\]"),
        ("rare/teeth", np.zeros((7, 6, 1)), r"rare/teeth is float64 \[7, 6, 1\], expected packed bits"),
        ("label_maps", np.uint8(3), r"label maps are uint8 \[\], expected"),
    ],
)
def test_an_array_of_another_kind_is_one_line(tmp_path, annotated, key, value, message):
    write_annotated(tmp_path / "a.npz", annotated)
    with np.load(tmp_path / "a.npz") as stored:
        np.savez(tmp_path / "odd.npz", **{**stored, key: value})
    with pytest.raises(OnemaskError, match=rf"odd\.npz: {message}") as caught:
        read_annotated(tmp_path / "odd.npz", LABELS, Generator())
    assert "\n" not in str(caught.value)


def test_rare_labels_that_nobody_annotated_are_on_no_sample(tmp_path, annotated):
    labels = LabelSet(LABELS.names, LABELS.colours, LABELS.rare | {"hat": "#333333"})
    write_annotated(tmp_path / "a.npz", annotated.with_rare(labels.rare))
    read = read_annotated(tmp_path / "a.npz", labels)
    assert not read.rare["hat"].any() and read.rare["teeth"].any()
    assert not len(read.indices("rare_exemplars/hat")) and not len(read.indices("rare_test/hat"))
    assert list(read.indices("rare_exemplars/teeth")) == [3]


def test_missing_truncated_and_foreign_files(tmp_path, annotated):
    with pytest.raises(OnemaskError, match=r"none\.npz: no such file"):
        read_annotated(tmp_path / "none.npz", LABELS)
    write_annotated(tmp_path / "a.npz", annotated)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    with pytest.raises(OnemaskError, match=r"cut\.npz: not a readable annotated set"):
        read_annotated(tmp_path / "cut.npz", LABELS)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(OnemaskError, match=r"other\.npz: holds no ws and no label_maps"):
        read_annotated(tmp_path / "other.npz", LABELS)
    np.savez(tmp_path / "pickled.npz", ws=np.array([{}], dtype=object), label_maps=np.zeros(3))
    with pytest.raises(OnemaskError, match=r"pickled\.npz: not a readable annotated set"):
        read_annotated(tmp_path / "pickled.npz", LABELS)
