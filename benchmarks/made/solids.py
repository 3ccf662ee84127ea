"""Grey renderings of solids made of ellipsoids: turning objects, heads, hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True)
class Solid:
    """Ellipsoids in a frame of about −1 to 1.

    Parameters
    ----------
    centres : ndarray, shape (n, 3)
        x to the right, y down, z towards the viewer.
    radii : ndarray, shape (n, 3)
    axes : ndarray, shape (n, 3, 3)
        A rotation each; its columns are the axes that `radii` are of.
    albedo : ndarray, shape (n,)
        0..1.
    """

    centres: NDArray
    radii: NDArray
    axes: NDArray
    albedo: NDArray

    def turned(self, rotation: NDArray, scale: float = 1.0, shift: NDArray | None = None) -> Solid:
        """Rotate about the origin, scale, then shift."""
        centres = scale * self.centres @ rotation.T
        if shift is not None:
            centres = centres + shift
        return Solid(centres, scale * self.radii, rotation @ self.axes, self.albedo)


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> NDArray:
    """Rotate by `roll` in the picture, then `pitch` about x, then `yaw` about y (radians)."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def render(solid: Solid, side: int, light: NDArray, ambient: float = 0.25) -> NDArray:
    """Draw a solid in parallel projection with Lambert's shading.

    Returns
    -------
    ndarray, shape (side, side)
        0..1, −1 where there is only background.
    """
    grid = (np.arange(side) + 0.5) / side * 2.4 - 1.2
    x, y = np.meshgrid(grid, grid)
    depth = np.full((side, side), -np.inf)
    shade = np.full((side, side), -1.0)
    light = light / np.linalg.norm(light)
    for centre, radii, axes, albedo in zip(
        solid.centres, solid.radii, solid.axes, solid.albedo, strict=True
    ):
        form = axes @ np.diag(radii**-2.0) @ axes.T
        dx, dy = x - centre[0], y - centre[1]
        b = form[0, 2] * dx + form[1, 2] * dy
        c = form[0, 0] * dx**2 + 2 * form[0, 1] * dx * dy + form[1, 1] * dy**2 - 1
        root = b**2 - form[2, 2] * c
        hit = root > 0
        dz = (-b + np.sqrt(np.where(hit, root, 0))) / form[2, 2]
        nearer = hit & (centre[2] + dz > depth)
        normal = np.stack([dx, dy, dz], -1) @ form
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12
        lit = albedo * (ambient + (1 - ambient) * np.maximum(normal @ light, 0))
        depth[nearer] = (centre[2] + dz)[nearer]
        shade[nearer] = lit[nearer]
    return shade


def picture(
    shade: NDArray, background: float, noise: float, generator: np.random.Generator
) -> NDArray:
    """Turn a rendering (or shades 0..1) into an 8-bit picture."""
    full = np.where(shade < 0, background, shade) + noise * generator.normal(size=shade.shape)
    return np.asarray(np.clip(np.rint(255 * full), 0, 255), np.uint8)


def random_object(generator: np.random.Generator) -> Solid:
    """Draw an object of three to eight ellipsoids around an upright axis."""
    n = int(generator.integers(3, 9))
    centres = np.stack(
        [generator.normal(0, 0.3, n), generator.uniform(-0.6, 0.6, n), generator.normal(0, 0.3, n)],
        1,
    )
    radii = generator.uniform(0.1, 0.5, (n, 3))
    axes = np.stack([rotation(*generator.uniform(0, 2 * np.pi, 3)) for _ in range(n)])
    return Solid(centres, radii, axes, generator.uniform(0.25, 1.0, n))


def turning_objects(n_objects: int, views: int, side: int, seed: int) -> Labelled:
    """Draw objects that turn about their upright axis, a full circle in equal steps."""
    generator = np.random.default_rng([seed, 1])
    images = []
    for _ in range(n_objects):
        solid = random_object(generator)
        for view in range(views):
            turned = solid.turned(rotation(2 * np.pi * view / views))
            shade = render(turned, side, np.array([0.3, -0.5, 1.0]))
            images.append(picture(shade, 0.0, 0.01, generator))
    return np.stack(images), np.repeat(np.arange(n_objects), views)


# Of a head: (centre, radii, albedo) of skull, hair, eyes, nose, mouth, ears, neck.
_HEAD = (
    ((0, 0, 0), (0.62, 0.85, 0.7), 0.75),
    ((0, -0.45, -0.15), (0.66, 0.5, 0.68), 0.25),
    ((-0.24, -0.12, 0.58), (0.1, 0.055, 0.08), 0.1),
    ((0.24, -0.12, 0.58), (0.1, 0.055, 0.08), 0.1),
    ((0, 0.12, 0.66), (0.09, 0.2, 0.16), 0.75),
    ((0, 0.45, 0.55), (0.2, 0.05, 0.08), 0.35),
    ((-0.62, 0, 0), (0.08, 0.18, 0.12), 0.7),
    ((0.62, 0, 0), (0.08, 0.18, 0.12), 0.7),
    ((0, 0.95, -0.15), (0.32, 0.4, 0.3), 0.65),
    ((0, -0.24, 0.6), (0.38, 0.03, 0.06), 0.25),
)


