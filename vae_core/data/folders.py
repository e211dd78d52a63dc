"""A folder or a .zip of images, with or without a subfolder for each class.

The order of the source is the sorted order of the files' paths; the first level of subfolders, below one that
holds everything, names the classes. Nothing is taken out of a .zip onto the disk: its files are read in memory,
one at a time, and only as long as they are what the archive declares them to be, within the limits below.
"""

import os
import stat
import zipfile
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from vae_core.config import IMAGE_SIDES, DataConfig
from vae_core.data import pictures
from vae_core.data.found import MAX_CLASSES, Found, class_note, classes, printable, tenth_held_out
from vae_core.data.pictures import ByteFile, Form, Glance
from vae_core.errors import DataError, DataNotFound

MAX_FILES = 2_000_000  # files in a folder or .zip
MAX_FILE_BYTES = 256 * 1024**2  # of one file in a .zip, unpacked
MAX_ZIP_BYTES = 64 * 1024**3  # of all files in a .zip, unpacked

LOOKED_AT = 100  # images whose headers decide the size and the channels
DECODED = 12  # of them, those whose pixels tell grey images that are stored in colour


class FolderFiles:
    """The images below a folder."""

    def __init__(self, root: Path, names: tuple[str, ...]) -> None:
        self.root, self.names = root, names

    def full_name(self, index: int) -> str:
        """Return the path of one file."""
        return str(self.root / self.names[index])

    def open(self, index: int) -> ByteFile:
        """Open one file."""
        try:
            return open(self.full_name(index), "rb")
        except FileNotFoundError as error:
            raise DataNotFound(
                f"{self.full_name(index)} is gone since its folder was listed; put it back or start again."
            ) from error
        except OSError as error:
            raise DataError(
                f"{self.full_name(index)} cannot be read ({error.strerror}); make it readable or remove it."
            ) from error


