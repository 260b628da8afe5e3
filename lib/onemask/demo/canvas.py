"""A batched painter of signed distances: every image of a batch is the same drawing with its own parameters.

Conventions. Coordinates run over [-1, 1], x to the right and y down. A parameter is a number or a tensor [N], one
value per image. Points are pixel centres in a `Frame`; a distance is a tensor [N, H, W] in canvas units, negative
inside. Edges are anti-aliased analytically, coverage = clamp(1/2 - distance / pixel), and a label is painted where
coverage exceeds one half.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

Param = float | Tensor
Colour = Tensor | tuple[float, float, float]


@dataclass
class Rendered:
    """images uint8 [N, 3, size, size]; label_maps uint8 [N, size, size]; rare: name -> bool [N, size, size]."""

    images: Tensor
    label_maps: Tensor
    rare: dict[str, Tensor]


def per_pixel(value: Param) -> Param:
    """A parameter [N] as [N, 1, 1], so that it broadcasts over pixels; numbers and [N, H, W] pass unchanged."""
    return value[:, None, None] if isinstance(value, Tensor) and value.dim() == 1 else value


# ---------------------------------------------------------------- parameters drawn from the image's own seed

_GOLDEN, _MIX1, _MIX2 = -7046029254386353131, -4658895280553007687, -7723592293110705685


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Logical shift of int64: torch's own shift copies the sign bit."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _mix(value: Tensor) -> Tensor:
    """The finaliser of SplitMix64 (Steele et al. 2014); int64 products wrap as uint64 ones do."""
    value = (value ^ _shift_right(value, 30)) * _MIX1
    value = (value ^ _shift_right(value, 27)) * _MIX2
    return value ^ _shift_right(value, 31)


class Draws:
    """Random parameters, one per image, each a hash of (the image's seed, the parameter's name) and nothing else."""

    def __init__(self, seeds: Tensor) -> None:
        """seeds: int64 [N]; its device is the device of every draw."""
        self.seeds = seeds
        self._stream = _mix(seeds + _GOLDEN)

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32 [N], uniform in [low, high)."""
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        bits = _shift_right(_mix(self._stream ^ key), 40)
        return low + (high - low) * (bits.to(torch.float32) / 2**24)

    def normal(self, name: str, mean: float = 0.0, std: float = 1.0, limit: float = 2.0) -> Tensor:
        """float32 [N], normal (Box-Muller) with deviations clamped to `limit` standard deviations."""
        radius = torch.sqrt(-2 * torch.log(1 - self.uniform(name + "/radius")))
        deviate = radius * torch.cos(2 * pi * self.uniform(name + "/angle"))
        return mean + std * deviate.clamp(-limit, limit)

    def flag(self, name: str, probability: float) -> Tensor:
        """bool [N], true with `probability`."""
        return self.uniform(name) < probability

    def choice(self, name: str, weights: Sequence[float]) -> Tensor:
        """int64 [N], index i with probability weights[i] / sum(weights)."""
        edges = torch.tensor(weights, device=self.seeds.device).cumsum(0)
        return torch.bucketize(self.uniform(name) * edges[-1], edges, right=True).clamp(max=len(weights) - 1)

    def pick(self, name: str, rows: Sequence[Sequence[float]], weights: Sequence[float] | None = None) -> Tensor:
        """float32 [N, D]: one of the rows per image, e.g. a colour of a palette."""
        index = self.choice(name, weights or [1.0] * len(rows))
        return torch.tensor(rows, device=self.seeds.device)[index]


def select(index: Tensor, values: Sequence[float]) -> Tensor:
    """float32 [N]: values[index], e.g. a measure per body type."""
    return torch.tensor(values, dtype=torch.float32, device=index.device)[index]


# ---------------------------------------------------------------- colours


def hsv(hue: Tensor, saturation: Param, value: Param) -> Tensor:
    """RGB [N, 3] from a hue [N] (in turns, any real) and saturation, value in [0, 1]."""
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + 6 * hue) % 6
        channels.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)


def mix(first: Tensor, second: Colour, amount: Param) -> Tensor:
    """[N, 3] blend of two colours; amount 0 gives the first."""
    other = first.new_tensor(second) if isinstance(second, tuple) else second
    weight = amount[:, None] if isinstance(amount, Tensor) else amount
    return first + (other - first) * weight


def gradient(start: Tensor, end: Tensor, position: Tensor) -> Tensor:
    """Colours [N, 3, H, W] running from start to end [N, 3] as position [N, H, W] goes from 0 to 1."""
    weight = position.clamp(0, 1)[:, None]
    return torch.lerp(start[:, :, None, None], end[:, :, None, None], weight)


# ---------------------------------------------------------------- frames


