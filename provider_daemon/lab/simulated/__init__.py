"""A SLURM site in this process: real SSH, a real shell, and stand-in SLURM programs.

It is for tests and for machines without SLURM. The daemon's shell text, quoting and parsing work as on a real
site, and batch scripts really run. The output and exit codes of the programs follow measurements of real
SLURM.
"""
