from dataclasses import dataclass

import pytest
import torch

from onemask.clustering.kmeans import KMeansResult
from onemask.clustering.projection import FeatureProjection
from onemask.clustering.samples import Samples
from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.segmenters import head_segmenter
from onemask.segmenters.base import (
    known_methods,
    load_method,
    load_segmenter,
    method_states_uncertainty,
    save_segmenter,
)

QUICK = {"hidden": 8, "epochs": 100}


def scene(seed=0, count=2):
    """Native features of `count` images whose label is the side of the image, mirrored in the second one."""
    rng = torch.Generator().manual_seed(seed)
    label_maps = torch.zeros(count, 8, 8, dtype=torch.uint8)
    label_maps[0, :, 4:] = 1
    label_maps[1:, :, :4] = 1
    fine = label_maps[:, None].float() * 2 - 1
    coarse = fine[:, :, ::2, ::2]
    features = [coarse.expand(-1, 3, -1, -1).clone(), fine.expand(-1, 2, -1, -1).clone()]
    return [x + 0.01 * torch.randn(x.shape, generator=rng) for x in features], label_maps


def first(features):
    return [x[:1] for x in features]


def clusterings():
    centroids = torch.tensor([[1.0] * 5, [-1.0] * 5, [9.0] * 5])
    rng = torch.Generator().manual_seed(0)
    return {
        "hfc": FeatureProjection(5, 6, generator=rng).eval(),
        "hfc_kmeans": KMeansResult(centroids, torch.ones(5)),
        "lagm": Samples([x.half() for x in scene(seed=1, count=4)[0]]),
    }


@dataclass
class Case:
    module: str
    settings: dict


CASES = [
    Case("copy_mask", {}),
    *(Case("repurposegan", {"head": name, **QUICK}) for name in ("mlp1", "mlp3", "fcn3")),
    *(Case("hfc", {"head": name, **QUICK}) for name in ("mlp1", "fcn3")),
    Case("hfc_kmeans", {}),
    Case("lagm", {"width": 8, "student_width": 8, "steps": 40, "learning_rate": 0.01}),
    Case("datasetgan", {"members": 3, "epochs": 30, "batch": 16}),
]