@dataclass
class Frame:
    """Pixel centres in local coordinates x, y [N, H, W] (or [1, H, W]); unit: canvas units per local unit."""

    x: Tensor
    y: Tensor
    unit: Param = 1.0

    def at(self, x: Param, y: Param, angle: Param | None = None, scale: Param | None = None) -> Frame:
        """The frame with its origin at (x, y) here, turned clockwise by `angle` radians, its unit `scale` here."""
        dx, dy, unit = self.x - per_pixel(x), self.y - per_pixel(y), self.unit
        if angle is not None:
            turn = torch.as_tensor(angle, dtype=dx.dtype, device=dx.device)
            cos, sin = per_pixel(torch.cos(turn)), per_pixel(torch.sin(turn))
            dx, dy = cos * dx + sin * dy, cos * dy - sin * dx
        if scale is not None:
            size = per_pixel(scale)
            dx, dy, unit = dx / size, dy / size, unit * size
        return Frame(dx, dy, unit)

    def mirrored(self, flip: Tensor) -> Frame:
        """x reversed in the images where flip (bool [N])."""
        return Frame(self.x * per_pixel(1 - 2 * flip.to(self.x.dtype)), self.y, self.unit)

    def bent(self, amount: Param) -> Frame:
        """The line y = 0 becomes the parabola y = amount x^2: a positive amount lowers both ends."""
        return Frame(self.x, self.y - per_pixel(amount) * self.x * self.x, self.unit)


# ---------------------------------------------------------------- signed distances, in canvas units


def ellipse(frame: Frame, rx: Param, ry: Param) -> Tensor:
    """Axis-aligned ellipse at the frame's origin (first-order distance, exact on the border)."""
    rx, ry = per_pixel(rx), per_pixel(ry)
    u, v = frame.x / rx, frame.y / ry
    level = torch.sqrt(u * u + v * v)
    slope = torch.sqrt((u / rx) ** 2 + (v / ry) ** 2).clamp_min(1e-6)
    return (level - 1) * level.clamp_min(1e-3) / slope * frame.unit


def circle(frame: Frame, radius: Param) -> Tensor:
    """Disc at the frame's origin."""
    return (torch.sqrt(frame.x**2 + frame.y**2) - per_pixel(radius)) * frame.unit


def box(frame: Frame, rx: Param, ry: Param, rounding: Param = 0.0) -> Tensor:
    """Rectangle of half sides rx, ry at the frame's origin with corners rounded by that radius."""
    corner = per_pixel(rounding)
    dx = frame.x.abs() - (per_pixel(rx) - corner)
    dy = frame.y.abs() - (per_pixel(ry) - corner)
    outside = torch.sqrt(dx.clamp_min(0) ** 2 + dy.clamp_min(0) ** 2)
    return (outside + torch.maximum(dx, dy).clamp_max(0) - corner) * frame.unit


def capsule(frame: Frame, x0: Param, y0: Param, x1: Param, y1: Param, r0: Param, r1: Param | None = None) -> Tensor:
    """Limb from (x0, y0) of radius r0 to (x1, y1) of radius r1 (r0 unless given), linear in between."""
    x0, y0, r0 = per_pixel(x0), per_pixel(y0), per_pixel(r0)
    ax, ay = per_pixel(x1) - x0, per_pixel(y1) - y0
    px, py = frame.x - x0, frame.y - y0
    along = ((px * ax + py * ay) / (ax * ax + ay * ay + 1e-9)).clamp(0, 1)
    radius = r0 if r1 is None else r0 + (per_pixel(r1) - r0) * along
    return (torch.sqrt((px - along * ax) ** 2 + (py - along * ay) ** 2) - radius) * frame.unit


def half_plane(frame: Frame, nx: Param, ny: Param, offset: Param = 0.0) -> Tensor:
    """The points with nx x + ny y < offset; (nx, ny) is a unit vector."""
    return (per_pixel(nx) * frame.x + per_pixel(ny) * frame.y - per_pixel(offset)) * frame.unit


def convex(frame: Frame, points: Sequence[tuple[Param, Param]], rounding: Param = 0.0) -> Tensor:
    """Convex polygon, corners in clockwise order on screen; `rounding` swells it (the border moves outwards)."""
    distance = None
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        x0, y0, x1, y1 = (per_pixel(torch.as_tensor(v, dtype=torch.float32, device=frame.x.device))
                          for v in (x0, y0, x1, y1))
        ex, ey = x1 - x0, y1 - y0
        norm = torch.sqrt(ex * ex + ey * ey).clamp_min(1e-6)
        side = (ey / norm) * frame.x - (ex / norm) * frame.y - (ey * x0 - ex * y0) / norm
        distance = side if distance is None else torch.maximum(distance, side)
    return (distance - per_pixel(rounding)) * frame.unit


