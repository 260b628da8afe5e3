import torch

from onemask.segmenters.fit import FitOptions, fit_head
from onemask.segmenters.heads import head, initialise


def fitted(features, targets, seed=0, name="mlp1", **options):
    rng = torch.Generator().manual_seed(seed)
    network = head(name, features[0].shape[1], 3, 8)
    initialise(network, rng)
    fit_head(network, lambda maps: network.prepare(maps, 8), features, targets, FitOptions(**options), rng)
    return network


def separable(count=1, seed=0):
    """Targets are the largest of the first three channels: an MLP-1 can be right everywhere."""
    x = torch.randn(count, 4, 8, 8, generator=torch.Generator().manual_seed(seed)) * 3
    return [x], x[:, :3].argmax(dim=1)


def test_separable_targets_are_learnt():
    features, targets = separable()
    network = fitted(features, targets)
    assert (network(features, 8).argmax(dim=1) == targets).float().mean() > 0.9


def test_logits_of_a_constant_image_become_the_log_of_the_label_frequencies():
    targets = torch.zeros(1, 8, 8, dtype=torch.long)
    targets[0, :2] = 1  # a quarter
    targets[0, 2, :4] = 2  # a sixteenth
    network = fitted([torch.ones(1, 4, 8, 8)], targets, epochs=2000)
    shares = network([torch.ones(1, 4, 8, 8)], 8)[0, :, 0, 0].softmax(dim=0)
    torch.testing.assert_close(shares, torch.tensor([11 / 16, 4 / 16, 1 / 16]), atol=2e-3, rtol=0)


def test_first_step_is_adam_s():
    features, targets = separable()
    before = fitted(features, targets, epochs=0)
    after = fitted(features, targets, epochs=1)
    # Adam's first step is the learning rate times the gradient's sign.
    change = (after.layers[0].weight - before.layers[0].weight).abs()
    torch.testing.assert_close(change, torch.full_like(change, 0.01), rtol=1e-3, atol=0)


def test_the_seed_decides_everything_and_features_keep_no_gradients():
    features, targets = separable(3)
    features[0].requires_grad_()
    one, two, other = (fitted(features, targets, seed, batch=2, epochs=5) for seed in (1, 1, 2))
    assert torch.equal(one.layers[0].weight, two.layers[0].weight)
    assert not torch.equal(one.layers[0].weight, other.layers[0].weight)
    assert features[0].grad is None
    assert not one.layers[0].weight.requires_grad


def test_minibatches_keep_the_number_of_steps_and_visit_every_sample_once_per_pass():
    features = [torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 4, 8, 8)]
    seen = []
    rng = torch.Generator().manual_seed(0)
    network = head("mlp1", 4, 3, 8)
    initialise(network, rng)

    def prepare(maps):
        seen.append(maps[0][:, 0, 0, 0].tolist())
        return list(maps)

    targets = torch.zeros(5, 8, 8, dtype=torch.uint8)
    fit_head(network, prepare, features, targets, FitOptions(epochs=6, batch=2), rng)
    assert [len(batch) for batch in seen] == [2, 2, 1, 2, 2, 1]
    assert sorted(sum(seen[:3], [])) == sorted(sum(seen[3:], [])) == [0, 1, 2, 3, 4]


def test_a_full_batch_is_prepared_once():
    features, targets = separable(2)
    calls = []
    rng = torch.Generator().manual_seed(0)
    network = head("mlp1", 4, 3, 8)
    initialise(network, rng)
    fit_head(network, lambda maps: calls.append(1) or list(maps), features, targets, FitOptions(epochs=4), rng)
    assert calls == [1]
