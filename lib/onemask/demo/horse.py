"""The horse world: horses from the side that stand, walk, trot or graze in the open, some saddled, some ridden.

Labels as in Table A1: background, leg, saddle, torso, tail, head, rider. Table A1 has no neck: neck and mane count as
torso; ears and forelock count as head, hooves as leg, cloth and girth as saddle. `rider` is also the world's rare mask:
the same pixels as in the label map, in about 30 % of the images. All of those and 25 % of the others carry a saddle.
The horse's frame has its origin on the ground below the body and looks towards -x.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    choose,
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
    select,
    union,
)
from onemask.demo.quadruped import Joint, blend, blended, curve, inflated, leg, limb, ramp, segment

LABELS = ("background", "leg", "saddle", "torso", "tail", "head", "rider")
# every `select(kind, [...])` lists its values for a horse that stands, walks or trots, grazes
POSE_WEIGHTS = (0.38, 0.4, 0.22)
WALK, GRAZE = 1, 2
HEAD_SCALE = 1.12
# coat, mane and tail, lower legs; the last row is the pinto's, whose second colour is white
COATS = ((0.52, 0.31, 0.17), (0.66, 0.37, 0.18), (0.22, 0.19, 0.20), (0.86, 0.84, 0.82), (0.82, 0.63, 0.34),
         (0.58, 0.57, 0.58), (0.40, 0.27, 0.20), (0.60, 0.36, 0.20))
MANES = ((0.13, 0.10, 0.10), (0.58, 0.30, 0.14), (0.12, 0.10, 0.12), (0.70, 0.68, 0.66), (0.95, 0.90, 0.78),
         (0.28, 0.28, 0.31), (0.80, 0.70, 0.55), (0.16, 0.12, 0.12))
SOCKS = ((0.15, 0.11, 0.11), (0.93, 0.91, 0.88), (0.20, 0.17, 0.18), (0.74, 0.72, 0.70), (0.94, 0.91, 0.86),
         (0.30, 0.30, 0.33), (0.38, 0.25, 0.18), (0.93, 0.92, 0.90))
PINTO = 7
SKINS = ((0.96, 0.80, 0.67), (0.82, 0.60, 0.44), (0.55, 0.36, 0.24))


@dataclass
class Pose:
    """The skeleton, every value [N] in the horse's frame; `ahead` is the direction of the face, radians below -x."""

    shoulder: Joint
    hip: Joint
    poll: Joint
    ahead: Tensor
    length: Tensor
    fore: list[tuple[Joint, Tensor, Joint]]
    hind: list[tuple[Joint, Tensor, Joint]]
    tail: list[Joint]


@dataclass
class Scene:
    """What every painting step needs; colours are [N, 3], `spots` the amount [N, H, W] of white, flags bool [N]."""

    canvas: Canvas
    draws: Draws
    frame: Frame
    pose: Pose
    coat: Tensor
    mane: Tensor
    sock: Tensor
    spots: Tensor
    light: Light
    ridden: Tensor
    saddled: Tensor


# ---------------------------------------------------------------- skeleton


def _pair(top: Joint, swing: Tensor, lift: Tensor, bend: float, width: Tensor) -> list[tuple[Joint, Tensor, Joint]]:
    """Far leg, then near leg, of one end of the horse: they swing against each other, the one in front lifts."""
    legs = []
    for side, depth in ((-1.0, -0.07), (1.0, 0.02)):
        raised = lift * (side * swing < 0)
        ground = -0.06 if side > 0 else -0.1
        foot = Joint(top.x + depth + side * swing, ground - 0.5 * raised, 0.8 * width)
        legs.append((Joint(top.x + depth, top.y, top.radius), bend * (0.35 + 3.5 * raised), foot))
    return legs


