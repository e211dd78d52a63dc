"""Several processes train as one: the same batches, the same noise, the same curve."""

import os
import subprocess
import sys

import pytest

from tests.patience import PATIENCE_S
from tests.training import making
from vae_core.config import ComputeConfig
from vae_core.training.conduct import conduct
from vae_core.training.run import Run, prepare

TWO = ComputeConfig(accelerator="cpu", precision="32-true", compile="off", devices=2, strategy="ddp")


@pytest.mark.parametrize("model", [{}, {"architecture": "conv", "hidden": (8, 16)}])
def test_two_processes_with_half_the_batch_each_give_the_curve_of_one(model, tmp_path):
    settings = {"model": model, "epochs": 3, "batch_size": 62}  # the last batch of 11 is not shared evenly
    alone, together = tmp_path / "alone", tmp_path / "together"
    conduct(prepare(alone, making.experiment(**settings)))
    prepare(together, making.experiment(compute=TWO, **settings))
    command = [sys.executable, "-m", "vae_core", "train", "--run", together]
    subprocess.run(command, check=True, timeout=PATIENCE_S, env=os.environ, capture_output=True)
    curves = zip(Run(alone).metrics(), Run(together).metrics(), strict=True)
    for one, two in curves:
        assert two.loss == pytest.approx(one.loss, rel=2e-5)
        assert two.train_kl == pytest.approx(one.train_kl, rel=1e-3)
        assert two.held_out_elbo == pytest.approx(one.held_out_elbo, rel=2e-5)


def test_a_batch_that_cannot_be_shared_is_one_sentence(tmp_path):
    prepare(tmp_path / "run", making.experiment(compute=TWO, batch_size=31))
    command = [sys.executable, "-m", "vae_core", "train", "--run", tmp_path / "run"]
    done = subprocess.run(command, timeout=PATIENCE_S, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert "batch_size = 31 cannot be shared by 2 processes; use a multiple of 2." in done.stderr
    assert Run(tmp_path / "run").status().state == "failed"
