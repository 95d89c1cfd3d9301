#!/bin/sh
# sbatch while the disk of slurmctld's StateSaveLocation is full: nothing is queued.
cat >/dev/null
echo "sbatch: error: Batch job submission failed: I/O error writing script/environment to file" >&2
exit 1
