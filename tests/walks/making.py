"""Pictures for walks that tests can tell apart, and files read back by somebody else's programs."""

import itertools
import re
import subprocess

import imageio_ffmpeg
import numpy as np
from PIL import Image


def drifting(count, height=8, width=8, channels=1):
    """Smooth pictures, each different from the one before: a bright blob that wanders over a slope."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    pictures = np.empty((count, height, width, channels), np.uint8)
    for number, channel in itertools.product(range(count), range(channels)):
        angle = 2 * np.pi * (number / count + channel / 3)
        blob = np.exp(-(((x - 0.5 - 0.3 * np.cos(angle)) ** 2 + (y - 0.5 - 0.3 * np.sin(angle)) ** 2) * 20))
        pictures[number, ..., channel] = np.rint(60 + 60 * x + 120 * blob)
    return pictures


def read_gif(path):
    """Durations in ms and all pictures as (n, H, W, 3)."""
    with Image.open(path) as gif:
        durations, pictures = [], []
        for number in range(gif.n_frames):
            gif.seek(number)
            durations.append(gif.info["duration"])
            pictures.append(np.asarray(gif.convert("RGB")))
    return durations, np.stack(pictures)


def read_mp4(path):
    """What ffmpeg says of a video, and all pictures as (n, H, W, 3)."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    answer = subprocess.run(command, capture_output=True, check=True)
    said = answer.stderr.decode()
    width, height = map(int, re.search(r"Video: .* (\d+)x(\d+)", said).groups())
    return said, np.frombuffer(answer.stdout, np.uint8).reshape(-1, height, width, 3)


def listing(folder):
    """The names of everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
