"""The baggage world: X-ray scans of packed bags with prohibited items (labels of config/labels/baggage.yaml).

A bag lies flat under the beam. Coordinates are the canvas's, whose unit is about 25 cm; thicknesses along the beam are
in cm. Items are drawn in frames of their own: they point along y, and reach from -1 to 1 there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from onemask.demo.canvas import (
    Draws,
    Frame,
    Param,
    Rendered,
    arc,
    box,
    capsule,
    circle,
    convex,
    ellipse,
    half_plane,
    intersect,
    noise,
    ring,
    subtract,
    union,
)
from onemask.demo.xray import (
    ALUMINIUM,
    BOARD,
    BRASS,
    CARTON,
    CELL,
    COPPER,
    COUNTS,
    FABRIC,
    GLASS,
    LEAD,
    PLASTIC,
    STEEL,
    WATER,
    WOOD,
    Material,
    Scan,
)
from onemask.errors import OnemaskError

CONTENTS = ("background", "bag", "clothes", "box", "bottle", "electronics")
DEMO_ITEMS = ("hammer", "handcuffs", "pliers", "powerbank", "wrench")  # those of Table 6
EMPTY = 0.08  # share of bags without a prohibited item
LABELS = (*CONTENTS, *DEMO_ITEMS)
RARE = DEMO_ITEMS


@dataclass(frozen=True)
class Layer:
    """A part of an item: its distance, material, thickness in cm, a rod's radius in canvas units (None: a plate)."""

    distance: Tensor
    material: Material
    thickness: Param
    radius: Param | None = None


Item = list[Layer]


@dataclass(frozen=True)
class Packing:
    """How hard a bag is to read. Defaults are the easy bag: one large item near the middle, little else."""

    turn: float = 0.7  # of an item either way, in radians
    reach: float = 0.16  # of an item's centre from the middle, along x (three quarters of it along y)
    scale: tuple[float, float] = (0.46, 0.58)  # half an item's length
    second: float = 0.0  # share of the bags with an item that hold another one of another kind
    clutter: float = 1.0  # times the chance of each thing that one packs
    heaps: int = 2  # of clothes
    photons: int = COUNTS  # per pixel and energy without an object: fewer are noisier


