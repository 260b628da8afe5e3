"""The car world: side to three-quarter views of five body types (labels of config/labels/car.yaml).

A car is a small solid seen in parallel projection. Car coordinates: X forward, Y up from the road, Z towards the side
that is seen; one unit is half the car's length. The viewer stands `turn` radians towards the front (positive: the front
face is seen) or the rear, and looks down by `tilt`. Outlines of flat faces are projected polygons; what lies on the
side (wheels, doors) is drawn in the side's own plane.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from onemask.demo.canvas import (
    Canvas,
    Draws,
    Frame,
    Light,
    Param,
    Rendered,
    box,
    capsule,
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
    union,
)

LABELS = ("background", "body", "door", "window", "windshield", "wheel", "lights")
RARE = ("plate",)

# body types; the tables below give a measure per type, in this order
SEDAN, HATCHBACK, SUV, PICKUP, VAN = range(5)
TYPE_WEIGHTS = [3, 3, 2.5, 1, 1]
COWL = (0.42, 0.46, 0.46, 0.42, 0.70)  # X of the windscreen's foot
ROOF_FRONT = (0.08, 0.12, 0.20, 0.14, 0.42)
ROOF_REAR = (-0.42, -0.62, -0.84, -0.20, -0.93)
REAR_FOOT = (-0.74, -0.94, -0.97, -0.30, -0.98)  # X of the rear window's foot
BELT = (0.56, 0.58, 0.66, 0.62, 0.66)  # height of the windows' lower edge
ROOF = (0.92, 0.94, 1.12, 1.06, 1.20)
NOSE = (0.46, 0.47, 0.56, 0.54, 0.54)  # height of the front face
TAIL = (0.52, 0.54, 0.62, 0.58, 0.64)  # height of the rear face
CLEARANCE = (0.13, 0.13, 0.19, 0.19, 0.15)
TYRE = (0.19, 0.19, 0.225, 0.225, 0.195)

PAINTS = [(0.78, 0.10, 0.10), (0.12, 0.27, 0.66), (0.90, 0.90, 0.91), (0.66, 0.68, 0.71), (0.16, 0.17, 0.20),
          (0.10, 0.42, 0.26), (0.95, 0.73, 0.12), (0.91, 0.42, 0.10), (0.25, 0.60, 0.78), (0.45, 0.12, 0.22),
          (0.80, 0.74, 0.60)]
PAINT_WEIGHTS = [2, 2, 1.6, 1.6, 1.1, 1, 1, 1, 1.2, 0.8, 0.8]
GLASS = (0.16, 0.22, 0.29)


@dataclass
class Car:
    """Everything that the painters share; tensors [N] unless said otherwise."""

    canvas: Canvas
    draws: Draws
    light: Light
    frame: Frame  # screen axes, car units, origin at the car's middle
    kind: Tensor
    turn: Tensor
    tilt: Tensor
    end: Tensor  # +1: the front face is seen, -1: the rear one
    paint: Tensor  # [N, 3]
    half_width: Tensor
    measures: dict[str, Tensor]
    plane: Frame = field(init=False)  # the near side's own plane
    profile: Tensor = field(init=False)  # distance of the side below the windows [N, H, W]

    def __post_init__(self) -> None:
        self.plane = self.side(self.half_width)
        self.profile = _profile(self.measures, self.plane)

    def project(self, x: Param, y: Param, z: Param) -> tuple[Tensor, Tensor]:
        """Screen position, in car units, of a point of the car."""
        sin, cos = torch.sin(self.turn), torch.cos(self.turn)
        across, depth = x * cos - z * sin, x * sin + z * cos
        return across, (0.5 - y) * torch.cos(self.tilt) + depth * torch.sin(self.tilt)

    def side(self, z: Param) -> Frame:
        """The plane of the side at Z = z: x = X, y = -Y."""
        sin, cos = torch.sin(self.turn), torch.cos(self.turn)
        along = (self.frame.x + per_pixel(z * sin)) / per_pixel(cos)
        depth = along * per_pixel(sin) + per_pixel(z * cos)
        down = (self.frame.y - depth * per_pixel(torch.sin(self.tilt))) / per_pixel(torch.cos(self.tilt))
        return Frame(along, down - 0.5, self.frame.unit)

    def face(self, corners: list[tuple[Param, Param, Param]], rounding: float = 0.0) -> tuple[Tensor, Tensor]:
        """Distance of a flat convex face, corners clockwise from outside, and whether it is turned to the viewer."""
        points = [self.project(*corner) for corner in corners]
        # swollen sides meet in spikes where a corner is acute: the bounding box cuts them
        (left, right), (high, low) = (torch.aminmax(torch.stack(axis), dim=0) for axis in zip(*points, strict=True))
        bounds = box(self.frame.at((left + right) / 2, (high + low) / 2), (right - left) / 2, (low - high) / 2)
        (x0, y0), (x1, y1), (x2, y2) = points[0], points[1], points[2]
        seen = (x1 - x0) * (y2 - y1) - (y1 - y0) * (x2 - x1) > 0.004
        shape = convex(self.frame, points, rounding)
        return intersect(shape, bounds - 0.5 * rounding * self.frame.unit), seen

    def end_face(self, left: Param, right: Param, low: Param, high: Param, rounding: float = 0.0) -> Tensor:
        """Rectangle on the visible front or rear; left, right in [-1, 1] across the screen."""
        x, z = 1.0 * self.end, -self.end * self.half_width
        corners = [(x, high, z * left), (x, high, z * right), (x, low, z * right), (x, low, z * left)]
        return self.face(corners, rounding)[0]


def _make_car(seeds: Tensor, size: int) -> Car:
    canvas, draws = Canvas(seeds, size, LABELS, RARE), Draws(seeds)
    kind = draws.choice("kind", TYPE_WEIGHTS)
    end = torch.where(draws.flag("end", 0.86), 1.0, -1.0)
    turn = end * draws.uniform("turn", 0.22, 0.74)
    frame = canvas.frame.at(draws.uniform("x", -0.035, 0.035), draws.uniform("y", 0.08, 0.16),
                            draws.normal("roll", 0, 0.02), draws.uniform("scale", 0.80, 0.86))
    tables = {"cowl": COWL, "roof_front": ROOF_FRONT, "roof_rear": ROOF_REAR, "rear_foot": REAR_FOOT, "belt": BELT,
              "roof": ROOF, "nose": NOSE, "tail": TAIL, "clearance": CLEARANCE, "tyre": TYRE}
    measures = {name: select(kind, table) for name, table in tables.items()}
    measures["roof"] = measures["roof"] + draws.uniform("roof", -0.04, 0.05)
    measures["cowl"] = measures["cowl"] + draws.uniform("cowl", -0.05, 0.05)
    measures["roof_front"] = measures["roof_front"] + draws.uniform("rake", -0.06, 0.06)
    measures["tyre"] = measures["tyre"] * draws.uniform("tyre", 0.95, 1.12)
    colour = draws.pick("paint", PAINTS, PAINT_WEIGHTS) * draws.uniform("paint/gain", 0.85, 1.08)[:, None]
    return Car(canvas, draws, draw_light(draws, 1.2), frame.mirrored(draws.flag("mirror", 0.3)), kind, turn,
               draws.uniform("tilt", 0.08, 0.24), end,
               mix(colour, draws.pick("paint/second", PAINTS), 0.08).clamp(0, 1),
               draws.uniform("half_width", 0.40, 0.46), measures)


def _paint_background(car: Car) -> None:
    """Sky, distant hills or roofs, verge and road, and the car's shadow on it."""
    draws, canvas = car.draws, car.canvas
    frame = canvas.frame
    hue = draws.uniform("sky/hue", 0.52, 0.64) + draws.flag("sky/dusk", 0.25) * draws.uniform("sky/shift", 0.3, 0.5)
    zenith = hsv(hue, draws.uniform("sky/sat", 0.2, 0.7), draws.uniform("sky/value", 0.6, 0.95))
    canvas.fill(gradient(zenith, mix(zenith, (1.0, 0.97, 0.92), 0.75), 0.75 + 0.75 * frame.y.expand(len(hue), -1, -1)))
    horizon = draws.uniform("horizon", -0.25, 0.12)
    town = hsv(draws.uniform("town/hue"), draws.uniform("town/sat", 0.1, 0.45), draws.uniform("town/value", 0.35, 0.75))
    waves = noise(frame.at(0.0, 0.0), draws, "skyline", 0.7) * 0.16
    rise = per_pixel(horizon - draws.uniform("skyline/height", 0.05, 0.4))
    canvas.paint(rise + waves - frame.y, town)
    ground = draws.pick("ground", [(0.42, 0.56, 0.28), (0.74, 0.66, 0.48), (0.60, 0.60, 0.60), (0.52, 0.47, 0.38)])
    canvas.paint(half_plane(frame, 0.0, -1.0, -horizon), ground * draws.uniform("ground/gain", 0.8, 1.15)[:, None])
    road = draws.uniform("road/grey", 0.28, 0.55)[:, None] * draws.pick("road", [(1.0, 1.0, 1.0), (1.0, 0.96, 0.9)])
    level = draws.uniform("road/level", 0.12, 0.36)
    canvas.paint(half_plane(frame, 0.0, -1.0, -level), road)
    canvas.paint(box(frame.at(0.0, level), 2.0, 0.02), (0.85, 0.84, 0.8), opacity=draws.uniform("kerb", 0.1, 0.7))
    _paint_shadow(car)


