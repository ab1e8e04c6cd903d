# For those whose fingers say make. Each target calls ./dev, where the work is.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench fuzz soak

help: ## list the targets
	@sed -n 's/^\([a-z]*\): ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "%-8s %s\n", $$1, $$2 }'

setup: ## install what is missing, and build
	@./dev setup
demo: ## show all of Mandat on a bundled capture
	@./dev demo
test: ## lint, then all tests
	@./dev test
lint: ## formats, types, layers, lints
	@./dev lint
bench: ## CPU of a run beside tcpdump's
	@./dev bench
fuzz: ## mutate seeds into every decoder
	@./dev fuzz
soak: ## the same traffic for ten minutes, watching memory
	@./dev soak
