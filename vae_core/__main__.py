"""The command line: train a model, resume a run, evaluate a model, describe a file, map encoded data, walk among codes.

    python -m vae_core train --data digits --latent-dim 2 --epochs 30 --seed 0 --out digits.safetensors
    python -m vae_core train --data mnist --run runs/mnist
    python -m vae_core train --path photos.zip --architecture conv --hidden 32,64,128,256 --run runs/photos
    python -m vae_core resume runs/mnist
    python -m vae_core evaluate digits.safetensors --json
    python -m vae_core evaluate digits.safetensors --continuity --json --save
    python -m vae_core evaluate sprites.safetensors --disentanglement --json
    python -m vae_core describe digits.safetensors
    python -m vae_core map digits.safetensors --source train --projection umap --neighbours 15 --out digits-map
    python -m vae_core walk digits.safetensors --grid 20 --out grid.png
    python -m vae_core walk digits.safetensors --columns 30 --rows 15 --centre -0.5,1 --step 0.1 --scale 4 --out part.png
    python -m vae_core walk digits.safetensors --from 3 --to 8 --path geodesic --frames 120 --out walk.mp4

Exit status: 0 done; 1 something went wrong on the way (one line says what); 2 a bad argument (one line
names it); 130 stopped with Ctrl-C: training has written a loadable checkpoint, a map or a walk nothing.
"""

import argparse
import json
import os
import re
import signal
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from vae_core.config import (
    ComputeConfig,
    Config,
    DataConfig,
    Experiment,
    GridConfig,
    MapConfig,
    ModelConfig,
    ObjectiveConfig,
    PathConfig,
    ProjectionConfig,
    TrainingConfig,
)
from vae_core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DataNotFound,
    ExplorerError,
    MeasureError,
    Stopped,
)

