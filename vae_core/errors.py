"""Everything that can go wrong for a reason a person can act on.

One tree, so that a page or a command catches one class and lets real bugs crash loudly:

    ExplorerError
    ├── ConfigError         a setting is out of range or unknown
    ├── DataError           data is broken or does not fit the model
    │   └── DataNotFound    data is not on this machine (and how to get it)
    ├── CodeError           a latent code has the wrong width, or is not finite
    ├── GroupError          a group of points is empty, overlaps another, or reaches beyond the codes
    ├── ProjectionError     codes cannot be laid out on a map as asked
    ├── PlaneError          a plane through latent space, or a grid on it, cannot be drawn as asked
    ├── PathError           a path between codes cannot be drawn as asked
    ├── CheckpointError     a file is not a checkpoint this program can load
    ├── MapError            a map cannot be computed, read or written
    ├── ExportError         a picture or film cannot be written as a file
    ├── PosteriorError      a posterior is not there, or cannot be computed as asked
    ├── MeasureError        a figure is not defined for this model or its codes
    ├── Stopped             long work was asked to stop, and did
    └── TrainingError       a run cannot go on
        └── NonFiniteLoss   the loss became NaN or infinite; the last good weights are kept

Each message is one sentence a person can act on: the argument, the value, the rule, the next step.
"""


class ExplorerError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(ExplorerError, ValueError):
    """A setting is out of range, unknown, or contradicts another one."""


class DataError(ExplorerError, ValueError):
    """Data is broken, empty, or has the wrong shape for the model."""


class DataNotFound(DataError):
    """A dataset is not on this machine; the message says where it was looked for and how to get it."""


class CodeError(ExplorerError, ValueError):
    """A latent code has the wrong width or holds NaN or infinity."""


class GroupError(ExplorerError, ValueError):
    """A group of points is empty, overlaps one it must not, or names a point that is not there."""


class ProjectionError(ExplorerError, ValueError):
    """Codes cannot be laid out on a map as asked: too few of them, all equal, or no such dimension."""


class PlaneError(ExplorerError, ValueError):
    """A plane through latent space, or a grid on it, cannot be drawn as asked."""


class PathError(ExplorerError, ValueError):
    """A path cannot be drawn as asked: its ends are equal or not finite, or there are too few points."""


class CheckpointError(ExplorerError, ValueError):
    """A file is not a checkpoint that this program can load; the message names what is wrong in it."""


class MapError(ExplorerError, RuntimeError):
    """A map of encoded data cannot be computed, read or written."""


class ExportError(ExplorerError, RuntimeError):
    """Pictures, a film or codes cannot be written to a file to keep."""


class MeasureError(ExplorerError, ValueError):
    """A figure is not defined for this model, its codes or its data; the message says why."""


class PosteriorError(ExplorerError, ValueError):
    """The true posterior p(z|x) is not defined for this model, or cannot be computed as asked."""


class Stopped(ExplorerError):
    """Long work was asked to stop, and did; what it had so far is not kept."""


class TrainingError(ExplorerError, RuntimeError):
    """A training run cannot go on."""


class NonFiniteLoss(TrainingError):
    """The loss became NaN or infinite; the model holds the last weights whose loss was finite."""
