# Every target first installs what it needs: a Python environment, and SLURM from Debian where it can be installed.
PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help demo test check generate bench compose-test crash e2e-cli observe faults simulate mutants mutants-money fmt proto clean

help: ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

.venv/.ready: pyproject.toml uv.lock tools/bootstrap
	@PYTHON=$(PYTHON) tools/bootstrap venv

.PHONY: slurm slurm-or-not
slurm: .venv/.ready
	@tools/bootstrap slurm

slurm-or-not: .venv/.ready
	@tools/bootstrap slurm || echo "going on with the simulated site"

demo: slurm-or-not ## Run eighteen jobs from the chain through real SLURM and back, in under three minutes
	@.venv/bin/provd demo

.PHONY: test-tools observe-tools
test-tools: .venv/.ready
	@tools/bootstrap slurm observe browser systemd sandbox

observe-tools: .venv/.ready
	@tools/bootstrap slurm observe browser

test: test-tools check ## Run everything: lint, types, layers, unit tests, and the whole demo on real SLURM
	.venv/bin/pytest -m 'not real' -n 2
	.venv/bin/pytest -m real -n 4 --dist loadgroup

check: .venv/.ready ## Run lint, format, types, import layers and known vulnerabilities only
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m tools.advisories

bench: slurm ## Measure the figures of the docs in one run on a private site
	@.venv/bin/python -m tests.load.bench

compose-test: .venv/.ready ## Test the site, chain, daemon and Prometheus in containers, from a job to its report; starts a Docker engine if none answers (as root)
	@tools/images/engine .venv/bin/python -m tests.compose.run

.PHONY: python-test
python-test: .venv/.ready ## Run the unit tests on the newest supported Python of Debian testing, and on the oldest if this host has another (as root)
	@.venv/bin/python -m tests.pythons.run

.PHONY: sampling
sampling: .venv/.ready ## Measure what a sample of the node agent, and the whole agent, cost on this machine
	@.venv/bin/python -m tests.load.sampling
	@.venv/bin/python -m tests.load.agent_process

.PHONY: flood
flood: .venv/.ready ## Measure how long 100,000 jobs (JOBS=number) of one customer delay the first job of another
	@.venv/bin/python -m tests.load.flood $(if $(JOBS),--jobs $(JOBS))

.PHONY: agents
agents: .venv/.ready ## Measure one collector with 5,000 simulated node agents (AGENTS=number) for ten minutes (MINUTES=number), then attack it
	@.venv/bin/python -m tests.load.agents $(if $(AGENTS),--agents $(AGENTS)) $(if $(MINUTES),--minutes $(MINUTES))

crash: slurm ## Kill the daemon at random moments (KILLS=200) and compare the result with an undisturbed run
	@.venv/bin/python -m tests.crash.run $(if $(KILLS),--kills $(KILLS))

e2e-cli: slurm ## Run a cluster's whole life and five jobs with the command line alone, on real SLURM; balances checked to the uvirt
	@.venv/bin/python -m tests.e2e.cli

.PHONY: examples
examples: slurm ## Submit every job of docs/examples with one command each to a private site and chain, and check the results
	@.venv/bin/python -m tests.e2e.examples

observe: observe-tools ## Break five dependencies of the real daemon, dispute a bill on a real site, and check alerts, series and pictures with Prometheus and Chromium (ONLY=part of a name)
	@.venv/bin/python -m tests.observe.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: site docs-test
site: .venv/.ready ## Build the documents as a web site in site/, readable from the disk or by any web server
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

docs-test: .venv/.ready ## Run the commands of the installation and first-job pages in an empty Debian 12 (or SUITE=trixie), up to a reported job (as root)
	@.venv/bin/python -m tests.docs.run $(SUITE)

.PHONY: systemd-test
systemd-test: .venv/.ready ## Boot a Debian 12 (or SUITE=trixie) and test the service: start, kill, hang, dead loop, sandbox, journal (as root)
	@.venv/bin/python -m tests.systemd.run $(SUITE)

faults: slurm ## Break SLURM, SSH, gRPC, disks, the clock, the wallet, the chain and data transfers under the real processes (ONLY=part of a name)
	@.venv/bin/python -m tests.faults.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: site-quirks
site-quirks: slurm ## Put wrappers, banners and settings of real sites in front of real SLURM, one at a time (ONLY=part of a name)
	@.venv/bin/python -m tests.site_quirks.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: hostile-customer sandbox-tools
