"""Altered views of images, which a network must know as the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Generator, Tensor

# Grey images are drawings, digits and garments: a mirrored or upturned one is another. So they are
# turned by 15 degrees at most, sheared, scaled and shifted by what a hand does.
_TURN, _SHEAR, _SHIFT = 0.26, 0.2, 0.12
_GREY_SCALE = (0.8, 1.2)
# Colour images are photos and tiles: cut to a part of the side, mirrored, and seen in other light,
# as SimCLR does (Chen et al. 2020, appendix A), without its blur, which 32 pixels do not bear.
_COLOUR_SCALE = (0.55, 1.0)
_LIGHT = 0.4
_GREYED = 0.2


def altered(images: Tensor, generator: Generator) -> Tensor:
    """Return a view of each image, float32 ``(n, C, H, W)`` between 0 and 1."""
    import torch

    n, channels = images.shape[:2]

    def uniform(low: float, high: float, *shape: int) -> Any:
        return low + (high - low) * torch.rand(shape or (n,), generator=generator)

    if channels == 1:
        scale, angle, shear = (
            uniform(*_GREY_SCALE),
            uniform(-_TURN, _TURN),
            uniform(-_SHEAR, _SHEAR),
        )
        shift = uniform(-2 * _SHIFT, 2 * _SHIFT, n, 2)
        across, down = scale, scale * uniform(0.9, 1.1)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        rows = [cosine * across, (shear - sine) * across, sine * down, cosine * down]
    else:
        scale = uniform(*_COLOUR_SCALE)
        mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
        shift = uniform(-1, 1, n, 2) * (1 - scale)[:, None]
        none = torch.zeros(n)
        rows = [scale * mirror, none, none, scale * uniform(0.85, 1.15)]
    moves = torch.stack([rows[0], rows[1], shift[:, 0], rows[2], rows[3], shift[:, 1]], 1)
    grid = torch.nn.functional.affine_grid(
        moves.reshape(n, 2, 3), list(images.shape), align_corners=False
    )
    edge = "zeros" if channels == 1 else "reflection"
    seen = torch.nn.functional.grid_sample(images, grid, padding_mode=edge, align_corners=False)
    if channels == 1:
        return seen * uniform(0.7, 1.3, n, 1, 1, 1)
    seen = seen * uniform(1 - _LIGHT, 1 + _LIGHT, n, channels, 1, 1)
    seen = seen + uniform(-_LIGHT / 2, _LIGHT / 2, n, 1, 1, 1)
    grey = seen.mean(1, keepdim=True).expand_as(seen)
    return torch.where(uniform(0, 1, n, 1, 1, 1) < _GREYED, grey, seen).clamp(0, 1)
