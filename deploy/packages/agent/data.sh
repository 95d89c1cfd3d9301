# Functions of provd-agent's installation scripts: what becomes of its data.

warn_of_open_jobs() {
  : # SLURM runs jobs, and another package reports them
}

# keep_data remove|purge: the key stays, so that an agent that is installed again is still registered; a purge deletes it.
keep_data() {
  for home in @HOMES@; do
    if [ "$1" = purge ]; then
      rm -rf "$home"
    elif [ -d "$home" ]; then
      rmdir --ignore-fail-on-non-empty "$home"
    fi
  done
}