def _tail(draws: Draws, kind: Tensor, hip: Joint) -> list[Joint]:
    """Hanging from the croup, streaming out behind a trotting horse; thickest below the middle."""
    stream = draws.uniform("tail/stream", 0.10, 0.2) + select(kind, [0.0, 0.14, 0.0]) * draws.uniform("tail/speed")
    root = Joint(hip.x + 0.16, hip.y - 0.09, 0.05)
    tip = Joint(root.x + stream, root.y + draws.uniform("tail/length", 0.38, 0.56) - 0.4 * stream, 0.04)
    joints = curve(root, (root.x + 0.9 * stream + 0.06, root.y - 0.03), tip, 5)
    bulge = draws.uniform("tail/bulge", 0.025, 0.055)
    return [replace(joint, radius=joint.radius + bulge * (0.0, 0.3, 0.8, 1.1, 1.0, 0.3)[i])
            for i, joint in enumerate(joints)]


def _is_ridden(draws: Draws) -> Tensor:
    return draws.flag("rider", 0.30)


def draw_pose(draws: Draws) -> Pose:
    """Standing, walking to trotting, grazing; every angle and length is continuous within the family."""
    kind = draws.choice("pose", POSE_WEIGHTS)
    kind = torch.where((kind == GRAZE) & _is_ridden(draws), WALK, kind)  # a ridden horse holds its head up
    shorten = draws.uniform("turn", 0.84, 1.04)
    stout = draws.uniform("stout", 0.92, 1.1)
    tall = draws.uniform("tall", 0.94, 1.06)
    shoulder = Joint(-0.265 * shorten, -0.65 * tall, 0.21 * stout)
    hip = Joint(0.27 * shorten, -0.66 * tall, 0.215 * stout)
    rise = select(kind, [0.95, 0.80, -0.72]) + draws.uniform("neck/rise", -0.22, 0.22)
    neck = draws.uniform("neck/length", 0.45, 0.52)
    poll = Joint(shoulder.x - 0.06 - neck * torch.cos(rise), shoulder.y - 0.04 - neck * torch.sin(rise), 0.115)
    ahead = select(kind, [0.72, 0.62, 1.2]) + draws.uniform("face/angle", -0.22, 0.25)
    swing = select(kind, [0.05, 0.2, 0.09]) * draws.uniform("swing", -1.0, 1.0)
    lift = select(kind, [0.0, 0.24, 0.0]) * draws.uniform("lift")
    width = draws.uniform("leg/width", 0.056, 0.068)
    fore = _pair(Joint(shoulder.x - 0.01, shoulder.y + 0.12, 0.1), swing, lift, -0.06, width)
    hind = _pair(Joint(hip.x + 0.06, hip.y + 0.07, 0.145), -swing, lift, 0.1, width)
    face = draws.uniform("face/length", 0.27, 0.32)
    return Pose(shoulder, hip, poll, ahead, face, fore, hind, _tail(draws, kind, hip))


def _extent(pose: Pose) -> tuple[Tensor, Tensor]:
    """Where the horse begins (nose) and ends (tail) in x."""
    nose = pose.poll.x - HEAD_SCALE * pose.length * torch.cos(pose.ahead) - 0.09
    return nose, torch.maximum(pose.tail[-1].x, pose.tail[-2].x) + 0.06


# ---------------------------------------------------------------- landscape