def _paint_shadow(car: Car) -> None:
    half, spread = car.half_width, 0.09
    corners = [(-1 - spread, 0.0, -half), (1 + spread, 0.0, -half), (1 + spread, 0.0, half), (-1 - spread, 0.0, half)]
    shape, _ = car.face(corners, 0.06)
    car.canvas.paint(shape, (0.04, 0.04, 0.06), opacity=0.6, softness=0.14)


# ---------------------------------------------------------------- body


def _brightness(car: Car) -> tuple[Tensor, Tensor, Tensor]:
    """Brightness factors [N] of the side, of the visible end and of the upper faces under the image's light."""
    sideways = car.light.x * torch.where(car.turn > 0, 1.0, -1.0)
    return 0.92 - 0.16 * sideways, 0.84 + 0.2 * sideways, 1.12 - 0.15 * car.light.y


def _paint_lower_body(car: Car) -> None:
    """Bonnet, boot or load bed, the visible end, and the side with its light shoulder and dark sill."""
    m, w, canvas = car.measures, 0.96 * car.half_width, car.canvas
    side, end, top = _brightness(car)
    upper = [("cowl", "belt", 0.97, "nose", 1.0), ("rear_foot", "belt", -0.98, "tail", -1.0)]
    for foot, high, tip, low, sign in upper:
        near_x, far_x = (m[foot], tip) if sign > 0 else (tip, m[foot])
        near_y, far_y = (m[high], m[low]) if sign > 0 else (m[low], m[high])
        deck, seen = car.face([(near_x, near_y, -w), (far_x, far_y, -w), (far_x, far_y, w), (near_x, near_y, w)], 0.03)
        colour = car.paint * top[:, None]
        if sign < 0:
            colour = torch.where((car.kind == PICKUP)[:, None], 0.35 * car.paint, colour)
        canvas.paint(deck, colour.clamp(0, 1), "body", present=seen)
    height = torch.where(car.end > 0, m["nose"], m["tail"])
    face = car.end_face(-0.9, 0.9, m["clearance"] + 0.06, height - 0.04, 0.055)
    canvas.paint(face, (car.paint * end[:, None]).clamp(0, 1), "body")
    plane = car.plane
    profile = car.profile
    level = ((-plane.y - per_pixel(m["clearance"])) / per_pixel(m["belt"] - m["clearance"])).clamp(0, 1)
    roundness = 0.62 + 0.52 * level - 0.25 * (level - 0.8).clamp_min(0)
    roundness = roundness - 0.14 * torch.exp(-(((level - 0.42) / 0.09) ** 2))  # the crease above the sill
    canvas.paint(profile, car.paint, "body", shading=roundness * per_pixel(side))


