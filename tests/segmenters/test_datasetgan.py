import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from onemask.errors import OnemaskError
from onemask.kernels.projection import concatenate_features
from onemask.seeds import derive_seed
from onemask.segmenters import datasetgan
from onemask.segmenters.datasetgan import (
    EnsembleSettings,
    build,
    fit_members,
    folded,
    jensen_shannon,
    training_rows,
)

SHORT = {"members": 3, "epochs": 6, "batch": 8, "patience": 2, "warm_epochs": 1}


@pytest.fixture
def double():
    """Adam divides by the size of gradients, which blows rounding up: trainings are compared in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def scene(count=1, labels=3, seed=0):
    """Maps at 4 and 8 px with noise, and label maps that the fine one shows only in part."""
    rng = torch.Generator().manual_seed(seed)
    label_maps = torch.randint(0, labels, (count, 8, 8), generator=rng)
    fine = F.one_hot(label_maps, labels).permute(0, 3, 1, 2) + torch.randn(count, labels, 8, 8, generator=rng)
    return [torch.randn(count, 4, 4, 4, generator=rng), fine], label_maps.to(torch.uint8)


def plain_member(x, targets, num_labels, seed, settings):
    """A member as torch's own modules, trained alone on rows [P, C]; and the number of steps that it took."""
    rng = torch.Generator().manual_seed(seed)
    first, second = (256, 128) if num_labels >= 32 else (128, 32)
    hidden = [nn.Linear(x.shape[1], first), nn.ReLU(), nn.BatchNorm1d(first)]
    hidden += [nn.Linear(first, second), nn.ReLU(), nn.BatchNorm1d(second)]
    network = nn.Sequential(*hidden, nn.Linear(second, num_labels))
    for layer in network:
        if isinstance(layer, nn.Linear):
            layer.weight.data = 0.02 * torch.randn(layer.weight.shape, generator=rng)
            nn.init.zeros_(layer.bias)
    adam = torch.optim.Adam(network.parameters(), settings.learning_rate)
    best, stale, steps = math.inf, 0, 0
    for epoch in range(settings.epochs):
        for indices in torch.randperm(len(x), generator=rng).split(settings.batch):
            loss = F.cross_entropy(network(x[indices]), targets[indices])
            adam.zero_grad()
            loss.backward()
            adam.step()
            steps += 1
            if epoch >= settings.warm_epochs:
                stale = 0 if loss.item() < best else stale + 1
                best = min(best, loss.item())
            if stale > settings.patience:
                return network.eval(), steps
    return network.eval(), steps


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("labels", [3, 32])
def test_the_stack_is_as_many_plain_networks_trained_one_by_one(labels):
    features, label_maps = scene(labels=labels)
    segmenter = build(SHORT, labels, None, 5).fit(features, label_maps)
    x = concatenate_features(features, 8, "bilinear")[0].flatten(1).T
    targets = label_maps.flatten().long()
    seeds = [derive_seed(5, "member", number) for number in range(3)]
    alone = [plain_member(x, targets, labels, seed, segmenter.settings) for seed in seeds]
    steps = [count for _, count in alone]
    assert len(set(steps)) > 1 and min(steps) < 48  # members stop early, and not together
    expected = torch.stack([network(x).detach().T for network, _ in alone]).unflatten(2, (8, 8))
    present = label_maps.unique().long()
    logits = torch.stack(list(segmenter._logits(features)))[:, present]
    torch.testing.assert_close(logits, expected[:, present])


@pytest.mark.usefixtures("double")
def test_a_stack_of_three_equals_three_stacks_of_one():
    features, label_maps = scene()
    rows, targets = training_rows(features, 8), label_maps.flatten().long()
    settings = EnsembleSettings(**SHORT)
    together = fit_members(rows, targets, 3, [1, 2, 3], settings)
    alone = [fit_members(rows, targets, 3, [seed], settings) for seed in (1, 2, 3)]
    for name, tensor in together.items():
        torch.testing.assert_close(tensor, torch.cat([member[name] for member in alone]))
    assert not torch.allclose(together["weight0"][0], together["weight0"][1])


