"""Your own training loop with `Monitor`, the notebook's Callback: log, checkpoint, curve, early stopping."""

import torch
import torch.nn.functional as F
from torch import nn

import isthmus

digits = torch.from_numpy(isthmus.read("mnist-2k").train.x).flatten(1).float() / 255
train, validation = digits[:1600], digits[1600:]
model = nn.Sequential(nn.Linear(784, 64), nn.SiLU(), nn.Linear(64, 784))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
monitor = isthmus.Monitor(model, out="runs/own-loop", patience=3)

for _ in range(20):
    total = 0.0
    for x in train[torch.randperm(len(train))].split(64):
        cost = F.binary_cross_entropy_with_logits(model(x), x)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        total += float(cost.detach()) * len(x)
    with torch.no_grad():
        validation_cost = float(F.binary_cross_entropy_with_logits(model(validation), validation))
    monitor.log(train_cost=total / len(train), validation_cost=validation_cost)
    monitor.save_checkpoint()
    monitor.plot_cost()
    if monitor.early_stopping():  # the best weights are back in the model
        break

print(f"best epoch {monitor.best_epoch} of {monitor.epoch}, cost {monitor.best_value:.4f}")
