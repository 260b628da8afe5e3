"""The face world: heads in varied pose with hair, glasses and clothes (labels of config/labels/face.yaml).

Head coordinates: origin at the middle of the face, one unit is half the height of the head, the chin is at y = 1.
Features sit on a cylinder of the head's width, so that turning the head (yaw) shifts and narrows them.
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
    box,
    capsule,
    choose,
    circle,
    convex,
    dome,
    draw_light,
    ellipse,
    gradient,
    hsv,
    intersect,
    mix,
    noise,
    per_pixel,
    ring,
    select,
    shade,
    smooth_union,
    stripes,
    subtract,
    union,
)

LABELS = ("background", "skin", "hair", "eyebrow", "nose", "eye", "mouth", "ear")
RARE = ("eye_g", "teeth", "cloth")

SKINS = [(0.98, 0.84, 0.74), (0.95, 0.77, 0.64), (0.89, 0.69, 0.54), (0.80, 0.59, 0.43), (0.70, 0.48, 0.33),
         (0.58, 0.38, 0.26), (0.46, 0.30, 0.21)]
HAIRS = [(0.10, 0.08, 0.09), (0.22, 0.14, 0.10), (0.36, 0.22, 0.13), (0.52, 0.30, 0.15), (0.62, 0.24, 0.12),
         (0.82, 0.42, 0.16), (0.90, 0.72, 0.36), (0.95, 0.86, 0.60), (0.62, 0.62, 0.64), (0.88, 0.88, 0.88)]
HAIR_WEIGHTS = [3, 3, 3, 2, 1.2, 1.2, 1.8, 1, 1, 0.8]
IRISES = [(0.25, 0.48, 0.78), (0.30, 0.56, 0.36), (0.40, 0.25, 0.12), (0.22, 0.14, 0.10), (0.46, 0.52, 0.58)]

# hair styles; the tables below give a measure per style, in this order
SHORT, BOB, LONG, CURLY, BALD, BUN = range(6)
STYLE_WEIGHTS = [3.6, 2, 2, 1.8, 0.7, 1.3]
SWELL = (0.09, 0.14, 0.13, 0.26, 0.0, 0.06)  # hair's thickness over the skull
REACH = (0.02, 0.62, 1.7, 0.34, 0.1, -0.05)  # how low the hair falls
CURTAIN = (0.02, 0.20, 0.18, 0.1, 0.02, 0.02)  # half width of the falling hair beyond the head's

# mouths
CLOSED, SMILE, TEETH, OPEN = range(4)
MOUTH_WEIGHTS = [0.28, 0.30, 0.36, 0.06]


@dataclass
class Face:
    """Everything that the painters share; tensors [N] unless said otherwise."""

    canvas: Canvas
    draws: Draws
    light: Light
    head: Frame  # head coordinates
    trunk: Frame  # as head, but upright, for neck and clothes
    width: Tensor  # half width of the skull
    yaw: Tensor
    nod: Tensor  # shift of the features by pitch
    skin: Tensor  # [N, 3]
    hair: Tensor  # [N, 3]
    style: Tensor
    skull: Tensor  # distance of the head's outline [N, H, W]
    glow: Tensor  # brightness of the head's surface [N, H, W]

    def place(self, longitude: float | Tensor) -> tuple[Tensor, Tensor]:
        """x of a feature at a longitude (radians from the face's midline), and how much it is narrowed by the turn."""
        turned = self.yaw + longitude
        narrowing = torch.cos(turned) / torch.cos(torch.as_tensor(longitude, dtype=torch.float32))
        return self.width * torch.sin(turned), narrowing.clamp(0.4, 1.0)


def _palette(draws: Draws, name: str, rows: list[tuple[float, float, float]], jitter: float,
             weights: list[float] | None = None) -> Tensor:
    """A palette colour [N, 3] moved towards another one and varied in brightness."""
    colour = mix(draws.pick(name, rows, weights), draws.pick(name + "/second", rows, weights),
                 draws.uniform(name + "/mix", 0, 0.35))
    return (colour * draws.uniform(name + "/gain", 1 - jitter, 1 + jitter)[:, None]).clamp(0, 1)


def _head_outline(head: Frame, draws: Draws, width: Tensor, yaw: Tensor) -> Tensor:
    """Skull and jaw: a narrow jaw gives a heart, a wide one a square, in between an oval."""
    jaw = width * draws.uniform("jaw", 0.56, 0.92)
    skull = ellipse(head.at(-0.04 * yaw, -0.2), width, 0.8)
    chin = box(head.at(0.12 * yaw, 0.5), jaw, 0.5, 0.85 * torch.minimum(jaw, torch.full_like(jaw, 0.5)))
    return smooth_union(skull, chin, 0.3 * head.unit)


def _make_face(seeds: Tensor, size: int) -> Face:
    canvas, draws = Canvas(seeds, size, LABELS, RARE), Draws(seeds)
    light = draw_light(draws)
    scale = draws.uniform("scale", 0.57, 0.66)
    x, y = draws.uniform("x", -0.045, 0.045), draws.uniform("y", -0.135, -0.045)
    roll, yaw = draws.normal("roll", 0, 0.07), draws.uniform("yaw", -0.3, 0.3)
    head, trunk = canvas.frame.at(x, y, roll, scale), canvas.frame.at(x, y, 0.25 * roll, scale)
    width = draws.uniform("width", 0.68, 0.84)
    dyed = hsv(draws.uniform("hair/hue"), 0.6, 0.75)
    hair = torch.where(draws.flag("hair/dyed", 0.05)[:, None], dyed, _palette(draws, "hair", HAIRS, 0.1, HAIR_WEIGHTS))
    return Face(
        canvas, draws, light, head, trunk, width, yaw, draws.uniform("pitch", -0.075, 0.075),
        _palette(draws, "skin", SKINS, 0.05), hair, draws.choice("style", STYLE_WEIGHTS),
        _head_outline(head, draws, width, yaw), dome(head, 1.08 * width, 1.15, light, 0.66, 0.42),
    )


def _paint_background(face: Face) -> None:
    """A gradient of two related colours with soft blobs of a third."""
    draws, canvas = face.draws, face.canvas
    hue = draws.uniform("back/hue")
    colours = [
        hsv(hue + draws.normal(f"back/shift{i}", 0, 0.09), draws.uniform(f"back/sat{i}", 0.15, 0.65),
            draws.uniform(f"back/value{i}", 0.4, 0.95)) for i in range(3)
    ]
    slope = canvas.frame.at(0.0, 0.0, draws.uniform("back/angle", 0, 6.28))
    canvas.fill(gradient(colours[0], colours[1], 0.5 + 0.5 * slope.y))
    for i in range(2):
        spot = canvas.frame.at(draws.uniform(f"blob/x{i}", -1, 1), draws.uniform(f"blob/y{i}", -1, 1))
        canvas.paint(circle(spot, draws.uniform(f"blob/r{i}", 0.2, 0.6)), colours[2], opacity=0.45, softness=0.5)


# ---------------------------------------------------------------- neck and clothes


def _paint_body(face: Face) -> None:
    draws, canvas, trunk = face.draws, face.canvas, face.trunk
    dressed = draws.flag("cloth", 0.8)
    shoulders = draws.uniform("shoulders", 1.25, 1.65)
    top = draws.uniform("shoulders/top", 1.16, 1.3)
    saturation, value = draws.uniform("cloth/sat", 0.1, 0.8), draws.uniform("cloth/value", 0.3, 0.95)
    cloth = hsv(draws.uniform("cloth/hue"), saturation, value)
    torso = union(ellipse(trunk.at(0.0, top + 0.8), shoulders, 0.8), box(trunk.at(0.0, top + 2.2), shoulders, 1.4))
    volume = dome(trunk.at(0.0, top + 1.0), 1.2 * shoulders, 1.4, face.light, 0.6, 0.5)
    bare = face.skin[:, :, None, None] * torch.ones_like(volume)[:, None]
    canvas.paint(torso, bare, "skin", present=~dressed, shading=volume)
    pattern = stripes(trunk.y, draws.uniform("cloth/rate", 0.9, 1.5), 0.0)
    striped = draws.flag("cloth/striped", 0.25).float() * 0.22
    canvas.paint(torso, cloth, "background", "cloth", dressed, volume * (1 - per_pixel(striped) * (pattern > 0)))
    _paint_neck(face, top, cloth, dressed)


def _paint_neck(face: Face, top: Tensor, cloth: Tensor, dressed: Tensor) -> None:
    """Neck with the chin's shadow, and one of four necklines: round, V, shirt collar, turtleneck."""
    draws, canvas, trunk = face.draws, face.canvas, face.trunk
    neckline = draws.choice("neckline", [1.3, 0.8, 0.7, 0.45])
    girth = face.width * draws.uniform("girth", 0.5, 0.66)
    neck = capsule(trunk, 0.0, 0.5, 0.0, top + 0.02, girth, 1.12 * girth)
    rolled = dressed & (neckline == 3)
    skin_below = smooth_union(neck, ellipse(trunk.at(0.0, top), 1.35 * girth, 0.2), 0.25 * trunk.unit)
    vee = convex(trunk, [(-1.1 * girth, top - 0.1), (1.1 * girth, top - 0.1), (0.0, top + 0.5)], 0.03)
    opening = choose(neckline == 1, union(neck, vee), choose(neckline >= 2, neck, skin_below))
    tube = shade((trunk.x / per_pixel(1.3 * girth)).clamp(-0.9, 0.9), 0 * trunk.x, face.light, 0.58, 0.42)
    canvas.paint(opening, face.skin, "skin", shading=tube)
    chin_shadow = ellipse(trunk.at(0.1 * face.yaw, 0.78), 0.9 * face.width, 0.42)
    canvas.paint(intersect(chin_shadow, opening), mix(face.skin, (0.1, 0.02, 0.05), 0.55), opacity=0.5, softness=0.12)
    roll_neck = box(trunk.at(0.0, top + 0.16), 1.18 * girth, 0.42, 0.12)
    canvas.paint(roll_neck, cloth * 0.94, "background", "cloth", rolled, tube)
    collar = mix(cloth, (1.0, 1.0, 1.0), 0.55)
    for side in (-1.0, 1.0):
        outer, inner = side * 1.35 * girth, side * 0.12 * girth
        corners = [(outer, top - 0.16), (inner, top + 0.3), (side * 0.8 * girth, top + 0.5), (1.15 * outer, top + 0.15)]
        flap = convex(trunk, corners if side < 0 else corners[::-1], 0.03)
        canvas.paint(flap, collar, "background", "cloth", dressed & (neckline == 2))


# ---------------------------------------------------------------- head


def _paint_ears(face: Face) -> None:
    """Both ears; the far one slides behind the head as the head turns, the near one comes onto it."""
    draws, canvas = face.draws, face.canvas
    rx, ry = draws.uniform("ear/rx", 0.14, 0.18), draws.uniform("ear/ry", 0.22, 0.29)
    for side in (-1.0, 1.0):
        away = side * face.yaw  # > 0: this side is the far one
        x = side * face.width * (1.02 - 0.75 * away.clamp_min(0) + 0.3 * away.clamp_max(0))
        ear = face.head.at(x, 0.1 + 0.5 * face.nod, 0.12 * side)
        near = away < -0.12
        outline = ellipse(ear, rx, ry)
        behind = subtract(outline, face.skull)
        outline = choose(near, outline, behind)
        canvas.paint(outline, face.skin * 0.95, "ear", shading=face.glow)
        canvas.paint(ellipse(ear.at(0.02 * side, 0.0), 0.5 * rx, 0.6 * ry), face.skin * 0.68, opacity=near * 0.4 + 0.4,
                     present=away < 0.1)


def _paint_skin(face: Face) -> None:
    """The face itself, warm cheeks, and for some a shaven beard's shadow."""
    draws, canvas, head = face.draws, face.canvas, face.head
    canvas.paint(face.skull, face.skin, "skin", shading=face.glow)
    blush = draws.uniform("blush", 0.1, 0.4)
    for side in (-1.0, 1.0):
        x, narrowing = face.place(0.62 * side)
        cheek = ellipse(head.at(x, 0.42 + face.nod), 0.2 * narrowing, 0.15)
        canvas.paint(intersect(cheek, face.skull), mix(face.skin, (0.9, 0.25, 0.2), 0.4), opacity=blush, softness=0.12)
    bearded = draws.flag("beard", 0.3) & (face.style != LONG) & (face.style != BOB) & (face.style != BUN)
    x, _ = face.place(0.0)
    shaven = ellipse(head.at(0.9 * x, 0.02 + face.nod), 0.82 * face.width, 0.44)
    lower = intersect(face.skull, -(head.y - 0.24) * head.unit)
    canvas.paint(subtract(lower, shaven), face.hair * 0.8, present=bearded,
                 opacity=draws.uniform("beard/strength", 0.3, 0.55), softness=0.08)


def _paint_nose(face: Face) -> None:
    draws, canvas = face.draws, face.canvas
    x, _ = face.place(0.0)
    tip, bridge = 1.16 * x, 0.95 * x
    low = 0.36 + draws.uniform("nose/length", -0.05, 0.06) + 1.15 * face.nod
    girth = draws.uniform("nose/girth", 0.12, 0.17)
    frame = face.head
    ridge = capsule(frame, bridge, 0.02 + face.nod, tip, low - 0.08, 0.06, 0.85 * girth)
    wings = ellipse(frame.at(tip, low - 0.06), 1.35 * girth, 0.11)
    nose = smooth_union(ridge, wings, 0.08 * frame.unit)
    across = ((frame.x - per_pixel(tip)) / per_pixel(1.5 * girth)).clamp(-1, 1)
    down = ((frame.y - per_pixel(low - 0.1)) / 0.2).clamp(-0.2, 1)
    relief = shade(0.7 * across, 0.6 * down, face.light, 0.5, 0.55)
    canvas.paint(nose, mix(face.skin, (0.85, 0.35, 0.28), 0.2), "nose", shading=relief)
    for side in (-1.0, 1.0):
        nostril = ellipse(frame.at(tip + side * 0.62 * girth, low), 0.05, 0.035)
        canvas.paint(nostril, face.skin * 0.35, opacity=0.8)


def _paint_mouth(face: Face) -> None:
    """Lips bent to a smile or a frown; open ones show teeth above the dark."""
    draws, canvas = face.draws, face.canvas
    kind = draws.choice("mouth", MOUTH_WEIGHTS)
    x, narrowing = face.place(0.0)
    half = draws.uniform("mouth/half", 0.25, 0.34) * select(kind, (0.92, 1.1, 1.15, 0.75)) * narrowing
    bend = draws.uniform("mouth/bend", -0.35, 0.35) + select(kind, (0.15, -0.75, -0.6, 0.1))
    frame = face.head.at(1.06 * x, 0.67 + 1.05 * face.nod).bent(bend)
    parted = kind >= TEETH
    height = select(kind, (0.095, 0.09, 0.18, 0.17)) * draws.uniform("mouth/height", 0.88, 1.12)
    redness = draws.uniform("mouth/red", 0.35, 0.8)
    lips = mix(face.skin * 0.85, hsv(draws.uniform("mouth/hue", 0.95, 1.02), 0.7, 0.75), redness)
    gloss = shade(0 * frame.x, (-frame.y / per_pixel(height)).clamp(-0.8, 0.8) * 0.7, face.light, 0.75, 0.3)
    outline = ellipse(frame, half, height)
    canvas.paint(outline, lips, "mouth", shading=gloss)
    inside = ellipse(frame, 0.82 * half, height - 0.055)
    canvas.paint(inside, (0.25, 0.05, 0.07), present=parted)
    upper = intersect(inside, (frame.y - per_pixel(0.35 * height)) * frame.unit)
    canvas.paint(upper, (0.97, 0.96, 0.93), "mouth", "teeth", kind == TEETH)
    canvas.paint(capsule(frame, -0.9 * half, 0.0, 0.9 * half, 0.0, 0.022), lips * 0.4, present=~parted, opacity=0.85)


def _paint_eyes(face: Face) -> None:
    draws, canvas = face.draws, face.canvas
    rx, ry = draws.uniform("eye/rx", 0.205, 0.25), draws.uniform("eye/ry", 0.105, 0.155)
    iris, gaze = _palette(draws, "iris", IRISES, 0.1), draws.normal("gaze", 0, 0.045)
    spread, tilt = draws.uniform("eye/spread", 0.44, 0.52), draws.normal("eye/tilt", 0, 0.07)
    lid = mix(face.skin * 0.45, face.hair * 0.4, 0.5)
    shadow = draws.uniform("eye/shadow", 0.1, 0.4)
    for side in (-1.0, 1.0):
        x, narrowing = face.place(spread * side)
        frame = face.head.at(x, 0.02 + face.nod, side * tilt)
        socket = ellipse(frame.at(0.0, -0.04), 1.3 * rx * narrowing, 1.7 * ry)
        canvas.paint(socket, face.skin * 0.6, opacity=shadow, softness=0.08)
        canvas.paint(ellipse(frame.at(0.0, -0.02), rx * narrowing + 0.015, ry + 0.02), lid, "eye")
        white = ellipse(frame.at(0.0, 0.012), rx * narrowing, ry)
        canvas.paint(white, (0.96, 0.96, 0.96))
        ball = frame.at((gaze + 0.1 * face.yaw) * narrowing, 0.0)
        radius = (0.92 * ry).clamp_min(0.115)
        canvas.paint(intersect(ellipse(ball, radius * narrowing, radius), white), iris)
        canvas.paint(intersect(ellipse(ball, 0.5 * radius * narrowing, 0.5 * radius), white), (0.05, 0.04, 0.05))
        canvas.paint(circle(ball.at(-0.035, -0.04), 0.03), (1.0, 1.0, 1.0))


def _paint_brows(face: Face) -> None:
    draws, canvas = face.draws, face.canvas
    height, thickness = draws.uniform("brow/height", 0.27, 0.35), draws.uniform("brow/thickness", 0.055, 0.085)
    bend, tilt = draws.uniform("brow/bend", 0.2, 1.0), draws.normal("brow/tilt", 0, 0.12)
    colour = mix(face.hair * 0.75, face.skin * 0.45, 0.25)
    for side in (-1.0, 1.0):
        x, narrowing = face.place(0.49 * side)
        frame = face.head.at(x, 0.02 - height + 1.1 * face.nod, side * tilt).bent(bend)
        half = 0.22 * narrowing
        brow = capsule(frame, -side * half, 0.0, side * half, 0.0, thickness, 0.6 * thickness)
        canvas.paint(brow, colour, "eyebrow")


def _paint_glasses(face: Face) -> None:
    """Frames and lightly tinted lenses; the label map keeps what is below."""
    draws, canvas = face.draws, face.canvas
    present, square = draws.flag("glasses", 0.25), draws.flag("glasses/square", 0.5)
    colour = hsv(draws.uniform("glasses/hue"), 0.7, draws.uniform("glasses/value", 0.05, 0.5))
    tint, half = draws.uniform("glasses/tint", 0.1, 0.3), draws.uniform("glasses/half", 0.29, 0.33)
    thickness = draws.uniform("glasses/thickness", 0.036, 0.05)
    frame = face.head.at(0.0, 0.04 + face.nod)
    reach = []
    for side in (-1.0, 1.0):
        x, narrowing = face.place(0.48 * side)
        lens = frame.at(1.04 * x, 0.0)
        rim = choose(square, box(lens, half * narrowing, 0.23, 0.08), ellipse(lens, half * narrowing, 0.27))
        canvas.paint(rim, (0.75, 0.85, 0.95), None, "eye_g", present, opacity=tint)
        canvas.paint(ring(rim, thickness * face.head.unit[:, 0, 0]), colour, None, "eye_g", present)
        reach.append((1.04 * x, half * narrowing))
        temple = capsule(frame, 1.04 * x + side * half * narrowing, -0.06, side * face.width * 0.99, -0.03, thickness)
        canvas.paint(intersect(temple, face.skull), colour, None, "eye_g", present & (side * face.yaw < 0.35))
    (left, left_half), (right, right_half) = reach
    bridge = capsule(frame, left + left_half, -0.05, right - right_half, -0.05, thickness)
    canvas.paint(bridge, colour, None, "eye_g", present)


# ---------------------------------------------------------------- hair


def _strands(face: Face) -> Tensor:
    """Brightness of hair: the head's volume, a few soft strands and a band of gloss; curls are blotchy instead."""
    draws, head = face.draws, face.head
    fall = head.x * (1.15 - 0.3 * head.y.clamp(-1, 1))
    straight = stripes(fall, draws.uniform("strand/rate", 1.7, 2.6), draws.uniform("strand/phase", 0, 6.28), 1.0)
    curls = noise(head, draws, "curl", 1.9)
    texture = choose(face.style == CURLY, curls, straight)
    gloss = torch.exp(-((head.y + 0.72 + 0.25 * head.x * head.x) / 0.16) ** 2)
    volume = dome(head.at(0.0, 0.1), 1.25 * face.width, 1.5, face.light, 0.62, 0.5)
    return volume * (1 + 0.1 * texture) + per_pixel(draws.uniform("gloss", 0.05, 0.3)) * gloss


def _paint_back_hair(face: Face, shading: Tensor) -> None:
    """What is seen behind neck and ears: falling hair, a bun, the far side of curls."""
    canvas, draws, head = face.canvas, face.draws, face.head
    reach = select(face.style, REACH) * draws.uniform("hair/reach", 0.85, 1.1)
    falling = (face.style == BOB) | (face.style == LONG)
    half = face.width + select(face.style, CURTAIN) * draws.uniform("hair/curtain", 0.7, 1.3)
    back = box(head.at(-0.08 * face.yaw, 0.5 * (reach - 0.5)), half, 0.5 * (reach + 0.5), 0.3)
    canvas.paint(back, face.hair * 0.62, "hair", present=falling, shading=shading)
    knot = head.at(draws.uniform("bun/x", -0.25, 0.25) - 0.4 * face.yaw, -1.12)
    canvas.paint(circle(knot, draws.uniform("bun/r", 0.24, 0.34)), face.hair * 0.92, "hair", present=face.style == BUN,
                 shading=dome(knot, 0.34, 0.34, face.light, 0.7, 0.45))


def _hair_outline(face: Face) -> Tensor:
    """The outer border of the hair on top and at the sides."""
    draws, head = face.draws, face.head
    swell = select(face.style, SWELL) * draws.uniform("hair/swell", 0.7, 1.3)
    cap = ellipse(head.at(-0.1 * face.yaw, -0.22), face.width + swell, 0.8 + swell)
    angle = torch.atan2(head.y + 0.2, head.x)
    lobes = torch.sin(angle * 11 + per_pixel(draws.uniform("curl/phase", 0, 6.28)))
    return cap - per_pixel((face.style == CURLY) * 0.05) * lobes * head.unit


def _paint_front_hair(face: Face, shading: Tensor) -> None:
    """Cap and curtains around the face's opening; the hairline is a fringe, a parting or a high forehead."""
    draws, canvas, head = face.draws, face.canvas, face.head
    reach = select(face.style, REACH) * draws.uniform("hair/reach", 0.85, 1.1)
    falling = (face.style == BOB) | (face.style == LONG)
    outline = _hair_outline(face)
    half = face.width + select(face.style, CURTAIN) * draws.uniform("hair/curtain", 0.7, 1.3)
    curtain = box(head.at(-0.08 * face.yaw, 0.5 * (reach - 0.5)), half, 0.5 * (reach + 0.5), 0.3)
    outline = choose(falling, smooth_union(outline, curtain, 0.2 * head.unit), outline)
    fringe = draws.flag("fringe", 0.42) & (face.style != BALD) & (face.style != BUN)
    hairline = torch.where(fringe, draws.uniform("fringe/y", -0.46, -0.36), draws.uniform("hairline/y", -0.74, -0.56))
    hairline = torch.where(face.style == BALD, torch.full_like(hairline, -1.3), hairline) + 0.9 * face.nod
    x, _ = face.place(0.0)
    parting = head.at(0.55 * x, hairline, draws.normal("parting", 0, 0.14)).bent(
        torch.where(fringe, draws.uniform("fringe/bend", 0.0, 0.3), draws.uniform("hairline/bend", 0.35, 0.9)))
    below = -parting.y * head.unit
    sides = face.width * torch.where(falling, draws.uniform("opening", 0.72, 0.88), draws.uniform("sides", 0.9, 0.97))
    opening = intersect(below, (((head.x - per_pixel(0.5 * x)).abs() - per_pixel(sides)) * head.unit))
    # the hair opens on the face and, if it falls, below it; elsewhere a lock would hang in the air beside a turned head
    beneath = (per_pixel(torch.where(falling, 0.45, 9.0)) - head.y) * head.unit
    opening = intersect(opening, union(face.skull, beneath))
    hair = intersect(subtract(outline, opening), (head.y - per_pixel(reach)) * head.unit)
    canvas.paint(intersect(face.skull, hair - 0.07 * head.unit), face.skin * 0.5, opacity=0.35, softness=0.06)
    canvas.paint(hair, face.hair, "hair", present=face.style != BALD, shading=shading)


def render(seeds: Tensor, size: int, device: torch.device) -> Rendered:
    """Draw faces; seeds int64 [N]. See `worlds.render`, which callers use."""
    face = _make_face(seeds.to(device), size)
    shading = _strands(face)
    _paint_background(face)
    _paint_back_hair(face, shading)
    _paint_body(face)
    _paint_skin(face)
    _paint_ears(face)
    _paint_nose(face)
    _paint_mouth(face)
    _paint_eyes(face)
    _paint_brows(face)
    _paint_glasses(face)
    _paint_front_hair(face, shading)
    return face.canvas.finish()
