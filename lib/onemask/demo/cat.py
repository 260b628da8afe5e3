"""The cat world: cartoon cats that sit, stand, walk or lie, seen from the side or three quarters from the front.

Labels as in Table A1: background, head, eye, nose, ear, neck (a collar belongs to it), torso, tail, f_leg, b_leg; no
rare labels. The cat's frame has its origin on the floor below the body and looks towards -x.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onemask.demo.canvas import (
    Canvas,
    Draws,
    Frame,
    Light,
    Rendered,
    arc,
    circle,
    convex,
    draw_light,
    ellipse,
    gradient,
    half_plane,
    hsv,
    intersect,
    mix,
    noise,
    per_pixel,
    ring,
    select,
    stripes,
)
from onemask.demo.quadruped import Joint, blend, blended, curve, inflated, leg, limb, ramp, segment

LABELS = ("background", "head", "eye", "nose", "ear", "neck", "torso", "tail", "f_leg", "b_leg")
# every `select(kind, [...])` lists its values for a cat that sits, stands or walks, lies
POSE_WEIGHTS = (0.38, 0.36, 0.26)
SOLID, TABBY, PATCHES, BICOLOUR, POINT = range(5)
FURS = ((0.86, 0.54, 0.24), (0.56, 0.57, 0.60), (0.20, 0.19, 0.22), (0.93, 0.91, 0.88), (0.90, 0.78, 0.60),
        (0.50, 0.35, 0.23), (0.40, 0.46, 0.56), (0.72, 0.60, 0.48))
EYES = ((0.45, 0.75, 0.25), (0.95, 0.75, 0.15), (0.30, 0.62, 0.90), (0.80, 0.55, 0.15), (0.25, 0.72, 0.62))


@dataclass
class Pose:
    """The skeleton, every value [N] in the cat's frame: joints of the torso and of four legs, the head and the tail."""

    kind: Tensor
    chest: Joint
    hip: Joint
    head: Joint
    front: list[tuple[Joint, Tensor, Joint]]
    back: list[tuple[Joint, Tensor, Joint]]
    tail: list[Joint]


@dataclass
class Coat:
    """Colours [N, 3] and amounts [N, H, W] of the accent colour on the parts of the body."""

    kind: Tensor
    base: Tensor
    accent: Tensor
    limbs: Tensor
    torso: Tensor


# ---------------------------------------------------------------- skeleton


def _front_legs(draws: Draws, kind: Tensor, chest: Joint, turn: Tensor) -> list[tuple[Joint, Tensor, Joint]]:
    """Far leg, then near leg. A lying cat stretches them forwards; a standing one walks with a random stride."""
    stride = draws.uniform("front/stride", -0.15, 0.15) * select(kind, [0.25, 1.0, 0.4])
    reach = select(kind, [-0.04, 0.0, -0.36]) * draws.uniform("front/reach", 0.75, 1.15)
    radius = draws.uniform("front/width", 0.066, 0.082)
    legs = []
    for side, depth in ((-1.0, -0.13), (1.0, 0.05)):
        x = chest.x + (depth - 0.05) * (0.45 + 0.55 * turn)
        lift = (side * draws.uniform("front/lift", -0.12, 0.12) * select(kind, [0.0, 1.0, 0.0])).clamp_min(0)
        foot = Joint(x + reach + side * stride, -0.07 - lift + (-0.045 if side < 0 else 0.0), radius)
        top = Joint(x, chest.y + select(kind, [0.10, 0.08, 0.07]), 0.105)
        legs.append((top, select(kind, [-0.01, 0.02, 0.06]), foot))
    return legs


