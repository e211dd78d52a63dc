"""The one door to torchvision: `import_torchvision()`.

torchvision's wheels on the Python package index for Linux are built against CUDA. Beside a CPU-only torch
their compiled operators cannot be loaded (the CUDA libraries are missing). torchvision tolerates that, except
in one place: it describes `torchvision::nms` and `torchvision::qnms` to torch's tracer whether or not they
exist, so that `import torchvision` fails with "operator torchvision::nms does not exist". Declaring those two
operators, without an implementation, is enough. What we use (datasets, transforms, utils) never calls them;
calling one of them still fails, and names it.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from threading import Lock
from types import ModuleType

import torch

_MISSING_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

# A library takes its declarations with it when it is collected, so it is kept here for as long as we run.
_declared: list[torch.library.Library] = []
_lock = Lock()  # pages run in threads, and an operator may be declared only once


def import_torchvision() -> ModuleType:
    """Import torchvision and return it, with `datasets`, `transforms` and `utils` ready to use.

    Call it where torchvision is needed, never at the top of a module: it takes about a second.
    """
    if "torchvision" not in sys.modules:
        with _lock:
            if not _operators_exist():
                _declare_operators()
    import torchvision
    import torchvision.transforms.v2

    module: ModuleType = torchvision
    return module


def _operators_exist() -> bool:
    """Whether nms is known to torch, after torchvision's own compiled operators had their chance to load."""
    if not hasattr(torch.ops.torchvision, "nms"):
        _load_compiled_operators()
    return hasattr(torch.ops.torchvision, "nms")


def _load_compiled_operators() -> None:
    """Load torchvision's compiled operators if this machine can; loading them again later does nothing."""
    package = find_spec("torchvision")
    folders = package.submodule_search_locations if package else None
    compiled = PathFinder.find_spec("torchvision._C", list(folders)) if folders else None
    if compiled is None or compiled.origin is None:
        return
    try:
        torch.ops.load_library(compiled.origin)
    except OSError:  # built for CUDA, and there is none: the case this module is for
        return


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for name in _MISSING_OPERATORS:
        library.define(name + _SCHEMA)
    _declared.append(library)
