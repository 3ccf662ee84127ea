"""Features that a small network learns from the images themselves."""

from shoal.features.learned.encoder import METHODS, Learned, autoencoder, contrastive

__all__ = ["METHODS", "Learned", "autoencoder", "contrastive"]