def _profile(m: dict[str, Tensor], plane: Frame) -> Tensor:
    """The side below the windows, in its own plane."""
    inset = 0.05
    return convex(plane, [
        (-1 + inset, -m["tail"] + inset), (m["rear_foot"] + inset, -m["belt"] + inset),
        (m["cowl"], -m["belt"] + inset), (0.98 - inset, -m["nose"] + inset),
        (1 - inset, -m["clearance"] - 0.07 - inset), (0.92, -m["clearance"] - inset),
        (-0.94, -m["clearance"] - inset), (-1 + inset, -m["clearance"] - 0.07 - inset)], inset)


def _paint_cabin(car: Car) -> None:
    """Roof, windscreen, rear window, then the near side with its windows."""
    m, canvas = car.measures, car.canvas
    side, end, top = _brightness(car)
    foot, brow = 0.93 * car.half_width, 0.76 * car.half_width
    front, rear = (m["cowl"], m["belt"], m["roof_front"]), (m["rear_foot"], m["belt"], m["roof_rear"])
    roof, seen = car.face([(m["roof_rear"], m["roof"], -brow), (m["roof_front"], m["roof"], -brow),
                           (m["roof_front"], m["roof"], brow), (m["roof_rear"], m["roof"], brow)], 0.03)
    canvas.paint(roof, (car.paint * top[:, None] * 1.05).clamp(0, 1), "body", present=seen)
    for (x, y, x_top), sign, label in ((front, 1.0, "windshield"), (rear, -1.0, "window")):
        for grow, low, high, what in ((1.0, 0.0, 1.0, "body"), (0.88, 0.1, 0.92, label)):
            z_low, z_high = sign * grow * (foot + (brow - foot) * low), sign * grow * (foot + (brow - foot) * high)
            x_low, x_high = x + (x_top - x) * low, x + (x_top - x) * high
            y_low, y_high = y + (m["roof"] - y) * low, y + (m["roof"] - y) * high
            pane, seen = car.face([(x_high, y_high, z_high), (x_high, y_high, -z_high),
                                   (x_low, y_low, -z_low), (x_low, y_low, z_low)], 0.03 if what == "body" else 0.0)
            if what == "body":
                canvas.paint(pane, (car.paint * end[:, None]).clamp(0, 1), "body", present=seen)
            else:
                _paint_glass(car, pane, what, seen, 1.25)
    _paint_side_windows(car, foot, brow, side)


