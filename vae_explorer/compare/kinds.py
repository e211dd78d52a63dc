"""What people call a kind of model, from what it is made of and trained for."""

from vae_core.checkpoint import Description
from vae_core.config import ModelConfig, ObjectiveConfig

_RELATIVES = {"tcvae": "β-TCVAE", "iwae": "IWAE"}


def kind_of(description: Description) -> str:
    """Return for example "VAE", "β-VAE with β = 4", "Linear autoencoder" or "Denoising autoencoder"."""
    return kind_name(description.model, description.objective)


def kind_name(model: ModelConfig, objective: ObjectiveConfig) -> str:
    """Return the same for a model that is yet to be trained."""
    if model.kind == "pca":
        return "PCA"
    vae = model.kind == "vae"
    name = "VAE" if vae else "autoencoder"
    if objective.objective != "elbo":
        name = _RELATIVES.get(objective.objective, f"{name} with MMD")
    elif vae and objective.beta != 1:
        name = f"β-VAE with β = {objective.beta:g}"
    if model.architecture == "linear":
        name = f"linear {name}"
    if objective.noise > 0:
        name = f"denoising {name}"
    return name if name.startswith("β") else name[:1].upper() + name[1:]
