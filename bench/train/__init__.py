"""How fast and how large training is, beside TRL 1.16: `make bench-train`, described in docs/benchmarks.md.

Every measurement is a process of its own, so that its peak memory is its own: the engine's, started as a worker
starts it (ours.py), and TRL's trainers (theirs.py). They take turns; the report holds medians.

inputs.py (models and pairs for both), flops.py (useful work), product.py (what the machine can do), table.py (cells
and their conditions). accelerator.py is the same question on CUDA.
"""
