"""The training loop of StyleGAN2-ADA.

All randomness of a step comes from torch's default generator, seeded from (seed, step, rank) when the step begins:
resuming needs no generator states, and a resumed run gives the weights of an undisturbed one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam
from tqdm import tqdm

from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_csv, write_safetensors
from onemask.seeds import derive_seed
from onemask.stylegan2.checkpoint import save_generator
from onemask.stylegan2.discriminator import Discriminator
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.images import from_pixels
from onemask.training.augment import adapt, augment
from onemask.training.distributed import average_, average_gradients
from onemask.training.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    overfitting_sign,
    path_lengths,
    r1_penalty,
)
from onemask.training.settings import TrainingSettings

TERMS = ["loss_g", "loss_d", "r1", "gradient_penalty", "path_length"]  # 0 where a term is off
METRICS = ["kimg", *TERMS, "overfitting", "ada_p", "images_per_second"]
COUNTERS = ["images", "ada_p", "overfitting", "path_length"]
OVERFITTING_DECAY = 0.05  # of the running r_t, per step
REMEDY = (
    "the last good state is kept; the same settings meet it again: a lower learning_rate or a higher r1_gamma, with"
    " which the workflow starts afresh, may not"
)


@dataclass
class Trainer:
    """Everything that a checkpoint holds."""

    generator: Generator
    discriminator: Discriminator
    average: Generator  # exponential moving average of the generator's weights
    optimizer_g: Adam
    optimizer_d: Adam
    batch: int
    step: int = 0
    ada_p: float = 0.0
    overfitting: float = 0.0  # running r_t
    path_length: float = 0.0  # running mean, what path lengths are pulled towards

    @property
    def images(self) -> int:
        """How many it has seen."""
        return self.step * self.batch

    @images.setter
    def images(self, seen: int) -> None:
        self.step = seen // self.batch


def new_trainer(settings: TrainingSettings, seed: int, device: torch.device) -> Trainer:
    """Fresh networks and optimisers; the initial weights depend on `seed` alone."""
    torch.manual_seed(derive_seed(seed, "weights"))
    s = settings
    generator = Generator(s.z_dim, s.w_dim, s.resolution, s.channel_base, s.channel_max, s.mapping_layers)
    discriminator = Discriminator(s.resolution, s.channel_base, s.channel_max, s.unshuffle)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[s.precision]
    generator.synthesis.compute_dtype = discriminator.compute_dtype = dtype
    generator.to(device), discriminator.to(device)
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    optimizer_g = _adam(generator, s, s.ppl_interval if s.ppl_weight else None)
    optimizer_d = _adam(discriminator, s, s.r1_interval if s.r1_gamma else None)
    return Trainer(generator, discriminator, average, optimizer_g, optimizer_d, s.batch)


def _adam(network: nn.Module, settings: TrainingSettings, interval: int | None) -> Adam:
    """Lazy regularisation takes interval + 1 gradients in `interval` steps: Adam's rates are scaled to match."""
    lazy = interval / (interval + 1) if interval else 1.0
    betas = (0.0, settings.beta2**lazy)
    return Adam(network.parameters(), lr=settings.learning_rate * lazy, betas=betas, eps=1e-8)


def _networks(trainer: Trainer) -> dict[str, nn.Module]:
    return {"generator": trainer.generator, "discriminator": trainer.discriminator, "average": trainer.average}


def _optimizers(trainer: Trainer) -> dict[str, tuple[Adam, nn.Module]]:
    return {
        "optimizer_g": (trainer.optimizer_g, trainer.generator),
        "optimizer_d": (trainer.optimizer_d, trainer.discriminator),
    }


def save_state(path: Path, trainer: Trainer) -> None:
    """Write weights, optimiser moments and counters as one safetensors file."""
    tensors = {
        f"{part}.{name}": tensor
        for part, network in _networks(trainer).items()
        for name, tensor in network.state_dict().items()
    }
    for part, (optimizer, network) in _optimizers(trainer).items():
        for name, parameter in network.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{part}.{name}.{key}"] = value
    counters = {name: getattr(trainer, name) for name in COUNTERS}
    write_safetensors(path, tensors, counters)


