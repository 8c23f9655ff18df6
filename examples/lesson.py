"""The teaching notebook with isthmus: same sections, same order. The notebook of the same name has these cells."""

# %% Import packages
import isthmus

# %% Dataset: 2,000 digits that the package includes (or "mnist", "emnist/letters", a folder of images, a table)
bundle = isthmus.read("mnist-2k")
print(f"{len(bundle.train):,} images of {bundle.train.shape}, classes {', '.join(bundle.train.classes)}")

# %% Dataset and dataloader, architecture, config: one configuration, kept with the model
settings = {"z_size": 32, "batch_size": 64, "hidden": (512, 256), "epochs": 10}

# %% Training preparation (MCOC: model, criterion, optimizer, callback), training and result
run = isthmus.train("mnist-2k", recipe="modern", out="runs/lesson", **settings)
print(f"train cost {run.history[-1]['train_cost']:.4f}, validation cost {run.history[-1]['validation_cost']:.4f}")

# %% Sanity check: original, code, reconstruction
digits = bundle.train.x[:10]
z = run.model.encode(digits)
x_hat = run.model.decode(z)
print(f"images {digits.shape} -> codes {z.shape} -> images {x_hat.shape}; see {run.show('sanity')}")

# %% Denoising autoencoder: noise on the input, clean target
denoiser = isthmus.train("mnist-2k", recipe="modern", noise="gaussian:0.5", out="runs/lesson-denoiser", **settings)

# %% Noisy and denoised side by side, and the sanity check with denoising: noisy, code, denoised, clean
quality = denoiser.metrics["denoising"]
print(f"noisy {quality['noisy']['psnr_db']:.1f} dB, denoised {quality['denoised']['psnr_db']:.1f} dB")
print(f"see {denoiser.show('denoising')}")

# %% The verdicts in plain words
for verdict in run.metrics["verdicts"]:
    print(f"{verdict['level']}: {verdict['text']}")