def polygon(frame: Frame, points: Sequence[tuple[Param, Param]], rounding: Param = 0.0) -> Tensor:
    """Any simple polygon: distance to the nearest edge, the sign by the even-odd rule; dearer than `convex`."""
    nearest, inside = None, None
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        x0, y0, x1, y1 = (per_pixel(torch.as_tensor(v, dtype=torch.float32, device=frame.x.device))
                          for v in (x0, y0, x1, y1))
        ex, ey, px, py = x1 - x0, y1 - y0, frame.x - x0, frame.y - y0
        along = ((px * ex + py * ey) / (ex * ex + ey * ey + 1e-9)).clamp(0, 1)
        square = (px - ex * along) ** 2 + (py - ey * along) ** 2
        crossing = ((y0 <= frame.y) != (y1 <= frame.y)) & ((px * ey < ex * py) == (ey > 0))
        nearest = square if nearest is None else torch.minimum(nearest, square)
        inside = crossing if inside is None else inside ^ crossing
    distance = torch.where(inside, -1.0, 1.0) * torch.sqrt(nearest)
    return (distance - per_pixel(rounding)) * frame.unit


def ring(distance: Tensor, half_width: Param) -> Tensor:
    """The outline of a shape, `half_width` (canvas units) to either side."""
    return distance.abs() - per_pixel(half_width)


def arc(frame: Frame, radius: Param, half_angle: Param, half_width: Param) -> Tensor:
    """Arc of a circle about the origin, symmetric about the downward axis, with round ends."""
    angle = torch.as_tensor(half_angle, dtype=torch.float32, device=frame.x.device)
    sin, cos, radius = per_pixel(torch.sin(angle)), per_pixel(torch.cos(angle)), per_pixel(radius)
    x, y = frame.x.abs(), frame.y
    on_arc = cos * x <= sin * y
    to_circle = (torch.sqrt(x * x + y * y) - radius).abs()
    to_end = torch.sqrt((x - sin * radius) ** 2 + (y - cos * radius) ** 2)
    return (torch.where(on_arc, to_circle, to_end) - per_pixel(half_width)) * frame.unit


def union(*distances: Tensor) -> Tensor:
    """Points in any of the shapes."""
    result = distances[0]
    for distance in distances[1:]:
        result = torch.minimum(result, distance)
    return result


def intersect(*distances: Tensor) -> Tensor:
    """Points in all of the shapes."""
    result = distances[0]
    for distance in distances[1:]:
        result = torch.maximum(result, distance)
    return result


def subtract(distance: Tensor, hole: Tensor) -> Tensor:
    """The shape without the hole."""
    return torch.maximum(distance, -hole)


def smooth_union(first: Tensor, second: Tensor, radius: Param) -> Tensor:
    """Union whose joint is filled with a fillet of about that radius (polynomial smooth minimum)."""
    radius = per_pixel(radius)
    overlap = (radius - (first - second).abs()).clamp_min(0)
    return torch.minimum(first, second) - overlap * overlap / (4 * radius)


