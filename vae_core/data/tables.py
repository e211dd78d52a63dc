"""A `.csv` or `.parquet` table of numbers: one row is one example.

Columns are standardised by the mean and the standard deviation of the rows that may be trained on, whatever
the size of the training data, so that nothing of the held-out rows is known to the training. A column called
label, class or target becomes labels if it holds text, yes or no, or whole numbers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from vae_core.config import MAX_COLUMNS, DataConfig
from vae_core.data import memory
from vae_core.data.found import MAX_CLASSES, Found, class_note, classes, tenth_held_out
from vae_core.data.streaming import InMemory
from vae_core.errors import DataError

LABEL_NAMES = ("label", "class", "target")
SUFFIXES = (".csv", ".parquet")
_SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Column:
    """One column as it is in the file, a pyarrow array."""

    name: str
    values: Any

    @property
    def kind(self) -> str:
        """number, whole (numbers), flag, text, time, empty or other."""
        import pyarrow.types as types

        kind = self.values.type
        if types.is_dictionary(kind):
            kind = kind.value_type
        tests = {
            "flag": types.is_boolean,
            "whole": types.is_integer,
            "number": lambda each: types.is_floating(each) or types.is_decimal(each),
            "text": lambda each: types.is_string(each) or types.is_large_string(each),
            "time": types.is_temporal,
            "empty": types.is_null,
        }
        return next((name for name, test in tests.items() if test(kind)), "other")


@dataclass(frozen=True)
class Standardised:
    """Values (rows, columns) less `centre`, divided by `scale`, and what is to be said about it."""

    values: Float32[np.ndarray, "rows columns"]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    notes: tuple[str, ...]


def find(config: DataConfig, path: Path) -> Found:
    """Read a table of numbers.

    Raises:
        DataError: a column holds text, a value is missing or not finite, nothing varies, or it is too large.
    """
    columns, notes = read(path)
    label, labels, class_names, label_notes = _labels(path, columns)
    columns = [each for each in columns if each is not label]
    values = numbers(path, columns)
    pools = tenth_held_out(len(values), config.split_seed, path)
    names = tuple(each.name for each in columns)
    standard = standardise(path, values, values[pools["train"].numpy()], names)
    return Found(
        reader=InMemory(torch.from_numpy(standard.values)),
        total=len(values),
        pools=pools,
        source=f"{path.suffix[1:].lower()} table, {len(values):,} rows of {len(names)} columns, standardised",
        notes=(*notes, *standard.notes, *label_notes),
        labels=labels,
        class_names=class_names,
        columns=names,
        centre=standard.centre,
        scale=standard.scale,
    )


def read(path: Path) -> tuple[list[Column], tuple[str, ...]]:
    """Read all columns of a file and say what was left out or made up.

    Raises:
        DataError: it is not a table, rows have different lengths, or it is too large for the memory.
    """
    table, notes = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    columns = [Column(str(name), table.column(k)) for k, name in enumerate(table.column_names)]
    if columns and _counts_rows(columns[0]):
        columns, notes = columns[1:], (*notes, "The first column only counts the rows, so it is left out.")
    if not columns or table.num_rows == 0:
        raise DataError(f"{path} holds no rows; choose a file with one row for each example.")
    return columns, notes


def numbers(path: Path, columns: list[Column]) -> Float64[np.ndarray, "rows columns"]:
    """Return the columns as numbers.

    Raises:
        DataError: there are none or too many, one holds something else, or a value is missing or not finite.
    """
    if not columns:
        raise DataError(f"{path} has no column of numbers; choose a file that has.")
    if len(columns) > MAX_COLUMNS:
        raise DataError(
            f"{path} has {len(columns):,} columns, and at most {MAX_COLUMNS:,} are read; leave some out."
        )
    return np.stack([_numbers(path, each) for each in columns], axis=1)


def standardise(
    path: Path,
    values: Float64[np.ndarray, "rows columns"],
    training: Float64[np.ndarray, "training_rows columns"],
    names: tuple[str, ...],
) -> Standardised:
    """Subtract the mean of the training rows and divide by their standard deviation, column by column.

    Raises:
        DataError: no column varies, or numbers are too large for this.
    """
    constant = training.min(axis=0) == training.max(axis=0)
    if constant.all():
        raise DataError(f"{path}: every column holds one value only; there is nothing to learn from it.")
    with np.errstate(over="ignore", invalid="ignore"):
        centre = np.where(constant, training[0], training.mean(axis=0))
        scale = np.where(constant, 1.0, training.std(axis=0))
        result = ((values - centre) / scale).astype(np.float32)
    if not np.isfinite(result).all():
        raise DataError(
            f"{path} holds numbers too large or too different to be standardised; rescale them first."
        )
    notes: tuple[str, ...] = ("Standardised by the mean and standard deviation of the training rows.",)
    if constant.any():
        which = ", ".join(np.array(names)[constant][:10])
        notes = (*notes, f"One value only in the training rows, so not scaled: {which}.")
    return Standardised(result, tuple(centre.tolist()), tuple(scale.tolist()), notes)


def _read_csv(path: Path) -> tuple[Any, tuple[str, ...]]:
    import pyarrow
    from pyarrow import csv

    _check_size(path, path.stat().st_size)
    separator, decimal = _sniff(path)
    parse = csv.ParseOptions(delimiter=separator)
    convert = csv.ConvertOptions(decimal_point=decimal)
    try:
        table = csv.read_csv(path, parse_options=parse, convert_options=convert)
        if not all(_is_number(name) for name in table.column_names):
            return table, ()
        nameless = csv.ReadOptions(autogenerate_column_names=True)
        table = csv.read_csv(path, nameless, parse, convert)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:160].rstrip(".")
        raise DataError(f"{path} is not a table ({reason}); give every row the same columns.") from error
    return table, ("There is no row of names, so columns are called f0, f1 and so on.",)


def _read_parquet(path: Path) -> tuple[Any, tuple[str, ...]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            _check_size(path, file.metadata.num_rows * file.metadata.num_columns * 8)
            table = file.read()
        table.validate(full=True)
        return table.rename_columns([str(name) for name in table.column_names]), ()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:160].rstrip(".")
        raise DataError(f"{path} is not a whole .parquet file ({reason}); save it again.") from error


def _check_size(path: Path, size: int) -> None:
    if size > memory.budget():
        raise DataError(
            f"{path} takes about {memory.readable(size)}, more than half of the free memory, and tables are read "
            "whole; leave rows or columns out."
        )


def _sniff(path: Path) -> tuple[str, str]:
    """Return what separates columns, by the first line, and the decimal mark, by the second."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first, second = file.readline(1 << 20), file.readline(1 << 20)
    separator = max(_SEPARATORS, key=first.count)
    return separator, "," if separator != "," and "," in second and "." not in second else "."


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _counts_rows(column: Column) -> bool:
    """Whether this is a nameless column 0, 1, 2, ..., as other programs write beside a table."""
    if column.name not in ("", "__index_level_0__") or column.kind != "whole" or column.values.null_count:
        return False
    return bool((column.values.to_numpy() == np.arange(len(column.values))).all())


