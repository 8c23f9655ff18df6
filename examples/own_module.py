"""Your own nn.Module: train, judge, save and load it; here it is the notebook's class with a linear code."""

import torch
from torch import nn

import isthmus
from isthmus import linear_block


class Autoencoder(nn.Module):
    def __init__(self, z_size: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            linear_block(784, 512, activation="relu"),
            linear_block(512, 256, activation="relu"),
            linear_block(256, z_size, activation="linear"),
        )
        self.decoder = nn.Sequential(
            linear_block(z_size, 256, activation="relu"),
            linear_block(256, 512, activation="relu"),
            linear_block(512, 784, activation="sigmoid"),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


run = isthmus.fit(Autoencoder(), "mnist-2k", output="probabilities", out="runs/own", epochs=12, lr=3e-3)
model = isthmus.load("runs/own", module=Autoencoder())
digits = isthmus.read("mnist-2k").train.x[:5]
print(model.encode(digits).shape, model.reconstruct(digits).dtype)
print(f"test MSE {run.metrics['test']['mse']:.4f}, the mean image's {run.metrics['baselines']['mean']['mse']:.4f}")
