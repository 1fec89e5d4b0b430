#!/usr/bin/env bash
# Starts a Slurm of one machine for tests: munged, slurmctld and slurmd, all in one folder, as root.
#
#   tests/slurm/setup.sh FOLDER         installs Slurm if it is missing (Debian, Ubuntu), and starts it
#   tests/slurm/setup.sh FOLDER stop    ends it again; the folder stays, with its logs
#
# It touches no configuration of the machine: everything that Slurm reads or writes is in FOLDER, and
# whoever wants to talk to it sets SLURM_CONF=FOLDER/slurm.conf. Running it twice changes nothing.
set -euo pipefail

folder=${1:?usage: setup.sh FOLDER [stop]}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# Ends a daemon by the process id that it wrote down itself, if that is still this daemon.
end() {
  local name=$1 pid
  pid=$(cat "$folder/$name.pid" 2>/dev/null) || return 0
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] || return 0
  kill "$pid"
  for _ in $(seq 100); do [ -d "/proc/$pid" ] || return 0; sleep 0.1; done
  kill -9 "$pid"
}

runs() {
  local pid
  pid=$(cat "$folder/$1.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]
}

if [ "${2:-}" = stop ]; then
  for daemon in slurmd slurmctld munged; do end "$daemon"; done
  exit 0
fi

[ "$(id -u)" = 0 ] || { echo "setup.sh: run it as root; it starts daemons that only root may start" >&2; exit 1; }
if ! { command -v slurmctld && command -v slurmd && command -v sbatch && command -v munged; } >/dev/null; then
  apt-get update -qq
  # Nothing is started by the packages: this script does it.
  printf '#!/bin/sh\nexit 101\n' >"$folder/policy-rc.d"
  installed_policy=
  [ -e /usr/sbin/policy-rc.d ] || { install -m 755 "$folder/policy-rc.d" /usr/sbin/policy-rc.d; installed_policy=yes; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge
  [ -z "$installed_policy" ] || rm /usr/sbin/policy-rc.d
fi

# munge says who somebody is; it wants its key and socket in folders that others cannot write to.
mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
chmod 755 "$folder/munge"
if [ ! -e "$folder/munge/key" ]; then
  (umask 077; head -c 1024 /dev/urandom >"$folder/munge/key")
fi
if ! runs munged; then
  # --force: the folder may lie below one that others can write to, such as /tmp.
  munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge/seed"
fi

host=$(hostname -s)
cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=36817
SlurmdPort=36818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is queued again waits until its old credentials have expired.
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# No cgroups: a container may have none.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2
# A node that was lost or restarted is taken again.
ReturnToService=2
JobRequeue=1
KillWait=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

export SLURM_CONF=$folder/slurm.conf
runs slurmctld || slurmctld -f "$SLURM_CONF"
runs slurmd || slurmd -f "$SLURM_CONF" -N "$host"
for _ in $(seq 300); do
  state=$(sinfo --noheader --format=%T 2>/dev/null || true)
  [ "$state" = idle ] && { echo "Slurm runs: export SLURM_CONF=$SLURM_CONF"; exit 0; }
  sleep 0.1
done
echo "setup.sh: the node does not become idle (it is ${state:-unknown}); $folder/slurmctld.log and slurmd.log may say why" >&2
tail -n 5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2
exit 1
