"""What a snapshot of a run looks like: the same items, the same draws from the prior and the same points
at every epoch, so that a viewer sees the latent space form.

A run's `film/` folder holds `items.safetensors` (what stays the same) and one `NNNN.safetensors` per snapshot, 0000
before training. They are plain tensors, which the browser reads as they are:

    items     originals (k, H, W, C) uint8; item_labels (k,) int64; labels (n,) int64; noise (m, D) float32
    snapshot  reconstructions (k, H, W, C) uint8; samples (m, H, W, C) uint8; points (n, 2) float32;
              explained () float32, the share of the codes' variance that the points show

Labels are -1 where there are none. With two latent dimensions `points` are the posterior means; with more,
their projection on the two principal directions of this snapshot's means, turned (orthogonal Procrustes,
Schönemann 1966) so that it follows the snapshot before; with one, the mean and its standard deviation.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from vae_core.data import Dataset
from vae_core.errors import TrainingError
from vae_core.latent.codes import ReferenceCodes
from vae_core.models import Model
from vae_core.models.inputs import model_input
from vae_core.models.rendering import pictures, render

ITEMS, SAMPLES, POINTS = 16, 16, 2000

Pictures = UInt8[Tensor, "n height width channels"]


@dataclass(frozen=True)
class Items:
    """What stays the same from snapshot to snapshot."""

    originals: Pictures
    item_labels: Int64[Tensor, " items"]  # -1: none
    labels: Int64[Tensor, " points"]
    noise: Float32[Tensor, "samples latent"]

    def to_bytes(self) -> bytes:
        return save_tensors(dict(vars(self)))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        return cls(**_tensors(Path(path)))


@dataclass(frozen=True)
class Frame:
    """What one snapshot looks like."""

    reconstructions: Pictures
    samples: Pictures
    points: Float32[Tensor, "points 2"]
    explained: Float32[Tensor, ""]

    def to_bytes(self) -> bytes:
        return save_tensors(dict(vars(self)))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        return cls(**_tensors(Path(path)))


class Camera:
    """Takes the pictures of a film: of examples in turn of every class, of draws from the prior, of the first codes."""

    def __init__(self, held_out: Dataset, latent_dim: int, seed: int = 0) -> None:
        noise = torch.randn(SAMPLES, latent_dim, generator=torch.Generator().manual_seed(seed))
        labels = torch.full((len(held_out),), -1) if held_out.labels is None else held_out.labels
        rows = one_of_each(labels, ITEMS)
        self._examples = held_out.examples[rows]
        originals = torch.from_numpy(pictures(self._examples))
        self.items = Items(originals, labels[rows], labels[:POINTS].clone(), noise)

    def shoot(self, model: Model, codes: ReferenceCodes, before: Float32[Tensor, "points 2"] | None) -> Frame:
        """Take the picture of a snapshot.

        Args:
            model: the snapshot's model, on the CPU.
            codes: posteriors of held-out examples; the first POINTS of them are shown.
            before: the points of the snapshot before, which these are turned to follow.
        """
        with torch.inference_mode():
            again = model.decode(model.encode(model_input(self._examples)).mean).mean
        points, explained = project(codes, before)
        samples = torch.from_numpy(render(model, self.items.noise.numpy()))
        return Frame(torch.from_numpy(pictures(again)), samples, points, explained)


def one_of_each(labels: Int64[Tensor, " n"], count: int) -> Int64[Tensor, " items"]:
    """Return the rows of up to `count` examples, classes in turn: the first of each, the second of each, ..."""
    turn = torch.zeros_like(labels)
    for label in labels.unique():
        mine = labels == label
        turn[mine] = torch.arange(int(mine.sum()))
    by_class = torch.argsort(labels, stable=True)
    return by_class[torch.argsort(turn[by_class], stable=True)][:count]


def project(
    codes: ReferenceCodes, before: Float32[Tensor, "points 2"] | None
) -> tuple[Float32[Tensor, "points 2"], Float32[Tensor, ""]]:
    """Return where the first POINTS codes are in the film's plane, and the share of variance that this shows."""
    mean = codes.mean[:POINTS]
    if mean.shape[1] == 2:
        return mean.clone(), torch.ones(())
    if mean.shape[1] == 1:
        std = (
            torch.zeros_like(mean) if codes.log_variance is None else (codes.log_variance[:POINTS] / 2).exp()
        )
        return torch.cat((mean, std), 1), torch.ones(())
    centred = mean - mean.mean(0)
    _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].T
    explained = singular[:2].square().sum() / singular.square().sum().clamp_min(1e-12)
    return (points if before is None else points @ rotation(points, before)), explained


def rotation(points: Float[Tensor, "n 2"], target: Float[Tensor, "n 2"]) -> Float[Tensor, "2 2"]:
    """Return the rotation or reflection R that brings points R closest to the target (Schönemann 1966)."""
    left, _, right = torch.linalg.svd(points.T @ target)
    turn: Tensor = left @ right
    return turn


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_tensors(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path.name} of {path.parent.parent.name} cannot be read ({error}).") from None