def paint_land(canvas: Canvas, draws: Draws, ground: Tensor) -> None:
    """Sky with soft clouds, a line of hills, and grass, sand or snow down to the horse's feet."""
    frame = canvas.frame
    top = draws.pick("sky", ((0.35, 0.58, 0.90), (0.55, 0.72, 0.92), (0.60, 0.62, 0.68), (0.45, 0.40, 0.70),
                             (0.25, 0.45, 0.75)))
    low = draws.pick("sky/low", ((0.80, 0.90, 0.98), (0.95, 0.88, 0.75), (0.97, 0.75, 0.58), (0.78, 0.80, 0.86)))
    horizon = ground - draws.uniform("horizon", 0.3, 0.85)
    sky = gradient(top, low, ramp(frame.y, -1.0, horizon))
    cloud = 0.5 * ramp(noise(frame, draws, "cloud", 0.7), 0.2, 1.2) * per_pixel(draws.uniform("cloudy"))
    canvas.fill(torch.lerp(sky, torch.ones_like(sky), cloud[:, None]))
    rate, phase = per_pixel(draws.uniform("hills/rate", 1.5, 4.0)), per_pixel(draws.uniform("hills/at", 0, 6))
    height = 0.14 * per_pixel(draws.uniform("hills")) * (1 + torch.sin(frame.x * rate + phase))
    ridge = frame.y - per_pixel(horizon) + height
    hills = mix(hsv(draws.uniform("hills/hue", 0.25, 0.65), 0.4, draws.uniform("hills/value", 0.35, 0.65)), low, 0.35)
    canvas.paint(-ridge, hills)
    field = draws.pick("field", ((0.38, 0.60, 0.24), (0.48, 0.66, 0.30), (0.82, 0.70, 0.48), (0.66, 0.53, 0.36),
                                 (0.62, 0.66, 0.32), (0.88, 0.89, 0.92)), [3, 3, 2, 2, 2, 1])
    field = (field * draws.uniform("field/value", 0.8, 1.1)[:, None]).clamp(0, 1)
    waves = 0.07 * noise(frame, draws, "field", 0.8)
    depth = gradient(mix(field, low, 0.3), field * 0.85, ramp(frame.y, horizon, 1.0) + waves)
    canvas.paint(half_plane(frame, 0.0, -1.0, -horizon), depth)


# ---------------------------------------------------------------- horse


def _leg_colours(scene: Scene) -> Tensor:
    """Coat above, socks or dark points below, a hoof at the end: [N, 3, H, W]."""
    height = scene.draws.uniform("sock/height", 0.12, 0.34)
    amount = ramp(scene.frame.y, -height - 0.1, -height) * per_pixel(scene.draws.flag("socks", 0.75).float())
    colours = blended(scene.coat, scene.sock, amount)
    hoof = ramp(scene.frame.y, -0.085, -0.055)
    return torch.lerp(colours, colours.new_tensor((0.2, 0.17, 0.16))[None, :, None, None], hoof[:, None])


def _paint_legs(scene: Scene, near: bool, colours: Tensor) -> None:
    """Both legs of one side; the far ones lie in the shade of the body."""
    for legs, joint in ((scene.pose.hind, 0.07), (scene.pose.fore, 0.062)):
        top, bend, foot = legs[1 if near else 0]
        shape = leg(scene.frame, top, bend, foot, -0.05, joint)
        shading = inflated(shape, 0.1, scene.light)
        scene.canvas.paint(shape, colours, "leg", shading=shading if near else 0.72 * shading)


def _paint_torso(scene: Scene) -> Tensor:
    """Barrel and neck in one smooth shape, then the mane along the crest; returns the barrel's distance."""
    pose, frame, canvas, draws = scene.pose, scene.frame, scene.canvas, scene.draws
    tail = limb(frame, pose.tail)
    canvas.paint(tail, scene.mane, "tail", shading=inflated(tail, 0.08, scene.light))
    barrel = segment(frame.bent(draws.uniform("back", -0.12, 0.04)), pose.shoulder, pose.hip)
    base = Joint(pose.shoulder.x - 0.02, pose.shoulder.y - 0.02, 0.17)
    neck = segment(frame, base, replace(pose.poll, radius=0.1))
    body = blend(barrel, neck, 0.1, frame)
    canvas.paint(body, blended(scene.coat, scene.sock, scene.spots), "torso", shading=inflated(body, 0.27, scene.light))
    return barrel


