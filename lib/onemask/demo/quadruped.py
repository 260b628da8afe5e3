"""What the four-legged worlds (cat, horse) share: rounded shading, jointed limbs, curved tails, coat patterns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from onemask.demo.canvas import Frame, Light, Param, capsule, per_pixel, shade, smooth_union, union


@dataclass
class Joint:
    """A point of the skeleton: x, y [N] or numbers, and the limb's radius there, all in the frame's units."""

    x: Param
    y: Param
    radius: Param


def segment(frame: Frame, start: Joint, end: Joint) -> Tensor:
    """Distance [N, H, W] to the tapered limb between two joints."""
    return capsule(frame, start.x, start.y, end.x, end.y, start.radius, end.radius)


def limb(frame: Frame, joints: list[Joint]) -> Tensor:
    """Distance [N, H, W] to the chain of tapered segments through the joints."""
    return union(*(segment(frame, start, end) for start, end in zip(joints, joints[1:], strict=False)))


def leg(frame: Frame, top: Joint, bend: Param, foot: Joint, toe: Param, joint_radius: Param) -> Tensor:
    """Thigh, shin and foot. The knee lies half way down, shifted by `bend` in x; the foot reaches `toe` in x."""
    knee = Joint((top.x + foot.x) / 2 + bend, (top.y + foot.y) / 2, joint_radius)
    return limb(frame, [top, knee, foot, Joint(foot.x + toe, foot.y, foot.radius)])


def curve(start: Joint, control: tuple[Param, Param], end: Joint, count: int) -> list[Joint]:
    """`count` + 1 joints along the quadratic Bezier curve from start to end; the radius runs linearly."""
    joints = []
    for step in range(count + 1):
        t = step / count
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        joints.append(Joint(a * start.x + b * control[0] + c * end.x, a * start.y + b * control[1] + c * end.y,
                            start.radius + t * (end.radius - start.radius)))
    return joints


def blend(first: Tensor, second: Tensor, radius: Param, frame: Frame) -> Tensor:
    """Union with a fillet whose radius is in the frame's units."""
    unit = frame.unit if isinstance(frame.unit, Tensor) else torch.as_tensor(frame.unit)
    return smooth_union(first, second, per_pixel(radius) * unit)


def inflated(distance: Tensor, width: Param, light: Light, ambient: float = 0.6, gain: float = 0.52) -> Tensor:
    """Brightness [N, H, W] of the shape blown up like a cushion: flat beyond `width` (canvas units) from the edge.

    The normal's screen components are the distance's gradient, which has length one, faded towards the inside.
    """
    pixel = 2 / distance.shape[-1]
    padded = pad(distance[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    slope = (1 + distance / per_pixel(width)).clamp(0, 0.94) / (2 * pixel)
    nx = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) * slope
    ny = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) * slope
    return shade(nx, ny, light, ambient, gain)


def ramp(value: Tensor, low: Param, high: Param) -> Tensor:
    """0 below low, 1 above high, straight in between (low > high runs the other way)."""
    low, high = per_pixel(low), per_pixel(high)
    return ((value - low) / (high - low)).clamp(0, 1)


def blended(base: Tensor, accent: Tensor, amount: Tensor) -> Tensor:
    """Colours [N, 3, H, W]: base [N, 3] where amount [N, H, W] is 0, accent [N, 3] where it is 1."""
    return torch.lerp(base[:, :, None, None], accent[:, :, None, None], amount[:, None])