def _back_legs(draws: Draws, kind: Tensor, hip: Joint, turn: Tensor) -> list[tuple[Joint, Tensor, Joint]]:
    """Far leg, then near leg. Sitting and lying cats fold them: a round haunch with the foot in front."""
    stride = draws.uniform("back/stride", -0.17, 0.17) * select(kind, [0.1, 1.0, 0.2])
    reach = select(kind, [-0.20, 0.05, -0.24]) * draws.uniform("back/reach", 0.8, 1.2)
    haunch = select(kind, [0.20, 0.155, 0.165]) * draws.uniform("back/haunch", 0.92, 1.08)
    legs = []
    for side, depth in ((-1.0, -0.12), (1.0, 0.03)):
        x = hip.x + depth * (0.3 + turn) - (0.26 * turn * select(kind, [1.0, 0.0, 0.0]) if side < 0 else 0.0)
        foot = Joint(x + reach + side * stride, torch.full_like(x, -0.07 + (-0.045 if side < 0 else 0.0)), 0.072)
        top = Joint(x, torch.minimum(hip.y + 0.05, -haunch - 0.01), haunch)
        legs.append((top, select(kind, [0.02, 0.07, 0.02]), foot))
    return legs


def _tail(draws: Draws, kind: Tensor, hip: Joint) -> list[Joint]:
    """A quadratic curve from the rump: raised, trailing or lying on the floor."""
    rise = draws.uniform("tail/rise", -0.15, 0.85)
    out = draws.uniform("tail/out", 0.14, 0.34)
    root = Joint(hip.x + 0.75 * hip.radius, (hip.y - select(kind, [-0.12, 0.06, -0.02])).clamp_max(-0.1), 0.075)
    tip = Joint(root.x + out * draws.uniform("tail/tip", 0.1, 1.2), (root.y - rise).clamp_max(-0.06),
                draws.uniform("tail/width", 0.045, 0.08))
    control = (root.x + out * 1.15, (root.y - rise * draws.uniform("tail/curl", -0.5, 0.5)).clamp_max(-0.05))
    return curve(root, control, tip, 5)


def draw_pose(draws: Draws) -> Pose:
    """Three families of poses, continuous within each; `turn` shortens the body as it turns to the viewer."""
    kind = draws.choice("pose", POSE_WEIGHTS)
    turn = draws.uniform("turn", 0.3, 1.0)
    shorten = 1 - turn * select(kind, [0.65, 0.45, 0.35])
    plump = draws.uniform("plump", 0.9, 1.15)
    chest = Joint(select(kind, [-0.17, -0.30, -0.28]) * shorten,
                  select(kind, [-0.56, -0.50, -0.28]) + draws.uniform("chest/height", -0.05, 0.05),
                  select(kind, [0.20, 0.205, 0.20]) * plump)
    hip = Joint(select(kind, [0.20, 0.31, 0.34]) * shorten,
                select(kind, [-0.28, -0.49, -0.23]) + draws.uniform("hip/height", -0.04, 0.03),
                select(kind, [0.255, 0.20, 0.20]) * plump)
    head = Joint(chest.x + draws.uniform("head/x", -0.12, 0.04),
                 chest.y - draws.uniform("head/y", 0.46, 0.54), draws.uniform("head/size", 0.335, 0.385))
    return Pose(kind, chest, hip, head, _front_legs(draws, kind, chest, turn), _back_legs(draws, kind, hip, turn),
                _tail(draws, kind, hip))


# ---------------------------------------------------------------- coat


def _indicators(kind: Tensor) -> list[Tensor]:
    """For tabby, patches, bicolour, point in turn: [N, 1, 1], one where the coat is of that kind, else zero."""
    return [per_pixel((kind == value).float()) for value in (TABBY, PATCHES, BICOLOUR, POINT)]