def test_a_member_does_not_depend_on_how_many_there_are():
    features, label_maps = scene()
    two, three = (build({**SHORT, "members": m}, 3, None, 0).fit(features, label_maps).state() for m in (2, 3))
    torch.testing.assert_close(two["weight1"], three["weight1"][:2])


def test_folding_keeps_what_a_batch_norm_does():
    rng = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Linear(128, 32), nn.ReLU())
    network = nn.Sequential(*network, nn.BatchNorm1d(32), nn.Linear(32, 3)).eval()
    names = [("weight", "bias"), ("scale", "shift", "mean", "variance")]
    tensors = [[x for x in layer.state_dict().values() if x.ndim] for layer in network if layer.state_dict()]
    for tensor in sum(tensors, []):
        tensor.copy_(torch.rand(tensor.shape, generator=rng) + 0.1)
    stack = {f"{n}{i // 2}": x[None] for i, part in enumerate(tensors) for n, x in zip(names[i % 2], part, strict=True)}
    layers, x = folded(stack), torch.randn(7, 5, generator=rng)
    y = x
    for layer in range(3):
        y = F.linear(y.relu() if layer else y, layers[f"weight{layer}"][0], layers[f"bias{layer}"][0])
    torch.testing.assert_close(y, network(x), atol=1e-3, rtol=1e-5)


