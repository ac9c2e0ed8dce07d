"""The benchmark: one run, one table, every figure a ratio. Started by `make bench`; no test imports it."""