class ZipFiles:
    """The images in a .zip; each process opens the archive for itself, so that no two share a position in it."""

    def __init__(self, path: Path, entries: tuple[zipfile.ZipInfo, ...]) -> None:
        self.path, self.names = path, tuple(entry.filename for entry in entries)
        self._entries = entries
        self._opened: tuple[int, zipfile.ZipFile] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open archive behind when this is copied to another process."""
        return {**self.__dict__, "_opened": None}

    def full_name(self, index: int) -> str:
        """Return the archive's path and the file's name within."""
        return f"{self.path}: {self.names[index]}"

    def open(self, index: int) -> ByteFile:
        """Unpack one file in memory; what it holds must be exactly as long as the archive declares."""
        entry = self._entries[index]
        try:
            with self._archive().open(entry) as file:
                content = file.read(entry.file_size + 1)
        except FileNotFoundError as error:
            raise DataNotFound(
                f"{self.path} is gone since it was listed; put it back or start again."
            ) from error
        except Exception as error:  # a broken archive raises nearly anything
            raise DataError(
                f"{self.full_name(index)} cannot be unpacked ({str(error).rstrip('.')}); make the .zip again."
            ) from error
        if len(content) != entry.file_size:
            raise DataError(
                f"{self.full_name(index)} unpacks to another size than the .zip declares; make the .zip again."
            )
        return BytesIO(content)

    def _archive(self) -> zipfile.ZipFile:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), zipfile.ZipFile(self.path)
        return self._opened[1]


Files = FolderFiles | ZipFiles


class Images:
    """Reads image files in one form."""

    dtype = torch.uint8

    def __init__(self, files: Files, form: Form) -> None:
        self.files, self.form = files, form
        self.shape: tuple[int, ...] = form.shape

    def read(self, indices: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        """Decode these files, in this order; a broken one raises `DataError` with its name."""
        images = np.empty((len(indices), *self.shape), np.uint8)
        for image, index in zip(images, indices.tolist(), strict=True):
            image[:] = self.decode(index, self.form)
        return torch.from_numpy(images)

    def decode(self, index: int, form: Form) -> UInt8[np.ndarray, "c h w"]:
        """Decode one file in any form."""
        with self.files.open(index) as file:
            return pictures.decode(file, self.files.full_name(index), form)


def find(config: DataConfig, path: Path) -> Found:
    """Look what a folder or .zip of images holds; reads the headers of some of them.

    Raises:
        DataError: there are no images, one that was looked at is broken, or the .zip is not to be trusted.
    """
    files, skipped = list_zip(path) if path.suffix.lower() == ".zip" else list_folder(path)
    if not files.names:
        raise DataError(
            f"{path} holds no images; put files such as .png or .jpg there, or choose another path."
        )
    glances = _glances(files)
    form, form_notes = _form(config, files, glances)
    labels, class_names, class_notes = _classes(files.names)
    notes = (*form_notes, *class_notes, *_skipped_notes(skipped))
    return Found(
        reader=Images(files, form),
        total=len(files.names),
        pools=tenth_held_out(len(files.names), config.split_seed, path),
        source=_source(files.names, glances, form, len(class_names)),
        notes=notes,
        labels=labels,
        class_names=class_names,
        streams=True,
    )


def list_folder(root: Path) -> tuple[FolderFiles, Counter[str]]:
    """Return the images below a folder, sorted, and how many other files there are of each kind."""
    names: list[str] = []
    skipped: Counter[str] = Counter()
    for folder, folders, files in os.walk(root, onerror=_cannot_list):
        links = [each for each in folders if os.path.islink(os.path.join(folder, each))]
        skipped["linked folders"] += len(links)
        folders[:] = [each for each in folders if not each.startswith(".")]
        below = Path(folder).relative_to(root).as_posix()
        for file in files:
            name = file if below == "." else f"{below}/{file}"
            if (why := _why_skipped(name)) is None and not os.path.isfile(os.path.join(folder, file)):
                why = "neither files nor folders"
            _sort_in(name, why, names, skipped)
        _check_count(root, len(names))
    return FolderFiles(root, tuple(sorted(names))), skipped


def list_zip(path: Path) -> tuple[ZipFiles, Counter[str]]:
    """Return the images in a .zip, sorted, and how many other files there are of each kind.

    Raises:
        DataError: it is not a .zip, or what it declares is not to be trusted or goes beyond the limits.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Not by `is_dir`, which looks at the last character of a name that may have none.
            entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a whole .zip ({error}); make it again.") from error
    _check_entries(path, entries)
    names: list[str] = []
    skipped: Counter[str] = Counter()
    for entry in entries:
        _sort_in(entry.filename, _why_skipped(entry.filename), names, skipped)
    wanted = set(names)
    images = sorted((each for each in entries if each.filename in wanted), key=lambda each: each.filename)
    return ZipFiles(path, tuple(images)), skipped


def _sort_in(name: str, why: str | None, names: list[str], skipped: Counter[str]) -> None:
    if why is None:
        names.append(name)
    else:
        skipped[why] += 1


def _why_skipped(name: str) -> str | None:
    """Say what kind of file this is if it is not an image; None for an image."""
    parts = name.split("/")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return "hidden files"
    suffix = PurePosixPath(name).suffix.lower()
    return None if suffix in pictures.SUFFIXES else f"{suffix or 'nameless'} files"


def _cannot_list(error: OSError) -> None:
    raise DataError(
        f"{error.filename} cannot be listed ({error.strerror}); make it readable or choose another path."
    ) from error


def _check_count(path: Path, count: int) -> None:
    if count > MAX_FILES:
        raise DataError(f"{path} holds more than {MAX_FILES:,} files; choose a smaller part of it.")