def draw_coat(draws: Draws, frame: Frame, pose: Pose) -> Coat:
    """Fur colours and where the accent colour lies on torso and limbs."""
    kind = draws.choice("coat", [0.24, 0.26, 0.15, 0.2, 0.15])
    bright = draws.uniform("fur/bright", 0.88, 1.1)[:, None]
    base = (draws.pick("fur", FURS, [3, 3, 2, 2, 2, 2, 2, 1]) * bright).clamp(0, 1)
    light_fur = mix(draws.pick("fur/point", ((0.95, 0.90, 0.80), (0.88, 0.80, 0.68))), base, 0.1)
    base = torch.where((kind == POINT)[:, None], light_fur, base)
    accents = torch.stack([base * 0.9, base * 0.5 + 0.02, (draws.pick("fur/second", FURS) + base * 0.1).clamp(0, 1),
                           torch.full_like(base, 0.93), base * 0.28], 1)
    accent = accents[torch.arange(len(kind), device=kind.device), kind]
    tabby, patches, bicolour, point = _indicators(kind)
    low = ramp(frame.y, -draws.uniform("sock", 0.12, 0.3), -0.1)
    bars = ramp(stripes(frame.x + 0.5 * frame.y, draws.uniform("stripe/rate", 3.2, 4.6),
                        draws.uniform("stripe/phase", 0, 6.28)), 0.0, 0.6)
    spots = ramp(noise(frame, draws, "patch", 1.1), 0.05, 0.25)
    belly = ramp(frame.y, per_pixel(pose.hip.y) + 0.02, per_pixel(pose.hip.y) + 0.10)
    limbs = tabby * 0.5 * ramp(stripes(frame.y, 5.0, 0.0), 0.1, 0.7) + bicolour * low + point * (0.35 + 0.6 * low)
    return Coat(kind, base, accent, limbs + patches * spots, tabby * bars + patches * spots + bicolour * belly)


# ---------------------------------------------------------------- painting


def paint_room(canvas: Canvas, draws: Draws, floor: Tensor) -> None:
    """A wall with soft blobs, a floor whose far edge is the horizon, and perhaps a rug under the cat."""
    hue = draws.uniform("wall/hue")
    wall = hsv(hue, draws.uniform("wall/saturation", 0.12, 0.6), draws.uniform("wall/value", 0.45, 0.95))
    other = hsv(hue + draws.uniform("wall/shift", -0.2, 0.2), draws.uniform("wall/saturation2", 0.1, 0.6),
                draws.uniform("wall/value2", 0.4, 0.95))
    frame = canvas.frame
    canvas.fill(gradient(wall, other, 0.5 + 0.5 * noise(frame, draws, "wall", 0.35)))
    ground = hsv(draws.uniform("floor/hue"), draws.uniform("floor/saturation", 0.1, 0.55),
                 draws.uniform("floor/value", 0.35, 0.9))
    horizon = floor - draws.uniform("floor/depth", 0.15, 0.6)
    depth = ramp(frame.y, horizon, 1.0)
    canvas.paint(half_plane(frame, 0.0, -1.0, -horizon), gradient(ground * 0.82, ground, depth))
    rug = hsv(draws.uniform("rug/hue"), draws.uniform("rug/saturation", 0.2, 0.7), draws.uniform("rug/value", 0.4, 0.9))
    shape = ellipse(frame.at(draws.uniform("rug/x", -0.3, 0.3), floor), draws.uniform("rug/width", 0.7, 1.1), 0.17)
    canvas.paint(shape, rug, present=draws.flag("rug", 0.35))


def _paint_body(canvas: Canvas, frame: Frame, pose: Pose, coat: Coat, light: Light) -> None:
    """Far legs, tail, torso, near legs."""
    fur = blended(coat.base, coat.accent, coat.limbs.clamp(0, 1))
    far_back, near_back = (leg(frame, top, bend, foot, -0.08, 0.085) for top, bend, foot in pose.back)
    far_front, near_front = (leg(frame, top, bend, foot, -0.06, 0.08) for top, bend, foot in pose.front)
    canvas.paint(far_back, fur * 0.8, "b_leg", shading=inflated(far_back, 0.12, light))
    tail = limb(frame, pose.tail)
    tail_amount = torch.maximum(coat.limbs, per_pixel((coat.kind == POINT) * 0.85)).clamp(0, 1)
    canvas.paint(tail, blended(coat.base, coat.accent, tail_amount), "tail", shading=inflated(tail, 0.08, light))
    canvas.paint(far_front, fur * 0.8, "f_leg", shading=inflated(far_front, 0.1, light))
    torso = segment(frame, pose.chest, pose.hip)
    canvas.paint(torso, blended(coat.base, coat.accent, coat.torso), "torso", shading=inflated(torso, 0.28, light))
    canvas.paint(near_back, fur, "b_leg", shading=inflated(near_back, 0.13, light))
    canvas.paint(near_front, fur, "f_leg", shading=inflated(near_front, 0.1, light))