sandbox-tools: .venv/.ready
	@tools/bootstrap slurm sandbox

hostile-customer: sandbox-tools ## Run a customer's attacks as real jobs behind bwrap and srun: options as commands, links, names, a filled queue (ONLY=part of a name)
	@.venv/bin/python -m tests.hostile_customer.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: isolation
isolation: sandbox-tools ## Audit a private site as two hostile customers: contained, natively, and with one hole at a time (as root; ONLY=part of a name)
	@.venv/bin/python -m tests.isolation.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: test-data-attacks
test-data-attacks: .venv/.ready ## Run every attack on data transfer, a line for each: paths, links, addresses, tokens, sizes (ONLY=part of a name)
	@.venv/bin/python -m tests.data_attacks $(if $(ONLY),--only "$(ONLY)")

.PHONY: lying-endpoints
lying-endpoints: .venv/.ready ## Run the real daemon while one of three chain endpoints tells thirty-two lies, listed first and last (ONLY=part of a name)
	@.venv/bin/python -m tests.lying_endpoints.run $(if $(ONLY),--only "$(ONLY)")

simulate: .venv/.ready ## Run the real loops under kills, lost answers and lies in virtual time (N=10000 schedules, or SEED=one; MODE=wire, pool, crowd or nodes)
	@.venv/bin/python -m tests.simulation.run $(if $(MODE),--$(MODE)) $(if $(SEED),--seed $(SEED),--n $(or $(N),10000))

.PHONY: fuzz
fuzz: .venv/.ready ## Give strangers' bytes to parsers, decoders and renderers, T=60 seconds for each (ONLY=target)
	@tools/bootstrap fuzz || echo "atheris cannot be installed for this Python: fuzzing with hypothesis"
	@.venv/bin/python -m tests.fuzz.run --seconds $(or $(T),60) $(if $(ONLY),--only $(ONLY))

mutants: .venv/.ready ## Put deliberate errors into the code; the simulation must detect each
	@.venv/bin/python -m tests.simulation.mutants

mutants-money: .venv/.ready ## Run every branch of the money files, and put one error at a time into them; a test must detect each
	@.venv/bin/pytest tests/unit/money -q -p no:cacheprovider --cov=provider_daemon.money --cov-branch --cov-report=term --cov-fail-under=100
	@.venv/bin/python -m tests.money_mutants

.PHONY: dist deb deb-test rpm rpm-test rpm-tools
dist: .venv/.ready ## Build wheel, source distribution and bill of materials (CycloneDX) in dist/
	@.uv/bin/uv build -q --out-dir dist
	@.venv/bin/python -m tools.sbom dist/provd.cdx.json
	@ls dist/*.whl dist/*.tar.gz dist/*.cdx.json

deb: .venv/.ready ## Build the packages of provd and of its node agent for Debian 12 (or SUITE=trixie) in dist/, with all dependencies inside (as root)
	@deploy/debian/build dist $(SUITE)

deb-test: .venv/.ready ## Install wheel, pipx and the Debian package, upgrade with running jobs, downgrade, remove and purge in an empty Debian 12 (or SUITE=trixie, as root)
	@.venv/bin/python -m tests.packages.run $(SUITE)

rpm-tools: .venv/.ready
	@tools/bootstrap rpm

rpm: rpm-tools ## Build the packages of provd and of its node agent for EL 8, 9 and 10 and their Python 3.12 (or EL_PYTHON=3.11) in dist/, with all dependencies inside
	@deploy/rpm/build dist $(EL_PYTHON)

rpm-test: rpm-tools ## Check the RPM's contents; install, upgrade with running jobs, downgrade and remove it with rpm in another root directory (as root)
	@.venv/bin/python -m tests.packages.run_rpm

fmt: .venv/.ready ## Format, and fix what can be fixed automatically
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

generate: .venv/.ready ## Write docs/cli.md, docs/metrics.md, docs/openapi.json and Grafana's boards again from the code
	.venv/bin/python -m tools.cli_reference >docs/cli.md
	.venv/bin/python -m tools.metrics_reference >docs/metrics.md
	.venv/bin/python -m tools.openapi >docs/openapi.json
	.venv/bin/python -m tools.grafana_boards

proto: .venv/.ready ## Compile the .proto files again
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m tools.compile_protos

clean: ## Remove the environments and caches
	rm -rf .venv .uv .images dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
