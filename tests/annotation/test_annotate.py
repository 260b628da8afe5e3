"""`onemask annotate`: a data set from one annotated image, interrupted and resumed, read back with pycocotools."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from pycocotools.coco import COCO
from typer.testing import CliRunner

from onemask.annotation.command import Request, run
from onemask.annotation.labeller import Layered
from onemask.cli import app
from onemask.data.colours import palette_image
from onemask.data.labelled import LabelledWriter, read_label_map
from onemask.errors import OnemaskError
from onemask.labels import LabelSet
from onemask.stylegan2.checkpoint import load_generator, save_generator
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.images import to_pixels

SIZE = 16
LABELS = "labels: {background: '#000000', left: '#ff0000', right: '#0000ff'}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A generator, its sample of seed 3 as an image and as a latent, and an annotation of two halves below a sky."""
    path = tmp_path_factory.mktemp("annotate")
    torch.manual_seed(0)
    generator = Generator(z_dim=8, w_dim=8, resolution=SIZE, channel_base=128, channel_max=8).eval()
    save_generator(path / "g.safetensors", generator)
    with torch.no_grad():
        ws = generator.sample_ws([3], 0.7)
        Image.fromarray(to_pixels(generator.synthesize(ws), SIZE)[0]).save(path / "image.png")
    np.save(path / "w.npy", ws[0].numpy())
    label_map = np.zeros((SIZE, SIZE), np.uint8)
    label_map[4:, :8], label_map[4:, 8:] = 1, 2
    Image.fromarray(label_map).save(path / "map.png")
    (path / "labels.yaml").write_text(LABELS)
    return path


def request(folder, out, **changes):
    usual = Request(
        folder / "g.safetensors",
        folder / out,
        count=10,
        label_map=folder / "map.png",
        labels=folder / "labels.yaml",
        image_seed=3,
        method="repurposegan_mlp",
        batch=4,
    )
    return replace(usual, **changes)