def load_state(path: Path, trainer: Trainer, remedy: str = "remove it to start afresh") -> None:
    """Restore what `save_state` wrote into a trainer of the same settings; OnemaskError ends with the remedy."""
    tensors, counters = read_safetensors(path)
    for part, network in _networks(trainer).items():
        prefix = f"{part}."
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        try:
            network.load_state_dict(own)
        except RuntimeError:
            raise OnemaskError(f"{path}: was written with other settings; {remedy}") from None
    if "step" in counters:  # an older version's, of batches of this size
        counters.setdefault("images", counters["step"] * trainer.batch)
    if missing := [name for name in COUNTERS if name not in counters]:
        raise OnemaskError(f"{path}: an older version's, without {missing[0]}; {remedy}")
    for part, (optimizer, network) in _optimizers(trainer).items():
        for name, parameter in network.named_parameters():
            found = {key: tensors.get(f"{part}.{name}.{key}") for key in ("step", "exp_avg", "exp_avg_sq")}
            if found["step"] is not None:
                moments = {k: v.to(parameter.device) for k, v in found.items() if k != "step"}
                optimizer.state[parameter] = {"step": found["step"], **moments}
    for name in COUNTERS:
        setattr(trainer, name, counters[name])


def mixed_ws(generator: Generator, n: int, probability: float, device: torch.device) -> Tensor:
    """ws of n random latents; with `probability` the layers after a random one come from a second latent."""
    z = torch.randn(2, n, generator.z_dim, device=device)
    ws = generator.mapping(z[0])
    if probability <= 0:
        return ws
    cutoff = torch.randint(1, generator.num_ws, (n, 1), device=device)
    keep = (torch.rand(n, 1, device=device) >= probability) | (torch.arange(generator.num_ws, device=device) < cutoff)
    return torch.where(keep[:, :, None], ws, generator.mapping(z[1]))


def real_batch(images: np.ndarray, n: int, mirror: bool, device: torch.device) -> Tensor:
    """n random images of a uint8 array [M, 3, H, W] as float in [-1, 1], mirrored at random."""
    chosen = torch.from_numpy(images[torch.randint(0, len(images), (n,)).numpy()]).to(device)
    batch = from_pixels(chosen)
    flip = torch.rand(n, 1, 1, 1, device=device) < 0.5
    return torch.where(flip, batch.flip(3), batch) if mirror else batch


def _generator_step(trainer: Trainer, settings: TrainingSettings, n: int, world: int, device: torch.device) -> float:
    trainer.discriminator.requires_grad_(False)
    trainer.optimizer_g.zero_grad(set_to_none=True)
    ws = mixed_ws(trainer.generator, n, settings.style_mixing, device)
    fake = augment(trainer.generator(ws, random_noise=True), trainer.ada_p, settings.augmentations)
    loss = settings.adversarial_weight * generator_loss(trainer.discriminator(fake), settings.loss)
    loss.backward()
    average_gradients(trainer.generator, world)
    trainer.optimizer_g.step()
    trainer.discriminator.requires_grad_(True)
    return loss.item()


