"""How the weight of the KL term moves while training."""

from vae_core.config import ObjectiveConfig


def beta_at(config: ObjectiveConfig, epoch: int | float, epochs: int) -> float:
    """Return beta after `epoch` epochs (0 at the start) of `epochs`.

    Constant; or with `warmup_epochs` rising linearly from 0 over so many epochs (Bowman et al. 2016; Sønderby et
    al. 2016); or with `cycles` rising linearly from 0 over the first half of each of so many equal parts of the
    training, constant over its second half (Fu et al. 2019, equations 6 and 7).
    """
    if config.warmup_epochs:
        return config.beta * min(1.0, epoch / config.warmup_epochs)
    if config.cycles and epoch < epochs:
        return config.beta * min(1.0, 2 * (epoch * config.cycles / epochs % 1))
    return config.beta
