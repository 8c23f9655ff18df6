"""The example of the README: train, look at the numbers, use the model."""

import isthmus

run = isthmus.train("mnist-2k", z_size=32, epochs=20, show=False)  # 2,000 digits that the package ships
digits = isthmus.read("mnist-2k").train.x[:5]  # (5, 1, 28, 28) bytes; any images, or a table, work as well
z = run.model.encode(digits)
x_hat = run.model.decode(z)
print(f"{digits.shape} -> {z.shape} -> {x_hat.shape} {x_hat.dtype}")
print(f"test MSE {run.metrics['test']['mse']:.4f}, PCA's {run.metrics['baselines']['pca']['mse']:.4f}")
