"""One `.safetensors` file per model: weights, reference codes, and what is known about them as JSON.

A file holds the tensors `model.*` (the weights) and `reference.*` (the posteriors of a reference split,
never the dataset's images), and one metadata entry, `latent-space-explorer`, with everything else.
Loading executes nothing, allocates nothing before names and shapes are checked, and says what is wrong.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from vae_core.config import Config, DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.data import DataInfo
from vae_core.errors import CheckpointError, ConfigError
from vae_core.latent.codes import ReferenceCodes
from vae_core.models import Model, build

FORMAT = 1
KEY = "latent-space-explorer"
SUFFIX = ".safetensors"
FIGURES = frozenset(
    [
        "examples",
        "reconstruction",
        "squared_error",
        "active_units",
        "kl",
        "elbo",
        "continuity",
        "continuity_low",
        "continuity_high",
        "completeness",
        "completeness_low",
        "completeness_high",
        "hole_mass",
        "hole_mass_error",
        "precision",
        "recall",
        "density",
        "coverage",
    ]
)  # of an evaluation, all of them numbers
MAX_FILE_BYTES = 512 * 2**20
MAX_HEADER_BYTES = 2**20
T = TypeVar("T")

DTYPES = ("F32", "I64")


class Description(Config):
    """Everything in a checkpoint that is not a tensor; reading it needs no weights."""

    format: int = Field(ge=1, le=FORMAT)
    model: ModelConfig
    data: DataConfig
    info: DataInfo
    objective: ObjectiveConfig
    training: TrainingConfig
    epoch: int = Field(0, ge=0)
    versions: dict[str, str] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.info.data_shape != self.model.data_shape:
            raise ValueError(
                f"the data are {self.info.data_shape}, but the model takes {self.model.data_shape}"
            )
        if self.info.name != self.data.name:
            raise ValueError(f"data.name is {self.data.name!r}, but info.name is {self.info.name!r}")
        for name in ("columns", "centre", "scale"):
            if len(getattr(self.info, name)) not in (0, self.info.data_shape[0]):
                raise ValueError(f"info.{name} does not fit data of shape {self.info.data_shape}")
        if not 0 < self.info.extent <= 1:
            raise ValueError(f"info.extent is {self.info.extent}; it must be above 0 and at most 1")
        _check_figures(self.evaluation)
        return self


@dataclass(frozen=True)
class Checkpoint:
    """A model with its description and its reference codes. `id` is the hash of the file's bytes."""

    model: Model
    description: Description
    reference: ReferenceCodes | None = None
    id: str = field(default="", compare=False)


def describe_new(
    model: ModelConfig,
    data: DataConfig,
    info: DataInfo,
    objective: ObjectiveConfig,
    training: TrainingConfig,
    epoch: int = 0,
) -> Description:
    """Describe a model trained here and now, with the versions of the libraries that matter."""
    versions = {"torch": str(torch.__version__).split("+")[0]}
    return Description(
        format=FORMAT,
        model=model,
        data=data,
        info=info,
        objective=objective,
        training=training,
        epoch=epoch,
        versions=versions,
    )


