# Two commands do everything: `make demo` and `make test`. Both make .venv when it is missing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SNAKEMAKE := $(BIN)/snakemake --cores all
CLASSES := face cat car horse
CASE := baggage
TABLE2 := results/table2.tex results/table2.csv results/metrics.json

export OMP_NUM_THREADS ?= 1

.PHONY: demo paper report test test-all test-slurm bench lint schema dvc-remote zoo showcase touch timings clean-results

demo: $(STAMP)
	$(SNAKEMAKE) $(TABLE2)
	@$(BIN)/python scripts/show_table.py results/table2.csv

paper: $(STAMP)  # every table and figure, the claims: an hour on two cores beyond `make demo`
	$(SNAKEMAKE) $(TABLE2) paper

report: paper  # results/report.html; results/report.pdf where a LaTeX is installed
	$(SNAKEMAKE) $(TABLE2) paper --report results/report.html
	@if command -v pdflatex > /dev/null; then $(SNAKEMAKE) results/report.pdf; \
	else echo "results/report.pdf is not made: pdflatex is not installed (Debian: texlive-latex-recommended)"; fi

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt torch -e '.[dev]'
	touch $@

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not extended"

test-all: $(STAMP)  # with the oracles: openvino on the wheel that real_faces fetches, torchmetrics; DVC for real; Triton's interpreter
	$(BIN)/pip install -q -c constraints.txt -e '.[browser,oracle,remotes,triton]'
	$(SNAKEMAKE) resources/generators/real_faces/random_face.whl resources/face_mesh/mediapipe.whl
	$(BIN)/python -m pytest -n auto --dist loadfile

test-slurm: $(STAMP)  # the test study on a real Slurm of this machine alone, started and stopped (Debian's slurm-wlm, munge)
	$(BIN)/pip install -q -c constraints.txt -e '.[slurm]'
	PATH="$(abspath $(BIN)):$$PATH" tests/slurm/run

bench: $(STAMP)  # the kernels beside what they replace, on a GPU where there is one, twenty minutes: results/bench/table.md
	$(BIN)/pip install -q --no-deps lightly==1.6.0
	$(BIN)/python -m benchmarks results/bench --device cuda

lint: $(STAMP)  # `snakemake --lint` is held to its one explained finding by tests/workflow/test_plan.py
	$(BIN)/ruff check lib scripts benchmarks tests
	$(BIN)/snakefmt --check Snakefile workflow

schema: $(STAMP)  # after a change of lib/onemask/sections/
	$(BIN)/python scripts/export_schema.py

# Trains whatever is missing under results/demo (an hour or two a class; `make zoo CLASSES=car` for one), then promotes it.
# Annotated sets are made on the promoted generators.
zoo: CLASSES += $(CASE)
zoo: $(STAMP)
	$(BIN)/pip install -q -c constraints.txt -e '.[score]'
	$(SNAKEMAKE) $(CLASSES:%=results/demo/generators/%/generator.safetensors) \
	  $(CLASSES:%=results/demo/generators/%/score.json) \
	  $(CLASSES:%=results/demo/annotators/%.first.safetensors) $(CLASSES:%=results/demo/annotators/%.second.safetensors)
	$(BIN)/python scripts/promote.py generators,annotators $(CLASSES)
	$(SNAKEMAKE) $(CLASSES:%=results/demo/annotated/%.npz)
	$(BIN)/python scripts/promote.py annotated $(CLASSES)

SHOWN := results/real_faces.png results/swav_curves.png results/fig13.png results/figC4.png \
  $(CLASSES:%=results/demo/gallery/%.png)
LARGE := results/fig_real_faces.png results/figC3.png  # a megabyte and more: shown as JPEG
showcase: $(STAMP)  # pictures that README.md and docs/ show, but those of trainings of hours (Fig. C2, `downstream`, full bags), the labelling page's and `make bench`'s
	$(BIN)/pip install -q -c constraints.txt -e '.[landmarks]'
	$(SNAKEMAKE) $(SHOWN) $(LARGE)
	cp $(SHOWN) docs/showcase/
	for name in $(basename $(notdir $(LARGE))); do \
	  $(BIN)/python -c "from PIL import Image; Image.open('results/$$name.png').convert('RGB').save('docs/showcase/$$name.jpg', quality=88)"; \
	done

REMOTE ?= $(abspath ../onemask-dvc)
dvc-remote: $(STAMP)  # a folder as DVC's remote, in .dvc/config.local: make dvc-remote REMOTE=/mnt/team/onemask && dvc push
	mkdir -p $(REMOTE)
	$(BIN)/dvc remote add --local --default --force folder $(REMOTE)

touch: $(STAMP)  # after `git clone && dvc pull`: take what was pulled as made by the present code, and publish it
	$(SNAKEMAKE) --touch $(TABLE2)
	$(SNAKEMAKE) --allowed-rules publish -- $(TABLE2)

timings: $(STAMP)  # seconds and memory per rule, from the last run's benchmark files
	@$(BIN)/python scripts/timings.py results/demo/benchmarks

clean-results:
	find results -mindepth 1 ! -name README.md -delete
