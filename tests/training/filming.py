"""Films made on the spot: a run's folder as if it had trained, with pictures that change from snapshot to snapshot."""

import torch

from tests.training import making
from vae_core.training.film import Frame, Items
from vae_core.training.run import Metrics, Status

ITEMS, POINTS = 16, 60


def make(root, epochs=6, title="Digits", state="finished", latent_dim=2, kind="vae", labels=10, **status):
    """Return a run in `root` that looks as if `epochs` epochs were done; 0 epochs: nothing but the film's first picture."""
    likelihood = "gaussian" if kind == "pca" else "bernoulli"
    model = {"kind": kind, "latent_dim": latent_dim, "likelihood": likelihood}
    run = making.make(root, title, model=model, epochs=max(epochs, 6))
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(POINTS) % labels if labels else torch.full((POINTS,), -1)
    items = Items(
        originals=torch.randint(0, 255, (ITEMS, 8, 8, 1), generator=generator, dtype=torch.uint8),
        item_labels=classes[:ITEMS].clone(),
        labels=classes,
        noise=torch.randn(ITEMS, latent_dim, generator=generator),
    )
    run.write("film/items.safetensors", items.to_bytes())
    for epoch in range(epochs + 1):
        add(run, epoch, latent_dim, kind)
    say(run, state, epochs, **status)
    return run


def add(run, epoch, latent_dim=2, kind="vae"):
    """Add a snapshot: its pictures are of the one grey level 10 * epoch, its points drift to the right."""
    grey = torch.full((ITEMS, 8, 8, 1), 10 * epoch, dtype=torch.uint8)
    points = torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(1)) + torch.tensor(
        [epoch / 2, 0.0]
    )
    frame = Frame(grey, grey.clone(), points, torch.tensor(0.81))
    run.write(f"film/{run.film(epoch).name}", frame.to_bytes())
    if epoch:
        run.write_metrics([*run.metrics(), row(epoch, latent_dim, kind)])


def row(epoch, latent_dim=2, kind="vae"):
    """Figures that rise to the fifth epoch and fall after it, so that epoch 5 is the best."""
    per_dimension = tuple(float(1 + dimension) for dimension in range(latent_dim)) if kind == "vae" else ()
    reconstruction = -20.0 - abs(epoch - 5)
    return Metrics(
        epoch=epoch,
        seconds=float(epoch),
        images_per_s=1000.0,
        learning_rate=1e-3,
        beta=1.0,
        loss=20.0,
        train_reconstruction=reconstruction + 1,
        train_kl=float(sum(per_dimension)),
        held_out_reconstruction=reconstruction,
        held_out_kl=float(sum(per_dimension)),
        held_out_squared_error=0.5,
        kl_per_dimension=per_dimension,
    )


def say(run, state, epoch, **status):
    values = {"epochs": 6, "examples": 100 * epoch, "examples_in_all": 600, "images_per_s": 38123.0}
    run.say(Status(**(values | {"state": state, "epoch": epoch} | status)))