def save(path: str | os.PathLike[str], checkpoint: Checkpoint) -> Checkpoint:
    """Write the checkpoint to `path` so that a reader sees the old file or the new one, never a part.

    Return the checkpoint with the id it got.
    """
    content = to_bytes(checkpoint)
    if len(content) > MAX_FILE_BYTES:
        raise CheckpointError(
            f"The checkpoint has {len(content):,} bytes; at most {MAX_FILE_BYTES:,} can be read back. "
            "Choose smaller values for hidden or latent_dim."
        )
    try:
        write_atomically(path, content)
    except OSError as error:
        raise CheckpointError(
            f"{os.fspath(path)} could not be written ({error.strerror}); choose a folder that exists and has room."
        ) from None
    return replace(checkpoint, id=content_id(content))


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint file. Whatever is wrong with it is one sentence in a `CheckpointError`."""
    path = Path(path)
    return from_bytes(_read(path), path.name)


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Serialise; equal checkpoints give equal bytes."""
    tensors = {f"model.{name}": tensor for name, tensor in checkpoint.model.state_dict().items()}
    if checkpoint.reference is not None:
        tensors |= {
            f"reference.{name}": tensor
            for name, tensor in vars(checkpoint.reference).items()
            if tensor is not None
        }
    # One metadata entry only: the library writes several in no fixed order, and the id is a hash of the bytes.
    metadata = {KEY: checkpoint.description.to_json()}
    return save_tensors({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, metadata)


def from_bytes(content: bytes, name: str = "checkpoint") -> Checkpoint:
    """Check everything, then build the model. `name` is what error sentences call the file."""
    header = _header(content, name)
    description = _description(header, name)
    specs = _specs(header, name)
    _check_model(specs, description.model, name)
    _check_reference(specs, description, name)
    try:
        tensors = load_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{name} is damaged ({error}); copy or download it again.") from None
    for tensor_name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{name}: tensor {tensor_name} holds NaN or infinity; train the model again."
            )
    model = build(description.model)
    model.load_state_dict(_under("model.", tensors))
    reference = _under("reference.", tensors)
    codes = None
    if reference:
        codes = ReferenceCodes(log_variance=reference.pop("log_variance", None), **reference)
    _check_labels(codes, description.info, name)
    return Checkpoint(model.eval(), description, codes, content_id(content))


def describe(path: str | os.PathLike[str]) -> Description:
    """Read only the description of a checkpoint file; cheap, whatever its size."""
    path = Path(path)
    with _opened(path) as file:
        start = file.read(8)
        size = int.from_bytes(start, "little")
        content = start + file.read(min(size, MAX_HEADER_BYTES + 1))
    return _description(_header(content, path.name), path.name)


def find(folder: str | os.PathLike[str]) -> list[Path]:
    """List the checkpoint files in a folder, by name; an empty list if there is no such folder."""
    return sorted(Path(folder).glob(f"*{SUFFIX}"))


