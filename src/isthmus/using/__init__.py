"""Files through a trained model, and the codes that its run keeps in `latent/`."""
