"""Where and how a run computes: what Lightning Fabric is told, and what people are."""

import os
import time
from collections import deque

import torch
from lightning_fabric import Fabric

from vae_core.config import ComputeConfig
from vae_core.errors import ConfigError


def fabric(config: ComputeConfig) -> Fabric:
    """Return Fabric for these settings; `auto` stands for float32 here, and for ddp where there are several processes.

    Raises:
        ConfigError: this machine has no such accelerator, or not as many devices.
    """
    several = config.devices * config.num_nodes > 1
    strategy = "ddp" if several and config.strategy == "auto" else config.strategy
    precision = "32-true" if config.precision == "auto" else config.precision
    try:
        return Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=strategy,
            precision=precision,
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"ComputeConfig: accelerator = {config.accelerator!r} with devices = {config.devices} is not to be had "
            f"here ({str(error).splitlines()[0][:200]}); use accelerator = cpu and devices = 1."
        ) from None


def rank() -> int:
    """This process's number among those that train together, known before they have met."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if (text := os.environ.get(name, "")).isdecimal():
            return int(text)
    return 0


def is_launched_from_outside() -> bool:
    """Whether torchrun or a cluster started this process; it then waits for its turn in that one's queue."""
    return "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ


def part() -> None:
    """Take leave of the processes that trained together, if there were any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def in_words(config: ComputeConfig) -> str:
    """Say how a run computes, for people."""
    where = f"{config.devices * config.num_nodes} x " if config.devices * config.num_nodes > 1 else ""
    device = fabric_device(config)
    numbers = "bfloat16 products" if config.precision == "bf16-mixed" else "float32"
    if config.products == "onednn" and config.precision == "32-true":
        numbers += " by oneDNN"
    return f"{where}{device}, {numbers}{', compiled' if config.compile == 'on' else ''}"


def fabric_device(config: ComputeConfig) -> str:
    """Name the processor that `accelerator` means on this machine."""
    if config.accelerator != "auto":
        return config.accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was not enough, on the CPU or a GPU."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)
    )


class Rate:
    """How many examples per second lately: over the last ten seconds or so."""

    def __init__(self, window_s: float = 10.0) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, examples: int) -> None:
        """Take note of how many examples are done by now."""
        now = time.monotonic()
        self._seen.append((now, examples))
        while len(self._seen) > 2 and now - self._seen[0][0] > self._window_s:
            self._seen.popleft()

    def per_second(self) -> float:
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start else 0.0