def choose(flag: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Per image: the distance `yes` where flag (bool [N]), else `no`."""
    return torch.where(per_pixel(flag), yes, no)


# ---------------------------------------------------------------- light and texture


@dataclass
class Light:
    """Direction towards the light, unit vector (x, y, z) of tensors [N]; z points at the viewer."""

    x: Tensor
    y: Tensor
    z: Tensor


def draw_light(draws: Draws, spread: float = 1.0) -> Light:
    """Light from above, left or right of the viewer by up to `spread` radians."""
    side = draws.uniform("light/side", -spread, spread)
    height = draws.uniform("light/height", 0.25, 0.8)
    return Light(torch.sin(side) * torch.cos(height), -torch.sin(height), torch.cos(side) * torch.cos(height))


def shade(nx: Tensor, ny: Tensor, light: Light, ambient: float = 0.62, gain: float = 0.5) -> Tensor:
    """Brightness factor [N, H, W] of a surface whose normal has screen components nx, ny (Lambert plus ambient)."""
    nz = torch.sqrt((1 - nx * nx - ny * ny).clamp_min(0))
    facing = nx * per_pixel(light.x) + ny * per_pixel(light.y) + nz * per_pixel(light.z)
    return ambient + gain * facing.clamp_min(0)


def dome(frame: Frame, rx: Param, ry: Param, light: Light, ambient: float = 0.62, gain: float = 0.5) -> Tensor:
    """Brightness factor of an ellipsoid that bulges towards the viewer."""
    nx, ny = frame.x / per_pixel(rx), frame.y / per_pixel(ry)
    shrink = torch.rsqrt((nx * nx + ny * ny).clamp_min(1.0))
    return shade(nx * shrink * 0.95, ny * shrink * 0.95, light, ambient, gain)


def noise(frame: Frame, draws: Draws, name: str, frequency: Param, waves: int = 3) -> Tensor:
    """Smooth noise, about [-1, 1]: plane waves of periods near 1 / frequency in random directions."""
    total = 0.0
    for wave in range(waves):
        # directions are spread over the half circle so that no image gets parallel waves only
        angle = pi * (wave + draws.uniform(f"{name}/angle{wave}")) / waves
        rate = frequency * draws.uniform(f"{name}/rate{wave}", 0.7, 1.3) * 2 * pi
        phase = draws.uniform(f"{name}/phase{wave}", 0, 2 * pi)
        argument = per_pixel(rate * torch.cos(angle)) * frame.x + per_pixel(rate * torch.sin(angle)) * frame.y
        total = total + torch.sin(argument + per_pixel(phase))
    return total / (waves * 0.7)


def stripes(coordinate: Tensor, frequency: Param, phase: Param, sharpness: float = 1.5) -> Tensor:
    """Stripes in [-1, 1] across a coordinate [N, H, W], `frequency` per unit; sharpness > 1 flattens the crests."""
    wave = torch.sin(2 * pi * per_pixel(frequency) * coordinate + per_pixel(phase))
    return (sharpness * wave).clamp(-1, 1)


# ---------------------------------------------------------------- the canvas


class Canvas:
    """A batch of pictures under way: image [N, 3, H, W] in [0, 1], label map uint8 [N, H, W], rare masks bool."""

    def __init__(self, seeds: Tensor, size: int, labels: Sequence[str], rare: Sequence[str] = ()) -> None:
        """seeds: int64 [N]; labels: names in the order of their values, background first."""
        count, device = len(seeds), seeds.device
        axis = (torch.arange(size, dtype=torch.float32, device=device) + 0.5) * (2 / size) - 1
        self.pixel = 2 / size
        self.frame = Frame(axis[None, None, :].expand(1, size, size), axis[None, :, None].expand(1, size, size))
        self.image = torch.zeros(count, 3, size, size, device=device)
        self.label_map = torch.zeros(count, size, size, dtype=torch.uint8, device=device)
        self.rare = {name: torch.zeros(count, size, size, dtype=torch.bool, device=device) for name in rare}
        self._values = {name: value for value, name in enumerate(labels)}

    def fill(self, colour: Colour) -> None:
        """Cover the whole image, labels untouched."""
        self.image.copy_(self._spread(colour).expand_as(self.image))

    def paint(self, distance: Tensor, colour: Colour, label: str | None = None, rare: str | None = None,
              present: Tensor | None = None, shading: Tensor | None = None, opacity: Param = 1.0,
              softness: Param = 0.0) -> None:
        """Paint the shape `distance` [N, H, W] over what is there.

        colour: (r, g, b), [N, 3] or [N, 3, H, W]; shading [N, H, W] multiplies it. With a `label` the label map
        changes and rare masks beneath are hidden; `rare` marks the shape in that mask. Without either only colours
        change (shadows, highlights: give `opacity` and `softness`, the width of a blurred edge in canvas units).
        present: bool [N].
        """
        coverage = (0.5 - distance / (self.pixel + per_pixel(softness))).clamp(0, 1) * per_pixel(opacity)
        if present is not None:
            coverage = coverage * per_pixel(present)
        paint = self._spread(colour)
        if shading is not None:
            paint = (paint * shading[:, None]).clamp(0, 1)
        self.image.lerp_(paint.expand_as(self.image), coverage[:, None].expand_as(self.image))
        if label is not None or rare is not None:
            inside = (distance < 0) & per_pixel(present) if present is not None else distance < 0
            self._mark(inside, label, rare)

    def _spread(self, colour: Colour) -> Tensor:
        """Any form of colour as a tensor that broadcasts to [N, 3, H, W]."""
        tensor = self.image.new_tensor(colour)[None] if isinstance(colour, tuple) else colour
        return tensor[:, :, None, None] if tensor.dim() == 2 else tensor

    def _mark(self, inside: Tensor, label: str | None, rare: str | None) -> None:
        if label is not None:
            self.label_map.masked_fill_(inside, self._values[label])
            for mask in self.rare.values():
                mask.masked_fill_(inside, False)
        if rare is not None:
            self.rare[rare] |= inside

    def finish(self) -> Rendered:
        """The batch as bytes."""
        images = (self.image.clamp(0, 1) * 255).round().to(torch.uint8)
        return Rendered(images, self.label_map, self.rare)
