"""The bash programs of the built-in launchers. Their arguments are those of launchers.launch.

All of them limit processes, file sizes and core files. Of the environment they pass on only what a job needs
to know about its place in SLURM and its GPUs, and the job's own variables.
"""

_ARGUMENTS = r"""
directory=$1 image=$2 where=$3 network=$4 processes=$5 kib=$6 inputs=$7
shift 7
# A limit of the site's that is lower stays.
ulimit -c 0
ulimit -u "$processes" 2>/dev/null
ulimit -f "$kib" 2>/dev/null
umask 077
# Ranks, sizes and devices. Not among them: what leads to SLURM's daemons or its configuration.
known=(
  SLURM_JOB_ID SLURM_JOBID SLURM_JOB_NAME SLURM_JOB_PARTITION SLURM_JOB_NUM_NODES SLURM_NNODES
  SLURM_JOB_NODELIST SLURM_NODELIST SLURM_NODEID SLURMD_NODENAME SLURM_PROCID SLURM_LOCALID SLURM_NTASKS
  SLURM_NPROCS SLURM_NTASKS_PER_NODE SLURM_TASKS_PER_NODE SLURM_CPUS_PER_TASK SLURM_CPUS_ON_NODE
  SLURM_JOB_CPUS_PER_NODE SLURM_MEM_PER_NODE SLURM_STEP_ID SLURM_STEP_NUM_NODES SLURM_STEP_NUM_TASKS
  SLURM_STEP_TASKS_PER_NODE SLURM_STEP_NODELIST SLURM_GPUS_ON_NODE SLURM_JOB_GPUS SLURM_STEP_GPUS
  PMI_FD PMI_JOBID PMI_RANK PMI_SIZE
  CUDA_VISIBLE_DEVICES GPU_DEVICE_ORDINAL ROCR_VISIBLE_DEVICES OMP_NUM_THREADS
)
gpus=${SLURM_STEP_GPUS:-${SLURM_JOB_GPUS:-}}
"""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# /dev/nvidia* of the allocated GPUs alone. A number that has no device is one of a site without such files.
_GPUS = r"""
devices=()
for number in ${gpus//,/ }; do
  case $number in *[!0-9]*) continue ;; esac
  [ ! -c "/dev/nvidia$number" ] || devices+=("/dev/nvidia$number")
done
if [ ${#devices[@]} -gt 0 ]; then
  for shared in /dev/nvidiactl /dev/nvidia-uvm /dev/nvidia-uvm-tools /dev/nvidia-modeset; do
    [ ! -c "$shared" ] || devices+=("$shared")
  done
fi
"""

BUBBLEWRAP = (
    _ARGUMENTS
    + _GPUS
    + r"""
options=(
  --unshare-user --disable-userns --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try
  --die-with-parent --new-session --cap-drop ALL --clearenv
)
[ -n "$network" ] || options+=(--unshare-net)
if [ -n "$image" ]; then
  options+=(--ro-bind "$image" /)
else
  options+=(--ro-bind /usr /usr)
  for place in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$place" ]; then
      options+=(--symlink "$(readlink "/$place")" "/$place")
    elif [ -d "/$place" ]; then
      options+=(--ro-bind "/$place" "/$place")
    fi
  done
  for file in ld.so.cache ld.so.conf ld.so.conf.d alternatives localtime nsswitch.conf ssl/certs; do
    options+=(--ro-bind-try "/etc/$file" "/etc/$file")
  done
  exec 8< <(printf 'job:x:%s:%s:job:/work:/bin/sh\n' "$(id -u)" "$(id -g)")
  exec 9< <(printf 'job:x:%s:\n' "$(id -g)")
  options+=(--ro-bind-data 8 /etc/passwd --ro-bind-data 9 /etc/group)
  for command in sbatch srun salloc sattach sbcast squeue scancel scontrol sacct sacctmgr sinfo sdiag sprio \
    sreport sshare sstat strigger scrontab munge unmunge remunge; do
    for place in /usr/bin /usr/sbin /usr/local/bin; do
      file=$(readlink -f "$place/$command")
      [ ! -f "$file" ] || options+=(--ro-bind /dev/null "$file")
    done
  done
fi
if [ -n "$network" ]; then
  for file in resolv.conf hosts; do
    [ -n "$image" ] && [ ! -f "$image/etc/$file" ] || options+=(--ro-bind-try "/etc/$file" "/etc/$file")
  done
fi
options+=(--proc /proc --dev /dev --tmpfs /tmp --tmpfs /var/tmp --tmpfs /run --bind "$directory" /work)
[ -z "$inputs" ] || options+=(--ro-bind "$directory/inputs" /work/inputs)
for device in "${devices[@]}"; do options+=(--dev-bind "$device" "$device"); done
[ ${#devices[@]} -eq 0 ] || options+=(--ro-bind-try /sys /sys)
[ -n "$image" ] || options+=(--remount-ro /)
for name in "${known[@]}"; do [ -z "${!name+set}" ] || options+=(--setenv "$name" "${!name}"); done
options+=(--setenv PATH """
    + _PATH
    + r""")
options+=(--setenv HOME /work --setenv USER job --setenv LOGNAME job --setenv TMPDIR /tmp --chdir "$where")
while [ "$1" != -- ]; do
  options+=(--setenv "${1%%=*}" "${1#*=}")
  shift
done
# The first process of the container is bwrap: its own environment is visible there, so it has none.
exec env -i PATH="$PATH" bwrap "${options[@]}" "$@"
"""
)

