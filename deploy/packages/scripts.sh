# Functions of all packages' installation scripts.

# stop_services upgrade|remove: no process may read another version's modules, so all stop before the files
# change, in the reverse order of their start; SLURM runs the jobs meanwhile.
stop_services() {
  [ -d /run/systemd/system ] || return 0
  running=""
  for service in @SERVICES@; do
    case $(systemctl is-active "$service" || true) in
      active | activating | reloading) running="$service $running" ;;
    esac
  done
  for service in $running; do
    [ "$1" = remove ] || echo "$service" >>/run/@PACKAGE@.upgrade
    systemctl stop "$service"
  done
}

# After an upgrade: only what stop_services has stopped is started.
start_services_again() {
  [ -d /run/systemd/system ] || return 0
  systemctl daemon-reload || true
  [ -e /run/@PACKAGE@.upgrade ] || return 0
  stopped=$(cat /run/@PACKAGE@.upgrade)
  rm -f /run/@PACKAGE@.upgrade
  # The version before this one wrote an empty file: it had the daemon only.
  for service in @SERVICES@; do
    case " $(echo ${stopped:-provd.service}) " in
      *" $service "*)
        systemctl start "$service" || echo "$service did not start again: see journalctl -u $service" >&2
        ;;
    esac
  done
}

