"""The core of the latent-space explorer: variational autoencoders, their data, training and measures.

Nothing in here knows about a screen; use it from a notebook or a script as it is. Importing the
package imports nothing heavy: each module brings in what it needs where it needs it.
"""

__version__ = "0.1.0"
