"""Measurements that `make bench-convert` and `make bench-train` run; no part of the wheel."""
