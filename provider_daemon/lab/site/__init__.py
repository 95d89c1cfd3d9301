"""A private SLURM site in one directory.

It consists of munged, MariaDB, slurmdbd, slurmctld, several slurmd and its own sshd.
"""