def _paint_mane(scene: Scene) -> None:
    """A band along the upper side of the neck, hanging a little over it; part of the torso."""
    base, poll = scene.pose.shoulder, scene.pose.poll
    dx, dy = poll.x - base.x, poll.y - base.y
    length = torch.sqrt(dx * dx + dy * dy)
    nx, ny = -dy / length, dx / length
    width = scene.draws.uniform("mane/width", 0.05, 0.085)
    start = Joint(base.x + 0.3 * dx + 0.15 * nx, base.y + 0.3 * dy + 0.15 * ny, 0.8 * width)
    middle = Joint(base.x + 0.65 * dx + 0.12 * nx, base.y + 0.65 * dy + 0.12 * ny, width)
    end = Joint(poll.x + 0.07 * nx, poll.y + 0.07 * ny, 0.8 * width)
    mane = limb(scene.frame, [start, middle, end])
    scene.canvas.paint(mane, scene.mane, "torso", shading=inflated(mane, 0.08, scene.light))


def _paint_head(scene: Scene) -> None:
    """Ears, a long face from poll to muzzle, forelock, eye, nostril, perhaps a blaze and a bridle."""
    pose, draws, canvas, light = scene.pose, scene.draws, scene.canvas, scene.light
    # local x runs from the poll to the muzzle, local y to the throat
    head = _face_frame(scene.frame, pose)
    length = pose.length
    for offset, tone in ((0.035, 0.8), (-0.015, 1.0)):
        ear = head.at(-0.03 + offset, -0.06, draws.uniform("ear/angle", -0.25, 0.35))
        shape = convex(ear, [(-0.035, 0.0), (-0.01, -0.14), (0.04, 0.0)], 0.02)
        canvas.paint(shape, scene.coat * tone, "head", shading=inflated(shape, 0.05, light))
    cheek = ellipse(head.at(0.03, 0.02), 0.135, 0.13)
    face = blend(cheek, segment(head, Joint(0.0, 0.0, 0.105), Joint(length, 0.03, 0.078)), 0.08, head)
    canvas.paint(face, scene.coat, "head", shading=inflated(face, 0.12, light))
    blaze = intersect(face + 0.012, capsule(head, 0.08, -0.1, length, -0.05, 0.035))
    canvas.paint(blaze, (0.95, 0.93, 0.9), present=draws.flag("blaze", 0.45))
    muzzle = intersect(face, circle(head.at(length + 0.02, 0.04), 0.09))
    canvas.paint(muzzle, mix(scene.coat * 0.45, (0.45, 0.36, 0.36), 0.35), opacity=0.8, softness=0.03)
    dyed = hsv(draws.uniform("bridle/hue"), 0.75, 0.6)
    strap = mix(dyed, (0.2, 0.12, 0.08), draws.flag("bridle/leather", 0.6).float())
    bridle = union(box(head.at(0.58 * length, 0.0), 0.016, 0.3), box(head.at(0.02, 0.06, 0.25), 0.016, 0.3))
    canvas.paint(intersect(face, bridle), strap, present=scene.saddled)
    canvas.paint(circle(head.at(0.105, -0.03), 0.036), (0.07, 0.05, 0.05))
    canvas.paint(circle(head.at(0.095, -0.042), 0.012), (1.0, 1.0, 1.0), opacity=0.8)
    canvas.paint(ellipse(head.at(length + 0.025, 0.005), 0.016, 0.012), (0.08, 0.05, 0.05))
    forelock = segment(head, Joint(-0.05, -0.075, 0.045), Joint(0.07, -0.085, 0.022))
    shading = inflated(forelock, 0.05, light)
    canvas.paint(forelock, scene.mane, "head", present=draws.flag("forelock", 0.7), shading=shading)


def _face_frame(frame: Frame, pose: Pose) -> Frame:
    """Origin at the poll, +x towards the muzzle and +y towards the throat."""
    turned = frame.at(pose.poll.x, pose.poll.y, -pose.ahead, HEAD_SCALE)
    return Frame(-turned.x, turned.y, turned.unit)


# ---------------------------------------------------------------- saddle and rider


def _seat(pose: Pose) -> tuple[Tensor, Tensor]:
    """The lowest point of the back, where the saddle lies."""
    front, rear = pose.shoulder, pose.hip
    return 0.5 * front.x + 0.38 * rear.x, 0.5 * (front.y + rear.y - front.radius - rear.radius)