def _paint_neck(canvas: Canvas, draws: Draws, frame: Frame, pose: Pose, coat: Coat, light: Light) -> None:
    """The neck from chest to head, with a collar round it in some images."""
    chest, head = pose.chest, pose.head
    base = Joint(chest.x + 0.2 * (head.x - chest.x), chest.y - 0.05, 0.165)
    neck = segment(frame, base, Joint(head.x, head.y + 0.1, 0.15))
    canvas.paint(neck, blended(coat.base, coat.accent, coat.torso), "neck", shading=inflated(neck, 0.15, light) * 0.95)
    middle = frame.at(0.45 * base.x + 0.55 * head.x, base.y - 0.035, draws.uniform("collar/angle", -0.15, 0.15))
    band = intersect(neck, ring(half_plane(middle.bent(-0.8), 0.0, 1.0), 0.036))
    colour = hsv(draws.uniform("collar/hue"), 0.8, draws.uniform("collar/value", 0.5, 0.95))
    canvas.paint(band, colour, "neck", present=draws.flag("collar", 0.5))


def _head_amount(draws: Draws, face: Frame, coat: Coat, shift: Tensor) -> Tensor:
    """Amount [N, H, W] of the accent colour on the head: forehead bars, patches, a white blaze or a dark mask."""
    tabby, patches, bicolour, point = _indicators(coat.kind)
    x = face.x - per_pixel(shift)
    bars = ramp(torch.cos(x * 10.5), 0.1, 0.7) * ramp(face.y, -0.3, -0.5) * ramp(x.abs(), 0.85, 0.7)
    blaze = ramp(x.abs() - 0.45 * (face.y + 0.35), 0.16, 0.04)
    mask = ramp(torch.sqrt(x * x + (face.y - 0.2) ** 2), 0.95, 0.45)
    spots = ramp(noise(face, draws, "face/patch", 0.35), 0.05, 0.25)
    return (tabby * bars + patches * spots + bicolour * blaze + point * 0.85 * mask).clamp(0, 1)


def _paint_head(canvas: Canvas, draws: Draws, frame: Frame, pose: Pose, coat: Coat, light: Light) -> None:
    """Ears, skull and face, in units of the head's half width; the head turns (yaw), nods and tilts by itself."""
    head = frame.at(pose.head.x, pose.head.y, draws.uniform("head/tilt", -0.32, 0.32), pose.head.radius)
    yaw = draws.uniform("head/yaw", -0.35, 0.55)
    nod = draws.uniform("head/nod", -0.08, 0.12)
    ears = mix(coat.base, coat.accent, (coat.kind == POINT).float() * 0.9)
    for side in (-1.0, 1.0):
        _paint_ear(canvas, draws, head, side, yaw, ears, light)
    cheeks = ellipse(head.at(-0.1 * torch.sin(yaw), 0.26), draws.uniform("cheeks", 0.78, 1.02), 0.52)
    skull = blend(ellipse(head, 0.98, 0.84), cheeks, 0.3, head)
    shift = -torch.sin(yaw)
    fur = blended(coat.base, coat.accent, _head_amount(draws, head, coat, 0.9 * shift))
    canvas.paint(skull, fur, "head", shading=inflated(skull, 0.24, light))
    face = head.at(0.0, nod)
    _paint_muzzle(canvas, draws, face, shift, coat, light)
    for side in (-1.0, 1.0):
        _paint_eye(canvas, draws, face, side, yaw)


def _paint_ear(canvas: Canvas, draws: Draws, head: Frame, side: float, yaw: Tensor, fur: Tensor, light: Light) -> None:
    """A triangle with a pink inside; an ear that turns away gets narrower."""
    width = 0.36 * (1 + 0.35 * side * torch.sin(yaw))
    ear = head.at(side * 0.60 - 0.32 * torch.sin(yaw), -0.52, side * draws.uniform("ear/spread", 0.08, 0.45))
    height = draws.uniform("ear/height", 0.72, 1.0)
    outer = convex(ear, [(-width, 0.15), (0.0, -height), (width, 0.15)], 0.06)
    inner = convex(ear, [(-0.5 * width, 0.1), (0.0, 0.16 - height), (0.5 * width, 0.1)], 0.03)
    canvas.paint(outer, fur, "ear", shading=inflated(outer, 0.1, light))
    canvas.paint(inner, mix(fur, (0.92, 0.58, 0.56), 0.7), "ear")


