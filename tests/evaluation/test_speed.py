from itertools import count

import numpy as np
import pytest
import torch

from onemask.clustering.kmeans import KMeansResult
from onemask.clustering.projection import FeatureProjection
from onemask.evaluation.one_shot import Reader
from onemask.evaluation.speed import COLUMNS, Contender, authors_upsampling, hardware, measure_speed
from onemask.segmenters.base import load_method
from onemask.stylegan2.generator import Generator

SIZE, LABELS = 16, 3
KEYS = {"study": "toy", "class": "face"}
METHODS = {
    "datasetgan": ("datasetgan", {"members": 2, "epochs": 2}, None),
    "mlp": ("repurposegan", {"head": "mlp1", "hidden": 8, "epochs": 60}, None),
    "fcn": ("repurposegan", {"head": "fcn3", "hidden": 8, "epochs": 60}, None),
    "kmeans": ("hfc_kmeans", {}, "kmeans"),
    "swav": ("hfc", {"head": "fcn3", "hidden": 8, "epochs": 60}, "swav"),
}


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(3)
    return Generator(z_dim=8, w_dim=8, resolution=SIZE, channel_base=128, channel_max=12).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ws(generator):
    return generator.sample_ws(range(4), 1.0).numpy()


@pytest.fixture(scope="module")
def segmenters(generator, ws):
    """Every kind of method, fitted on one sample whose labels follow a feature of the last map."""
    features = generator.features(torch.from_numpy(ws[:1]))[1]
    levels = features[-1][:, 0].quantile(torch.tensor([0.3, 0.7]))
    label_maps = torch.bucketize(features[-1][:, 0].contiguous(), levels).to(torch.uint8).numpy()
    channels = sum(generator.feature_channels)
    rng = torch.Generator().manual_seed(0)
    clusterings = {
        "kmeans": KMeansResult(torch.randn(20, channels, generator=rng), torch.ones(channels)),
        "swav": FeatureProjection(channels, 16, generator=rng).requires_grad_(False),
        None: None,
    }
    return {
        name: Reader(generator).fit(
            load_method(module).build(settings, LABELS, clusterings[clustering], 0), ws[:1], label_maps
        )
        for name, (module, settings, clustering) in METHODS.items()
    }


class Watch:
    """A segmenter that keeps what it is asked to predict from."""

    def __init__(self):
        self.seen = []

    def predict(self, features):
        self.seen.append(features)


def ticks():
    """A clock that goes on by one at every look."""
    return map(float, count()).__next__


def test_rows_are_complete_and_the_generator_has_one_of_its_own(generator, ws, segmenters):
    rows = measure_speed(generator, [Contender(name, s) for name, s in segmenters.items()], ws, KEYS)
    assert list(rows.columns) == COLUMNS and not rows.isna().any(axis=None)
    assert len(rows) == 1 + 4 * len(METHODS) and not rows.duplicated(["method", "path", "generator"]).any()
    assert rows.iloc[0][["study", "class", "method", "path", "generator"]].tolist() == [
        "toy", "face", "generator", "native", "included",
    ]  # fmt: skip
    assert set(rows["method"]) == {"generator", *METHODS}
    for _, group in rows[rows["method"] != "generator"].groupby("method"):
        assert set(zip(group["path"], group["generator"], strict=True)) == {
            (path, which) for path in ("native", "authors") for which in ("included", "excluded")
        }
    assert (rows["seconds"] > 0).all() and np.allclose(rows["fps"] * rows["seconds"], 1)
    assert (rows["images"] == 4).all() and (rows["threads"] == torch.get_num_threads()).all()
    assert set(rows["device"]) == {"cpu"} and set(rows["hardware"]) == {hardware()} and hardware()


def test_the_time_with_the_generator_is_its_own_and_the_methods(generator, ws):
    """Between two looks at the clock one tick passes: one for the generator, one for the method."""
    rows = measure_speed(generator, [Contender("watch", Watch())], ws, KEYS, clock=ticks())
    assert rows["seconds"].tolist() == [1, 2, 1, 2, 1]


def test_seconds_are_the_median_over_images_and_the_first_image_warms_up_unmeasured(generator, ws):
    slow = iter([100.0, 5.0, 1.0, 2.0, 60.0])  # the warm-up, then four images
    look, watch = ticks(), Watch()
    elapsed = [0.0]

    def predict(features):
        watch.seen.append(features)
        elapsed[0] += next(slow) if len(watch.seen) % 2 else 0.0  # the native way comes first

    watch.predict = predict
    rows = measure_speed(generator, [Contender("slow", watch)], ws, KEYS, clock=lambda: look() + elapsed[0])
    seconds = rows.set_index(["method", "path", "generator"])["seconds"]
    assert seconds["slow", "native", "excluded"] == 1 + 3.5  # the clock's own tick, and the median of 5, 1, 2 and 60
    assert seconds["slow", "authors", "excluded"] == 1


def test_methods_and_paths_take_turns_at_every_image(generator, ws):
    first, second, order = Watch(), Watch(), []
    first.predict = lambda features: order.append(("first", len(features)))
    second.predict = lambda features: order.append(("second", len(features)))
    measure_speed(generator, [Contender("a", first), Contender("b", second)], ws, KEYS)
    maps = len(generator.feature_channels)
    assert order == [("first", maps), ("first", 1), ("second", maps), ("second", 1)] * (1 + len(ws))


def test_the_authors_way_is_one_concatenated_map_of_full_size(generator, ws):
    watch = Watch()
    measure_speed(generator, [Contender("watch", watch, "bilinear")], ws[:1], KEYS)
    native, authors = watch.seen[-2:]
    assert [m.shape[1] for m in native] == generator.feature_channels
    assert [tuple(m.shape) for m in authors] == [(1, sum(generator.feature_channels), SIZE, SIZE)]
    torch.testing.assert_close(
        authors[0][:, : native[0].shape[1]],
        torch.nn.functional.interpolate(native[0], SIZE, mode="bilinear", align_corners=False),
    )


@pytest.mark.parametrize("name", METHODS)
def test_both_ways_give_the_same_label_maps(name, generator, ws, segmenters):
    """But for rounding where two labels are as good; a head that learnt on nearest maps is given such here."""
    features = generator.features(torch.from_numpy(ws))[1]
    contender = Contender(name, segmenters[name], "bilinear" if name == "datasetgan" else "nearest")
    native, authors = contender.predict(features, "native"), contender.predict(features, "authors")
    assert native.shape == authors.shape == (4, SIZE, SIZE) and len(native.unique()) > 1
    assert (native == authors).float().mean() > 0.99


def test_upsampling_is_the_authors_or_else_the_methods_own():
    smooth = KMeansResult(torch.ones(1, 1), torch.ones(1), "bilinear")
    assert authors_upsampling({"module": "datasetgan", "settings": {}}, None) == "bilinear"
    assert authors_upsampling({"module": "repurposegan", "settings": {"upsampling": "nearest"}}, None) == "bilinear"
    assert authors_upsampling({"module": "hfc_kmeans", "settings": {}}, smooth) == "bilinear"
    assert authors_upsampling({"module": "hfc", "settings": {}}, FeatureProjection(2, 2)) == "nearest"
    assert authors_upsampling({"module": "lagm", "settings": {}}, object()) == "nearest"
