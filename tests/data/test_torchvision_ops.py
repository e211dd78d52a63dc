"""torchvision beside a torch that its compiled operators do not fit; each case needs a fresh interpreter."""

import subprocess
import sys

from tests.patience import PATIENCE_S


def run(code: str) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert result.returncode == 0, result.stderr


def test_datasets_transforms_and_utils_work_and_are_imported_only_when_asked_for():
    run(
        """
import sys, torch, vae_core.data
from tests.patience import PATIENCE_S
from vae_core.torchvision_ops import import_torchvision
assert not {"torchvision", "sklearn"} & set(sys.modules)
torchvision = import_torchvision()
assert import_torchvision() is torchvision
picture = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
assert torchvision.transforms.v2.functional.resize(picture, [8, 8]).shape == (1, 8, 8)
assert torchvision.utils.make_grid([picture, picture], padding=0).shape == (3, 4, 8)
to_image = torchvision.transforms.v2.ToImage()
data = torchvision.datasets.FakeData(size=2, image_size=(1, 4, 4), transform=to_image)
assert data[0][0].shape == (1, 4, 4)
"""
    )


def test_operators_are_declared_exactly_where_the_compiled_ones_do_not_load():
    # Holds on every machine: with the CUDA build of torch they load, with the CPU build they do not.
    run(
        """
import torch
from vae_core import torchvision_ops
torchvision_ops.import_torchvision()
compiled = torch._C._dispatch_has_kernel_for_dispatch_key("torchvision::nms", "CPU")
assert len(torchvision_ops._declared) == (0 if compiled else 1)
"""
    )


def test_operators_that_loading_makes_known_are_not_declared_a_second_time():
    run(
        """
import torch
from vae_core import torchvision_ops

libraries = []

def load(path):
    libraries.append(torch.library.Library("torchvision", "DEF"))
    for name in ("nms", "qnms"):
        libraries[-1].define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

torch.ops.load_library = load
assert torchvision_ops._operators_exist()
assert torchvision_ops._operators_exist()
assert len(libraries) == 1
"""
    )