def _paint_glass(car: Car, pane: Tensor, label: str, present: Tensor | None, gain: float) -> None:
    """Dark glass, paler towards its top, with one slanting reflection."""
    draws, canvas, frame = car.draws, car.canvas, car.frame
    height = ((frame.y + 0.5) / 0.45).clamp(0, 1)
    tone = frame.x.new_tensor(GLASS)[None].expand(len(car.turn), 3) * gain
    sky = mix(tone, (0.62, 0.76, 0.86), draws.uniform("glass/sky", 0.35, 0.8))
    canvas.paint(pane, gradient(sky, tone, height), label, present=present)
    streak = (frame.x + 0.6 * frame.y - per_pixel(draws.uniform("glass/streak", -0.6, 0.4))).abs() - 0.07
    canvas.paint(intersect(pane + 0.02, streak * frame.unit), (0.9, 0.95, 1.0), present=present,
                 opacity=draws.uniform("glass/shine", 0.15, 0.5))


def _paint_side_windows(car: Car, foot: Tensor, brow: Tensor, side: Tensor) -> None:
    m, canvas, draws = car.measures, car.canvas, car.draws

    def spot(along: Param, up: float) -> tuple[Tensor, Tensor, Tensor]:
        """A point of the cabin's side: along 0 rear to 1 front, up 0 belt to 1 roof."""
        low = m["rear_foot"] + (m["cowl"] - m["rear_foot"]) * along
        high = m["roof_rear"] + (m["roof_front"] - m["roof_rear"]) * along
        return low + (high - low) * up, m["belt"] + (m["roof"] - m["belt"]) * up, foot + (brow - foot) * up

    frame, _ = car.face([spot(0.0, 1.0), spot(1.0, 1.0), spot(1.0, -0.08), spot(0.0, -0.08)], 0.03)
    canvas.paint(frame, (car.paint * side[:, None] * 1.04).clamp(0, 1), "body")
    pillar = torch.where(car.kind == PICKUP, 0.06, draws.uniform("pillar", 0.44, 0.54))
    pillar = torch.where(car.kind == VAN, draws.uniform("pillar/van", 0.58, 0.66), pillar)
    for start, stop, shown in ((pillar + 0.03, 0.93, None), (0.08, pillar - 0.03, ~_panelled(car))):
        pane, _ = car.face([spot(start, 0.84), spot(stop, 0.84), spot(stop, 0.08), spot(start, 0.08)], 0.008)
        _paint_glass(car, pane, "window", shown, 1.0)