def heads(n_people: int, each: int, side: int, seed: int) -> Labelled:
    """Draw heads: each person some pictures of different pose, light and expression."""
    generator = np.random.default_rng([seed, 2])
    centres = np.array([c for c, _, _ in _HEAD], float)
    radii = np.array([r for _, r, _ in _HEAD], float)
    albedo = np.array([a for *_, a in _HEAD], float)
    n = len(_HEAD)
    images = []
    for _ in range(n_people):
        place = centres + generator.normal(0, 0.04, (n, 3))
        size = radii * np.exp(generator.normal(0, 0.16, (n, 3)))
        tone = np.clip(albedo + generator.normal(0, 0.12, n), 0.05, 1)
        for _ in range(each):
            now, shape = place.copy(), size.copy()
            shape[5, 1] *= np.exp(generator.normal(0, 0.5))  # the mouth opens
            shape[2:4, 1] *= np.exp(generator.normal(0, 0.3))
            solid = Solid(now, shape, np.broadcast_to(np.eye(3), (n, 3, 3)), tone)
            pose = rotation(*generator.normal(0, (0.28, 0.1, 0.06)))
            solid = solid.turned(pose, 1 + 0.04 * generator.normal(), generator.normal(0, 0.04, 3))
            light = np.array([generator.normal(0, 0.35), -0.3 + 0.2 * generator.normal(), 1.0])
            shade = render(solid, side, light)
            images.append(picture(shade, generator.uniform(0.1, 0.25), 0.01, generator))
    return np.stack(images), np.repeat(np.arange(n_people), each)


# Which fingers are stretched, thumb first.
_SIGNS = (
    (0, 0, 0, 0, 0),
    (0, 1, 0, 0, 0),
    (0, 1, 1, 0, 0),
    (1, 1, 1, 0, 0),
    (0, 1, 1, 1, 1),
    (1, 1, 1, 1, 1),
    (1, 0, 0, 0, 1),
    (1, 0, 0, 0, 0),
    (0, 1, 0, 0, 1),
    (0, 1, 1, 1, 0),
)


def hands(each: int, side: int, seed: int) -> Labelled:
    """Draw ten signs of a hand, each by hands of different proportions, pose and light."""
    generator = np.random.default_rng([seed, 3])
    images = []
    for sign in _SIGNS:
        for _ in range(each):
            solid = _hand(sign, generator)
            pose = rotation(*generator.normal(0, (0.3, 0.2, 0.18)))
            solid = solid.turned(pose, 1 + 0.08 * generator.normal(), generator.normal(0, 0.08, 3))
            light = np.array([generator.normal(0, 0.5), -0.5 + 0.3 * generator.normal(), 1.0])
            shade = render(solid, side, light)
            images.append(picture(shade, generator.uniform(0.2, 0.6), 0.03, generator))
    return np.stack(images), np.repeat(np.arange(len(_SIGNS)), each)


def _hand(sign: tuple[int, ...], generator: np.random.Generator) -> Solid:
    """Build a hand with some fingers stretched, the others folded onto the palm."""
    tone = generator.uniform(0.5, 1.0)
    width = np.exp(generator.normal(0, 0.1))
    centres, radii, axes = (
        [np.array([0, 0.35, 0.0])],
        [np.array([0.33 * width, 0.4, 0.15])],
        [np.eye(3)],
    )
    for finger, stretched in enumerate(sign):
        base = np.array([(-0.3 + 0.17 * (finger - 0.5)) * width, 0.0, 0.05])
        angle = (finger - 2.5) * 0.14 + generator.normal(0, 0.05)
        length = (0.3, 0.38, 0.42, 0.38, 0.3)[finger] * np.exp(generator.normal(0, 0.07))
        if finger == 0:
            base, angle = np.array([-0.33 * width, 0.35, 0.05]), -0.9 + generator.normal(0, 0.12)
        if not stretched:
            length, base = 0.14, base + np.array([0.0, 0.12, 0.15])
            angle *= 0.5
        along = np.array([np.sin(angle), -np.cos(angle), 0.0])
        centres.append(base + length * along)
        radii.append(np.array([0.075 * width, length, 0.075]))
        axes.append(rotation(0, 0, angle))
    n = len(centres)
    return Solid(np.stack(centres), np.stack(radii), np.stack(axes), np.full(n, tone))
