"""LAGM: the matched gradient is autograd's, matching moves the labels, and the networks know the exemplars' labels.

What every segmenter owes (the exemplar reproduced, batches, saving, errors) is tested in test_methods.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from onemask.clustering.kmeans import KMeansResult
from onemask.clustering.samples import Samples
from onemask.errors import OnemaskError
from onemask.segmenters import lagm
from onemask.segmenters.base import load_segmenter, save_segmenter
from onemask.segmenters.lagm import Annotator, LagmSettings, Student, build, classifier_gradient, gradient_distance

QUICK = {"width": 8, "student_width": 8, "steps": 40, "learning_rate": 0.01}


def scenes(count, seed=0):
    """Maps of `count` images at two sizes and their label maps: the side of the image, mirrored in every second one."""
    rng = torch.Generator().manual_seed(seed)
    label_maps = torch.zeros(count, 8, 8, dtype=torch.uint8)
    label_maps[0::2, :, 4:] = 1
    label_maps[1::2, :, :4] = 1
    fine = label_maps[:, None].float() * 2 - 1
    maps = [fine[:, :, ::2, ::2].expand(-1, 3, -1, -1), fine.expand(-1, 2, -1, -1)]
    return [m + 0.05 * torch.randn(m.shape, generator=rng) for m in maps], label_maps


def unlabelled(seed=1, count=6):
    return Samples([m.half() for m in scenes(count, seed)[0]])


def fitted(maps, label_maps, samples=None, seed=0, num_labels=2, **settings):
    return build(QUICK | settings, num_labels, samples or unlabelled(), seed).fit(maps, label_maps)


def pixels(labels=3, width=5, seed=0):
    """Logits, classifier inputs and soft labels of two images."""
    rng = torch.Generator().manual_seed(seed)
    shapes = [(2, labels, 4, 4), (2, width, 4, 4), (2, labels, 4, 4)]
    logits, phi, targets = (torch.randn(shape, generator=rng) for shape in shapes)
    return logits, phi, targets.softmax(1)


def equal_states(one, other):
    one, other = one.state(), other.state()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_closed_form_is_autograd_s_gradient_of_the_classifier_s_weight():
    _, phi, targets = pixels()
    weight = torch.randn(3, 5, 1, 1, generator=torch.Generator().manual_seed(4), requires_grad=True)
    logits = F.conv2d(phi, weight, torch.tensor([0.3, -0.2, 0.1]))
    (expected,) = torch.autograd.grad(F.cross_entropy(logits, targets), weight)
    torch.testing.assert_close(classifier_gradient(logits.detach(), phi, targets), expected.flatten(1))


def test_soft_labels_that_are_the_true_ones_match_and_no_others():
    logits, phi, _ = pixels()
    truth = F.one_hot(torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(5)), 3)
    truth = truth.permute(0, 3, 1, 2).float()
    wanted = classifier_gradient(logits, phi, truth)
    assert float(gradient_distance(classifier_gradient(logits, phi, truth), wanted)) == pytest.approx(0, abs=1e-6)
    assert float(gradient_distance(classifier_gradient(logits, phi, truth.roll(1, 1)), wanted)) > 0.1


def test_the_distance_is_of_each_filter_s_direction():
    wanted = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    scales = torch.tensor([[3.0], [0.1]])
    assert float(gradient_distance(scales * wanted, wanted)) == pytest.approx(0, abs=1e-6)
    assert float(gradient_distance(-scales * wanted, wanted)) == pytest.approx(2)
    assert float(gradient_distance(wanted * torch.tensor([[1.0], [-1.0]]), wanted)) == pytest.approx(1)


def test_a_row_of_zeros_is_one_from_anything_and_has_a_finite_gradient():
    given = torch.zeros(2, 3, requires_grad=True)
    distance = gradient_distance(given, torch.zeros(2, 3))
    distance.backward()
    assert distance.item() == 1 and bool(given.grad.isfinite().all())


def test_descent_on_the_soft_labels_reduces_the_distance():
    logits, phi, targets = pixels()
    wanted = classifier_gradient(*pixels(seed=1))
    free = targets.log().requires_grad_()
    optimiser = torch.optim.Adam([free], 0.1)
    distances = []
    for _ in range(50):
        optimiser.zero_grad()
        distance = gradient_distance(classifier_gradient(logits, phi, free.softmax(1)), wanted)
        distance.backward()
        optimiser.step()
        distances.append(distance.item())
    assert distances[0] > 0.5 and distances[-1] < 0.1 * distances[0]


def test_samples_play_a_part_through_matching_alone():
    maps, label_maps = scenes(1)
    for matching, same in ((0, True), (0.03, False)):
        one, other = (fitted(maps, label_maps, unlabelled(seed), steps=5, matching=matching) for seed in (1, 2))
        assert equal_states(one, other) == same


def test_several_exemplars_make_one_annotator():
    """More than a step takes: each is seen in some of them."""
    maps, label_maps = scenes(5)
    assert torch.equal(fitted(maps, label_maps, steps=60).predict(maps), label_maps)


def test_labels_that_no_exemplar_holds_are_never_predicted():
    maps, label_maps = scenes(1)
    segmenter = fitted(maps, 3 * label_maps, num_labels=5, steps=3)  # too few steps to unlearn a label
    unseen = [m * 10 for m in scenes(4, seed=9)[0]]
    assert set(segmenter.predict(unseen).unique().tolist()) <= {0, 3}


def test_an_exemplar_of_one_label_is_fitted():
    maps, label_maps = scenes(1)
    assert (fitted(maps, torch.full_like(label_maps, 1), steps=3).predict(maps) == 1).all()


def test_the_seed_decides_and_nothing_else():
    maps, label_maps = scenes(1)
    torch.manual_seed(1)
    one = fitted(maps, label_maps, steps=5)
    torch.manual_seed(2)
    assert equal_states(one, fitted(maps, label_maps, steps=5))
    assert not equal_states(one, fitted(maps, label_maps, steps=5, seed=1))


def test_a_saved_segmenter_predicts_the_same_and_keeps_no_student(tmp_path):
    maps, label_maps = scenes(2)
    segmenter = fitted(maps, 2 * label_maps, num_labels=4)
    save_segmenter(tmp_path / "s.safetensors", segmenter, "lagm", QUICK, 4)
    loaded = load_segmenter(tmp_path / "s.safetensors", unlabelled())
    assert torch.equal(loaded.predict(maps), segmenter.predict(maps)) and equal_states(loaded, segmenter)
    assert loaded.state().keys() == {"labels", *Annotator(5, 8, 2).state_dict()}


def test_the_annotator_sums_lateral_maps_top_down():
    """Before the 3x3 convolutions: convolve each map, then from coarse to fine double the sum and add the next."""
    rng = torch.Generator().manual_seed(2)
    maps = [torch.randn(2, c, s, s, generator=rng) for c, s in ((3, 2), (2, 4), (2, 4), (1, 8))]
    annotator = Annotator(8, 4, 2).requires_grad_(False)
    lagm.initialise(annotator, rng)
    total = torch.zeros(2, 4, 2, 2)
    for feature, part in zip(maps, annotator.lateral.weight.split([3, 2, 2, 1], dim=1), strict=True):
        total = F.interpolate(total, feature.shape[-1], mode="nearest") + F.conv2d(feature, part)
    expected = annotator.refine(annotator.refine.prepare([total + annotator.lateral.bias[:, None, None]], 8), 8)
    torch.testing.assert_close(annotator(maps), expected)


def test_the_student_s_logits_are_its_classifier_s():
    rng = torch.Generator().manual_seed(2)
    student = Student(3, 4, 2).requires_grad_(False)
    lagm.initialise(student, rng)
    phi, logits = student(torch.randn(2, 3, 8, 8, generator=rng))
    assert phi.shape == (2, 4, 8, 8)
    torch.testing.assert_close(logits, F.conv2d(phi, student.classifier.weight, student.classifier.bias))


def test_settings_are_those_that_the_module_lists():
    assert tuple(field.name for field in dataclasses.fields(LagmSettings)) == lagm.SETTINGS
    assert build({"steps": 7}, 2, unlabelled(), 0).settings == LagmSettings(steps=7)
    assert build({"matching": 0}, 2, unlabelled(), 0).settings.matching == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 3}, "unknown key 'epochs'; known keys: width"),
        ({"steps": 1.5}, "steps is 1.5; the default is 100"),
        ({"batch": 0}, "batch is 0"),
        ({"matching": -1}, "matching is -1"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    with pytest.raises(OnemaskError, match=message):
        build(settings, 2, unlabelled(), 0)


@pytest.mark.parametrize("clustering", [None, KMeansResult(torch.eye(5), torch.ones(5))], ids=["none", "kmeans"])
def test_without_samples_it_cannot_be_built(clustering):
    with pytest.raises(OnemaskError, match="clustering: samples"):
        build({}, 2, clustering, 0)


def test_samples_of_another_generator_are_refused():
    maps, label_maps = scenes(1)
    with pytest.raises(OnemaskError, match="draw samples of this generator"):
        fitted(maps, label_maps, Samples([m[:, :1] for m in unlabelled().features]))


def test_a_loss_that_is_not_finite_is_one_line():
    maps, label_maps = scenes(1)
    with pytest.raises(OnemaskError, match="loss of step [1-9] is not finite.*learning_rate"):
        fitted(maps, label_maps, learning_rate=1e30)