def _panelled(car: Car) -> Tensor:
    """bool [N]: no rear side window (pickups, and delivery vans)."""
    return (car.kind == PICKUP) | ((car.kind == VAN) & car.draws.flag("van/delivery", 0.6))


# ---------------------------------------------------------------- parts


def _paint_doors(car: Car) -> None:
    """One or two doors on the side, set off by a dark gap, each with a handle."""
    m, canvas, draws = car.measures, car.canvas, car.draws
    plane = car.plane
    profile = car.profile
    side, _, _ = _brightness(car)
    two = draws.flag("doors", 0.7) & (car.kind != PICKUP)
    middle = select(car.kind, (-0.06, -0.08, -0.06, -0.28, 0.10)) + draws.uniform("doors/middle", -0.03, 0.03)
    front, rear = select(car.kind, (0.38, 0.38, 0.38, 0.32, 0.60)), select(car.kind, (-0.5, -0.5, -0.55, -0.5, -0.5))
    low, high = m["clearance"] + 0.07, m["belt"] - 0.01
    tone = draws.uniform("doors/tone", 0.86, 1.0)
    level = ((-plane.y - per_pixel(low)) / per_pixel(high - low)).clamp(0, 1)
    shading = (0.68 + 0.5 * level - 0.1 * torch.exp(-((level - 0.35) / 0.1) ** 2)) * per_pixel(side * tone)
    for start, stop, shown in ((middle, front, None), (rear, middle - 0.015, two)):
        panel = box(plane.at(0.5 * (start + stop), -0.5 * (low + high)), 0.5 * (stop - start), 0.5 * (high - low), 0.05)
        panel = intersect(panel, profile)
        canvas.paint(panel, car.paint, "door", present=shown, shading=shading)
        canvas.paint(ring(panel, 0.012), car.paint * 0.25, present=shown, opacity=0.85)
        handle = box(plane.at(start + 0.09, -high + 0.09), 0.05, 0.014, 0.01)
        canvas.paint(handle, (0.85, 0.85, 0.87), present=shown, opacity=0.8)


def _paint_far_wheels(car: Car) -> None:
    plane, r = car.side(-0.8 * car.half_width), car.measures["tyre"]
    for x in (0.6, -0.6):
        car.canvas.paint(circle(plane.at(x, -r), r), (0.07, 0.07, 0.08), "wheel")


def _paint_wheels(car: Car) -> None:
    """Arches, tyres with some width, rims with spokes."""
    draws, canvas, r = car.draws, car.canvas, car.measures["tyre"]
    plane, inner = car.plane, car.side(0.72 * car.half_width)
    profile = car.profile
    rim = mix(draws.pick("rim", [(0.82, 0.83, 0.85), (0.62, 0.64, 0.67), (0.45, 0.46, 0.5)]), car.paint, 0.1)
    spokes, phase = 3.0 + draws.choice("spokes", [1, 1, 1]), draws.uniform("spin", 0, 6.28)
    size = draws.uniform("rim/size", 0.6, 0.72)
    for x in (0.6, -0.6):
        hub = plane.at(x, -r)
        canvas.paint(intersect(circle(hub, 1.2 * r), profile), (0.05, 0.05, 0.06), "body")
        canvas.paint(union(circle(inner.at(x, -r), r), circle(hub, r)), (0.1, 0.1, 0.11), "wheel")
        disc = circle(hub, size * r)
        canvas.paint(disc, rim * 0.62)
        star = torch.cos(torch.atan2(hub.y, hub.x) * per_pixel(spokes) + per_pixel(phase))
        canvas.paint(intersect(disc, -(star + 0.1) * 0.35 * per_pixel(r) * car.frame.unit), rim)
        canvas.paint(ring(disc, 0.012), rim)
        canvas.paint(circle(hub, 0.16 * r), (0.25, 0.25, 0.28))


