# The verbs of this project. Each is a script in script/, which may also be run by itself.
# ARGS is handed on: make test ARGS='tests/stream -k ring'
SHELL := /bin/bash
ARGS ?=
PART ?=
export PYTHON

.PHONY: help setup run test test-long guard lint bench train evaluate packages package-deb package-image

help:
	@echo 'make setup      the runtime in .venv'
	@echo 'make run        live captions of a bundled conversation'
	@echo 'make test       the tests; COVERAGE=1: and their branch coverage'
	@echo 'make guard      counts of work against those accepted; ARGS=--accept accepts'
	@echo 'make lint       style and types'
	@echo 'make bench      the measurements of docs/benchmarks.md'
	@echo 'make train      train the built-in model'
	@echo 'make evaluate   the figures of docs/model-card.md of the trained model'
	@echo 'make packages   wheel, sdist and Debian package of the last commit, bill of materials and notices, in dist;'
	@echo '                make package-deb: that alone; make package-image: the container image'
	@echo 'make test-long PART=parity|peers|soak|fuzz|chaos|load|dialects|packages|cluster|train'

setup:
	@script/setup

run: setup
	@.venv/bin/amanuensis demo $(ARGS)

test:
	@script/test $(ARGS)

test-long:
	@script/test-long '$(PART)' $(ARGS)

guard:
	@script/guard $(ARGS)

lint:
	@script/lint

bench:
	@script/bench $(ARGS)

train:
	@script/train $(ARGS)

evaluate:
	@script/evaluate $(ARGS)

packages:
	@script/package-wheel $(ARGS)
	@script/package-deb $(ARGS)
	@script/package-sbom $(firstword $(ARGS))

package-deb:
	@script/package-deb $(ARGS)

package-image:
	@script/package-image $(ARGS)