def _numbers(path: Path, column: Column) -> Float64[np.ndarray, " rows"]:
    import pyarrow

    if column.kind not in ("number", "whole", "flag"):
        what = {"text": "text", "time": "dates", "empty": "nothing"}.get(column.kind, f"{column.values.type}")
        raise DataError(
            f"{path}: column {column.name!r} holds {what}, not numbers; leave it out, or call it label if it "
            "names classes."
        )
    step = [pyarrow.int8()] if column.kind == "flag" else []
    chunked = column.values
    for kind in (*step, pyarrow.float64()):
        chunked = chunked.cast(kind, safe=False)
    values: np.ndarray[Any, Any] = chunked.to_numpy()
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise DataError(
            f"{path}: column {column.name!r} has no finite number in row {wrong[0] + 1}; fill it in or leave the "
            "row out."
        )
    return values


def _labels(
    path: Path, columns: list[Column]
) -> tuple[Column | None, Int64[Tensor, " rows"] | None, tuple[str, ...], tuple[str, ...]]:
    """Return the column of labels, the labels, the class names and what to say."""
    named = [each for each in columns if each.name.strip().lower() in LABEL_NAMES]
    column = next((each for each in named if each.kind in ("text", "whole", "flag")), None)
    if column is None:
        return None, None, (), ("No labels were found.",)
    if column.values.null_count:
        raise DataError(f"{path}: column {column.name!r} lacks a label in some row; fill it in.")
    values = np.array(column.values.to_pylist(), dtype=np.str_ if column.kind == "text" else None)
    found = classes(values)
    if found is not None:
        return column, *found, (f"Labels are taken from {column.name!r}.", class_note(*found))
    note = f"{column.name!r} has more than {MAX_CLASSES:,} different values, so it is not taken for labels."
    return None, None, (), (note,)