def content(out):
    files = sorted(path for path in out.rglob("*") if path.suffix in (".png", ".json") and path.name != "preview.png")
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def stacked(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


@pytest.fixture(scope="module")
def made(folder):
    run(request(folder, "out"))
    return folder / "out"


def test_pairs_come_back_through_pycocotools(made):
    coco = COCO(made / "annotations.json")
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["left", "right"]
    assert len(coco.getImgIds()) == 10 and len({coco.imgs[i]["seed"] for i in coco.imgs}) == 10
    for number in coco.getImgIds():
        name = coco.imgs[number]["file_name"]
        label_map = np.asarray(Image.open(made / "label_maps" / name))
        assert np.asarray(Image.open(made / "images" / name)).shape == (SIZE, SIZE, 3)
        painted = np.zeros((SIZE, SIZE), int)
        for annotation in coco.loadAnns(coco.getAnnIds(number)):
            mask = coco.annToMask(annotation)
            painted[mask > 0] = annotation["category_id"]
            assert annotation["area"] == mask.sum()
        np.testing.assert_array_equal(painted, label_map)
    assert {"left", "right"} <= set((made / "README.md").read_text().split())
    assert Image.open(made / "preview.png").size == (8 * SIZE, 4 * SIZE)


def test_label_maps_show_their_colours(made):
    image = Image.open(made / "label_maps/000000.png")
    label_map, colours = np.asarray(image), np.asarray(image.convert("RGB"))
    assert image.mode == "P" and set(np.unique(label_map)) <= {0, 1, 2}
    for value, colour in enumerate(["#000000", "#ff0000", "#0000ff"]):
        assert (colours[label_map == value] == ImageColor.getrgb(colour)).all()


def test_an_interrupted_run_goes_on_to_the_same_bytes(folder, made):
    half = request(folder, "resumed", count=6)
    run(half)
    with open(folder / "resumed/records.jsonl", "a") as stream:
        stream.write('{"file_name": "0000')  # killed while writing
    run(replace(half, count=10))
    assert content(folder / "resumed") == content(made)


def test_a_latent_says_the_same_as_its_seed_and_an_image_nearly(folder, made):
    run(request(folder, "latent", image_seed=None, latent=folder / "w.npy"))
    assert content(folder / "latent") == content(made)
    run(request(folder, "image", image_seed=None, image=folder / "image.png"))
    inverted, exact = (stacked(folder / out / "label_maps") for out in ("image", "out"))
    assert (inverted == exact).mean() > 0.8


def test_a_labeller_labels_again_without_an_annotation(folder, made):
    again = Request(folder / "g.safetensors", folder / "again", 10, labellers=(made / "labeller",), batch=4)
    run(again)
    labelled, first = content(folder / "again"), content(made)
    assert all(labelled[name] == first[name] for name in labelled if name.endswith(".png"))


def test_a_labeller_of_another_generator_is_refused(folder, made):
    torch.manual_seed(1)
    save_generator(folder / "other.safetensors", Generator(8, 8, SIZE, channel_base=128, channel_max=8))
    with pytest.raises(OnemaskError, match="labeller: was fitted on another generator"):
        run(Request(folder / "other.safetensors", folder / "strange", 4, labellers=(made / "labeller",)))


@pytest.mark.parametrize("text", ["", "- 1", "labels: {a: [", "labels: {background: '#000000'}"])
def test_a_labeller_with_damaged_labels_is_one_line(folder, made, tmp_path, text):
    shutil.copytree(made / "labeller", tmp_path / "labeller")
    (tmp_path / "labeller/labels.yaml").write_text(text)
    with pytest.raises(OnemaskError, match=r"labels\.yaml: not a labe") as caught:
        run(Request(folder / "g.safetensors", tmp_path / "out", 4, labellers=(tmp_path / "labeller",)))
    assert "\n" not in str(caught.value)


def test_several_labellers_make_one_data_set(folder, made):
    (folder / "top.yaml").write_text("labels: {background: '#000000', top: '#00ff00'}\n")
    top = np.zeros((SIZE, SIZE), np.uint8)
    top[:8] = 1
    Image.fromarray(top).save(folder / "top.png")
    run(request(folder, "top", label_map=folder / "top.png", labels=folder / "top.yaml"))
    both = (folder / "top/labeller", made / "labeller")
    run(Request(folder / "g.safetensors", folder / "both", 10, labellers=both, batch=4))
    first, second, merged = (stacked(folder / out / "label_maps") for out in ("top", "out", "both"))
    claimed = [np.where(first > 0, first, 0), np.where(second > 0, second + 1, 0)]
    either = np.where(claimed[0] > 0, *claimed)
    assert np.array_equal(merged == 0, either == 0) and ((merged == claimed[0]) | (merged == claimed[1])).all()
    twice = (first > 0) & (second > 0)
    assert twice.any() and np.array_equal(merged[~twice], either[~twice])
    coco = COCO(folder / "both/annotations.json")
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["top", "left", "right"]
    with pytest.raises(OnemaskError, match="two of them have the label or colour 'left'"):
        run(Request(folder / "g.safetensors", folder / "twice", 4, labellers=(made / "labeller",) * 2))


class Fixed:
    """Says one label everywhere, each pixel with a probability of its own; without any it states none."""

    def __init__(self, label, *probabilities):
        self.label = torch.full((1, 1, 4), label, dtype=torch.uint8)
        if probabilities:
            self.confident = lambda features: (self.label, torch.tensor([[probabilities]]))

    def predict(self, features):
        return self.label


def test_the_surer_of_two_labellers_has_the_pixel_and_of_equals_the_first():
    first, second = Fixed(1, 0.6, 0.9, 0.7, 0.5), Fixed(2, 0.8, 0.6, 0.7, 1.0)
    assert Layered([first, second], [0, 1]).predict([]).tolist() == [[[3, 1, 1, 3]]]
    assert Layered([Fixed(0, 1.0, 1.0, 1.0, 1.0), second], [0, 1]).predict([]).tolist() == [[[3, 3, 3, 3]]]
    assert Layered([first, Fixed(0, 1.0, 1.0, 1.0, 1.0)], [4, 1]).predict([]).tolist() == [[[5, 5, 5, 5]]]
    assert Layered([second, Fixed(1)], [0, 2]).predict([]).tolist() == [[[3, 3, 3, 2]]]


@pytest.mark.parametrize("method", ["hfc_swav_fcn", "hfc_kmeans", "datasetgan"])
def test_methods_with_a_clustering_keep_it(folder, method, monkeypatch):
    from onemask.annotation import command

    study = command.load_study({"study": "test"})
    small = {"pixels": 64, "dim": 8, "prototypes": 8, "steps": 2}
    swav, kmeans = study.swav.model_copy(update=small), study.kmeans.model_copy(update={"pixels": 64})
    monkeypatch.setattr(command, "load_study", lambda _: study.model_copy(update={"swav": swav, "kmeans": kmeans}))
    run(request(folder, method, method=method, count=4))
    assert (folder / method / "labeller/clustering.safetensors").is_file() == (method != "datasetgan")
    kept = folder / method / "labeller"
    run(Request(folder / "g.safetensors", folder / f"{method}.2", 4, labellers=(kept,)))
    first, second = (content(folder / out) for out in (method, f"{method}.2"))
    assert all(second[name] == first[name] for name in second if name.endswith(".png"))


def test_the_most_certain_images_are_kept(folder):
    run(request(folder, "all", method="datasetgan", count=12))
    run(request(folder, "certain", method="datasetgan", count=6, most_certain=0.5))
    lines = ((folder / out / "records.jsonl").read_text().splitlines() for out in ("all", "certain"))
    every, certain = ([json.loads(line)["seed"] for line in each] for each in lines)
    assert certain != every[:6] and len(set(certain)) == 6 and certain == sorted(certain)


def test_a_filter_on_a_method_without_uncertainty_is_refused_before_anything_is_written(folder, made):
    run(request(folder, "plain", method="copy_mask", count=2))
    for changes in ({"method": "copy_mask"}, {"method": "hfc_kmeans"}):
        with pytest.raises(OnemaskError, match="states no uncertainty: leave --most-certain out"):
            run(request(folder, "none", most_certain=0.5, **changes))
    with pytest.raises(OnemaskError, match="states no uncertainty: leave --most-certain out"):
        kept = (folder / "plain/labeller",)
        run(Request(folder / "g.safetensors", folder / "none", labellers=kept, most_certain=0.5))
    assert not (folder / "none").exists()


def test_an_interrupted_data_set_is_not_gone_on_with_under_other_settings(folder, monkeypatch):
    from onemask.annotation import command

    run(request(folder, "edited", count=2))
    study = command.load_study({"study": "demo"})
    heads = study.heads.model_copy(update={"epochs": study.heads.epochs + 1})
    monkeypatch.setattr(command, "load_study", lambda _: study.model_copy(update={"heads": heads}))
    with pytest.raises(OnemaskError, match="edited: holds a data set of another settings; choose another folder"):
        run(request(folder, "edited"))


def test_images_that_are_left_out_are_counted(folder):
    report = run(request(folder, "counted", method="datasetgan", count=6, most_certain=0.5))
    seeds = [json.loads(line)["seed"] for line in (folder / "counted/records.jsonl").read_text().splitlines()]
    left_out = int(report.split("; ")[-1].split()[0])
    between = seeds[-1] - seeds[0] + 1 - len(seeds)  # at least those; more before the first and in its last batch
    assert report.endswith("left out as uncertain") and between <= left_out


def test_an_image_that_was_deleted_is_made_again(folder, made):
    whole = content(made)
    (made / "images/000006.png").unlink()
    run(request(folder, "out"))
    assert content(made) == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_seed": None}, "give --label-map, --labels and one of --image-seed, --latent, --image, or --labeller"),
        ({"method": "dasetgan"}, "--method 'dasetgan' is not one of copy_mask"),
        ({"latent": "w.npy"}, "one of --image-seed"),
        ({"image_seed": None, "latent": "map.png"}, "map.png: not a readable npy"),
        ({"image_seed": None, "latent": "nan.npy"}, "nan.npy: holds a number that is not finite"),
        ({"image_seed": None, "latent": "wide.npy"}, r"a latent of shape \[9\], the generator takes \[6, 8\]"),
        ({"image_seed": None, "image": "labels.yaml"}, "labels.yaml: not a readable image"),
        ({"image_seed": None, "image": "noise.png"}, "noise.png: inverted at .* dB, not the same image"),
        ({"label_map": "small.png"}, "small.png: is 8 x 8, the generator makes 16 x 16"),
        ({"label_map": "bright.png"}, "bright.png: holds 7, but there are labels 0 to 2"),
        ({"label_map": "empty.png"}, "empty.png: holds nothing but background"),
        ({"label_map": "image.png"}, "image.png: is RGB, a label map has one channel"),
        ({"generator": "map.png"}, "map.png: holds no generator; expected onemask's safetensors"),
        ({"labellers": ("out",)}, "--labeller is fitted already; leave --image-seed, --label-map, --labels out"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_data_set(folder, changes, message):
    np.save(folder / "wide.npy", np.zeros(9, np.float32))
    np.save(folder / "nan.npy", np.full(8, np.nan, np.float32))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "small.png")
    Image.fromarray(np.full((SIZE, SIZE), 7, np.uint8)).save(folder / "bright.png")
    Image.fromarray(np.zeros((SIZE, SIZE), np.uint8)).save(folder / "empty.png")
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    files = {key: folder / value for key, value in changes.items() if isinstance(value, str) and key != "method"}
    with pytest.raises(OnemaskError, match=message):
        run(request(folder, "bad", **(changes | files)))
    assert not (folder / "bad/annotations.json").exists()


def test_a_data_set_of_another_seed_is_not_mixed_in(folder, made):
    with pytest.raises(OnemaskError, match="out: holds a data set of another seed; choose another folder"):
        run(request(folder, "out", seed=1))


def test_another_annotation_of_the_same_image_is_not_mixed_in(folder, made):
    Image.fromarray(np.eye(SIZE, dtype=np.uint8)).save(folder / "other.png")
    before = content(made)
    with pytest.raises(OnemaskError, match="out: holds a data set of another annotation; choose another folder"):
        run(request(folder, "out", label_map=folder / "other.png", count=12))
    assert content(made) == before


def test_the_command_line_has_help_and_errors_in_one_line(folder):
    runner = CliRunner()
    assert "annotate" in runner.invoke(app, ["--help"]).output
    result = runner.invoke(app, ["annotate", str(folder / "g.safetensors"), str(folder / "x")])
    assert result.exit_code == 1 and "error: give --label-map" in result.output + (result.stderr or "")


def test_convert_writes_a_generator_and_its_card(folder):
    runner, out = CliRunner(), folder / "converted.safetensors"
    result = runner.invoke(app, ["convert", str(folder / "g.safetensors"), str(out), "--licence", "ours"])
    assert result.exit_code == 0 and "licence: ours" in result.output
    assert load_generator(out).fingerprint() == load_generator(folder / "g.safetensors").fingerprint()
    result = runner.invoke(app, ["convert", str(folder / "map.png"), str(folder / "x.safetensors")])
    assert result.exit_code == 1 and "map.png: holds no generator" in result.output + (result.stderr or "")


def test_label_maps_round_trip_through_their_png(tmp_path):
    labels = LabelSet(("background", "a"), ("#000000", "#00ff00"), {})
    label_map = np.eye(4, dtype=np.uint8)
    palette_image(label_map, labels).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_label_map(tmp_path / "m.png", labels, 4), label_map)


def test_a_writer_counts_what_is_there(tmp_path):
    labels = LabelSet(("background", "a"), ("#000000", "#00ff00"), {})
    writer = LabelledWriter(tmp_path, labels, {"seed": 0})
    writer.add(np.zeros((4, 4, 3), np.uint8), np.eye(4, dtype=np.uint8), seed=5)
    assert len(LabelledWriter(tmp_path, labels, {"seed": 0})) == 1
    assert read_labels_of(tmp_path) == {"background": "#000000", "a": "#00ff00"}


def read_labels_of(folder):
    return json.loads((folder / "source.json").read_text())["labels"]