def _paint_lights(car: Car) -> None:
    """Lamps at both ends of the side, a pair on the visible end, and what lies between them."""
    m, canvas, draws = car.measures, car.canvas, car.draws
    plane = car.plane
    profile = car.profile
    white = mix(draws.pick("lamp", [(1.0, 0.98, 0.88), (0.93, 0.97, 1.0)]), (1.0, 0.85, 0.5), 0.1)
    red = draws.pick("tail/colour", [(0.85, 0.08, 0.08), (0.95, 0.25, 0.12)])
    tall = (car.kind == VAN) | (car.kind == SUV)
    for sign, colour, height in ((1.0, white, m["nose"]), (-1.0, red, m["tail"])):
        rise = torch.where(tall, 0.11, 0.08) if sign < 0 else torch.full_like(height, 0.065)
        lamp = ellipse(plane.at(sign * 0.96, -height + 0.06 + rise), 0.13, rise)
        lamp = intersect(lamp, profile)
        canvas.paint(lamp, colour, "lights")
    seen_front = car.end > 0
    height = torch.where(seen_front, m["nose"], m["tail"])
    colour = torch.where(seen_front[:, None], white, red)
    shown = car.turn.abs() > 0.18
    drop = torch.where(seen_front, 0.13, torch.where(tall, 0.2, 0.15))
    _paint_grille(car, height, shown)
    for left, right in ((-0.98, -0.5), (0.5, 0.94)):
        lamp = car.end_face(left, right, height - 0.06 - drop, height - 0.06, 0.015)
        canvas.paint(lamp, colour, "lights", present=shown)
        glint = car.end_face(left + 0.12, right - 0.12, height - 0.03 - drop, height - 0.09)
        canvas.paint(glint, (1.0, 1.0, 1.0), present=shown, opacity=0.45)


def _paint_grille(car: Car, height: Tensor, shown: Tensor) -> None:
    """Grille and bumper of a front, bumper of a rear, and the number plate."""
    m, canvas, draws = car.measures, car.canvas, car.draws
    front = car.end > 0
    grille = car.end_face(-0.4, 0.4, height - 0.19, height - 0.07, 0.01)
    canvas.paint(grille, (0.09, 0.09, 0.1), present=shown & front)
    bumper = car.end_face(-0.95, 0.95, m["clearance"] + 0.03, m["clearance"] + 0.1, 0.03)
    canvas.paint(bumper, car.paint * draws.uniform("bumper", 0.25, 0.6)[:, None], present=shown)
    plated = shown & draws.flag("plate", 0.43)
    level = torch.where(front, m["clearance"] + 0.155, height - 0.27)
    plate = car.end_face(-0.42, 0.42, level - 0.06, level + 0.06, 0.015)
    canvas.paint(plate, draws.pick("plate/colour", [(0.97, 0.97, 0.95), (0.98, 0.86, 0.30)]), "body", "plate", plated)
    text = car.end_face(-0.26, 0.26, level - 0.012, level + 0.012)
    canvas.paint(text, (0.15, 0.15, 0.2), present=plated, opacity=0.6)


def _paint_trim(car: Car) -> None:
    """Wing mirror and the gleam along the shoulder."""
    m, canvas, draws = car.measures, car.canvas, car.draws
    plane = car.plane
    gleam = capsule(plane, -0.8, -m["tail"] + 0.07, 0.8, -m["nose"] + 0.03, 0.012)
    canvas.paint(intersect(gleam, car.profile), (1.0, 1.0, 1.0), opacity=draws.uniform("gleam", 0.2, 0.6),
                 softness=0.03)
    mirror = ellipse(plane.at(m["cowl"] - 0.1, -m["belt"] - 0.04), 0.055, 0.04)
    canvas.paint(mirror, car.paint * 0.8, "body")


def render(seeds: Tensor, size: int, device: torch.device) -> Rendered:
    """Draw cars; seeds int64 [N]. See `worlds.render`, which callers use."""
    car = _make_car(seeds.to(device), size)
    _paint_background(car)
    _paint_far_wheels(car)
    _paint_lower_body(car)
    _paint_cabin(car)
    _paint_doors(car)
    _paint_trim(car)
    _paint_lights(car)
    _paint_wheels(car)
    return car.canvas.finish()