# Fields that follow from others and so are no options of their own.
DERIVED = {"data_shape", "name", "projection"}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, and to which -0.5,2 is a code and no option."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except ConfigError as error:
        print(f"vae_core {options.verb}: {error}", file=sys.stderr)
        return 2
    except Stopped as error:
        print(f"vae_core {options.verb}: {error}", file=sys.stderr)
        return 130
    except ExplorerError as error:
        print(f"vae_core {options.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"vae_core {options.verb}: stopped; nothing was written.", file=sys.stderr)
        return 130


def train(options: argparse.Namespace) -> int:
    """Train a model and write its checkpoint, or with --run a folder with all that can be watched and resumed."""
    experiment = _experiment(options)
    if options.run is not None:
        if options.out is not None:
            raise ConfigError(
                "--out goes without --run: a run keeps its checkpoints in its folder; leave one out."
            )
        return _start(Path(options.run), experiment, options)
    return _train_to_file(experiment, options)


def _experiment(options: argparse.Namespace) -> Experiment | None:
    """Put the settings together; None for a run's folder that has them already."""
    if options.run is not None and (Path(options.run) / "config.json").is_file():
        return None
    from vae_core import data

    given = vars(options)
    if "path" in given:
        given.setdefault("name", Path(given["path"]).stem[:64] or "own data")
    data_config = _config(DataConfig, options)
    return Experiment(
        data=data_config,
        model=_config(ModelConfig, options, data_shape=data.info(data_config).data_shape),
        objective=_config(ObjectiveConfig, options),
        training=_config(TrainingConfig, options),
        compute=_config(ComputeConfig, options),
    )


def _start(folder: Path, experiment: Experiment | None, options: argparse.Namespace) -> int:
    """Train the run in a folder, which is made first unless it was prepared."""
    from vae_core.training import compute
    from vae_core.training.run import Run, prepare

    if compute.rank() > 0:
        return _conduct(Run(folder), options)
    if experiment is not None:
        return _conduct(prepare(folder, experiment), options)
    run = Run(folder)
    if run.snapshots() or run.latest():
        raise ConfigError(
            f"--run {folder} holds a run that has trained already; use: python -m vae_core resume {folder}"
        )
    return _conduct(run, options)


def resume(options: argparse.Namespace) -> int:
    """Go on with a run that was stopped, interrupted or failed; it ends as if nothing had happened."""
    from vae_core.training.run import Run

    run = Run(Path(options.run))
    run.experiment()  # says so if this is no run
    if run.status().state == "finished":
        print(f"vae_core resume: {run.folder} is finished; there is nothing to go on with.", file=sys.stderr)
        return 0
    if not options.started:
        run.forget_stop()
    return _conduct(run, options)


def _conduct(run: Any, options: argparse.Namespace) -> int:
    from vae_core.training.conduct import conduct

    # A process of the page writes to the log already, through its output.
    watched = sys.stderr.isatty() and not options.json
    with _Stop() as stop:
        state = conduct(run, stop, lambda line: print(line, file=sys.stderr) if watched else None)
    if options.json:
        _report({"run": str(run.folder), "state": state, "best_epoch": run.best_epoch()}, True)
    return 0 if state == "finished" else 130


def _train_to_file(experiment: Experiment | None, options: argparse.Namespace) -> int:
    from vae_core import checkpoint, data
    from vae_core.errors import NonFiniteLoss
    from vae_core.models import build
    from vae_core.training import choosing, compute
    from vae_core.training.experiment import fit_pca, summarise
    from vae_core.training.loop import Trainer

    assert experiment is not None
    config = experiment.model
    out = _out(options.out or f"{experiment.data.name}-{config.kind}-{config.latent_dim}d.safetensors")
    examples, held_out = _load(experiment.data, "train"), _load(experiment.data, "held-out")
    failure: NonFiniteLoss | None = None
    stopped, epoch = False, 1
    with _Stop() as stop:
        if config.kind == "pca":
            model: Any = fit_pca(config, examples.examples)
        else:
            chosen, reason = choosing.choose(experiment, examples.examples, held_out.examples, stop)
            if sys.stderr.isatty() and not options.json:
                print(f"Computes on {compute.in_words(chosen)}: {reason}.", file=sys.stderr)
            trainer = Trainer(
                build(config, experiment.training.seed),
                examples.examples,
                experiment.objective,
                experiment.training,
                fabric=compute.fabric(chosen),
                compiled=chosen.compile == "on",
                multiplied_by=chosen.products,
            )
            try:
                stopped = _run(trainer, stop, quiet=options.json)
            except NonFiniteLoss as error:
                failure = error
            model, epoch = trainer.trained().cpu(), trainer.epoch
        saved = checkpoint.save(
            out, summarise(model, experiment, data.info(experiment.data), epoch, held_out)
        )
    _report({"checkpoint": str(out), "id": saved.id, **saved.description.evaluation}, options.json)
    if failure is not None:
        raise failure
    return 130 if stopped else 0


def evaluate(options: argparse.Namespace) -> int:
    """Measure a checkpoint on data that it was not trained on, and print the figures; --save keeps them in it."""
    import torch

    from vae_core import checkpoint
    from vae_core.evaluation import likelihood

    path = Path(options.checkpoint)
    loaded = checkpoint.load(path)
    try:
        held_out = _data_of(loaded)
    except DataError as error:
        if not (options.continuity or options.disentanglement):
            raise
        print(f"vae_core evaluate: {error}", file=sys.stderr)  # what takes no data is measured all the same
        held_out = None
    figures: dict[str, Any] = {}
    if held_out is not None:
        generator = torch.Generator().manual_seed(options.seed)
        examples = held_out.examples[: options.limit]
        figures = likelihood.evaluate(loaded.model, examples, generator, samples=options.samples)
    headlines = _headlines(loaded, held_out, options) if options.continuity else {}
    scores = _scores(loaded, options) if options.disentanglement else {}
    missing = {**headlines.get("missing", {}), **scores.pop("missing", {})}
    _report(figures | headlines | scores | ({"missing": missing} if missing else {}), options.json)
    if options.save:
        _store(path, loaded, figures, headlines, scores)
    return 0


def _scores(loaded: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Hold the codes of the encoded data against classes and factors; what is not known is said on the error stream."""
    from vae_core.evaluation import disentanglement
    from vae_core.evaluation.headlines import known

    def of_classes() -> dict[str, float]:
        codes = known(loaded)
        if codes.labels is None:
            raise MeasureError("These data have no known classes, so k-NN accuracy is not defined.")
        return {"knn_accuracy": disentanglement.knn_accuracy(codes.mean, codes.labels)}

    def of_factors() -> dict[str, float]:
        codes = known(loaded)
        if codes.factors is None:
            raise MeasureError(
                "These data have no known factors, so MIG, DCI, SAP and the FactorVAE score are not defined; "
                "sprites is a dataset that has them."
            )
        return disentanglement.scores(codes.mean, codes.factors, options.seed)

    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, part in {"knn_accuracy": of_classes, "mig": of_factors}.items():
        try:
            found |= part()
        except ExplorerError as error:
            missing[name] = str(error)
    for reason in dict.fromkeys(missing.values()):
        print(f"vae_core evaluate: {reason}", file=sys.stderr)
    return found | {"missing": missing}


def _headlines(loaded: Any, held_out: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Measure continuity and completeness; what is not defined for the model is said on the error stream."""
    import torch

    from vae_core.evaluation.headlines import headlines
    from vae_core.evaluation.realism import examples_of

    if loaded.model.config.architecture == "conv" and len(loaded.model.data_shape) == 3:
        loaded.model.to(memory_format=torch.channels_last)  # twice as fast
    known = held_out is not None and loaded.reference is not None
    images = examples_of(loaded.reference, held_out) if known else None
    with _Stop("Stopping; nothing is written.") as stop, _ProgressLine(quiet=options.json) as line:
        found = headlines(
            loaded, images, options.seed, lambda done: line.say("Measuring continuity.", done), stop
        )
    for reason in dict.fromkeys(found.missing.values()):
        print(f"vae_core evaluate: {reason}", file=sys.stderr)
    return found.to_evaluation()


def _store(
    path: Path, loaded: Any, figures: dict[str, Any], headlines: dict[str, Any], scores: dict[str, float]
) -> None:
    """Write figures into a checkpoint file; those of another kind that it has, and everything else, stay."""
    from vae_core import checkpoint
    from vae_core.evaluation import disentanglement
    from vae_core.evaluation.headlines import KEYS

    if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
        raise CheckpointError(
            f"{path} is read-only, so the figures were not stored in it; make it writable, or copy it first."
        )
    before = loaded.description.evaluation
    old_headlines = {name: value for name, value in before.items() if name in KEYS}
    old_scores = {name: value for name, value in before.items() if name in disentanglement.KEYS}
    old = {name: value for name, value in before.items() if name not in old_headlines | old_scores}
    evaluation = (figures or old) | (headlines or old_headlines) | (scores or old_scores)
    description = loaded.description.model_copy(update={"evaluation": evaluation})
    checkpoint.save(path, replace(loaded, description=description))


def _out(text: str) -> Path:
    """Check where a file is to be written before hours of work go into it."""
    out = Path(text)
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}; make it first or choose another.")
    if out.is_dir():
        raise ConfigError(f"--out {out} is a folder; name a file in it.")
    if not os.access(out.parent, os.W_OK):
        raise ConfigError(f"--out {out}: the folder {out.parent} cannot be written; choose another.")
    return out


def _data_of(loaded: Any) -> Any:
    """Load the held-out data that a checkpoint names, if this program knows them and they fit its model."""
    from vae_core import data

    config = loaded.description.data
    if config.path is None and config.name not in data.known():
        raise DataError(
            f"The checkpoint was trained on {config.name!r}, which is not one of {', '.join(data.known())}; "
            "its figures can be read with describe."
        )
    held_out = _load(config, "held-out")
    if tuple(held_out.examples.shape[1:]) != loaded.model.data_shape:
        raise DataError(
            f"The checkpoint says it was trained on {config.name}, but its model takes {loaded.model.data_shape} "
            f"and these examples are {tuple(held_out.examples.shape[1:])}; ask whoever made it."
        )
    return held_out


def describe(options: argparse.Namespace) -> int:
    """Print what a checkpoint file says about itself, without loading its weights."""
    from vae_core import checkpoint

    found = json.loads(checkpoint.describe(Path(options.checkpoint)).to_json())
    if options.json:
        _report(found, True)
    else:
        for part, values in found.items():
            if isinstance(values, dict):
                print(part)
                _report({f"  {name}": value for name, value in values.items()}, False)
            else:
                _report({part: values}, False)
    return 0


def map_codes(options: argparse.Namespace) -> int:
    """Lay encoded data out on a map and keep it in a folder: in the cache, or where --out says."""
    given = vars(options)
    method = {"method": given["projection"]} if "projection" in given else {}
    projection = _config(ProjectionConfig, options, **method)
    config = _config(MapConfig, options, projection=projection, seed=given.get("draw_seed", 0))
    from vae_core import maps
    from vae_core.maps.jobs import conduct

    out = None if options.out is None else Path(options.out)
    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}; make it first or choose another.")
    with _ProgressLine(quiet=options.json) as line:
        folder = conduct(Path(options.checkpoint), config, out, line.show)
    info = maps.open_map(folder).info
    figures = info.model_dump(
        include={
            "n",
            "latent_dim",
            "left_out",
            "explained",
            "trustworthiness",
            "continuity",
            "columns",
            "seconds",
        }
    )
    _report({"map": str(folder), **figures}, options.json)
    return 0


