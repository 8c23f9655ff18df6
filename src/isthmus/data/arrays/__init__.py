"""Arrays in files and in memory: .npy, .npz, IDX, and whatever NumPy can make an array of."""
