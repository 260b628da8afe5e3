import copy

import numpy as np
import pytest
import torch

from onemask.downstream import train as downstream_train
from onemask.downstream import vision
from onemask.downstream.deeplab import deeplabv3
from onemask.downstream.pairs import Pairs
from onemask.downstream.train import TrainingOptions, augmented, mean_scores, predict, train_segmenter
from onemask.errors import OnemaskError
from onemask.files import read_safetensors

LABELS = ("background", "square", "disc")


def shapes(count, seed=0, size=32):
    """Squares and discs of their own colours on noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 120, (count, 3, size, size)).astype(np.uint8)
    maps = np.zeros((count, size, size), np.uint8)
    rows, columns = np.mgrid[:size, :size]
    for image, label_map in zip(images, maps, strict=True):
        y, x = rng.integers(6, size - 6, 2)
        square = (abs(rows - y) < 5) & (abs(columns - x) < 5)
        y, x = rng.integers(6, size - 6, 2)
        disc = (rows - y) ** 2 + (columns - x) ** 2 < 25
        image[0][square], image[2][disc] = 250, 250
        label_map[square], label_map[disc] = 1, 2
    return Pairs(images, maps)


def network(seed=0):
    torch.manual_seed(seed)
    return deeplabv3("light", len(LABELS), 32)


def test_four_images_are_learnt_by_heart():
    four, net = shapes(4), network()
    train_segmenter(net, four, four, LABELS, TrainingOptions(steps=200, batch=4, evaluate_every=50), seed=1)
    assert mean_scores(predict(net, four.images), four, LABELS)["miou"] > 0.9


def test_the_best_weights_on_validation_are_kept():
    net, training, validation = network(), shapes(8), shapes(4, seed=1)
    curve = train_segmenter(net, training, validation, LABELS, TrainingOptions(steps=30, batch=4, evaluate_every=5), 1)
    assert [row["step"] for row in curve] == [5, 10, 15, 20, 25, 30]
    kept = mean_scores(predict(net, validation.images), validation, LABELS)
    assert kept["wiou"] == max(row["wiou"] for row in curve)


def test_an_interrupted_training_gives_the_same_weights(tmp_path):
    training, validation, state = shapes(8), shapes(2, seed=1), tmp_path / "state.safetensors"
    options = TrainingOptions(steps=8, batch=4, evaluate_every=2)
    whole, parts = network(), network()
    expected = train_segmenter(whole, training, validation, LABELS, options, 3)

    class Stop(Exception):
        pass

    interrupted = network()
    calls = {"left": 5}

    def count(*_):
        calls["left"] -= interrupted.training
        if calls["left"] < 0:
            raise Stop

    interrupted.register_forward_hook(count)
    with pytest.raises(Stop):
        train_segmenter(interrupted, training, validation, LABELS, options, 3, state)
    curve = train_segmenter(parts, training, validation, LABELS, options, 3, state)
    assert curve == expected
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True))


def spoiled(net, step, value):
    """A network that puts `value` among its weights after so many steps."""
    passes = {"left": step}

    def spoil(*_):
        passes["left"] -= net.training
        if passes["left"] < 0:
            torch.nn.init.constant_(next(net.parameters()), value)

    net.register_forward_pre_hook(spoil)
    return net


def test_what_is_not_finite_names_seed_and_step_and_keeps_the_state(tmp_path):
    state, options = tmp_path / "state.safetensors", TrainingOptions(steps=6, batch=4, evaluate_every=2)
    with pytest.raises(OnemaskError, match="not finite at step 3 of seed 7; lower downstream.learning_rate"):
        train_segmenter(spoiled(network(), 3, float("nan")), shapes(8), shapes(2), LABELS, options, 7, state)
    assert read_safetensors(state)[1]["step"] == 2


def test_an_update_that_makes_weights_infinite_is_not_kept(tmp_path):
    state, net = tmp_path / "state.safetensors", network()
    options = TrainingOptions(steps=2, batch=4, evaluate_every=1)
    last = net.classifier[-1]

    def overshoot(*_):
        torch.nn.init.constant_(last.bias, float("inf"))

    last.register_full_backward_hook(overshoot)
    with pytest.raises(OnemaskError, match="not finite at step 1 of seed 7"):
        train_segmenter(net, shapes(8), shapes(2), LABELS, options, 7, state)
    assert not state.exists()


def test_a_state_of_other_code_is_not_gone_on_with(tmp_path):
    state, options = tmp_path / "state.safetensors", TrainingOptions(steps=4, batch=2, evaluate_every=2)
    identities = []
    for code in ("old", "new", "new"):
        train_segmenter(network(), shapes(4), shapes(2), LABELS, options, 1, state, code=code)
        identities.append(read_safetensors(state)[1]["identity"])
    assert identities[0] != identities[1] == identities[2]


def test_processes_that_load_data_change_nothing():
    options, nets = TrainingOptions(steps=4, batch=4, evaluate_every=2), [network(), network()]
    one, two = (
        train_segmenter(net, shapes(8), shapes(2), LABELS, options, 3, workers=workers)
        for net, workers in zip(nets, (0, 2), strict=True)
    )
    assert one == two


@pytest.mark.parametrize("change", ["options", "seed", "data", "network"])
def test_the_state_of_another_training_is_not_gone_on_with(tmp_path, change):
    state, options = tmp_path / "state.safetensors", TrainingOptions(steps=4, batch=2, evaluate_every=2)
    train_segmenter(network(), shapes(4), shapes(2), LABELS, options, 1, state)
    other = TrainingOptions(steps=2, batch=2, evaluate_every=2) if change == "options" else options
    data, seed = shapes(4, seed=int(change == "data")), 2 if change == "seed" else 1
    labels = (*LABELS, "star") if change == "network" else LABELS
    torch.manual_seed(0)
    nets = [deeplabv3("light", len(labels), 32)]
    nets.append(copy.deepcopy(nets[0]))
    one, two = (
        train_segmenter(net, data, shapes(2), labels, other, seed, kept)
        for net, kept in zip(nets, (state, None), strict=True)
    )
    assert one == two


def test_augmentation_moves_image_and_label_map_together(monkeypatch):
    """An image that is its own label map stays it, but for its colours: the border between parts moves alike."""
    monkeypatch.setattr(vision.transforms, "ColorJitter", lambda **_: vision.transforms.Identity())
    y, x = np.mgrid[:32, :32]
    label_maps = np.repeat(((x >= 12) ^ (y >= 20)).astype(np.uint8)[None], 24, axis=0)
    torch.manual_seed(0)
    images, maps = augmented(np.repeat(255 * label_maps[:, None], 3, axis=1), label_maps)
    assert images.dtype == torch.uint8 and maps.dtype == torch.int64 and set(maps.unique().tolist()) == {0, 1}
    assert ((images[:, 0] > 127) == (maps == 1)).float().mean(dim=(1, 2)).min() > 0.93  # within a pixel of the border
    mirrored = maps[:, 0, 0] > maps[:, 0, -1]
    assert 6 <= mirrored.sum() <= 18 and len(maps.flatten(1).unique(dim=0)) > 12


def test_augmentation_changes_colours():
    pairs = shapes(6)
    torch.manual_seed(0)
    images, maps = augmented(pairs.images, pairs.label_maps)
    red, blue = images[:, 0][maps == 1].float(), images[:, 2][maps == 2].float()
    assert red.mean() > 1.5 * images[:, 0][maps == 0].float().mean()
    assert blue.mean() > 1.5 * images[:, 2][maps == 0].float().mean()
    assert len(images[:, 0][maps == 1].unique()) > len(np.unique(pairs.images[:, 0][pairs.label_maps == 1]))


def test_the_learning_rate_falls_to_zero_as_a_half_cosine(monkeypatch):
    plans = []
    monkeypatch.setattr(downstream_train, "train", lambda training, plan, *rest: plans.append(plan) or [])
    options = TrainingOptions(steps=8, batch=2, learning_rate=0.01)
    train_segmenter(network(), shapes(4), shapes(2), LABELS, options, 1)
    assert [plans[0].rate(step) for step in (0, 2, 4, 8)] == pytest.approx([0.01, 0.00853553, 0.005, 0.0])
