"""Attacks of a customer, as real jobs on a private SLURM site under the real daemon.

Run them with `make hostile-customer`.
"""