def _dyed(draws: Draws, name: str) -> Tensor:
    """A colour [N, 3] of cloth: any hue, rather bright."""
    return hsv(draws.uniform(f"{name}/hue"), draws.uniform(f"{name}/saturation", 0.25, 0.9),
               draws.uniform(f"{name}/value", 0.45, 0.96))


def _paint_saddle(scene: Scene, barrel: Tensor) -> None:
    """Cloth and girth follow the barrel; the leather seat stands above the back."""
    draws, canvas, light, present = scene.draws, scene.canvas, scene.light, scene.saddled
    x, y = _seat(scene.pose)
    place = scene.frame.at(x, y)
    dyed = _dyed(draws, "cloth")
    girth = intersect(barrel, box(place.at(-0.08, 0.2), 0.035, 0.3))
    leather = draws.pick("leather", ((0.36, 0.20, 0.11), (0.20, 0.13, 0.10), (0.55, 0.32, 0.16)))
    canvas.paint(girth, leather * 0.8, "saddle", present=present)
    width, drop = draws.uniform("cloth/width", 0.17, 0.22), draws.uniform("cloth/drop", 0.13, 0.18)
    cloth = intersect(box(place.at(0.0, 0.1), width, drop, 0.06), barrel - 0.025)
    canvas.paint(cloth, dyed, "saddle", present=present, shading=inflated(barrel - 0.025, 0.25, light))
    flap = convex(place, [(-0.08, 0.02), (0.1, 0.02), (0.06, 0.15), (-0.06, 0.15)], 0.03)
    seat = union(limb(place, [Joint(-0.13, -0.045, 0.04), Joint(0.0, -0.005, 0.042), Joint(0.15, -0.05, 0.045)]), flap)
    canvas.paint(seat, leather, "saddle", present=present, shading=inflated(seat, 0.06, light))


def _paint_rider(scene: Scene) -> None:
    """Body, bent leg with a boot, arm to the reins, head with a helmet or hat; all of it `rider`."""
    draws, pose = scene.draws, scene.pose
    x, y = _seat(pose)
    lean = draws.uniform("rider/lean", -0.08, 0.3)
    tall = draws.uniform("rider/tall", 0.36, 0.44)
    rider = scene.frame.at(x + 0.02, y - 0.07, scale=draws.uniform("rider/size", 0.95, 1.12))
    shoulder = Joint(-tall * torch.sin(lean), -tall * torch.cos(lean) * 0.86, 0.095)
    shirt = _dyed(draws, "shirt")
    trousers = draws.pick("trousers", ((0.22, 0.28, 0.48), (0.92, 0.90, 0.86), (0.30, 0.28, 0.28), (0.62, 0.52, 0.38)))
    skin = draws.pick("skin", SKINS)
    knee = Joint(draws.uniform("knee", -0.2, -0.12), 0.15, 0.068)
    foot = Joint(draws.uniform("foot", -0.1, 0.0), 0.36, 0.055)
    _rider_part(scene, segment(rider, Joint(0.0, 0.0, 0.105), shoulder), shirt)
    _rider_part(scene, segment(rider, Joint(0.01, 0.0, 0.095), knee), trousers)
    boot = limb(rider, [knee, foot, Joint(foot.x - 0.08, foot.y + 0.015, 0.042)])
    _rider_part(scene, boot, draws.pick("boot", ((0.14, 0.10, 0.09), (0.34, 0.20, 0.12))))
    hand = (shoulder.x - 0.26, -0.1 + 0.1 * lean)
    elbow = (shoulder.x - 0.06, -0.12)
    _rider_part(scene, _arm(rider, shoulder, elbow, hand), shirt * 0.86)
    _rider_part(scene, circle(rider.at(*hand), 0.045), skin)
    _paint_rider_head(scene, rider.at(shoulder.x - 0.03 - 0.1 * torch.sin(lean), shoulder.y - 0.2), skin)


