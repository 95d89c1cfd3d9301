# Functions of provd's installation scripts: what becomes of its data.

# SLURM runs its jobs to their end without provd; an administrator who removes the package should know that
# nobody reports them.
warn_of_open_jobs() {
  open=$(/usr/lib/provd/bin/provd jobs --show open --count 1000000 -o json 2>/dev/null | grep -c '"job_id"' || true)
  [ "$open" -eq 0 ] || echo "provd: open jobs: $open; nobody reports them until provd is installed and started again" >&2
}

# keep_data remove|purge: the databases stay; a purge deletes copies of customers' data. The users stay too: files
# may still belong to them, and their numbers must not be given to others.
keep_data() {
  for home in @HOMES@; do
    [ "$1" != purge ] || rm -rf "$home/uploads" "$home/spool"
    if [ -e "$home/ledger.sqlite" ]; then
      echo "provd: $home is kept: its ledger is the proof of what was run and what is owed; rm -r $home destroys it" >&2
    elif [ -e "$home/transfers.sqlite" ]; then
      echo "provd: $home is kept: its database has the manifests of results and when they are deleted; rm -r $home destroys it" >&2
    elif [ -e "$home/agents.sqlite" ]; then
      echo "provd: $home is kept: its database has the registrations of node agents; rm -r $home destroys it" >&2
    elif [ -d "$home" ]; then
      rmdir --ignore-fail-on-non-empty "$home"
    fi
  done
}
