"""A SLURM site inside this process, for tests and for machines without SLURM: real SSH, a real shell,
stand-in SLURM programs.

The daemon's own shell text, quoting and parsing meet the same things as at a real site; batch scripts really
run. What the programs say, and with which exit codes, follows what SLURM was measured to say."""