PACKINGS = {
    "easy": Packing(),
    "full": Packing(turn=3.1, reach=0.3, scale=(0.36, 0.5), second=0.3, clutter=1.5, heaps=4, photons=COUNTS // 4),
}


def render(
    seeds: Tensor, size: int, device: torch.device, items: tuple[str, ...] = DEMO_ITEMS, packing: str = "easy"
) -> Rendered:
    """One batch of scans; each bag holds one of `items`, two (`packing`), or none. Labels: CONTENTS, then the items."""
    if packing not in PACKINGS:
        raise OnemaskError(f"packing {packing!r} is not one of {', '.join(PACKINGS)}")
    how = PACKINGS[packing]
    draws = Draws(seeds.to(device))
    scan = Scan(seeds.to(device), size, (*CONTENTS, *items), items, how.photons)
    inside = draw_bag(scan, draws)
    draw_clothes(scan, draws, inside, how)
    draw_box(scan, draws, inside, how)
    draw_clutter(scan, draws, inside, how)
    draw_bottle(scan, draws, inside, how)
    draw_electronics(scan, draws, inside, how)
    draw_items(scan, draws, items, how)
    return scan.finish()


# ---------------------------------------------------------------- the bag and what one packs


@dataclass
class Inside:
    """The bag's half sides [N] and its frame."""

    frame: Frame
    rx: Tensor
    ry: Tensor

    def spot(self, draws: Draws, name: str, reach: float = 0.75) -> tuple[Tensor, Tensor]:
        """A random place, within `reach` of the half sides."""
        x, y = (draws.uniform(f"{name}/{axis}", -reach, reach) for axis in "xy")
        return x * self.rx, y * self.ry


def draw_bag(scan: Scan, draws: Draws) -> Inside:
    """A case of plastic or fabric with a rim and two rods of its trolley."""
    rx, ry = draws.uniform("bag/rx", 0.76, 0.92), draws.uniform("bag/ry", 0.66, 0.88)
    frame = scan.frame.at(draws.uniform("bag/x", -0.05, 0.05), draws.uniform("bag/y", -0.05, 0.05))
    outline = box(frame, rx, ry, 0.14)
    scan.add(outline, PLASTIC, draws.uniform("bag/shell", 0.5, 0.9))
    scan.add(ring(outline + 0.03, 0.03), PLASTIC, draws.uniform("bag/rim", 1.6, 2.6))
    apart = draws.uniform("bag/rods", 0.3, 0.45) * rx
    for side in (-1, 1):
        rod = box(frame.at(side * apart, 0.0), 0.018, ry - 0.03)
        scan.add(rod, ALUMINIUM, draws.uniform("bag/rod", 0.25, 0.4))
    scan.mark(outline, "bag")
    return Inside(frame, rx, ry)


def draw_clothes(scan: Scan, draws: Draws, inside: Inside, how: Packing) -> None:
    """Folded heaps with soft outlines; their folds are thicker."""
    for heap in [f"clothes/{letter}" for letter in "abcdefgh"[: how.heaps]]:
        x, y = inside.spot(draws, heap, 0.5)
        frame = inside.frame.at(x, y, draws.uniform(f"{heap}/turn", -0.6, 0.6))
        folds = noise(frame, draws, heap, 1.6)
        shape = box(frame, draws.uniform(f"{heap}/w", 0.22, 0.42), draws.uniform(f"{heap}/h", 0.16, 0.34), 0.12)
        shape = intersect(shape + 0.05 * folds, box(inside.frame, inside.rx - 0.06, inside.ry - 0.06, 0.1))
        scan.add(shape, FABRIC, draws.uniform(f"{heap}/thick", 6, 11)[:, None, None] * (1 + 0.25 * folds))
        scan.mark(shape, "clothes")


def draw_box(scan: Scan, draws: Draws, inside: Inside, how: Packing) -> None:
    """A carton: dense walls seen edge on, and a light filling."""
    present = draws.flag("box", 0.5 * how.clutter)
    x, y = inside.spot(draws, "box", 0.55)
    frame = inside.frame.at(x, y, draws.uniform("box/turn", -0.5, 0.5))
    shape = box(frame, draws.uniform("box/w", 0.14, 0.26), draws.uniform("box/h", 0.12, 0.22), 0.02)
    scan.add(shape, CARTON, draws.uniform("box/filling", 1.5, 4.0), present=present)
    scan.add(ring(shape + 0.02, 0.02), CARTON, 4.0, present=present)
    scan.mark(shape, "box", present=present)


def draw_clutter(scan: Scan, draws: Draws, inside: Inside, how: Packing) -> None:
    """Small things that have no label of their own: a belt with its buckle, a cable, coins."""
    x, y = inside.spot(draws, "belt", 0.6)
    frame = inside.frame.at(x, y, draws.uniform("belt/turn", -3.1, 3.1))
    belt = draws.flag("belt", 0.4 * how.clutter)
    scan.add(ring(ellipse(frame, 0.26, 0.2), 0.022), PLASTIC, 1.6, present=belt)
    scan.add(ring(box(frame.at(0.26, 0.0), 0.05, 0.06, 0.01), 0.012), BRASS, 0.3, present=belt)
    x, y = inside.spot(draws, "cable", 0.6)
    frame = inside.frame.at(x, y, draws.uniform("cable/turn", -3.1, 3.1))
    scan.add(
        arc(frame, draws.uniform("cable/radius", 0.12, 0.22), draws.uniform("cable/sweep", 1.2, 2.8), 0.014),
        COPPER, 0.07, present=draws.flag("cable", 0.4 * how.clutter),
    )
    x, y = inside.spot(draws, "coins", 0.75)
    coins = draws.flag("coins", 0.35 * how.clutter)
    for number, (dx, dy) in enumerate([(0.0, 0.0), (0.07, 0.03), (0.02, 0.08)]):
        radius = draws.uniform(f"coins/{number}", 0.03, 0.042)
        scan.add(circle(inside.frame.at(x + dx, y + dy), radius), BRASS, 0.2, present=coins)


def draw_bottle(scan: Scan, draws: Draws, inside: Inside, how: Packing) -> None:
    """Lying, of plastic or glass, filled to its shoulders."""
    present, glass = draws.flag("bottle", 0.5 * how.clutter), draws.flag("bottle/glass", 0.3)
    x, y = inside.spot(draws, "bottle", 0.6)
    frame = inside.frame.at(x, y, draws.uniform("bottle/turn", -3.1, 3.1), draws.uniform("bottle/size", 0.24, 0.34))
    radius = draws.uniform("bottle/width", 0.3, 0.42)
    body, neck = capsule(frame, 0.0, -0.25, 0.0, 0.65, radius), capsule(frame, 0.0, -0.6, 0.0, -0.9, 0.13)
    shape = union(body, neck)
    scan.add(body, WATER, 22 * radius * frame_size(frame), radius * frame_size(frame), present)
    scan.add(shape, PLASTIC, 0.25, present=present & ~glass)
    scan.add(shape, GLASS, 0.5, present=present & glass)
    scan.add(box(frame.at(0.0, -0.97), 0.17, 0.1, 0.03), PLASTIC, 1.2, present=present)
    scan.mark(shape, "bottle", present=present)


def draw_electronics(scan: Scan, draws: Draws, inside: Inside, how: Packing) -> None:
    """A telephone or a drive: a case, a circuit board with chips, and wires."""
    present = draws.flag("electronics", 0.5 * how.clutter)
    x, y = inside.spot(draws, "electronics", 0.6)
    frame = inside.frame.at(x, y, draws.uniform("electronics/turn", -0.7, 0.7))
    w, h = draws.uniform("electronics/w", 0.13, 0.19), draws.uniform("electronics/h", 0.18, 0.26)
    case = box(frame, w, h, 0.03)
    scan.add(case, PLASTIC, 0.5, present=present)
    scan.add(box(frame, w * 0.86, h * 0.88), BOARD, draws.uniform("electronics/board", 0.25, 0.45), present=present)
    for number, (dx, dy) in enumerate([(-0.4, -0.5), (0.35, -0.2), (-0.2, 0.45)]):
        chip = box(frame.at(dx * w, dy * h), draws.uniform(f"electronics/chip{number}", 0.025, 0.055), 0.035)
        scan.add(chip, COPPER, 0.06, present=present)
    scan.add(arc(frame.at(0.3 * w, 0.35 * h), 0.07, 2.2, 0.01), COPPER, 0.15, present=present)
    scan.mark(case, "electronics", present=present)


# ---------------------------------------------------------------- prohibited items


def draw_items(scan: Scan, draws: Draws, items: tuple[str, ...], how: Packing) -> None:
    """An item or none, and where the packing has it so another one of another kind, which lies on the first."""
    nothing = len(items)
    kind = draws.choice("item", [*[(1 - EMPTY) / nothing] * nothing, EMPTY])
    draw_item(scan, draws, items, how, kind, "item")
    if how.second and nothing > 1:
        other = (kind + 1 + draws.choice("second", [1.0] * (nothing - 1))) % nothing
        both = (kind < nothing) & draws.flag("second/present", how.second)
        draw_item(scan, draws, items, how, torch.where(both, other, nothing), "second")


def draw_item(scan: Scan, draws: Draws, items: tuple[str, ...], how: Packing, kind: Tensor, place: str) -> None:
    """The item of number `kind` [N]; `place` names its draws."""
    x = draws.uniform(f"{place}/x", -how.reach, how.reach)
    y = draws.uniform(f"{place}/y", -0.75 * how.reach, 0.75 * how.reach)
    turn, scale = draws.uniform(f"{place}/turn", -how.turn, how.turn), draws.uniform(f"{place}/scale", *how.scale)
    frame = scan.frame.at(x, y, turn, scale).mirrored(draws.flag(f"{place}/mirrored", 0.5))
    for number, name in enumerate(items):
        present, layers = kind == number, SHAPES[name](frame, draws)
        for layer in layers:
            scan.add(layer.distance, layer.material, layer.thickness, layer.radius, present)
        scan.mark(union(*(layer.distance for layer in layers)), name, name, present)


def frame_size(frame: Frame) -> Param:
    """Canvas units per unit of a frame, per pixel's image: a radius in a frame times this is one in canvas units."""
    return frame.unit.flatten(1)[:, 0] if isinstance(frame.unit, Tensor) and frame.unit.dim() == 3 else frame.unit


def hammer(frame: Frame, draws: Draws) -> Item:
    """A head of steel with a claw, on a handle of wood."""
    handle = capsule(frame, 0.0, -0.6, 0.0, 0.92, 0.075, 0.095)
    head = box(frame.at(0.12, -0.78), 0.34, 0.13, 0.03)
    face = box(frame.at(0.46, -0.78), 0.07, 0.18, 0.03)
    claw = convex(frame, [(-0.2, -0.91), (-0.2, -0.65), (-0.62, -0.60), (-0.58, -0.70)])
    thick = draws.uniform("hammer/thick", 1.8, 2.6)
    return [Layer(handle, WOOD, 3.0, 0.09 * frame_size(frame)), Layer(union(head, face, claw), STEEL, thick)]


def handcuffs(frame: Frame, draws: Draws) -> Item:
    """Two rings, each with a lock, and a chain of two links between them."""
    radius, apart = draws.uniform("handcuffs/radius", 0.34, 0.38), draws.uniform("handcuffs/apart", 0.54, 0.6)
    bend, thick = draws.uniform("handcuffs/bend", -0.35, 0.35), draws.uniform("handcuffs/thick", 0.7, 1.1)
    size, metal = frame_size(frame), []
    for side in (-1, 1):
        cuff = frame.at(0.0, side * apart, bend * side)
        metal.append(ring(circle(cuff, radius), 0.065 * size))
        metal.append(box(cuff.at(0.0, -side * radius), 0.17, 0.1, 0.03))
    links = union(*(ring(ellipse(frame.at(0.0, y), 0.05, 0.1), 0.02 * size) for y in (-0.07, 0.07)))
    return [Layer(union(*metal), STEEL, thick), Layer(links, STEEL, 0.5)]


def pliers(frame: Frame, draws: Draws) -> Item:
    """Two halves that cross at a pivot: short jaws above, long handles with grips of plastic below."""
    spread, thick = draws.uniform("pliers/spread", 0.26, 0.44), draws.uniform("pliers/thick", 0.9, 1.4)
    halves, grips = [], []
    for side in (-1, 1):
        halves.append(capsule(frame, 0.0, -0.3, side * 0.1, -0.62, 0.12, 0.10))
        halves.append(capsule(frame, side * 0.1, -0.62, side * 0.05, -0.95, 0.10, 0.045))
        halves.append(capsule(frame, 0.0, -0.3, side * spread * 0.75, 0.15, 0.08, 0.065))
        halves.append(capsule(frame, side * spread * 0.75, 0.15, side * spread, 0.92, 0.055, 0.05))
        grips.append(capsule(frame, side * spread * 0.78, 0.25, side * spread, 0.93, 0.095, 0.085))
    slit = box(frame.at(0.0, -0.85), 0.02, 0.16)
    return [
        Layer(subtract(union(*halves, circle(frame.at(0.0, -0.3), 0.17)), slit), STEEL, thick),
        Layer(union(*grips), PLASTIC, 1.2),
    ]


def powerbank(frame: Frame, draws: Draws) -> Item:
    """A case with two or three cells side by side and a circuit board at its end."""
    w, three = draws.uniform("powerbank/w", 0.42, 0.52), draws.flag("powerbank/three", 0.5)
    case = box(frame, w, 0.8, 0.08)
    board = box(frame.at(0.0, -0.66), w * 0.85, 0.08)
    thick, size = draws.uniform("powerbank/cell", 1.6, 2.2), frame_size(frame)
    pitch = torch.where(three, w * 0.6, w * 0.46)
    radius = torch.where(three, w * 0.25, w * 0.4)
    cells = [box(frame.at(offset * pitch, 0.09), radius, 0.58, 0.04) for offset in (-1, 1)]
    middle = box(frame, torch.where(three, radius, -1.0), 0.58, 0.0)
    middle = torch.maximum(middle, half_plane(frame, 0.0, -1.0, 0.49))
    return [
        Layer(case, PLASTIC, 0.7),
        Layer(union(*cells, middle), CELL, thick, radius * size),
        Layer(board, BOARD, 0.6),
        Layer(box(frame.at(0.0, -0.76), w * 0.5, 0.05), STEEL, 0.25),
    ]


def wrench(frame: Frame, draws: Draws) -> Item:
    """A flat spanner: an open jaw above, a ring below."""
    jaw = frame.at(0.0, -0.72, draws.uniform("wrench/jaw", 0.15, 0.4))
    head = subtract(circle(jaw, 0.26), box(jaw.at(0.0, -0.2), 0.115, 0.22, 0.04))
    eye = subtract(circle(frame.at(0.0, 0.76), 0.22), circle(frame.at(0.0, 0.76), 0.115))
    shaft = capsule(frame, 0.0, -0.52, 0.0, 0.56, draws.uniform("wrench/shaft", 0.075, 0.1))
    return [Layer(union(head, eye, shaft), STEEL, draws.uniform("wrench/thick", 0.6, 1.0))]


def gun(frame: Frame, draws: Draws) -> Item:
    """A pistol: slide and barrel, a raked grip with its magazine, the trigger's guard."""
    slide = box(frame.at(0.0, -0.42), 0.85, 0.15, 0.03)
    grip = convex(frame, [(0.28, -0.3), (0.72, -0.3), (0.9, 0.72), (0.5, 0.76)], 0.03)
    guard = ring(ellipse(frame.at(0.1, -0.12), 0.18, 0.15), 0.03 * frame_size(frame))
    frame_part = box(frame.at(0.1, -0.24), 0.62, 0.1, 0.02)
    magazine = convex(frame, [(0.4, -0.2), (0.6, -0.2), (0.76, 0.66), (0.58, 0.68)])
    return [
        Layer(union(slide, frame_part), STEEL, draws.uniform("gun/slide", 1.4, 2.0)),
        Layer(grip, PLASTIC, 2.0),
        Layer(union(magazine, guard), STEEL, 0.6),
    ]


def knife(frame: Frame, draws: Draws) -> Item:
    """A blade that ends in a point, its guard, and a handle around the tang."""
    wide = draws.uniform("knife/wide", 0.1, 0.15)
    blade = convex(frame, [(-wide, 0.15), (-wide, -0.55), (wide * 0.6, -1.0), (wide, -0.6), (wide, 0.15)])
    handle = box(frame.at(0.0, 0.55), 0.12, 0.4, 0.07)
    tang = box(frame.at(0.0, 0.45), 0.06, 0.36)
    return [Layer(blade, STEEL, 0.3), Layer(handle, PLASTIC, 2.0), Layer(tang, STEEL, 0.35)]


def scissors(frame: Frame, draws: Draws) -> Item:
    """Two blades that cross, each with a ring for the fingers."""
    spread, size = draws.uniform("scissors/spread", 0.2, 0.3), frame_size(frame)
    blades, rings = [], []
    for side in (-1, 1):
        blades.append(capsule(frame, -side * spread * 0.7, 0.35, side * spread * 0.6, -0.95, 0.085, 0.02))
        rings.append(ring(ellipse(frame.at(-side * spread, 0.66), 0.17, 0.26), 0.05 * size))
    return [Layer(union(*blades), STEEL, 0.5), Layer(union(*rings), PLASTIC, 1.2)]


def baton(frame: Frame, draws: Draws) -> Item:
    """Telescopic: three tubes of steel, a grip of rubber, a tip."""
    size = frame_size(frame)
    tubes = [
        (capsule(frame, 0.0, 0.25, 0.0, 0.92, 0.095), 0.8),
        (capsule(frame, 0.0, -0.35, 0.0, 0.25, 0.065), 0.6),
        (capsule(frame, 0.0, -0.9, 0.0, -0.35, 0.045), 0.5),
    ]
    grip = capsule(frame, 0.0, 0.3, 0.0, 0.92, 0.12)
    return [
        *(Layer(tube, STEEL, thick) for tube, thick in tubes),
        Layer(grip, PLASTIC, 2.0),
        Layer(circle(frame.at(0.0, -0.92), 0.085), STEEL, 1.4, 0.08 * size),
    ]


def sprayer(frame: Frame, draws: Draws) -> Item:
    """A pressurised can with a dip tube and a spray head."""
    w, size = draws.uniform("sprayer/w", 0.26, 0.34), frame_size(frame)
    body = box(frame.at(0.0, 0.2), w, 0.72, 0.1)
    shell = ring(box(frame.at(0.0, 0.2), w - 0.02, 0.7, 0.1), 0.02 * size)
    neck = box(frame.at(0.0, -0.62), w * 0.45, 0.14, 0.04)
    return [
        Layer(body, WATER, 30 * w * size, w * size),
        Layer(body, ALUMINIUM, 0.08),
        Layer(shell, ALUMINIUM, 1.2),
        Layer(neck, PLASTIC, 1.6),
        Layer(box(frame.at(0.0, -0.82), 0.1, 0.08, 0.02), BRASS, 0.3),
    ]


def lighter(frame: Frame, draws: Draws) -> Item:
    """A tank of plastic with liquid, and a hood of steel with its wheel: small, as all lighters are."""
    small = frame.at(0.0, 0.0, scale=0.5)
    tank = box(small.at(0.0, 0.3), 0.32, 0.66, 0.1)
    hood = box(small.at(0.0, -0.55), 0.3, 0.2, 0.04)
    return [
        Layer(tank, PLASTIC, 2.0),
        Layer(hood, STEEL, 0.2),
        Layer(circle(small.at(0.14, -0.72), 0.13), STEEL, 0.5),
    ]


def bullet(frame: Frame, draws: Draws) -> Item:
    """A cartridge: a core of lead in a case of brass. Small and very dense."""
    small = frame.at(0.0, 0.0, scale=0.45)
    core = capsule(small, 0.0, -0.7, 0.0, -0.3, 0.12, 0.24)
    case = box(small.at(0.0, 0.3), 0.26, 0.6, 0.03)
    return [Layer(core, LEAD, 0.9), Layer(case, BRASS, 0.35), Layer(box(small.at(0.0, 0.86), 0.3, 0.06), BRASS, 0.5)]


SHAPES: dict[str, Callable[[Frame, Draws], Item]] = {
    "hammer": hammer,
    "handcuffs": handcuffs,
    "pliers": pliers,
    "powerbank": powerbank,
    "wrench": wrench,
    "gun": gun,
    "knife": knife,
    "scissors": scissors,
    "baton": baton,
    "sprayer": sprayer,
    "lighter": lighter,
    "bullet": bullet,
}