# Apptainer keeps an environment of its own: variables with the prefix APPTAINERENV_ are set in the container.
APPTAINER = (
    _ARGUMENTS
    + r"""
options=(--containall --userns --uts --no-home --no-privs --no-eval --no-umask)
[ -n "$network" ] || options+=(--net --network none)
if [ -n "$gpus" ]; then
  options+=(--nv --no-mount home,cwd,hostfs,bind-paths)
else
  options+=(--no-mount home,cwd,hostfs,bind-paths,sys)
fi
options+=(--bind "$directory:/work" --pwd "$where")
[ -z "$inputs" ] || options+=(--bind "$directory/inputs:/work/inputs:ro")
for name in "${known[@]}"; do [ -z "${!name+set}" ] || export "APPTAINERENV_$name=${!name}"; done
for name in $(compgen -e); do
  case $name in PATH | HOME | USER | TMPDIR | APPTAINER* | SINGULARITY*) ;; *) unset "$name" ;; esac
done
export APPTAINERENV_HOME=/work APPTAINERENV_TMPDIR=/tmp
while [ "$1" != -- ]; do
  export "APPTAINERENV_$1"
  shift
done
shift
exec setsid --wait apptainer exec "${options[@]}" "$image" "$@"
"""
)

# ch-run isolates only the file system and shows the host's /dev and /proc. unshare(1) does the rest first, as
# root of a user namespace of its own, which is nobody outside of it.
CHARLIECLOUD = (
    _ARGUMENTS
    + r"""
apart=(
  --user --map-current-user --keep-caps --mount --propagation private --pid --fork --kill-child --mount-proc
  --ipc --uts --cgroup
)
[ -n "$network" ] || apart+=(--net)
options=(--private-tmp --unset-env='*' --env-no-expand --bind "$directory:/work" --cd "$where")
for name in "${known[@]}"; do [ -z "${!name+set}" ] || options+=(--set-env="$name=${!name}"); done
options+=(--set-env=HOME=/work --set-env=TMPDIR=/tmp --set-env=PATH="""
    + _PATH
    + r""")
while [ "$1" != -- ]; do
  options+=(--set-env="$1")
  shift
done
exec env -i PATH="$PATH" USER=job HOME=/work setsid --wait unshare "${apart[@]}" /bin/sh -c '
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm || exit 71
  if [ -n "$2" ]; then
    mount --bind "$1/inputs" "$1/inputs" && mount -o remount,bind,ro "$1/inputs" || exit 71
  fi
  shift 2
  exec ch-run "$@"
' provd-apart "$directory" "$inputs" "${options[@]}" "$image" "$@"
"""
)

# The tasks' srun is the container's too. Its options come first among the remaining arguments, after their
# number.
PYXIS = (
    _ARGUMENTS
    + r"""
tasks=("${@:2:$1}")
shift $(($1 + 1))
mounts=$directory:/work
[ -z "$inputs" ] || mounts+=,$directory/inputs:/work/inputs:ro
variables=()
while [ "$1" != -- ]; do
  variables+=("$1")
  shift
done
shift
[ ${#variables[@]} -eq 0 ] || set -- env "${variables[@]}" "$@"
exec srun "${tasks[@]}" --export=CUDA_VISIBLE_DEVICES,OMP_NUM_THREADS --container-image="$image" \
  --container-mounts="$mounts" --container-workdir="$where" --no-container-mount-home \
  --no-container-remap-root --container-readonly "$@"
"""
)