def content_id(content: bytes) -> str:
    """Return the checkpoint id: the first 16 hex digits of the SHA-256 of the file's bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def write_atomically(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> None:
    """Write through a temporary file in the same folder, then rename it over `path`.

    `durable` waits until the content is on the disk, so that it survives a power cut; a process that is killed
    leaves the old file or the new one either way.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _check_figures(evaluation: Mapping[str, Any]) -> None:
    """Pages print these figures as they are; what else an evaluation holds is looked at by who reads it."""
    for key in sorted(FIGURES & set(evaluation)):
        if not _is_number(evaluation[key]):
            raise ValueError(f"evaluation.{key} is {str(evaluation[key])[:40]!r}; it must be a number")
    kl = evaluation.get("kl_per_dimension", [])
    if not isinstance(kl, list | tuple) or not all(map(_is_number, kl)):
        raise ValueError(f"evaluation.kl_per_dimension is {str(kl)[:40]!r}; it must be a list of numbers")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _opened(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CheckpointError(
                f"{path.name} has {path.stat().st_size:,} bytes; checkpoints of at most {MAX_FILE_BYTES:,} are read."
            )
        return path.open("rb")
    except OSError as error:
        raise CheckpointError(f"{path} could not be read ({error.strerror}); check the path.") from None


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        content: bytes = file.read()
    return content


def _header(content: bytes, name: str) -> dict[str, Any]:
    """Parse the JSON header of a safetensors file: u64 length, then that many bytes of JSON."""
    # A header's length may begin with the same bytes, so what follows it decides.
    if content[8:9] != b"{" and re.match(rb"PK|\x80[\x02-\x05]", content):
        raise CheckpointError(
            f"{name} is a pickle (a torch.save file), which could run code and is never opened; "
            "save the model as .safetensors with this program."
        )
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= size <= MAX_HEADER_BYTES or content[8:9] != b"{":
        raise CheckpointError(
            f"{name} is not a .safetensors file; choose a checkpoint written by this program."
        )
    if len(content) < 8 + size:
        raise CheckpointError(f"{name} is cut off within its header; copy or download it again.")
    try:
        header = json.loads(content[8 : 8 + size])
    except (ValueError, RecursionError):
        raise CheckpointError(
            f"{name} has a header that is not valid JSON; copy or download it again."
        ) from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{name} has a header that is not a JSON object; copy or download it again.")
    return header


def _description(header: Mapping[str, Any], name: str) -> Description:
    metadata = header.get("__metadata__")
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise CheckpointError(
            f"{name} holds tensors but no {KEY} description; only checkpoints written by this program can be opened."
        )
    try:
        return Description.from_json(text)
    except ConfigError as error:
        raise CheckpointError(f"{name} has a bad description: {error}") from None


def _specs(header: Mapping[str, Any], name: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return dtype and shape of each tensor that the header declares."""
    specs = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        dtype, shape = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        # Names and shapes go into messages, so none may be long or hold line breaks.
        if not key.isprintable() or len(key) > 100:
            raise CheckpointError(f"{name} holds a tensor named {key[:40]!r}, which no model has.")
        if (
            dtype not in DTYPES
            or not isinstance(shape, list)
            or len(shape) > 4
            or not all(type(n) is int and 0 <= n < 2**40 for n in shape)
        ):
            raise CheckpointError(
                f"{name}: tensor {key} has no valid dtype and shape; copy or download it again."
            )
        specs[key] = (str(dtype), tuple(shape))
    return specs


def _check_model(specs: Mapping[str, tuple[str, tuple[int, ...]]], config: ModelConfig, name: str) -> None:
    """Compare the declared weights with those of the described model, which is built without memory."""
    with torch.device("meta"):
        expected = {key: tuple(tensor.shape) for key, tensor in build(config).state_dict().items()}
    found = _under("model.", specs)
    for key, shape in expected.items():
        if key not in found:
            raise CheckpointError(
                f"{name}: tensor model.{key} is missing; the file does not fit its description."
            )
        if found[key] != ("F32", shape):
            raise CheckpointError(
                f"{name}: tensor model.{key} is {found[key][0]} {found[key][1]}, but the described model takes "
                f"F32 {shape}."
            )
    known = {f"model.{key}" for key in expected}
    for key in specs:
        if not key.startswith("reference.") and key not in known:
            raise CheckpointError(f"{name}: tensor {key} belongs to no part of the described model.")


def _check_reference(
    specs: Mapping[str, tuple[str, tuple[int, ...]]], description: Description, name: str
) -> None:
    found = _under("reference.", specs)
    if not found:
        return
    latent, factors = description.model.latent_dim, len(description.info.factor_names)
    count = found.get("mean", ("", (0,)))[1][:1]
    allowed = {
        "mean": ("F32", (*count, latent)),
        "log_variance": ("F32", (*count, latent)),
        "indices": ("I64", count),
        "labels": ("I64", count),
        "factors": ("F32", (*count, factors)),
    }
    required = {"mean", "indices"} | ({"log_variance"} if description.model.kind == "vae" else set())
    for key in sorted(required - set(found)):
        raise CheckpointError(f"{name}: tensor reference.{key} is missing; write the checkpoint again.")
    for key, spec in found.items():
        if spec != allowed.get(key) or count == (0,):
            raise CheckpointError(
                f"{name}: tensor reference.{key} is {spec[0]} {spec[1]}, which does not fit the described model."
            )


def _check_labels(codes: ReferenceCodes | None, info: DataInfo, name: str) -> None:
    if codes is None or codes.labels is None:
        return
    low, high = int(codes.labels.min()), int(codes.labels.max())
    if low < 0 or high >= len(info.class_names):
        raise CheckpointError(
            f"{name}: reference.labels run from {low} to {high}, but the data has {len(info.class_names)} classes."
        )


def _under(prefix: str, entries: Mapping[str, T]) -> dict[str, T]:
    return {key.removeprefix(prefix): value for key, value in entries.items() if key.startswith(prefix)}
