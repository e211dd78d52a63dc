"""Walks among codes as pictures to keep: grids on planes through latent space, and paths between codes.

    from vae_core import walks
    from vae_core.config import GridConfig, PathConfig

    walk = walks.make(checkpoint, GridConfig(grid=20))
    walk = walks.make(checkpoint, PathConfig(ends=("3", "class:8"), path="geodesic", frames=120))
    walks.save(Path("walk.mp4"), walk)           # or .png, .gif, .npz

Codes and pictures of your own go to `write_contact_sheet`, `write_gif`, `write_mp4` and `write_npz`. A file appears
when it is complete, and not at all otherwise.
"""

from vae_core.walks.ends import code_of
from vae_core.walks.files import SUFFIXES, write_contact_sheet, write_gif, write_mp4, write_npz
from vae_core.walks.frames import enlarged, frames, place, rows, there_and_back
from vae_core.walks.making import Walk, along, check_out, decoder, figures, grid, make, path, plane_of, save

__all__ = [
    "SUFFIXES",
    "Walk",
    "along",
    "check_out",
    "code_of",
    "decoder",
    "enlarged",
    "figures",
    "frames",
    "grid",
    "make",
    "path",
    "place",
    "plane_of",
    "rows",
    "save",
    "there_and_back",
    "write_contact_sheet",
    "write_gif",
    "write_mp4",
    "write_npz",
]
