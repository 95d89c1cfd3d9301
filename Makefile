# Every target sets up what it needs first: a private Python environment, and Debian's SLURM packages where they can be installed.
PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help demo test check generate bench compose-test crash e2e-cli observe faults simulate mutants mutants-money fmt proto clean

help: ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

.venv/.ready: pyproject.toml uv.lock tools/bootstrap
	@PYTHON=$(PYTHON) tools/bootstrap venv

.PHONY: slurm slurm-or-not
slurm: .venv/.ready
	@tools/bootstrap slurm

slurm-or-not: .venv/.ready
	@tools/bootstrap slurm || echo "going on with the simulated site"

demo: slurm-or-not ## Twelve jobs from the chain through real SLURM and back, in under three minutes
	@.venv/bin/provd demo

.PHONY: test-tools observe-tools
test-tools: .venv/.ready
	@tools/bootstrap slurm observe browser systemd sandbox

observe-tools: .venv/.ready
	@tools/bootstrap slurm observe browser

test: test-tools check ## Everything: lint, types, layers, unit tests, and the whole path on real SLURM
	.venv/bin/pytest -m 'not real' -n 2
	.venv/bin/pytest -m real -n 2 --dist loadgroup

check: .venv/.ready ## Lint, format, types, import layers and known vulnerabilities only
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m tools.advisories

bench: slurm ## The figures of the docs, measured in one run on a private site
	@.venv/bin/python -m tests.load.bench

compose-test: .venv/.ready ## The site, chain, daemon and Prometheus in containers, from a job to its report; starts a Docker engine where none answers (as root)
	@tools/images/engine .venv/bin/python -m tests.compose.run

.PHONY: python-test
python-test: .venv/.ready ## The unit tests on the newest supported Python of Debian testing, and on the oldest where this host has another (as root)
	@.venv/bin/python -m tests.pythons.run

crash: slurm ## Kill the daemon at random moments (KILLS=200) and compare the result with an undisturbed run
	@.venv/bin/python -m tests.crash.run $(if $(KILLS),--kills $(KILLS))

e2e-cli: slurm ## A cluster's whole life and five jobs by provd's command lines alone, on real SLURM, balances checked to the uvirt
	@.venv/bin/python -m tests.e2e.cli

observe: observe-tools ## Break five things under the real daemon on a real site while Prometheus and Chromium watch: alerts, series, pictures (ONLY=part of a name)
	@.venv/bin/python -m tests.observe.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: site docs-test
site: .venv/.ready ## The documents as a web site, in site/, to be read from the disk or by any web server
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

docs-test: .venv/.ready ## Type what the installation and first-job pages say into an empty Debian 12 (or SUITE=trixie), up to a reported job (as root)
	@.venv/bin/python -m tests.docs.run $(SUITE)

.PHONY: systemd-test
systemd-test: .venv/.ready ## Boot a Debian 12 (or SUITE=trixie) and play the service's life: start, kill, hang, dead loop, sandbox, journal (as root)
	@.venv/bin/python -m tests.systemd.run $(SUITE)

faults: slurm ## Break SLURM, SSH, gRPC, the disk, the clock, the wallet and the chain under the real daemon (ONLY=part of a name)
	@.venv/bin/python -m tests.faults.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: site-quirks
site-quirks: slurm ## Wrappers, banners and settings of real sites in front of real SLURM, one at a time (ONLY=part of a name)
	@.venv/bin/python -m tests.site_quirks.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: hostile-customer sandbox-tools
sandbox-tools: .venv/.ready
	@tools/bootstrap slurm sandbox

hostile-customer: sandbox-tools ## A customer's attacks as real jobs behind bwrap and srun: options as commands, links, names, a filled queue (ONLY=part of a name)
	@.venv/bin/python -m tests.hostile_customer.run $(if $(ONLY),--only "$(ONLY)")

.PHONY: lying-endpoints
lying-endpoints: .venv/.ready ## One of three chain endpoints lies in thirty-two ways, listed first and last, under the real daemon (ONLY=part of a name)
	@.venv/bin/python -m tests.lying_endpoints.run $(if $(ONLY),--only "$(ONLY)")

simulate: .venv/.ready ## The real loops under kills, lost answers and lies in virtual time (N=10000 schedules, or SEED=one; MODE=wire)
	@.venv/bin/python -m tests.simulation.run $(if $(MODE),--$(MODE)) $(if $(SEED),--seed $(SEED),--n $(or $(N),10000))

mutants: .venv/.ready ## Deliberate wrong versions of the code, each of which the simulation must catch
	@.venv/bin/python -m tests.simulation.mutants

mutants-money: .venv/.ready ## Every branch of the money files under test, and one mistake at a time in them, each of which a test must notice
	@.venv/bin/pytest tests/unit/money -q -p no:cacheprovider --cov=provider_daemon.money --cov-branch --cov-report=term --cov-fail-under=100
	@.venv/bin/python -m tests.money_mutants

.PHONY: dist deb deb-test rpm rpm-test rpm-tools
dist: .venv/.ready ## dist/: wheel, source distribution and the bill of materials (CycloneDX)
	@.uv/bin/uv build -q --out-dir dist
	@.venv/bin/python -m tools.sbom dist/provd.cdx.json
	@ls dist/*.whl dist/*.tar.gz dist/*.cdx.json

deb: .venv/.ready ## dist/: the package for Debian 12 (or SUITE=trixie), with all that it needs inside (as root)
	@deploy/debian/build dist $(SUITE)

deb-test: .venv/.ready ## Wheel, pipx and the Debian package: installed, upgraded with jobs in flight, set back, removed, purged in an empty Debian 12 (or SUITE=trixie, as root)
	@.venv/bin/python -m tests.packages.run $(SUITE)

rpm-tools: .venv/.ready
	@tools/bootstrap rpm

rpm: rpm-tools ## dist/: the package for EL 8, 9 and 10 and their Python 3.12 (or EL_PYTHON=3.11), with all that it needs inside
	@deploy/rpm/build dist $(EL_PYTHON)

rpm-test: rpm-tools ## The RPM: its contents, and installed, upgraded with jobs in flight, set back and removed by rpm in another root directory (as root)
	@.venv/bin/python -m tests.packages.run_rpm

fmt: .venv/.ready ## Format, and mend what can be mended
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

generate: .venv/.ready ## Write docs/cli.md, docs/metrics.md and Grafana's boards again from the code
	.venv/bin/python -m tools.cli_reference >docs/cli.md
	.venv/bin/python -m tools.metrics_reference >docs/metrics.md
	.venv/bin/python -m tools.grafana_boards

proto: .venv/.ready ## Compile the .proto files again
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m tools.compile_protos

clean: ## Remove the environments and caches
	rm -rf .venv .uv .images dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
