"""What can be measured at any place of a latent space: cliffs, holes, drift, realism, and all of them at one code.

from vae_core.evaluation.measures import Measures

measures = Measures.of(checkpoint.load(path), images=lambda count: None)
stretch, magnification = measures.cliffs(codes)

Every figure is for codes as they are asked for, so that a map of any plane is one call; what takes long to make ready
(draws of q(z), images to compare with) is made on first use and kept.
"""

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Generic, Literal, Self, TypeVar

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from vae_core.checkpoint import Checkpoint
from vae_core.errors import CodeError, ExplorerError, MeasureError
from vae_core.evaluation.realism import Gallery
from vae_core.latent.aggregate import Aggregate, Gaussian
from vae_core.latent.codes import ReferenceCodes
from vae_core.latent.metric import largest_stretch, magnification, pullback
from vae_core.models.inputs import model_input
from vae_core.models.rendering import CHUNK
from vae_core.models.tangents import tangents_of

Codes = Float32[np.ndarray, "n latent"]
Examples = Callable[[int], Tensor | None]
Against = Literal["images", "reconstructions"]

GALLERY_NUMBERS = (
    2**24
)  # pixels of all images that realism compares with (16 MiB of bytes, 64 of reconstructions)
KEPT_NUMBERS = 2**23  # pixels of the last decoded images (32 MiB)
MIN_GALLERY = 1000  # images, whatever their size
_NO_CODES = (
    "This model came without encoded data, so that nobody knows where they lie; "
    "open one that this program has trained."
)
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Trust:
    """How far a decoded image can be trusted at one code; NaN where a figure is not defined for the model.

    Args:
        percentile: share of the prior's mass that is closer to its centre, 0 to 1.
        stretch, magnification: as `Measures.cliffs` returns them, in all latent directions.
        ratio: data around the code for each that the prior promises.
        realism: as `Measures.realism` returns it.
        drift: |z' - z|, Euclidean, in latent units.
        index: which reference example's image is nearest; -1 if there is none.
        label: its class; -1 if there is none.
        against: what realism compares with, the data's own images or their reconstructions; None if with nothing.
        compared: how many of these there are.
    """

    percentile: float
    stretch: float
    magnification: float
    ratio: float
    realism: float
    drift: float
    index: int
    label: int
    against: Against | None
    compared: int


