"""The derivation of the VAE in numbers: one small module per step, each identity computed by two roads.

    marginal        why p(x) = integral of p(x|z) p(z) dz is out of reach of draws from the prior
    gaussians       KL between two Gaussians
    evidence        log p(x) = ELBO + KL(q || p(z|x)), for any Gaussian q
    reconstruction  log N(x; f(z), c I)
    gradients       the gradient of E_q[h], by reparameterization and by the score function
    linear          PCA of few points, by hand
    generation      draws of the prior, decoded, against data: MMD

Everything is in nats.
"""
