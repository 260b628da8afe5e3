"""Losses and the loop: oracles, and a resumed run that equals the undisturbed one."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.stylegan2.checkpoint import load_generator
from onemask.training import loop
from onemask.training.distributed import average_gradients
from onemask.training.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    overfitting_sign,
    path_lengths,
    r1_penalty,
)
from onemask.training.run import Run
from onemask.training.settings import TrainingSettings

TINY = TrainingSettings(
    resolution=16, z_dim=8, w_dim=8, channel_base=128, channel_max=8, unshuffle=1, kimg=0.08, batch=8,
    r1_interval=4, snapshot_kimg=0.04, ada_kimg=0.1,
)  # fmt: skip
BAGGAN = replace(
    TINY, loss="wasserstein", adversarial_weight=0.5, gradient_penalty=0.5, ppl_weight=2.0, ada_interval=8,
    augmentations=("rotate", "hue", "saturation", "brightness"), milestone_kimg=0.04,
)  # fmt: skip


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (32, 3, 16, 16), dtype=np.uint8)


def test_losses_at_zero_logits_are_log_two():
    zero = torch.zeros(5)
    assert generator_loss(zero).item() == pytest.approx(math.log(2))
    assert discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_losses_reward_the_right_sign():
    high, low = torch.full((3,), 20.0), torch.full((3,), -20.0)
    assert generator_loss(high) < 1e-6 < generator_loss(low)
    assert discriminator_loss(high, low) < 1e-6 < discriminator_loss(low, high)


def test_r1_of_a_linear_discriminator_is_its_squared_norm():
    weight = torch.randn(3, 4, 4, requires_grad=True)
    penalty = r1_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), torch.randn(6, 3, 4, 4))
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_the_critics_losses_are_differences_of_means_without_bound():
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([-1.0, 1.0])
    assert discriminator_loss(real, fake, "wasserstein").item() == -4
    assert generator_loss(fake + 2, "wasserstein").item() == -2


def test_a_critics_offset_says_nothing_about_overfitting():
    real, fake = torch.tensor([3.0, 5.0, 7.0]), torch.tensor([4.0, 6.0])
    assert overfitting_sign(real, fake).item() == 1
    assert overfitting_sign(real, fake, "wasserstein").item() == 0  # the signs of -2, 0 and 2
    assert overfitting_sign(real + 100, fake + 100, "wasserstein") == overfitting_sign(real, fake, "wasserstein")


@pytest.mark.parametrize(("norm", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
def test_the_gradient_penalty_pulls_slopes_to_one(norm, penalty):
    """The gradient of a linear critic is its weight, wherever it is taken."""
    weight = torch.randn(3, 4, 4)
    weight = (weight / weight.norm() * norm).requires_grad_()
    found = gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), *torch.randn(2, 6, 3, 4, 4))
    assert found.item() == pytest.approx(penalty, abs=1e-5)
    found.backward()
    if penalty:
        torch.testing.assert_close(weight.grad, 2 * (norm - 1) / norm * weight.detach(), atol=1e-5, rtol=1e-4)


def test_path_lengths_of_a_linear_synthesis_are_those_of_its_jacobian():
    """Images A w: J^T y = A^T y, whose expected square is |A|^2 / pixels."""
    torch.manual_seed(4)
    matrix = torch.randn(3 * 8 * 8, 5)
    ws = torch.randn(4000, 1, 5, requires_grad=True)
    lengths = path_lengths(lambda w: (w[:, 0] @ matrix.T).unflatten(1, (3, 8, 8)), ws)
    assert lengths.square().mean().item() == pytest.approx(matrix.square().sum().item() / 64, rel=0.05)


def test_the_average_forgets_half_within_its_half_life(images):
    """Of a generator that stands still, at learning rate 0: the average comes from 0 to 1 - 2^-(seen / half-life)."""
    settings = replace(TINY, learning_rate=0.0, ema_kimg=0.016, ema_rampup=1000.0)
    trainer = loop.new_trainer(settings, 5, torch.device("cpu"))
    clear(trainer.average)
    for step in range(1, 4):
        loop.train_step(trainer, settings, images, seed=5)
        share = 1 - 0.5 ** (step * settings.batch / 16)
        torch.testing.assert_close(flat(trainer.average), share * flat(trainer.generator))


def test_the_average_follows_closely_at_the_start(images):
    settings = replace(TINY, learning_rate=0.0, ema_kimg=1000.0, ema_rampup=0.5)
    trainer = loop.new_trainer(settings, 5, torch.device("cpu"))
    clear(trainer.average)
    loop.train_step(trainer, settings, images, seed=5)  # the half-life is half of what was seen
    torch.testing.assert_close(flat(trainer.average), 0.75 * flat(trainer.generator))


def test_lazy_r1_weighs_its_gradient_by_the_interval(images):
    trainer = loop.new_trainer(TINY, 5, torch.device("cpu"))
    real = loop.real_batch(images, 8, False, torch.device("cpu"))
    parameters = list(trainer.discriminator.parameters())
    gradient = torch.autograd.grad(r1_penalty(trainer.discriminator, real), parameters, materialize_grads=True)
    before = flat(trainer.discriminator)
    trainer.optimizer_d = torch.optim.SGD(parameters, lr=1.0)
    loop._r1_step(trainer, TINY, real, world=1)
    expected = TINY.r1_gamma / 2 * TINY.r1_interval * torch.cat([part.flatten() for part in gradient])
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(before - flat(trainer.discriminator), expected, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize(("settings", "lazy_g"), [(TINY, 1.0), (BAGGAN, 0.8)])
def test_adam_s_rates_make_up_for_lazy_steps(settings, lazy_g):
    """i + 1 gradients in i steps (Karras et al. 2020, Appendix B); r1_interval and ppl_interval are 4."""
    trainer = loop.new_trainer(settings, 5, torch.device("cpu"))
    for optimizer, lazy in ((trainer.optimizer_g, lazy_g), (trainer.optimizer_d, 0.8)):
        (group,) = optimizer.param_groups
        assert group["lr"] == pytest.approx(settings.learning_rate * lazy)
        assert group["betas"] == (0.0, pytest.approx(settings.beta2**lazy))


def test_half_of_the_real_images_are_mirrored_where_the_settings_say_so():
    left = np.zeros((4, 3, 8, 8), np.uint8)
    left[..., :4] = 255
    torch.manual_seed(0)
    plain, mirrored = (loop.real_batch(left, 200, mirror, torch.device("cpu")) for mirror in (False, True))
    assert (plain[..., :4] == 1).all() and (plain[..., 4:] == -1).all()
    assert 70 < (mirrored[:, 0, 0, 0] == -1).sum() < 130 and set(mirrored[:, 0, 0, 0].tolist()) == {-1.0, 1.0}


def flat(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@torch.no_grad()
def clear(network):
    for parameter in network.parameters():
        parameter.zero_()


def weights(trainer):
    return torch.cat([t.flatten().float() for t in trainer.average.state_dict().values()])


def test_a_resumed_run_equals_the_undisturbed_one(images, tmp_path):
    *_, whole = loop.train(TINY, images, tmp_path / "whole", seed=5)
    *_, _half = loop.train(replace(TINY, kimg=0.04), images, tmp_path / "resumed", seed=5)
    *_, resumed = loop.train(TINY, images, tmp_path / "resumed", seed=5)
    assert torch.equal(weights(whole), weights(resumed))
    assert (whole.ada_p, whole.overfitting) == (resumed.ada_p, resumed.overfitting)
    rows = [(tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("whole", "resumed")]
    assert [r.rsplit(",", 1)[0] for r in rows[0]] == [r.rsplit(",", 1)[0] for r in rows[1]]


def test_a_training_starts_from_another_s_state_and_keeps_to_its_own_afterwards(images, tmp_path):
    *_, whole = loop.train(TINY, images, tmp_path / "whole", seed=5)
    *_, _half = loop.train(replace(TINY, kimg=0.04), images, tmp_path / "first", seed=5)
    start = tmp_path / "first/state.safetensors"
    before = start.read_bytes()
    np.save(tmp_path / "images.npy", images)
    second = str(tmp_path / "second")
    Run(dataclasses.asdict(TINY), str(tmp_path / "images.npy"), second, 5, 0.7, start_from=str(start)).start()
    started = loop.new_trainer(TINY, 5, torch.device("cpu"))
    loop.load_state(tmp_path / "second/state.safetensors", started)
    assert torch.equal(weights(whole), weights(started)) and start.read_bytes() == before
    start.unlink()  # it is not read again
    *_, longer = loop.train(replace(TINY, kimg=0.12), 255 - images, tmp_path / "second", seed=5, start=start)
    assert longer.step * TINY.batch == 120 and not torch.equal(weights(longer), weights(started))
    with pytest.raises(OnemaskError, match=r"first.state.safetensors: no such file"):
        *_, _ = loop.train(TINY, images, tmp_path / "third", seed=5, start=start)


def test_a_start_in_batches_of_another_size_has_seen_as_many_images(images, tmp_path):
    *_, _ = loop.train(TINY, images, tmp_path / "first", seed=5)
    start, larger = tmp_path / "first/state.safetensors", replace(TINY, kimg=0.12, batch=16, snapshot_kimg=0.016)
    seen = [trainer.images for trainer in loop.train(larger, images, tmp_path / "second", seed=5, start=start)]
    assert seen == [96, 112, 128]  # whole steps, the last beyond kimg


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kimg": 0.08}, "has seen 0.08 thousand images, kimg is 0.08; raise kimg"),
        ({"z_dim": 4}, "other settings; start"),
    ],
)
def test_a_start_without_images_left_or_of_other_networks_is_refused(images, tmp_path, changed, message):
    *_, _ = loop.train(TINY, images, tmp_path / "first", seed=5)
    start = tmp_path / "first/state.safetensors"
    with pytest.raises(OnemaskError, match=f"first.state.safetensors: .*{message}"):
        *_, _ = loop.train(replace(TINY, **changed), images, tmp_path / "second", seed=5, start=start)


def test_baggans_terms_all_take_part_and_resume_to_the_same_weights(images, tmp_path):
    *_, whole = loop.train(BAGGAN, images, tmp_path / "whole", seed=5)
    *_, _half = loop.train(replace(BAGGAN, kimg=0.04), images, tmp_path / "resumed", seed=5)
    *_, resumed = loop.train(BAGGAN, images, tmp_path / "resumed", seed=5)
    assert torch.equal(weights(whole), weights(resumed)) and whole.path_length == resumed.path_length > 0
    row = (tmp_path / "whole/metrics.csv").read_text().splitlines()[1].split(",")
    terms = dict(zip(loop.METRICS, map(float, row), strict=True))
    assert all(terms[name] != 0 for name in loop.TERMS)
    for changed in ({"gradient_penalty": 0.0}, {"ppl_weight": 0.0}, {"adversarial_weight": 1.0}, {"loss": "logistic"}):
        *_, other = loop.train(replace(BAGGAN, **changed), images, tmp_path / str(changed), seed=5)
        assert not torch.equal(weights(whole), weights(other)), changed


def test_milestones_are_the_averaged_generators_on_the_way(images, tmp_path):
    *_, trainer = loop.train(BAGGAN, images, tmp_path, seed=5)
    files = sorted((tmp_path / "milestones").iterdir())
    assert [path.stem for path in files] == ["000000040", "000000080"]
    kept = load_generator(files[-1]).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in trainer.average.state_dict().items())


@pytest.mark.parametrize("batch", [8, 24, 32])
def test_there_is_a_milestone_past_every_multiple_and_at_the_end(batch):
    """Snapshots every ten thousand images, or as near as the batch allows; milestones every fifty; 220 in all."""
    settings = replace(TINY, batch=batch, kimg=220, snapshot_kimg=10, milestone_kimg=50)
    steps, total = round(10_000 / batch), math.ceil(220_000 / batch)
    seen = [batch * step for step in range(0, total, steps)] + [batch * total]
    kept = [after for before, after in zip(seen, seen[1:], strict=False) if loop.is_milestone(settings, before, after)]
    assert len(kept) == 5 and kept[-1] >= 220_000
    late = [image - 1000 * kimg for image, kimg in zip(kept, (50, 100, 150, 200), strict=False)]
    assert all(0 <= images < 10_000 + batch for images in late)


def test_a_kill_before_the_state_is_written_loses_no_row_and_no_milestone(images, tmp_path, monkeypatch):
    *_, _ = loop.train(BAGGAN, images, tmp_path / "whole", seed=5)

    class Kill(Exception):
        pass

    def kill(*_):
        raise Kill

    with monkeypatch.context() as patch, pytest.raises(Kill):
        patch.setattr(loop, "save_state", kill)
        list(loop.train(BAGGAN, images, tmp_path / "killed", seed=5))
    *_, _ = loop.train(BAGGAN, images, tmp_path / "killed", seed=5)
    names = [[path.name for path in sorted((tmp_path / run / "milestones").iterdir())] for run in ("whole", "killed")]
    rows = [(tmp_path / run / "metrics.csv").read_text().splitlines() for run in ("whole", "killed")]
    assert names[0] == names[1] and [len(each) for each in rows] == [3, 3]


def test_weights_that_are_not_finite_do_not_become_the_last_good_state(images, tmp_path, monkeypatch):
    *_, _ = loop.train(replace(TINY, kimg=0.04), images, tmp_path, seed=5)
    kept = (tmp_path / "state.safetensors").read_bytes()
    update = loop._update_average

    def spoil(trainer, settings):
        update(trainer, settings)
        if trainer.step == 9:  # the last of the second snapshot: its losses are finite
            next(trainer.discriminator.parameters()).data.fill_(math.nan)

    monkeypatch.setattr(loop, "_update_average", spoil)
    with pytest.raises(OnemaskError, match="step 10: a weight of the discriminator is not finite; the last good state"):
        list(loop.train(TINY, images, tmp_path, seed=5))
    assert (tmp_path / "state.safetensors").read_bytes() == kept


def test_terms_are_switched_off(images, tmp_path):
    off = replace(TINY, r1_gamma=0.0, style_mixing=0.0, ada_target=0.0)
    *_, trainer = loop.train(off, images, tmp_path / "off", seed=5)
    row = (tmp_path / "off/metrics.csv").read_text().splitlines()[1].split(",")
    terms = dict(zip(loop.METRICS, map(float, row), strict=True))
    assert terms["r1"] == terms["ada_p"] == 0 and trainer.ada_p == 0
    assert trainer.optimizer_d.param_groups[0]["lr"] == off.learning_rate, "nothing lazy to make up for"
    ws = loop.mixed_ws(trainer.generator, 8, 0.0, torch.device("cpu"))
    assert torch.equal(ws, ws[:, :1].expand_as(ws))
    mixed = loop.mixed_ws(trainer.generator, 8, 1.0, torch.device("cpu"))
    assert not torch.equal(mixed, mixed[:, :1].expand_as(mixed))


def test_training_moves_the_generator_and_another_seed_elsewhere(images, tmp_path):
    start = weights(loop.new_trainer(TINY, 5, torch.device("cpu")))
    *_, one = loop.train(TINY, images, tmp_path / "one", seed=5)
    *_, two = loop.train(TINY, images, tmp_path / "two", seed=6)
    assert not torch.equal(start, weights(one))
    assert not torch.equal(weights(one), weights(two))


def test_a_state_of_other_settings_is_refused(images, tmp_path):
    *_, _ = loop.train(TINY, images, tmp_path, seed=5)
    with pytest.raises(OnemaskError, match="other settings"):
        next(loop.train(replace(TINY, channel_max=4, kimg=1), images, tmp_path, seed=5))


def test_an_older_version_s_state_or_metrics_are_refused(images, tmp_path):
    *_, trainer = loop.train(TINY, images, tmp_path, seed=5)
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("kimg,loss_g\n0.08,1\n")
    with pytest.raises(OnemaskError, match=r"metrics.csv: an older version's, of other columns; remove it"):
        next(loop.train(replace(TINY, kimg=1), images, tmp_path, seed=5))
    metrics.unlink()
    tensors, counters = read_safetensors(tmp_path / "state.safetensors")
    counters["step"] = counters.pop("images") // TINY.batch  # counted until images were
    write_safetensors(tmp_path / "state.safetensors", tensors, counters)
    assert next(loop.train(replace(TINY, kimg=0.12), images, tmp_path, seed=5)).images == 120
    counters.pop("path_length")
    write_safetensors(tmp_path / "state.safetensors", tensors, counters)
    with pytest.raises(OnemaskError, match="an older version's, without path_length; remove it to start afresh"):
        next(loop.train(replace(TINY, kimg=1), images, tmp_path, seed=5))


def test_a_state_that_has_seen_more_than_kimg_is_refused(images, tmp_path):
    *_, _ = loop.train(TINY, images, tmp_path, seed=5)
    with pytest.raises(OnemaskError, match="state.safetensors: has seen 0.08 thousand images, kimg is 0.04; remove it"):
        next(loop.train(replace(TINY, kimg=0.04), images, tmp_path, seed=5))


def test_images_of_another_size_are_refused(tmp_path):
    with pytest.raises(OnemaskError, match=r"expected uint8 \(3, 16, 16\)"):
        next(loop.train(TINY, np.zeros((4, 3, 8, 8), np.uint8), tmp_path, seed=5))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_state(images, tmp_path):
    *_, _ = loop.train(replace(TINY, kimg=0.04), images, tmp_path, seed=5)
    kept = (tmp_path / "state.safetensors").read_bytes()
    with pytest.raises(OnemaskError, match="not finite"):
        list(loop.train(replace(TINY, learning_rate=float("inf")), images, tmp_path, seed=5))
    assert (tmp_path / "state.safetensors").read_bytes() == kept


def test_bfloat16_tracks_float32(images, tmp_path):
    ws = loop.new_trainer(TINY, 5, torch.device("cpu")).average.sample_ws([1], 1.0)
    outputs = []
    for precision in ("float32", "bfloat16"):
        trainer = loop.new_trainer(replace(TINY, precision=precision), 5, torch.device("cpu"))
        outputs.append(trainer.average.synthesize(ws))
    apart = (outputs[0] - outputs[1]).abs().max() / outputs[0].abs().max()
    assert 0 < apart < 0.02  # bfloat16 has eight bits
    row = loop.train_step(trainer, replace(TINY, precision="bfloat16"), images, seed=5)
    assert trainer.generator.synthesis.compute_dtype == trainer.discriminator.compute_dtype == torch.bfloat16
    assert all(map(math.isfinite, row.values()))


def _averaged(rank, folder):
    """One of two processes: gradients rank + 1 and 3 (rank + 1), averaged."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/sync", rank=rank, world_size=2)
    layer = torch.nn.Linear(2, 1)
    layer.weight.grad, layer.bias.grad = torch.full((1, 2), 1.0 + rank), torch.full((1,), 3.0 * (1 + rank))
    average_gradients(layer, 2)
    torch.save([layer.weight.grad, layer.bias.grad], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_gradients_are_averaged_over_processes(tmp_path):
    torch.multiprocessing.spawn(_averaged, (str(tmp_path),), nprocs=2)
    for rank in (0, 1):
        weight, bias = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert weight.tolist() == [[1.5, 1.5]] and bias.tolist() == [4.5]


def test_two_processes_end_in_one_state_resumed_or_not(images, tmp_path):
    """Under torchrun with gloo."""
    np.save(tmp_path / "images.npy", images)
    settings = dataclasses.asdict(TINY)
    two = Run(settings, str(tmp_path / "images.npy"), str(tmp_path / "two"), seed=5, truncation=0.7, processes=2)
    replace(two, settings=settings | {"kimg": 0.04}).start()
    two.start()
    replace(two, state=str(tmp_path / "again")).start()
    states = [read_safetensors(tmp_path / name / "state.safetensors") for name in ("two", "again")]
    assert states[0][1] == states[1][1] and states[0][1]["images"] == 80
    assert all(torch.equal(states[0][0][name], states[1][0][name]) for name in states[0][0])
    rows = (tmp_path / "two/metrics.csv").read_text().splitlines()
    assert [float(row.split(",")[0]) for row in rows[1:]] == [0.04, 0.08]
    assert (tmp_path / "two/samples.png").is_file()


def test_a_process_that_is_killed_goes_on_to_the_same_weights(images, tmp_path):
    """SIGKILL after the first state, somewhere in a step or in writing; then the command again."""
    np.save(tmp_path / "images.npy", images)
    settings = dataclasses.asdict(replace(BAGGAN, kimg=0.4))

    def command(state):
        run = Run(settings, str(tmp_path / "images.npy"), str(tmp_path / state), seed=5, truncation=0.7)
        return [sys.executable, "-m", "onemask.training.run", json.dumps(dataclasses.asdict(run))]

    subprocess.run(command("whole"), check=True, capture_output=True)
    first = tmp_path / "killed/state.safetensors"
    with subprocess.Popen(command("killed"), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not first.is_file() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL and read_safetensors(first)[1]["images"] < 400
    subprocess.run(command("killed"), check=True, capture_output=True)
    assert first.read_bytes() == (tmp_path / "whole/state.safetensors").read_bytes()


def test_a_batch_that_does_not_divide_is_refused_and_a_failing_process_is_one_line(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    settings = dataclasses.asdict(TINY)
    run = Run(settings, str(tmp_path / "images.npy"), str(tmp_path / "s"), seed=5, truncation=0.7, processes=3)
    with pytest.raises(OnemaskError, match="batch 8 must divide by processes 3"):
        run.work()
    with pytest.raises(OnemaskError, match="onemask.training.run: a process ended with status"):
        replace(run, processes=2, images=str(tmp_path / "none.npy")).start()
