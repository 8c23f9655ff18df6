# Two commands: `make run` to see it work, `make test` to check it. Both set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# A short form of the suite that meets every library once: command line, reading, training, web, export, pictures.
SHORT := tests/cli/test_cli.py tests/test_settings.py tests/data/test_sources.py tests/data/tables/test_frames.py \
	tests/data/tables/test_parsing.py tests/data/images/test_image_folder.py tests/training/test_trainer.py \
	tests/training/test_optimizer.py tests/pipeline/test_train.py tests/models/test_loading.py \
	tests/parts/test_quantizers.py tests/evaluation/metrics/test_baselines.py tests/runs/test_density.py \
	tests/test_estimator.py tests/evaluation/figures/test_figures.py tests/report/test_report.py \
	tests/web/test_app.py tests/web/test_guard.py tests/web/test_routes.py tests/cli/test_serve_command.py \
	tests/models/test_graphs.py tests/tools/test_export.py

.PHONY: run test test-lowest lint format docs photo-weights clean

run: $(VENV)/run.stamp
	@$(BIN)/isthmus train
	@$(BIN)/isthmus train --noise gaussian:0.5
	@echo && $(BIN)/isthmus runs

# With worksteal the tests of a file stay in one process, which makes what they share once, until another has none left.
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n auto --dist worksteal

# Old releases call what newer ones of their own dependencies deprecate; people see none of it, so it is no error here.
test-lowest: $(LOWEST)/stamp
	$(LOWEST)/bin/python -m pytest -n auto --dist worksteal -W ignore::DeprecationWarning $(SHORT)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/import_rules.py
	$(BIN)/pyright

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp
	$(BIN)/zensical build --strict
	@echo "open site/index.html"

# Goes on from the weights that are shipped; hours on two cores. What it made is kept by the last of these lines.
photo-weights: $(VENV)/run.stamp
	$(BIN)/python benchmarks/photo_weights.py collect runs/photographs
	$(BIN)/python benchmarks/photo_weights.py train runs/photographs runs/photo-color --start photo
	$(BIN)/python benchmarks/photo_weights.py train runs/photographs runs/photo-gray --start photo --gray
	$(BIN)/python benchmarks/photo_weights.py keep runs/photo-color runs/photo-gray

clean:
	rm -rf $(VENV) $(LOWEST) .pytest_cache .ruff_cache dist build site

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "isthmus needs Python 3.11 or newer; name one with make PYTHON=python3.12 run")'
	$(PYTHON) -m venv $(VENV)

# torch first and alone: its exact version finds the build that the user's pip settings name.
$(VENV)/torch.stamp: $(BIN)/python constraints.txt
	@echo "installing torch and the rest into $(VENV); this takes a minute or two"
	$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/run.stamp: $(VENV)/torch.stamp pyproject.toml
	$(INSTALL) --editable '.[baselines,web]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/run.stamp

$(LOWEST)/stamp: pyproject.toml constraints.txt tests/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	(grep '^torch==' constraints.txt; $(LOWEST)/bin/python tests/lowest.py) > $(LOWEST)/pins.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' $(LOWEST)/pins.txt)"
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/pins.txt --editable '.[dev]'
	@touch $@