def _arm(frame: Frame, shoulder: Joint, elbow: tuple[Param, Param], hand: tuple[Param, Param]) -> Tensor:
    return limb(frame, [replace(shoulder, y=shoulder.y + 0.02, radius=0.06), Joint(*elbow, 0.05), Joint(*hand, 0.04)])


def _rider_part(scene: Scene, shape: Tensor, colour: Tensor) -> None:
    shading = inflated(shape, 0.08, scene.light)
    scene.canvas.paint(shape, colour, "rider", "rider", present=scene.ridden, shading=shading)


def _paint_rider_head(scene: Scene, place: Frame, skin: Tensor) -> None:
    """Neck, face looking ahead, and a helmet with a peak or a brimmed hat."""
    draws = scene.draws
    _rider_part(scene, capsule(place, 0.0, 0.0, 0.02, 0.12, 0.05), skin * 0.9)
    _rider_part(scene, ellipse(place, 0.1, 0.115), skin)
    cap = _dyed(draws, "cap") * draws.uniform("cap/dark", 0.4, 1.0)[:, None]
    dome = intersect(ellipse(place, 0.12, 0.13), half_plane(place, 0.12, 0.99, -0.02))
    helmet = union(dome, capsule(place, -0.15, -0.03, 0.0, -0.035, 0.024))
    hat = union(dome, capsule(place, -0.17, -0.035, 0.15, -0.035, 0.028))
    _rider_part(scene, choose(draws.flag("hat", 0.35), hat, helmet), cap)
    scene.canvas.paint(circle(place.at(-0.06, 0.015), 0.018), (0.1, 0.07, 0.06), present=scene.ridden)


# ---------------------------------------------------------------- the picture


def _make_scene(seeds: Tensor, size: int) -> Scene:
    """Draw pose, coat and place, and paint the landscape."""
    draws = Draws(seeds)
    canvas = Canvas(seeds, size, LABELS, ("rider",))
    pose = draw_pose(draws)
    left, right = _extent(pose)
    scale = torch.minimum(draws.uniform("scale", 1.03, 1.16), 1.88 / (right - left))
    ground = (draws.uniform("y", 0.14, 0.24) + 0.62 * scale).clamp_max(0.96)
    paint_land(canvas, draws, ground)
    x = draws.uniform("x", -0.06, 0.06) - 0.38 * (left + right) * scale
    frame = canvas.frame.mirrored(draws.flag("mirror", 0.5)).at(x, ground, scale=scale)
    kind = draws.choice("coat", [3, 3, 2, 2, 2, 2, 1, 2])
    bright = draws.uniform("coat/bright", 0.85, 1.12)[:, None]
    coat, mane, sock = (torch.tensor(rows, device=seeds.device)[kind] for rows in (COATS, MANES, SOCKS))
    spots = ramp(noise(frame, draws, "pinto", 1.0), 0.0, 0.2) * per_pixel((kind == PINTO).float())
    ridden = _is_ridden(draws)
    return Scene(canvas, draws, frame, pose, (coat * bright).clamp(0, 1), mane, sock, spots, draw_light(draws, 0.9),
                 ridden, ridden | draws.flag("saddle", 0.25))


def render(seeds: Tensor, size: int, device: torch.device) -> Rendered:
    """Draw horses; seeds int64 [N]. See `worlds.render`, which callers use."""
    scene = _make_scene(seeds.to(device), size)
    scene.canvas.paint(ellipse(scene.frame.at(0.0, -0.03), 0.6, 0.08), (0.08, 0.08, 0.05), opacity=0.4, softness=0.12)
    colours = _leg_colours(scene)
    _paint_legs(scene, False, colours)
    barrel = _paint_torso(scene)
    _paint_mane(scene)
    _paint_legs(scene, True, colours)
    _paint_saddle(scene, barrel)
    _paint_head(scene)
    _paint_rider(scene)
    return scene.canvas.finish()
