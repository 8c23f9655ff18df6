"""`isthmus reconstruct`, `denoise`, `encode`, `decode`: files through a trained model."""
