"""PIDRay's archives, both versions: read whole, written by the demo, and every bad record named or counted."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from onemask.data import pidray_items
from onemask.data.pidray import (
    LAYOUTS,
    crop_and_resize,
    find_layout,
    masks,
    read_image,
    read_pidray,
    readable,
    run_lengths,
)
from onemask.demo.baggage import DEMO_ITEMS
from onemask.demo.pidray import write_pidray
from onemask.demo.worlds import render
from onemask.errors import OnemaskError

HEIGHT, WIDTH = 12, 20
SQUARE = [[2, 3, 8, 3, 8, 9, 2, 9]]  # x and y of the corners: rows 3 to 8, columns 2 to 7
CATEGORIES = [{"id": 7, "name": "HandCuffs"}, {"id": 3, "name": "Hammer"}]


def rle(mask, compressed):
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    if compressed:
        return {"size": encoded["size"], "counts": encoded["counts"].decode()}
    runs, value = [0], 0
    for pixel in mask.T.flatten().astype(int):  # column by column, background first
        if pixel != value:
            runs, value = [*runs, 0], pixel
        runs[-1] += 1
    return {"size": list(mask.shape), "counts": runs}


RIGHT = np.zeros((HEIGHT, WIDTH), bool)
RIGHT[:, 10:] = True


def archive(root, version="v2", **changes):
    """Two images a file, ids starting at 0 in each: the first with a square and a half plane, the second empty."""
    for parts in LAYOUTS[version].values():
        for name, folder in parts:
            stems = [f"xray_{folder}{i:05d}" for i in range(2)]
            content = {
                "images": [
                    {"id": i, "file_name": f"{stem}.png", "height": HEIGHT, "width": WIDTH}
                    for i, stem in enumerate(stems)
                ],
                "annotations": [
                    {"id": 0, "image_id": 0, "category_id": 7, "segmentation": SQUARE},
                    {"id": 1, "image_id": 0, "category_id": 3, "segmentation": rle(RIGHT, compressed=True)},
                    {"id": 2, "image_id": 0, "category_id": 3, "segmentation": rle(~RIGHT, compressed=False)},
                ],
                "categories": CATEGORIES,
            }
            for number, change in changes.get(folder, {}).items():
                content["annotations"][number] |= change
            content |= changes.get("content", {})
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / "annotations").mkdir(exist_ok=True)
            (root / "annotations" / name).write_text("\ufeff" + json.dumps(content).replace("}, {", "},\r\n{"))
            for i, stem in enumerate(stems):
                Image.new("RGB", (WIDTH, HEIGHT), (i, 2, 3)).save(root / folder / f"{stem}.png")
    return root


@pytest.mark.parametrize("version", LAYOUTS)
def test_both_versions_are_read_with_polygons_and_rle(tmp_path, version):
    data = read_pidray(archive(tmp_path, version))
    assert find_layout(tmp_path) == version and data.categories == ("handcuffs", "hammer")
    assert [len(data.splits[split]) for split in ("train", "test")] == [2, 6 if version == "v1" else 2]
    scan, empty = data.splits["train"]
    assert empty.items == () and (scan.height, scan.width) == (HEIGHT, WIDTH)
    found = masks(scan, ["handcuffs", "hammer"])
    rows, columns = np.nonzero(found["handcuffs"])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 8, 2, 7)
    assert found["hammer"].all()  # both halves together
    assert list(masks(scan, ["hammer"])) == ["hammer"] and masks(empty, ["hammer"]) == {}
    assert read_image(empty)[0, 0].tolist() == [1, 2, 3]


def test_what_an_archive_lacks_is_listed(tmp_path):
    archive(tmp_path)
    (tmp_path / "annotations/test.json").unlink()
    with pytest.raises(OnemaskError, match=r"of PIDRay v2 there is no annotations/test.json; unpack"):
        read_pidray(tmp_path)
    archive(tmp_path / "first", "v1")
    shutil.rmtree(tmp_path / "first/annotations")
    with pytest.raises(OnemaskError, match=r"of PIDRay v1 there is no annotations/xray_train.json, annotations/xray_"):
        read_pidray(tmp_path / "first")
    with pytest.raises(OnemaskError, match=r"annotations: no category gun; there are handcuffs, hammer"):
        read_pidray(archive(tmp_path / "whole"), needed=("hammer", "gun"))
    with pytest.raises(OnemaskError, match=r"one folder too deep, in .*/deep"):
        archive(tmp_path / "outer/deep")
        read_pidray(tmp_path / "outer")


BAD = {
    "unknown categories": ({"category_id": 9}, "there is no category 9"),
    "empty annotations": ({"segmentation": []}, "annotation 0 of xray_train00000.png is empty"),
    "masks of another size": ({"segmentation": rle(RIGHT[:, :5], True)}, r"mask is \[12, 5\], the image is \[12, 20\]"),
    "annotations without image": ({"image_id": 5}, "is of image 5, which is not there"),
    "broken polygons": ({"segmentation": [[1, 2, 3]]}, "a polygon is no list of x, y pairs"),
    "broken masks": (
        {"segmentation": {"size": [HEIGHT, WIDTH], "counts": [3, 4]}},
        "its run lengths do not fill the image",
    ),
    "broken strings": (
        {"segmentation": {"size": [HEIGHT, WIDTH], "counts": rle(RIGHT[:, :5], True)["counts"]}},
        "its run lengths do not fill the image",
    ),
    "strings of nothing": ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": "abc"}}, "do not fill the image"),
    "numbers": ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": 5}}, "do not fill the image"),
    "empty masks": ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}}, "is empty"),
    "masks without size": ({"segmentation": {"size": None, "counts": [3, 4]}}, "its mask is None"),
    "other segmentations": ({"segmentation": 5}, "a polygon is no list"),
}
KINDS = {"broken strings": "broken masks", "strings of nothing": "broken masks", "numbers": "broken masks"}
KINDS |= {"empty masks": "empty annotations", "masks without size": "masks of another size"}
KINDS |= {"other segmentations": "broken polygons"}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_annotation_is_one_line_or_counted(tmp_path, kind):
    change, message = BAD[kind]
    archive(tmp_path, train={0: change})
    with pytest.raises(OnemaskError, match=message) as caught:
        read_pidray(tmp_path)
    assert "train.json" in str(caught.value) and "\n" not in str(caught.value)
    data = read_pidray(tmp_path, skip_bad=True)
    assert data.left_out == {KINDS.get(kind, kind): 1} and len(data.splits["train"][0].items) == 2


@pytest.mark.parametrize("corners", [["a"] * 6, "text", {"x": 1}, [1, 2, None, 4, 5, 6]])
def test_a_polygon_of_something_else_is_one_line(tmp_path, corners):
    archive(tmp_path, train={0: {"segmentation": [corners]}})
    with pytest.raises(OnemaskError, match="train.json: annotation 0 of xray_train00000.png: a polygon is no list"):
        read_pidray(tmp_path)


def test_images_of_one_id_go_with_all_annotations_of_that_id(tmp_path):
    """Whose they are nobody knows."""
    archive(tmp_path)
    path = tmp_path / "annotations/train.json"
    content = json.loads(path.read_text("utf-8-sig"))
    content["images"].append({**content["images"][1], "id": 0})
    (tmp_path / "train/xray_train00002.png").write_bytes((tmp_path / "train/xray_train00001.png").read_bytes())
    content["images"][2]["file_name"] = "xray_train00002.png"
    path.write_text(json.dumps(content))
    with pytest.raises(OnemaskError, match="xray_train00000.png has the id 0, and so has another image"):
        read_pidray(tmp_path)
    data = read_pidray(tmp_path, skip_bad=True)
    assert data.left_out == {"clashing ids": 2, "annotations without image": 3}
    assert [(scan.stem, scan.items) for scan in data.splits["train"]] == [("xray_train00001", ())]


def test_an_image_without_file_and_files_of_one_name(tmp_path):
    archive(tmp_path, "v1")
    (tmp_path / "train/xray_train00001.png").unlink()
    with pytest.raises(OnemaskError, match="1 of 2 images are not in .*train: xray_train00001.png"):
        read_pidray(tmp_path)
    content = json.loads((tmp_path / "annotations/xray_test_easy.json").read_text("utf-8-sig"))
    content["images"][1]["file_name"] = "xray_train00000.png"
    (tmp_path / "annotations/xray_test_easy.json").write_text(json.dumps(content))
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "easy/xray_train00000.png")
    assert read_pidray(tmp_path, skip_bad=True).left_out == {"images without file": 1, "clashing names": 1}


SIZELESS = '{"images": [{"id": 0, "file_name": "a", "height": "x", "width": 3}], "annotations": [], "categories": []}'


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"images": [{}], "annotations": [], "categories": []}', SIZELESS, SIZELESS.replace('"x"', "0")]
)
def test_a_file_that_is_not_coco_json_is_one_line(tmp_path, text):
    archive(tmp_path)
    (tmp_path / "annotations/train.json").write_text(text)
    with pytest.raises(OnemaskError, match="train.json: not COCO JSON"):
        read_pidray(tmp_path)


def test_a_corrupt_image_and_one_of_another_size_are_named(tmp_path):
    scan, other = read_pidray(archive(tmp_path)).splits["train"]
    scan.file.write_bytes(scan.file.read_bytes()[:40])
    with pytest.raises(OnemaskError, match="xray_train00000.png: not a readable image"):
        read_image(scan)
    Image.new("RGB", (HEIGHT, WIDTH)).save(other.file)
    with pytest.raises(OnemaskError, match="is 12 x 20, its annotation says 20 x 12"):
        read_image(other)


def test_unreadable_images_are_left_out_with_a_line_each(tmp_path, capsys):
    scans = read_pidray(archive(tmp_path)).splits["test"]
    scans[0].file.write_bytes(b"")
    assert [scan.stem for scan in readable(scans)] == [scans[1].stem]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "left out" in lines[0] and str(scans[0].file) in lines[0]
    assert [image.name for image in pidray_items.read(tmp_path, skip_bad=True)] == ["xray_train00000"]


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_of_a_compressed_mask_are_those_of_the_plain_one(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((int(rng.integers(1, 70)), int(rng.integers(1, 70)))) < rng.random()
    assert run_lengths(rle(mask, compressed=True)["counts"]) == rle(mask, compressed=False)["counts"]


def test_cropping_keeps_the_middle_and_pads_what_is_not_there():
    image = np.arange(4 * 10 * 3, dtype=np.uint8).reshape(4, 10, 3)
    cropped = crop_and_resize(image, 6, 6, fill=255)
    np.testing.assert_array_equal(cropped[1:5], image[:, 2:8])
    assert (cropped[[0, 5]] == 255).all()
    mask = np.zeros((4, 10), bool)
    mask[:, 5:] = True
    resized = crop_and_resize(mask, 4, 8, fill=0)
    assert resized.dtype == bool and resized[:, 4:].all() and not resized[:, :4].any()


def test_the_demos_archive_comes_back_as_it_was_rendered(tmp_path):
    write_pidray(tmp_path, {"train": range(40, 46), "test": range(3)}, 32)
    data = read_pidray(tmp_path)
    assert data.categories == DEMO_ITEMS and [len(data.splits[s]) for s in ("train", "test")] == [6, 3]
    rendered = render("baggage", range(40, 46), 32)
    widths = set()
    for i, scan in enumerate(data.splits["train"]):
        widths.add(scan.width)
        image = crop_and_resize(read_image(scan), 32, 32, 255)
        np.testing.assert_array_equal(image, rendered.images[i].permute(1, 2, 0).numpy())
        found = masks(scan, DEMO_ITEMS)
        for item in DEMO_ITEMS:
            mask = crop_and_resize(found.get(item, np.zeros((scan.height, scan.width), bool)), 32, 32, 0)
            np.testing.assert_array_equal(mask, rendered.rare[item][i].numpy())
    assert len(widths) > 2 and min(widths) >= 32 and max(widths) <= 48


def test_items_of_a_scan_are_parts_at_the_study_s_crop_and_bad_records_are_its_choice(tmp_path):
    archive(tmp_path, train={0: {"category_id": 9}})
    with pytest.raises(OnemaskError, match="there is no category 9"):
        pidray_items.read(tmp_path)
    train, test = pidray_items.read(tmp_path, crop=8, skip_bad=True)
    assert (train.split, test.split) == ("train", "test") and train.name == "xray_train00000"
    image, parts = train.load()
    assert image.shape == (8, 8, 3) and [name for name, _ in parts] == ["hammer"]
    masked = dict(test.load()[1])
    assert [(name, mask.shape) for name, mask in masked.items()] == [("handcuffs", (8, 8)), ("hammer", (8, 8))]
    rows, columns = np.nonzero(masked["handcuffs"])  # rows 3 to 8 of 12, columns 2 to 7 of 20: the crop begins at 2, 6
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 6, 0, 1)