def test_rows_are_those_of_the_bilinear_concatenated_map_from_a_table_or_gathered_at_each_step(monkeypatch):
    features, _ = scene(count=3)
    expected = concatenate_features(features, 8, "bilinear").permute(0, 2, 3, 1).reshape(3 * 64, 7)
    indices = torch.randint(0, 3 * 64, (2, 50), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(training_rows(features, 8)(indices), expected[indices])
    monkeypatch.setattr(datasetgan, "TABLE_BYTES", 0)
    torch.testing.assert_close(training_rows(features, 8)(indices), expected[indices])


@pytest.mark.usefixtures("double")
def test_one_concatenated_map_of_full_size_is_as_good_as_native_maps():
    features, label_maps = scene(count=2)
    whole = [concatenate_features(features, 8, "bilinear")]
    native = build(SHORT, 3, None, 0).fit(features, label_maps)
    torch.testing.assert_close(native.probabilities(whole), native.probabilities(features))
    assert torch.equal(native.predict(whole), native.predict(features))
    fitted = build(SHORT, 3, None, 0).fit(whole, label_maps)
    torch.testing.assert_close(fitted.probabilities(whole), native.probabilities(features))


def constant(*probabilities):
    """An ensemble whose members give every pixel these probabilities, whatever they see."""
    count, labels = len(probabilities), len(probabilities[0])
    shapes = {"weight0": (128, 2), "bias0": (128,), "weight1": (32, 128), "bias1": (32,), "weight2": (labels, 32)}
    layers = {name: torch.zeros(count, *shape) for name, shape in shapes.items()}
    return build({}, labels, None, 0).restore({**layers, "bias2": torch.tensor(probabilities).log()})


ANYTHING = [torch.ones(2, 2, 4, 4)]


def test_the_majority_wins_over_the_mean_probability_which_decides_between_equal_votes():
    for probabilities, winner in [
        (([1.0, 0.0], [1.0, 0.0], [0.49, 0.51], [0.49, 0.51], [0.49, 0.51]), 1),
        (([0.9, 0.1], [0.4, 0.6]), 0),
        (([0.6, 0.4], [0.1, 0.9]), 1),
        (([0.6, 0.4], [0.4, 0.6], [0.4, 0.6], [1.0, 0.0]), 0),
    ]:
        assert (constant(*probabilities).predict(ANYTHING) == winner).all()


def test_divergence_of_equal_members_is_zero_and_of_certain_opponents_the_log_of_their_number():
    rng = torch.Generator().manual_seed(0)
    member = torch.rand(1, 2, 5, 3, 3, generator=rng).softmax(dim=2)
    torch.testing.assert_close(jensen_shannon(member.expand(4, -1, -1, -1, -1)), torch.zeros(2, 3, 3))
    opponents = torch.eye(5)[:3, None, :, None, None].expand(-1, 2, -1, 3, 3)
    torch.testing.assert_close(jensen_shannon(opponents), torch.full((2, 3, 3), math.log(3)))
    many = torch.eye(2).repeat(5, 1)[:, None, :, None, None]  # ten members, two labels
    torch.testing.assert_close(jensen_shannon(many), torch.full((1, 1, 1), math.log(2)))


def test_uncertainty_is_the_mean_divergence_of_the_most_uncertain_tenth():
    features, label_maps = scene(count=2)
    segmenter = build(SHORT, 3, None, 0).fit([x[:1] for x in features], label_maps[:1])
    divergence = jensen_shannon(segmenter.probabilities(features)).flatten(1)
    expected = divergence.sort(dim=1, descending=True).values[:, :6].mean(dim=1)  # of 64 pixels
    torch.testing.assert_close(segmenter.uncertainty(features), expected)
    torch.testing.assert_close(constant([0.3, 0.7], [0.3, 0.7]).uncertainty(ANYTHING), torch.zeros(2))
    torch.testing.assert_close(constant([0.0, 1.0], [1.0, 0.0]).uncertainty(ANYTHING), torch.full((2,), math.log(2)))


def test_a_pixel_s_confidence_is_the_members_mean_probability_of_its_label():
    features, label_maps = scene(count=2)
    segmenter = build(SHORT, 3, None, 0).fit([x[:1] for x in features], label_maps[:1])
    labels, confidence = segmenter.confident(features)
    assert torch.equal(labels, segmenter.predict(features)) and confidence.shape == labels.shape
    mean = segmenter.probabilities(features).mean(dim=0)
    for label in range(3):
        torch.testing.assert_close(confidence[labels == label], mean[:, label][labels == label])


def test_several_samples_teach_what_one_lacks_and_a_label_of_none_has_probability_zero():
    label_maps = torch.zeros(2, 8, 8, dtype=torch.uint8)
    label_maps[1, :4] = 2
    features = [4.0 * F.one_hot(label_maps.long(), 3).permute(0, 3, 1, 2)]
    settings = {**SHORT, "epochs": 20, "patience": 50}
    one = build(settings, 3, None, 0).fit([features[0][:1]], label_maps[:1])
    assert (one.predict(features) == 0).all()
    two = build(settings, 3, None, 0).fit(features, label_maps)
    assert torch.equal(two.predict(features), label_maps)
    assert (two.probabilities(features)[:, :, 1] == 0).all()


def test_a_last_batch_of_one_pixel_is_left_out():
    features, label_maps = scene()
    left_out = build({**SHORT, "batch": 63, "epochs": 2}, 3, None, 0).fit(features, label_maps)
    assert left_out.probabilities(features).isfinite().all()


def test_a_loss_that_is_not_finite_is_one_line():
    with pytest.raises(OnemaskError, match="loss is not finite; lower its learning_rate"):
        build({**SHORT, "learning_rate": 1e30}, 3, None, 0).fit(*scene())


def test_bad_settings_are_one_line():
    with pytest.raises(OnemaskError, match="unknown key 'head'; known keys: members, epochs"):
        build({"head": "mlp1"}, 2, None, 0)
    with pytest.raises(OnemaskError, match="members: 0 is not a whole number of at least 1"):
        build({"members": 0}, 2, None, 0)
    with pytest.raises(OnemaskError, match="learning_rate: 0 is not positive"):
        build({"learning_rate": 0}, 2, None, 0)


def test_the_seed_alone_decides():
    features, label_maps = scene()
    one, same, other = (build(SHORT, 3, None, seed).fit(features, label_maps).state() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["weight0"], other["weight0"])