def _paint_muzzle(canvas: Canvas, draws: Draws, face: Frame, shift: Tensor, coat: Coat, light: Light) -> None:
    """A pale muzzle (part of the head), the nose, and a mouth of two arcs."""
    x = 0.95 * shift
    muzzle = ellipse(face.at(x, 0.42), draws.uniform("muzzle/width", 0.36, 0.48), 0.29)
    pale = mix(coat.base, (0.98, 0.95, 0.9), draws.uniform("muzzle/pale", 0.25, 0.8))
    dark = (coat.kind == POINT).float()
    canvas.paint(muzzle, mix(pale, coat.accent, dark * 0.8), shading=inflated(muzzle, 0.1, light), softness=0.03)
    line = mix(coat.base * 0.25, (0.2, 0.1, 0.1), 0.5)
    for side in (-1.0, 1.0):
        canvas.paint(arc(face.at(x + side * 0.13, 0.42), 0.13, 1.3, 0.035), line, opacity=0.85)
    nose = convex(face.at(x, 0.27), [(-0.15, -0.08), (0.15, -0.08), (0.02, 0.1), (-0.02, 0.1)], 0.07)
    colour = draws.pick("nose", ((0.92, 0.50, 0.50), (0.85, 0.42, 0.45), (0.30, 0.18, 0.18), (0.75, 0.35, 0.30)))
    canvas.paint(nose, colour, "nose")


def _paint_eye(canvas: Canvas, draws: Draws, face: Frame, side: float, yaw: Tensor) -> None:
    """A coloured eye with a dark rim, an upright pupil and a glint; farther round the head it gets narrower."""
    bearing = side * draws.uniform("eye/apart", 0.44, 0.52) - yaw
    squash = torch.cos(bearing).clamp_min(0.62) ** 0.7
    eye = face.at(0.94 * torch.sin(bearing), -0.10, side * draws.uniform("eye/slant", -0.05, 0.25))
    rx, ry = draws.uniform("eye/width", 0.235, 0.29) * squash, draws.uniform("eye/open", 0.19, 0.29)
    shape = ellipse(eye, rx, ry)
    canvas.paint(shape, (0.12, 0.09, 0.09), "eye")
    canvas.paint(shape + 0.016, draws.pick("eye", EYES))
    gaze = draws.uniform("eye/gaze", -0.06, 0.06)
    canvas.paint(ellipse(eye.at(gaze, 0.0), draws.uniform("pupil", 0.06, 0.13) * squash, ry * 0.78), (0.05, 0.04, 0.05))
    canvas.paint(circle(eye.at(-0.07, -0.08), 0.055), (1.0, 1.0, 1.0))


def render(seeds: Tensor, size: int, device: torch.device) -> Rendered:
    """Draw cats; seeds int64 [N]. See `worlds.render`, which callers use."""
    draws = Draws(seeds.to(device))
    canvas = Canvas(draws.seeds, size, LABELS)
    light = draw_light(draws, 0.9)
    pose = draw_pose(draws)
    scale = draws.uniform("scale", 0.97, 1.1) * select(pose.kind, [1.02, 1.06, 1.2])
    # placed by the head, so that heads of all poses lie in one region: otherwise nothing overlaps between two images
    x = draws.uniform("x", -0.20, 0.02) - pose.head.x * scale
    floor = (draws.uniform("y", -0.24, -0.10) - pose.head.y * scale).clamp_max(0.93)
    paint_room(canvas, draws, floor)
    frame = canvas.frame.mirrored(draws.flag("mirror", 0.5)).at(x, floor, scale=scale)
    canvas.paint(ellipse(frame.at(0.0, -0.01), 0.62, 0.1), (0.1, 0.08, 0.1), opacity=0.4, softness=0.12)
    coat = draw_coat(draws, frame, pose)
    _paint_body(canvas, frame, pose, coat, light)
    _paint_neck(canvas, draws, frame, pose, coat, light)
    _paint_head(canvas, draws, frame, pose, coat, light)
    return canvas.finish()
