"""A private SLURM site with the wrappers and settings of real sites, one at a time: `make site-quirks`."""