def walk(options: argparse.Namespace) -> int:
    """Decode a grid of codes (--grid) or a path between codes (--from, --to) into a picture, movie or archive."""
    from vae_core import checkpoint, walks

    config = _walk_config(options)
    is_grid = isinstance(config, GridConfig)
    stem = Path(options.checkpoint).stem
    out = _out(options.out or (f"{stem}-grid.png" if is_grid else f"{stem}-walk.mp4"))
    walks.check_out(out, options.fps, is_grid=is_grid)
    loaded = checkpoint.load(Path(options.checkpoint))
    with _Stop("Stopping; nothing is written.") as stop, _ProgressLine(quiet=options.json) as line:
        made = walks.make(loaded, config, stop, line.say)
        walks.save(out, made, options.fps, options.scale, "ping_pong" in options, stop, line.say)
    _report({"walk": str(out), **walks.figures(loaded, made)}, options.json)
    return 0


def _walk_config(options: argparse.Namespace) -> Any:
    """Read which walk is meant; options of the other kind are refused."""
    given = vars(options)
    is_path = "start" in given or "end" in given
    if any(name in given for name in ("grid", "columns", "rows")) == is_path:
        raise ConfigError(
            "walk draws one thing: give --grid N, or --from CODE and --to CODE. (--columns and --rows are a grid too.)"
        )
    alien = (
        (*GridConfig.model_fields, "principal") if is_path else (*PathConfig.model_fields, "via", "ping_pong")
    )
    for name in alien:
        if name in given:
            goes = "--grid" if is_path else "--from and --to"
            raise ConfigError(f"--{name.replace('_', '-')} goes with {goes}; leave it out.")
    if is_path:
        if "start" not in given or "end" not in given:
            raise ConfigError("A path has two ends: give both --from CODE and --to CODE.")
        return _config(PathConfig, options, ends=(options.start, *given.get("via", ()), options.end))
    if "principal" in given and "through" in given:
        raise ConfigError("--principal and --through name two planes; leave one out.")
    plane = "principal" if "principal" in given else "through" if "through" in given else "dimensions"
    return _config(GridConfig, options, plane=plane)