def _check_entries(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    _check_count(path, len(entries))
    for entry in entries:
        _check_entry(path, entry)
    if len({entry.filename for entry in entries}) < len(entries):
        raise DataError(f"{path} holds two files of the same name; make the .zip again.")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_ZIP_BYTES:
        raise DataError(
            f"{path} would unpack to {total:,} bytes, and at most {MAX_ZIP_BYTES:,} are read; "
            "unpack it into a folder yourself if you trust it."
        )


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    if not entry.filename:
        raise DataError(f"{path}: a file in it has no name; make the .zip again.")
    parts = entry.filename.replace("\\", "/").split("/")
    if parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        raise DataError(f"{path}: {entry.filename} points outside the .zip; make the .zip again without it.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(f"{path}: {entry.filename} is a link, not a file; make the .zip again without links.")
    if entry.flag_bits & 1:
        raise DataError(f"{path}: {entry.filename} is encrypted; make the .zip again without a password.")
    if entry.file_size > MAX_FILE_BYTES:
        raise DataError(
            f"{path}: {entry.filename} would unpack to {entry.file_size:,} bytes, and at most "
            f"{MAX_FILE_BYTES:,} are read of one file; make it smaller or remove it."
        )


def _glances(files: Files) -> list[Glance]:
    found = []
    for index in _looked_at(len(files.names), LOOKED_AT):
        with files.open(index) as file:
            found.append(pictures.glance(file, files.full_name(index)))
    return found


def _looked_at(total: int, count: int) -> list[int]:
    """Return `count` positions spread evenly over all, or all of them."""
    count = min(count, total)
    return sorted({k * (total - 1) // max(count - 1, 1) for k in range(count)})


def _form(config: DataConfig, files: Files, glances: list[Glance]) -> tuple[Form, tuple[str, ...]]:
    low, high = IMAGE_SIDES
    shorter = config.resize != "pad"
    sides = [min(g.width, g.height) if shorter else max(g.width, g.height) for g in glances]
    side = config.side or int(min(max(np.median(sides), low), high))
    channels, notes = _channels(config, files, glances, Form(3, side, side, config.resize))
    if any(each.transparent for each in glances):
        notes = (*notes, "Transparent parts become white.")
    return Form(channels, side, side, config.resize), notes


def _channels(
    config: DataConfig, files: Files, glances: list[Glance], form: Form
) -> tuple[int, tuple[str, ...]]:
    if config.colour != "auto":
        return (1, ("Read as grey.",)) if config.colour == "grey" else (3, ("Read in colour.",))
    coloured = sum(not each.grey for each in glances)
    if not coloured:
        return 1, ("The images are grey: one channel.",)
    reader = Images(files, form)
    sample = [reader.decode(index, form) for index in _looked_at(len(files.names), DECODED)]
    if all((image == image[:1]).all() for image in sample):
        return 1, (
            f"The images are stored in colour, but the {len(sample)} looked at are grey: one channel; "
            "colour = colour keeps three.",
        )
    if coloured < len(glances):
        return 3, ("Some images are grey and some in colour: three channels.",)
    return 3, ("The images are in colour: three channels.",)


def _classes(names: tuple[str, ...]) -> tuple[Int64[Tensor, " n"] | None, tuple[str, ...], tuple[str, ...]]:
    """Return labels and class names by the first subfolder, below one that holds everything, and what to say."""
    parts = [name.split("/") for name in names]
    depth = 0
    while all(len(each) > depth + 1 for each in parts) and len({each[depth] for each in parts}) == 1:
        depth += 1
    inside = [len(each) > depth + 1 for each in parts]
    if not any(inside):
        return None, (), ("No subfolders, so no classes.",)
    if not all(inside):
        return None, (), ("Some images are in no subfolder, so there are no classes.",)
    found = classes(np.array([printable(each[depth]) for each in parts]))
    if found is None:
        return None, (), (f"More than {MAX_CLASSES:,} subfolders, so they are not taken for classes.",)
    return *found, (class_note(*found),)


def _skipped_notes(skipped: Counter[str]) -> tuple[str, ...]:
    listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(skipped.items()) if count)
    return (f"Skipped, as they are no images: {listed}.",) if listed else ()


def _source(names: tuple[str, ...], glances: list[Glance], form: Form, classes: int) -> str:
    formats = {each.format for each in glances}
    kind = f"{formats.pop()} images" if len(formats) == 1 else "images"
    folders = f" in {classes} folders" if classes else ""
    sizes = {(each.width, each.height) for each in glances}
    if sizes == {(form.width, form.height)}:
        return f"{len(names):,} {kind}{folders}, {form.width}x{form.height}"
    how = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[form.resize]
    size = "{}x{}".format(*next(iter(sizes))) if len(sizes) == 1 else "of many sizes,"
    return f"{len(names):,} {kind}{folders}, {size} {how} to {form.width}x{form.height}"
