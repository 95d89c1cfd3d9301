"""A private SLURM site behind the wrappers and settings that real sites have, one at a time: `make
site-quirks`."""
