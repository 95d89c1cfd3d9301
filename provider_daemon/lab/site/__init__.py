"""A private SLURM site in one directory: munged, MariaDB, slurmdbd, slurmctld, several slurmd and an sshd of
its own."""