def _path_length_step(trainer: Trainer, settings: TrainingSettings, n: int, world: int, device: torch.device) -> float:
    """Lazy path length regularisation of G, in float32 like R1; returns the mean length."""
    trainer.optimizer_g.zero_grad(set_to_none=True)
    ws = mixed_ws(trainer.generator, max(1, n // settings.ppl_batch_shrink), settings.style_mixing, device)
    synthesis = trainer.generator.synthesis
    dtype, synthesis.compute_dtype = synthesis.compute_dtype, torch.float32
    lengths = path_lengths(lambda latents: trainer.generator(latents, random_noise=True), ws)
    mean = lengths.detach().mean()
    average_([mean], world)
    trainer.path_length += (mean.item() - trainer.path_length) * settings.ppl_decay
    penalty = (lengths - trainer.path_length).square().mean()
    (penalty * (settings.ppl_weight * settings.ppl_interval)).backward()
    synthesis.compute_dtype = dtype
    average_gradients(trainer.generator, world)
    trainer.optimizer_g.step()
    return mean.item()


def _discriminator_step(
    trainer: Trainer, settings: TrainingSettings, real: Tensor, world: int
) -> tuple[dict[str, float], Tensor]:
    """One step of D on real images and as many fakes; returns its losses and a sample of r_t."""
    trainer.optimizer_d.zero_grad(set_to_none=True)
    with torch.no_grad():
        ws = mixed_ws(trainer.generator, len(real), settings.style_mixing, real.device)
        fake = trainer.generator(ws, random_noise=True)
        trainer.generator.mapping.w_avg.lerp_(ws[:, 0].mean(dim=0), 0.005)
        average_([trainer.generator.mapping.w_avg], world)
    shown = [augment(images, trainer.ada_p, settings.augmentations) for images in (real, fake)]
    real_logits, fake_logits = map(trainer.discriminator, shown)
    loss = settings.adversarial_weight * discriminator_loss(real_logits, fake_logits, settings.loss)
    row = {"loss_d": loss.item()}
    loss.backward()
    if settings.gradient_penalty:
        penalty = gradient_penalty(lambda images: trainer.discriminator(images, dtype=torch.float32), *shown)
        (settings.gradient_penalty * penalty).backward()
        row["gradient_penalty"] = penalty.item()
    average_gradients(trainer.discriminator, world)
    trainer.optimizer_d.step()
    return row, overfitting_sign(real_logits, fake_logits, settings.loss)


def _r1_step(trainer: Trainer, settings: TrainingSettings, real: Tensor, world: int) -> float:
    """Lazy R1, in float32: its second derivatives are the least forgiving part."""
    trainer.optimizer_d.zero_grad(set_to_none=True)
    shown = augment(real, trainer.ada_p, settings.augmentations)
    penalty = r1_penalty(lambda images: trainer.discriminator(images, dtype=torch.float32), shown)
    (penalty * (settings.r1_gamma / 2 * settings.r1_interval)).backward()
    average_gradients(trainer.discriminator, world)
    trainer.optimizer_d.step()
    return penalty.item()


@torch.no_grad()
def _update_average(trainer: Trainer, settings: TrainingSettings) -> None:
    """Average the weights with a half-life of ema_kimg, less at the start (ema_rampup of what was seen)."""
    seen = trainer.images + trainer.batch
    half_life = min(settings.ema_kimg * 1000, seen * settings.ema_rampup)
    decay = 0.5 ** (trainer.batch / max(half_life, 1e-8))
    for slow, fast in zip(trainer.average.parameters(), trainer.generator.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)
    trainer.average.mapping.w_avg.copy_(trainer.generator.mapping.w_avg)


def train_step(
    trainer: Trainer,
    settings: TrainingSettings,
    images: np.ndarray,
    seed: int,
    rank: int = 0,
    world: int = 1,
) -> dict[str, float]:
    """One step of G and D on `batch` images, lazy R1 and the update of ADA's p; returns the losses."""
    device = trainer.generator.mapping.w_avg.device
    torch.manual_seed(derive_seed(seed, "step", trainer.step, rank))
    n = settings.batch // world
    row = {"loss_g": _generator_step(trainer, settings, n, world, device)}
    if settings.ppl_weight and trainer.step % settings.ppl_interval == 0:
        row["path_length"] = _path_length_step(trainer, settings, n, world, device)
    real = real_batch(images, n, settings.mirror, device)
    losses, sign = _discriminator_step(trainer, settings, real, world)
    row |= losses
    if settings.r1_gamma and trainer.step % settings.r1_interval == 0:
        row["r1"] = _r1_step(trainer, settings, real, world)
    _update_average(trainer, settings)
    average_([sign], world)
    row = average_row(row, world, device)  # so that all processes stop together
    trainer.overfitting += (sign.item() - trainer.overfitting) * OVERFITTING_DECAY
    if settings.ada_target > 0 and trainer.step % settings.ada_interval == 0:
        shown = settings.batch * settings.ada_interval
        trainer.ada_p = adapt(trainer.ada_p, trainer.overfitting, settings.ada_target, shown, settings.ada_kimg * 1000)
    trainer.step += 1
    if not all(map(math.isfinite, row.values())):
        raise OnemaskError(f"step {trainer.step}: a loss is not finite ({row}); {REMEDY}")
    return row


def check_weights(trainer: Trainer) -> None:
    """OnemaskError unless all weights are finite: a finite loss may have a gradient that is not."""
    for name, network in _networks(trainer).items():
        if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
            raise OnemaskError(f"step {trainer.step}: a weight of the {name} is not finite; {REMEDY}")


def average_row(row: dict[str, float], world: int, device: torch.device) -> dict[str, float]:
    """Losses averaged over processes: not finite in one is not finite in all."""
    values = torch.tensor(list(row.values()), device=device)
    average_([values], world)
    return row if world == 1 else dict(zip(row, values.tolist(), strict=True))


def _resume(trainer: Trainer, state: Path, start: Path | None, kimg: float, total: int) -> None:
    """Go on where `state` stopped, or else `start`.

    OnemaskError for more than `total` steps behind it, and for a start that leaves none.
    """
    if state.is_file():
        path, most, remedy = state, total, "remove it"
        load_state(state, trainer)
    elif start:
        path, most, remedy = start, total - 1, "raise kimg"
        load_state(start, trainer, "start from a training of the same networks")
    else:
        return
    if trainer.step > most:
        seen = trainer.images / 1000
        raise OnemaskError(f"{path}: has seen {seen:g} thousand images, kimg is {kimg:g}; {remedy}")


def _read_metrics(path: Path, kimg: float) -> list[dict[str, float]]:
    """Rows of an interrupted run's metrics file that the resumed run will not write again."""
    if not path.is_file():
        return []
    head, *lines = path.read_text().splitlines()
    if head != ",".join(METRICS):
        raise OnemaskError(f"{path}: an older version's, of other columns; remove it")
    rows = [dict(zip(METRICS, map(float, line.split(",")), strict=True)) for line in lines]
    return [row for row in rows if row["kimg"] <= kimg + 1e-9]


def mean_terms(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means of TERMS, each over the steps that had it; 0 where none had."""
    values = {name: [row[name] for row in rows if name in row] for name in TERMS}
    return {name: sum(found) / max(1, len(found)) for name, found in values.items()}


def is_milestone(settings: TrainingSettings, before: int, seen: int) -> bool:
    """Whether a multiple of the milestones' distance lies among the images since the last snapshot, or these the last.

    `before` and `seen` are the numbers of images that the generator had seen at the last snapshot, and at this one.
    """
    every = settings.milestone_kimg * 1000
    return bool(every) and (seen // every > before // every or seen >= settings.kimg * 1000)


def train(
    settings: TrainingSettings,
    images: np.ndarray,
    state_dir: Path,
    seed: int,
    rank: int = 0,
    world: int = 1,
    device: torch.device | str = "cpu",
    start: Path | None = None,
) -> Iterator[Trainer]:
    """Train up to `settings.kimg` thousand images, resuming from state_dir; yields the trainer at every snapshot.

    images: uint8 [M, 3, R, R] (a memory map will do). state_dir receives state.safetensors and metrics.csv. Where it is
    empty, `start` is gone on with, the state of a training of the same networks (on other images, in other batches);
    what it has seen counts.
    """
    size = settings.resolution
    if images.dtype != np.uint8 or images.shape[1:] != (3, size, size):
        raise OnemaskError(f"training images are {images.dtype} {images.shape[1:]}; expected uint8 (3, {size}, {size})")
    trainer = new_trainer(settings, seed, torch.device(device))
    state, metrics = state_dir / "state.safetensors", state_dir / "metrics.csv"
    (state_dir / "milestones").mkdir(parents=True, exist_ok=True)
    total = math.ceil(settings.kimg * 1000 / settings.batch)
    _resume(trainer, state, start, settings.kimg, total)
    rows = _read_metrics(metrics, trainer.images / 1000)
    every = max(1, round(settings.snapshot_kimg * 1000 / settings.batch))
    window, clock, before = [], time.monotonic(), trainer.images
    with tqdm(
        total=total * settings.batch,
        initial=trainer.images,
        unit="img",
        mininterval=10,
        disable=rank > 0,
    ) as bar:
        while trainer.step < total:
            window.append(train_step(trainer, settings, images, seed, rank, world))
            bar.update(settings.batch)
            if trainer.step % every and trainer.step < total:
                continue
            rate = len(window) * settings.batch / (time.monotonic() - clock)
            means = mean_terms(window)
            counters = {"overfitting": trainer.overfitting, "ada_p": trainer.ada_p, "images_per_second": rate}
            rows.append({"kimg": trainer.images / 1000, **means, **counters})
            check_weights(trainer)
            seen = trainer.images
            if rank == 0:  # the state last: what a kill keeps from being written is written again
                if is_milestone(settings, before, seen):
                    save_generator(state_dir / f"milestones/{seen:09d}.safetensors", trainer.average)
                write_csv(metrics, rows, METRICS)
                save_state(state, trainer)
            yield trainer
            window, clock, before = [], time.monotonic(), seen
