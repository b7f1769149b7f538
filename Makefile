# Everything from a fresh clone: `make run`, `make test`. The environment is .venv; remove it to install anew.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
COMPILE := .cache/lock/bin/pip-compile --quiet --strip-extras --allow-unsafe --no-header --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host

.PHONY: install run web test lint bench stack lock clean
.DEFAULT_GOAL := run

install: $(VENV)/installed

$(VENV)/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

run: install
	$(PY) -m pipeline.run --local

web: install
	$(PY) -m pipeline web

test: install lint
	$(PY) -m pytest

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: install
	$(PY) -m benchmarks.local_run
	$(PY) -m benchmarks.plan
	$(PY) -m benchmarks.serving
	PYTHONPATH=.:steps:tests $(PY) -m benchmarks.explanation
	PYTHONPATH=.:tests $(PY) -m benchmarks.page

stack: .cache/stack.yaml
	@echo "$<: infra/roles.yaml with steps/deploy.py in it, for: aws cloudformation deploy"

.cache/stack.yaml: infra/roles.yaml steps/deploy.py
	@mkdir -p .cache
	sed 's/^./          &/' steps/deploy.py > .cache/deploy.txt
	sed '/# steps.deploy.py:/r .cache/deploy.txt' infra/roles.yaml > $@

lock:
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet pip-tools
	$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	for image in processing torch training serving; do \
		$(COMPILE) --constraint requirements.lock --output-file containers/$$image.lock containers/$$image.in || exit; \
	done
	# which build of torch it is, is the installing machine's choice
	sed -i.before 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.lock containers/*.lock
	rm *.lock.before containers/*.lock.before

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache
