# Functions of both packages' installation scripts.

# stop_daemon upgrade|remove: a daemon must not read another version's modules, so it stops before the files
# change; SLURM runs the jobs meanwhile.
stop_daemon() {
  [ -d /run/systemd/system ] || return 0
  case $(systemctl is-active provd.service || true) in
    active | activating | reloading)
      [ "$1" = remove ] || touch /run/provd.upgrade
      systemctl stop provd.service
      ;;
  esac
}

# After an upgrade: only a daemon that stop_daemon has stopped is started.
start_daemon_again() {
  [ -d /run/systemd/system ] || return 0
  systemctl daemon-reload || true
  [ -e /run/provd.upgrade ] || return 0
  rm -f /run/provd.upgrade
  systemctl start provd.service || echo "provd did not start again: see journalctl -u provd" >&2
}

# SLURM runs its jobs to their end without provd; an administrator who removes the package should know that
# nobody reports them.
warn_of_open_jobs() {
  open=$(/usr/lib/provd/bin/provd jobs --show open --count 1000000 --json 2>/dev/null | grep -c '"job_id"' || true)
  [ "$open" -eq 0 ] || echo "provd: open jobs: $open; nobody reports them until provd is installed and started again" >&2
}

# The user stays too: files may still belong to it, and its number must not be given to another.
keep_ledger() {
  if [ -e @HOME@/ledger.sqlite ]; then
    echo "provd: @HOME@ is kept: its ledger is the proof of what was run and what is owed; rm -r @HOME@ destroys it" >&2
  elif [ -d @HOME@ ]; then
    rmdir --ignore-fail-on-non-empty @HOME@
  fi
}
