"""Arrays in files and in memory: .npy, .npz, IDX, and anything that NumPy can convert to an array."""