class Measures:
    """The measures of one model, on the CPU; any thread may ask.

    Prior: N(0, I) for a VAE. An autoencoder or PCA has none and is given the Gaussian with the mean and covariance of
    its encoded codes, the most favourable one.

    Codes are float32 arrays (n, latent). A figure that the model lacks raises `MeasureError`, codes of another width
    or with NaN or infinity raise `CodeError`.
    """

    def __init__(self, checkpoint: Checkpoint, images: Examples, seed: int) -> None:
        self._model, self._reference = checkpoint.model, checkpoint.reference
        self._has_prior = checkpoint.description.model.kind == "vae"
        self._images, self._seed = images, seed
        self._tangents = tangents_of(checkpoint.model)
        self._prior = _Once(self._make_prior)
        self._aggregate = _Once(self._make_aggregate)
        self._gallery = _Once(self._make_gallery)
        self._last: tuple[bytes, Tensor] | None = None  # codes and what they decode to; replaced as one

    @classmethod
    def of(cls, checkpoint: Checkpoint, images: Examples, seed: int = 0) -> Self:
        """Prepare nothing yet.

        Args:
            checkpoint: a model, and its reference codes if it has them.
            images: called once with a count, when realism is first asked for: the examples of so many of the first
                reference codes, in their order, (n, *data_shape), as a dataset or as `encode` takes them; None when
                the data are not at hand.
            seed: decides the draws of q(z|x).
        """
        return cls(checkpoint, images, seed)

    @property
    def lacks(self) -> dict[str, str]:
        """Say in a sentence for each measure (ratio, drift, realism) why this model has none."""
        found = {}
        if not hasattr(self._model, "encode"):
            found["drift"] = "This model has no encoder, so that no image has a way back to a code."
        if self._reference is None:
            no_codes = (
                "This model came without encoded data; encode a dataset with it to know where the data are."
            )
            found |= {"ratio": no_codes, "realism": no_codes}
        return found

    @property
    def against(self) -> Against:
        """What realism compares with: the reference examples, or their reconstructions where the data are not at hand."""
        return self._gallery().against

    def cliffs(
        self, codes: Codes, directions: Float32[np.ndarray, "k latent"] | None = None
    ) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Return the decoder's largest stretch and its magnification factor at each code (Bishop et al. 1997).

        With J the Jacobian of the decoded mean image, the stretch is its largest singular value (Euclidean change of
        the image for each unit of z) and the magnification sqrt(det J^T J). `directions` span a plane to stay within;
        they need not be orthonormal.
        """
        self._check(codes)
        plane = None if directions is None else self._orthonormal(directions)
        metric = pullback(self._mean, torch.from_numpy(codes), plane, self._tangents)
        return largest_stretch(metric).double().numpy(), magnification(metric).double().numpy()

    def ratio(self, codes: Codes) -> Float64[np.ndarray, " n"]:
        """Return the data ratio at each code: data around it for each that the prior promises (`Aggregate.ratio`)."""
        self._check(codes)
        return self._aggregate().ratio(codes)

    def drift(self, codes: Codes) -> Float32[np.ndarray, "n latent"]:
        """Return z' - z at each code z, with z' = E q(z|x = E p(x|z)): where its own image is encoded to."""
        self._check(codes)
        return self._drift(codes, self._decoded(codes))

    def realism(self, codes: Codes) -> tuple[Float64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """Return how far each decoded image is from the nearest encoded one, and which reference example that is.

        Euclidean distance over pixels, in units of the median distance of an encoded image to its nearest other one.
        `against` says what stands for the encoded images; of large ones the first so many as have 2**24 pixels (reference
        examples are in random order, so that these are a fair sample).
        """
        self._check(codes)
        return self._realism(self._decoded(codes))

    def trust(self, code: Float32[np.ndarray, "1 latent"]) -> Trust:
        """Return every figure at one code; what is not defined for the model is NaN."""
        self._check(code)
        decoded = self._decoded(code)
        stretch, area = self.cliffs(code)
        realism, index, compared = math.nan, -1, 0
        against: Against | None = None
        with suppress(MeasureError):
            ratios, indices = self._realism(decoded)
            realism, index = float(ratios[0]), int(indices[0])
            against, compared = self.against, len(self._gallery().gallery.images)
        return Trust(
            percentile=_or_nan(lambda: float(self._prior().percentile(code)[0])),
            stretch=float(stretch[0]),
            magnification=float(area[0]),
            ratio=_or_nan(lambda: float(self.ratio(code)[0])),
            realism=realism,
            drift=float(np.linalg.norm(self._drift(code, decoded))),
            index=index,
            label=self._label(index),
            against=against,
            compared=compared,
        )

    def example(self, index: int) -> Float32[Tensor, "1 *shape"]:
        """Return the image that realism compares with at a reference example: itself or its reconstruction."""
        image = self._gallery().gallery.images[index]
        return model_input(image).reshape(1, *self._model.data_shape)

    # --- made on first use ------------------------------------------------------------------------------------

    def _make_prior(self) -> Gaussian:
        if self._has_prior:
            return Gaussian.standard(self._model.latent_dim)
        return Gaussian.fitted(self._known().mean.numpy())

    def _make_aggregate(self) -> Aggregate:
        known = self._known()
        generator = torch.Generator().manual_seed(self._seed)
        return Aggregate.of(known.mean, known.log_variance, self._prior(), generator)

    def _make_gallery(self) -> "_Compared":
        known = self._known()
        count = max(MIN_GALLERY, GALLERY_NUMBERS // prod(self._model.data_shape))
        examples, generator = self._images(count), torch.Generator().manual_seed(self._seed)
        if examples is None:
            shown = self._decoded(known.mean[:count].numpy())
            return _Compared(Gallery.of(shown, generator), "reconstructions")
        return _Compared(Gallery.of(examples.flatten(1), generator), "images")

    def _known(self) -> ReferenceCodes:
        if self._reference is None:
            raise MeasureError(_NO_CODES)
        return self._reference

    # --- one step each ----------------------------------------------------------------------------------------

    def _mean(self, z: Float32[Tensor, "n latent"]) -> Float32[Tensor, "n *shape"]:
        return self._model.decode(z).mean

    def _decoded(self, codes: Codes) -> Float32[Tensor, "n pixels"]:
        """Decode codes; those of the last call are kept, because maps ask for drift and realism of the same places."""
        asked, last = codes.tobytes(), self._last
        if last is not None and last[0] == asked:
            return last[1]
        with torch.inference_mode():
            parts = [self._mean(part).flatten(1) for part in torch.from_numpy(codes).split(CHUNK)]
            found = torch.cat(parts)
        if found.numel() <= KEPT_NUMBERS:
            self._last = asked, found
        return found

    def _drift(self, codes: Codes, decoded: Float32[Tensor, "n pixels"]) -> Float32[np.ndarray, "n latent"]:
        with torch.inference_mode():
            shaped = decoded.unflatten(1, self._model.data_shape).split(CHUNK)
            back = torch.cat([self._model.encode(part).mean for part in shaped])
        moved: np.ndarray = back.numpy() - codes
        return moved

    def _realism(
        self, decoded: Float32[Tensor, "n pixels"]
    ) -> tuple[Float64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        gallery = self._gallery().gallery
        distances, indices = gallery.nearest(decoded)
        return distances.double().numpy() / gallery.unit, indices.numpy()

    def _label(self, index: int) -> int:
        if index < 0 or self._reference is None or self._reference.labels is None:
            return -1
        return int(self._reference.labels[index])

    def _check(self, codes: Codes) -> None:
        _check_width("codes", codes, self._model.latent_dim)

    def _orthonormal(self, directions: Float32[np.ndarray, "k latent"]) -> Float32[Tensor, "k latent"]:
        _check_width("directions", directions, self._model.latent_dim)
        columns, sizes = np.linalg.qr(directions.astype(np.float64).T)
        size = np.abs(np.diag(sizes))
        if len(directions) > self._model.latent_dim or size.min() <= 1e-6 * size.max():
            raise CodeError(
                f"The {len(directions)} directions do not span a plane: give directions that are not parallel."
            )
        return torch.from_numpy(columns.T.astype(np.float32))


@dataclass(frozen=True)
class _Compared:
    gallery: Gallery
    against: Against


class _Once(Generic[_Made]):
    """Makes something on the first call, in one thread, and keeps it, or the sentence why it cannot be made."""

    def __init__(self, make: Callable[[], _Made]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: _Made | None = None
        self._reason = ""

    def __call__(self) -> _Made:
        with self._lock:
            if self._made is None and not self._reason:
                try:
                    self._made = self._make()
                except ExplorerError as error:
                    self._reason = str(error)
            if self._made is None:
                raise MeasureError(self._reason)
            return self._made


def _or_nan(figure: Callable[[], float]) -> float:
    try:
        return figure()
    except MeasureError:
        return math.nan


def _check_width(name: str, codes: Codes, latent: int) -> None:
    if codes.ndim != 2 or codes.shape[1] != latent or not np.isfinite(codes).all():
        raise CodeError(
            f"{name} of shape {codes.shape} do not fit: this model takes rows of {latent} finite numbers each."
        )