def fitted(case, seed=0):
    features, label_maps = scene()
    segmenter = load_method(case.module).build(case.settings, 2, clusterings().get(case.module), seed)
    return segmenter.fit(first(features), label_maps[:1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_exemplar_is_reproduced_and_unseen_images_are_labelled_by_their_features(case):
    features, label_maps = scene()
    predicted = fitted(case).predict(features)
    assert predicted.dtype == torch.uint8 and predicted.shape == (2, 8, 8)
    assert torch.equal(predicted[0], label_maps[0])
    expected = label_maps[0] if case.module == "copy_mask" else label_maps[1]
    assert (predicted[1] == expected).float().mean() >= 7 / 8  # an FCN may learn which neighbour lies left and right


@pytest.mark.parametrize("case", CASES, ids=str)
def test_prediction_does_not_depend_on_the_batch(case):
    features, _ = scene(count=3)
    segmenter = fitted(case)
    alone = torch.cat([segmenter.predict([x[i : i + 1] for x in features]) for i in range(3)])
    assert torch.equal(segmenter.predict(features), alone)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_saved_segmenter_predicts_the_same(case, tmp_path):
    features, _ = scene()
    segmenter = fitted(case)
    save_segmenter(tmp_path / "s.safetensors", segmenter, case.module, case.settings, 2)
    loaded = load_segmenter(tmp_path / "s.safetensors", clusterings().get(case.module))
    assert torch.equal(loaded.predict(features), segmenter.predict(features))
    assert {k: v.tolist() for k, v in loaded.state().items()} == {k: v.tolist() for k, v in segmenter.state().items()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_label_maps_of_another_size_or_with_unknown_labels_are_one_line(case):
    features, label_maps = scene()
    build = load_method(case.module).build
    segmenter = build(case.settings, 2, clusterings().get(case.module), 0)
    with pytest.raises(OnemaskError, match=r"shape \[1, 4, 4\], expected \[1, 8, 8\]"):
        segmenter.fit(first(features), label_maps[:1, ::2, ::2])
    with pytest.raises(OnemaskError, match="hold label 5.*0 to 1"):
        segmenter.fit(first(features), label_maps[:1] * 5)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_using_it_before_fit_is_a_programming_error(case):
    segmenter = load_method(case.module).build(case.settings, 2, clusterings().get(case.module), 0)
    with pytest.raises(RuntimeError, match="before fit"):
        segmenter.predict(scene()[0])
    with pytest.raises(RuntimeError, match="before fit"):
        segmenter.state()


def test_copy_mask_of_several_samples_takes_each_pixel_s_most_frequent_label():
    maps = torch.tensor([[[0, 1]], [[2, 1]], [[2, 0]]], dtype=torch.uint8).expand(3, 2, 2)
    mask = load_method("copy_mask").build({}, 3, None, 0).fit([torch.zeros(3, 1, 2, 2)], maps).mask
    assert mask.tolist() == [[2, 1], [2, 1]]


def test_seeds_give_different_heads():
    case = Case("repurposegan", {"head": "fcn3", "hidden": 8, "epochs": 2})
    one, same, other = (fitted(case, seed).state()["layers.0.weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_cluster_table_is_the_limit_of_an_mlp1_on_one_hot_codes():
    """The closed form against what it replaces, in clusters that the exemplar holds."""
    rng = torch.Generator().manual_seed(3)
    codes = torch.randint(0, 6, (1, 8, 8), generator=rng)
    label_maps = torch.randint(0, 3, (1, 8, 8), generator=rng).to(torch.uint8)
    one_hot = torch.eye(6)[codes].permute(0, 3, 1, 2).contiguous()
    table = load_method("hfc_kmeans").build({}, 3, KMeansResult(torch.eye(6), torch.ones(6)), 0)
    linear = load_method("repurposegan").build({"head": "mlp1", "epochs": 2000}, 3, None, 0)
    counts = torch.eye(6)[codes.flatten()].T @ torch.eye(3)[label_maps.flatten().long()]
    clear = (counts.topk(2).values.diff().abs() > 0).flatten()  # ties may go either way
    assert clear.sum() >= 3
    same = table.fit([one_hot], label_maps).predict([one_hot]) == linear.fit([one_hot], label_maps).predict([one_hot])
    assert same[clear[codes]].all()


def test_a_cluster_that_the_exemplar_lacks_gets_the_label_of_the_nearest_that_it_has():
    """And not the exemplar's most frequent one, which here is 0."""
    clusters = KMeansResult(torch.tensor([[0.0], [1.0], [10.0], [11.0]]), torch.ones(1))
    values = torch.zeros(1, 1, 4, 4)
    values[..., 0, 0] = 10
    segmenter = load_method("hfc_kmeans").build({}, 2, clusters, 0)
    assert segmenter.fit([values], (values[0] > 5).to(torch.uint8)).table.tolist() == [0, 0, 1, 1]


def test_methods_by_name():
    assert {"copy_mask", "repurposegan", "hfc", "hfc_kmeans"} <= set(known_methods())
    assert not {"base", "heads", "fit", "head_segmenter"} & set(known_methods())
    for name in ("unheard_of", "heads"):
        with pytest.raises(OnemaskError, match=f"{name}.*there are copy_mask, .*repurposegan"):
            load_method(name)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_module_says_whether_its_segmenters_state_an_uncertainty(case):
    assert method_states_uncertainty(case.module) == hasattr(fitted(case), "uncertainty")
    assert {case.module for case in CASES} == set(known_methods())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_half_a_segmenter_is_one_line(case, tmp_path):
    path, clustering = tmp_path / "s.safetensors", clusterings().get(case.module)
    save_segmenter(path, fitted(case), case.module, case.settings, 2)
    tensors, metadata = read_safetensors(path)
    load_segmenter(path, clustering)
    for lost in tensors:
        write_safetensors(path, {name: tensor for name, tensor in tensors.items() if name != lost}, metadata)
        with pytest.raises(OnemaskError, match="s.safetensors: not a whole segmenter .*; fit it again") as caught:
            load_segmenter(path, clustering)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changed", [{"settings": {"head": "mlp1"}}, {"num_labels": 5}, {"settings": None}])
def test_a_segmenter_of_other_settings_than_it_says_is_one_line(changed, tmp_path):
    path = tmp_path / "s.safetensors"
    save_segmenter(path, fitted(CASES[2]), "repurposegan", CASES[2].settings, 2)
    tensors, metadata = read_safetensors(path)
    write_safetensors(path, tensors, metadata | changed)
    with pytest.raises(OnemaskError, match="s.safetensors: not a whole segmenter .*; fit it again"):
        load_segmenter(path)


def test_bad_settings_and_missing_clusterings_are_one_line(tmp_path):
    with pytest.raises(OnemaskError, match="unknown key 'epoch'; known keys: head"):
        load_method("repurposegan").build({"epoch": 3}, 2, None, 0)
    with pytest.raises(OnemaskError, match="clustering: swav"):
        load_method("hfc").build({}, 2, None, 0)
    with pytest.raises(OnemaskError, match="hfc_kmeans"):
        load_method("hfc").build({}, 2, clusterings()["hfc_kmeans"], 0)
    with pytest.raises(OnemaskError, match="clustering: kmeans"):
        load_method("hfc_kmeans").build({}, 2, None, 0)
    clusterings()["hfc_kmeans"].save(tmp_path / "k.safetensors")
    with pytest.raises(OnemaskError, match="k.safetensors: not a fitted segmenter"):
        load_segmenter(tmp_path / "k.safetensors")


@pytest.mark.parametrize("slope", [0.2, None])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_predicting_by_strips_or_by_one_linear_map_is_predicting_from_the_representation(slope, mode, monkeypatch):
    monkeypatch.setitem(head_segmenter.STRIP, "cpu", 16)
    features, label_maps = scene()
    rng = torch.Generator().manual_seed(2)
    projection = FeatureProjection(5, 6, slope, mode, generator=rng).requires_grad_(False)
    segmenter = (
        load_method("hfc").build({"head": "mlp1", **QUICK}, 2, projection, 0).fit(first(features), label_maps[:1])
    )
    assert torch.equal(segmenter.predict(features), segmenter.segment(segmenter.represent(features)))
    if mode == "nearest" and slope:
        seen = []
        segmenter.embed = lambda maps, size: seen.append(size) or [projection(maps, size)]
        segmenter.predict(features)
        assert seen == [(1, 8)] * 8


@pytest.mark.parametrize("case", CASES[2:4], ids=str)
def test_a_head_s_confidence_is_the_probability_of_the_label_that_it_predicts(case):
    features, _ = scene(count=3)
    segmenter = fitted(case)
    labels, confidence = segmenter.confident(features)
    assert torch.equal(labels, segmenter.predict(features))
    probabilities = segmenter.head(*segmenter.represent(features)).softmax(dim=1)
    torch.testing.assert_close(confidence, probabilities.gather(1, labels[:, None].long())[:, 0])
    assert confidence.min() < confidence.max()
    again, uncertainty = segmenter.with_uncertainty(features)
    assert torch.equal(again, labels) and torch.equal(uncertainty, segmenter.uncertainty(features))
