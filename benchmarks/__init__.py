"""Side-by-side timings of the kernels: `make bench`, or `python -m benchmarks --help`."""
