#!/bin/sh
# In the place of sbatch: it reads its script, queues nothing, and ends with the words that the case names.
cat >/dev/null
echo "sbatch: error: Batch job submission failed: @1@" >&2
exit 1