class _ProgressLine:
    """One line of a terminal that says what is under way; in a log, a line for each new thing."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._last = quiet, ""

    def __enter__(self) -> "_ProgressLine":
        return self

    def show(self, status: Any) -> None:
        if status.busy:
            self.say(status.message, status.done)

    def say(self, message: str, done: float | None) -> None:
        if self._quiet:
            return
        if sys.stderr.isatty():
            share = "" if done is None else f" {done:.0%}"
            print(f"\r\033[K{message}{share}", end="", file=sys.stderr, flush=True)
        elif message != self._last:
            print(message, file=sys.stderr, flush=True)
        self._last = message

    def __exit__(self, *_: object) -> None:
        if self._last and sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _run(trainer: Any, should_stop: "_Stop", *, quiet: bool) -> bool:
    """Train for all epochs with a progress bar; return True if Ctrl-C ended it early."""
    total = trainer.config.epochs * len(trainer.examples)
    with tqdm(total=total, unit="image", unit_scale=True, disable=quiet or None) as bar:
        for _ in range(trainer.config.epochs):
            report = trainer.run_epoch(
                on_progress=lambda p: bar.update((p.epoch - 1) * p.examples_per_epoch + p.examples - bar.n),
                should_stop=should_stop,
            )
            line = f"epoch {report.epoch}, {_training_figures(report, trainer.model.config.kind)}"
            bar.set_postfix_str(line, refresh=False)
            if bar.disable and not quiet:  # no terminal to draw a bar on: a line per epoch, for the log
                print(line, file=sys.stderr)
            if report.stopped:
                return True
    return False


def _training_figures(report: Any, kind: str) -> str:
    if kind == "autoencoder":
        return f"reconstruction={report.reconstruction:.2f}"
    return f"ELBO={report.elbo:.2f}, KL={report.kl:.2f}"


class _Stop:
    """While active, Ctrl-C and a request to end set a flag instead of tearing the step apart.

    A second Ctrl-C is a real interrupt.
    """

    def __init__(self, sentence: str = "Stopping after this step; a checkpoint is written.") -> None:
        self.asked, self._sentence = False, sentence

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> "_Stop":
        self._previous = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: types.FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print(f"\n{self._sentence}", file=sys.stderr)


def _load(config: DataConfig, split: typing.Literal["train", "held-out"]) -> Any:
    """Load a split; a known dataset that is not here yet is fetched first."""
    from vae_core import data

    try:
        return data.load(config, split)
    except DataNotFound:
        if config.path is not None:
            raise
        print(f"{config.name} is not on this machine; fetching it.", file=sys.stderr)
        data.fetch(config.name, lambda line: print(line, file=sys.stderr))
        return data.load(config, split)


def _report(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if isinstance(value, float):
            value = f"{value:.4f}"
        elif isinstance(value, list) and value and isinstance(value[0], float):
            value = " ".join(f"{number:.3f}" for number in value)
        print(f"{name:26} {value}")


def _parser() -> Parser:
    # RawDescription keeps the examples in the module docstring as they are.
    shape: Any = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = Parser(prog="python -m vae_core", description=__doc__, **shape)
    commands = parser.add_subparsers(
        dest="verb", required=True, metavar="train | resume | evaluate | describe | map | walk"
    )

    command = _command(commands, "train", train)
    command.add_argument(
        "--data",
        dest="name",
        default=argparse.SUPPRESS,
        help="Dataset by name; with --path, what to call your own. Default: digits.",
    )
    for config in (DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig, ComputeConfig):
        _add_options(command, config)
    command.add_argument("--out", help="File to write. Default: DATA-KIND-Dd.safetensors here.")
    command.add_argument(
        "--run",
        metavar="DIR",
        help="Keep the run in this folder: snapshots, figures, and the state to resume from.",
    )

    command = _command(commands, "resume", resume)
    command.add_argument("run", metavar="DIR", help="The folder of a run.")
    # By a process that forgot earlier requests to stop: one that is there by now has come since.
    command.add_argument("--started", action="store_true", help=argparse.SUPPRESS)

    command = _command(commands, "evaluate", evaluate)
    command.add_argument("checkpoint", help="A .safetensors file written by this program.")
    command.add_argument(
        "--samples",
        type=_natural,
        default=0,
        metavar="K",
        help="Also the importance-weighted bound of log p(x) with K draws per example (slow: K decodes each).",
    )
    command.add_argument(
        "--limit", type=_positive, default=None, help="Only the first so many held-out examples."
    )
    command.add_argument("--seed", type=_natural, default=0, help="Seed of the draws of z. Default: 0.")
    command.add_argument(
        "--continuity",
        action="store_true",
        help=(
            "Also continuity and completeness with their confidence intervals, and precision, recall, density and "
            "coverage."
        ),
    )
    command.add_argument(
        "--disentanglement",
        action="store_true",
        help=(
            "Also k-NN accuracy of the codes where classes are known, and where factors are known MIG, DCI, SAP and the "
            "FactorVAE score."
        ),
    )
    command.add_argument(
        "--save",
        action="store_true",
        help="Also store what is printed in the checkpoint file. Without it the file stays as it is.",
    )

    command = _command(commands, "describe", describe)
    command.add_argument("checkpoint", help="A .safetensors file written by this program.")

    command = _command(commands, "map", map_codes)
    command.add_argument("checkpoint", help="A .safetensors file written by this program.")
    _add_options(command, MapConfig, {"seed": "draw-seed"})
    _add_options(command, ProjectionConfig, {"method": "projection"})
    command.add_argument("--out", metavar="FOLDER", help="Folder to make. Default: one in the cache.")

    _add_walk(_command(commands, "walk", walk))
    return parser


def _add_walk(command: argparse.ArgumentParser) -> None:
    code: dict[str, Any] = {"metavar": "CODE", "default": argparse.SUPPRESS}
    command.add_argument("checkpoint", help="A .safetensors file written by this program.")
    group = command.add_argument_group(
        "a grid",
        "CODE is the number of an encoded item, class:NAME (mean of a class), or a code such as 0.1,-2.",
    )
    group.add_argument(
        "--grid",
        type=int,
        metavar="N",
        default=argparse.SUPPRESS,
        help="N x N tiles, from 2 to 40; --columns and --rows make other shapes.",
    )
    group.add_argument(
        "--principal",
        action="store_true",
        default=argparse.SUPPRESS,
        help="The plane in which the data vary most.",
    )
    group.add_argument("--through", nargs=3, help="The plane of three codes.", **code)
    _add_options(group, GridConfig, without=("grid", "plane", "through"))
    group = command.add_argument_group("a path")
    group.add_argument("--from", dest="start", help="The first code.", **code)
    group.add_argument("--to", dest="end", help="The last code.", **code)
    group.add_argument("--via", nargs="+", help="Codes in between, in order.", **code)
    _add_options(group, PathConfig, without=("ends",))
    group = command.add_argument_group("the file")
    group.add_argument("--fps", type=_positive, default=30, help="Pictures a second of a movie. Default: 30.")
    group.add_argument(
        "--ping-pong",
        action="store_true",
        default=argparse.SUPPRESS,
        help="Run back after the end, so that a loop is smooth.",
    )
    group.add_argument(
        "--scale", type=_positive, help="Make every pixel a square of so many. Default: as fits a screen."
    )
    group.add_argument(
        "--out",
        help="File to write: .png, .npz, and for a path .gif or .mp4. Default: CHECKPOINT-grid.png, CHECKPOINT-walk.mp4.",
    )


def _command(
    commands: Any, verb: str, function: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        verb, help=function.__doc__, description=function.__doc__
    )
    parser.set_defaults(command=function)
    parser.add_argument("--json", action="store_true", help="Print one JSON object and no progress.")
    return parser


def _add_options(
    parser: Any,
    config: type[Config],
    called: Mapping[str, str] = types.MappingProxyType({}),
    without: Sequence[str] = (),
) -> None:
    """One option per field of a config, explained by the field itself; `called` has options of other names."""
    for name, field in config.model_fields.items():
        if name in DERIVED or name in without:
            continue
        if field.annotation is bool:
            flag = "--" + name.replace("_", "-")
            parser.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=field.description)
            continue
        default = "" if field.default is None else f" Default: {_shown(field.default)}."
        parser.add_argument(
            "--" + called.get(name, name).replace("_", "-"),
            default=argparse.SUPPRESS,
            type=_reader(field.annotation),
            metavar=_choices(field.annotation) or name.upper(),
            help=f"{field.description}{default}".replace("%", "%%"),
        )


def _reader(annotation: Any) -> Callable[[str], Any]:
    """How to read one field from the command line; ranges and choices are the config's own business."""
    if typing.get_origin(annotation) is tuple:
        return _integers
    if tuple[float, float] in typing.get_args(annotation):
        return _pair
    if int in (annotation, *typing.get_args(annotation)):
        return int
    return float if float in (annotation, *typing.get_args(annotation)) else str


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 400,200") from None


def _pair(text: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pair of numbers such as -0.5,1.25") from None
    return first, second


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^63 - 1")
    return int(text)


def _positive(text: str) -> int:
    if (number := _natural(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return number


def _choices(annotation: Any) -> str:
    literal = typing.get_origin(annotation) is typing.Literal
    return "|".join(typing.get_args(annotation)) if literal else ""


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _config(config: type[Any], options: argparse.Namespace, **given: Any) -> Any:
    """Build a config from the options that were given and its own defaults."""
    chosen = {name: value for name, value in vars(options).items() if name in config.model_fields}
    return config(**(chosen | given))


if __name__ == "__main__":
    sys.exit(main())
