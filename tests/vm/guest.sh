# What tests/vm/limits.test.ts runs in the virtual machine, as whoever logs in there: one block of
# output per scenario, `== NAME` in front of it. Nothing is judged here.

cd "$(dirname "$0")" || exit 1
export HB_ROOT="$PWD/store"
mkdir rootfs && tar -xf rootfs.tar -C rootfs
hb="$PWD/hb"

# A container of the scenario's own that nobody downloads.
run() { "$hb" run --network none --rootfs "$@"; }

scenario() { echo "== $1"; }

# Scopes and cgroups that hb's name is on.
leftovers() {
  find /sys/fs/cgroup -depth -type d \( -name 'hb-*.scope' -o -path '*/hb/*' \) 2>&1
}

# Ends when there are none, at the latest with the machine's own time limit.
await_none() { while [ -n "$(leftovers)" ]; do sleep 0.2; done; }

scenario memory
run rootfs -m 64m tail /dev/zero 2>&1
echo "status $?"

scenario settings
run rootfs -m 64m --memory-swap 96m --pids-limit 30 --cpus 0.5 --cpu-shares 512 \
  sh -c 'cd /sys/fs/cgroup && head -1 memory.max memory.swap.max pids.max cpu.max cpu.weight &&
    cat /proc/self/cgroup' 2>&1
echo "status $?"

scenario cpus
run rootfs --cpus 0.5 sh -c '
  now() { cut -d" " -f1 /proc/uptime | tr -d .; }
  used() { sed -n "s/^usage_usec //p" /sys/fs/cgroup/cpu.stat; }
  from=$(now); before=$(used)
  while [ $(($(now) - from)) -lt 600 ]; do :; done
  echo "percent $((($(used) - before) / 100 / ($(now) - from)))"' 2>&1
echo "status $?"

scenario pids
run rootfs --pids-limit 12 sh -c 'for i in $(seq 40); do sleep 60 & done; echo never' 2>&1
echo "status $?"

scenario delegated
if [ "$(id -u)" != 0 ]; then
  systemd-run --user --scope -q -p Delegate=yes -- \
    sh -c "exec '$hb' run --network none --rootfs rootfs -m 64m \
      sh -c 'cat /sys/fs/cgroup/memory.max; sleep 2'" 2>&1 &
  sleep 1
  echo "scopes of hb's: $(find /sys/fs/cgroup -name 'hb-*.scope' | wc -l)"
  wait $!
  echo "status $?"
fi

scenario direct
if [ "$(id -u)" = 0 ]; then
  # A root that sees no systemd, as on machines that have another init.
  unshare -m sh -c "mount -t tmpfs none /run/systemd && exec '$hb' run --network none \
    --rootfs rootfs -m 64m --cpuset-cpus 0 --blkio-weight 100 \
    sh -c 'cd /sys/fs/cgroup && cat memory.max cpuset.cpus io.weight'" 2>&1
  echo "status $?"
  echo "cgroups left: $(find /sys/fs/cgroup/hb -mindepth 1 -type d | wc -l)"
fi

scenario cpuset
run rootfs --cpuset-cpus 0 cat /sys/fs/cgroup/cpuset.cpus 2>&1
echo "status $?"

scenario detached
id=$(run rootfs -d --rm --name counter -m 64m \
  sh -c 'while :; do echo >> /tmp/n; done')
counted() { wc -c < rootfs/tmp/n; }
echo "status $?"
"$hb" stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' counter
"$hb" pause counter 2>&1
"$hb" ps --format '{{.Status}}'
"$hb" pause counter 2>&1
before=$(counted); sleep 2
[ "$before" = "$(counted)" ] && echo "stands still"
"$hb" unpause counter 2>&1
sleep 2
[ "$before" = "$(counted)" ] || echo "goes on"
"$hb" update -m 96m counter 2>&1
cat "$(find /sys/fs/cgroup -type d -name "$id*")/memory.max"
"$hb" kill counter 2>&1

scenario unlimited
"$hb" run -d --rm --name plain --network none --rootfs rootfs sleep 1000 >/dev/null
"$hb" pause plain 2>&1
"$hb" ps --format '{{.Status}}'
"$hb" unpause plain 2>&1
"$hb" kill plain 2>&1

scenario killed
"$hb" run --network none --rootfs rootfs -m 64m sh -c 'sleep 1000' &
sleep 3
kill -9 $!
wait $! 2>/dev/null
await_none
echo "nothing is left"

scenario linger
if [ "$(id -u)" != 0 ]; then
  sudo loginctl disable-linger "$(id -un)"
  run rootfs -d --rm --name before -m 64m sleep 1000 2>&1 >/dev/null
  "$hb" kill before >/dev/null
  sudo loginctl enable-linger "$(id -un)"
  echo "-- enabled"
  run rootfs -d --rm --name after -m 64m sleep 1000 2>&1 >/dev/null
  "$hb" kill after >/dev/null
fi

scenario logout
if [ "$(id -u)" != 0 ]; then
  # The user's manager ends, as it does after the last logout of those who do not linger.
  id=$(run rootfs -d --name stays -m 64m sleep 1000 2>/dev/null)
  sudo systemctl stop "user@$(id -u).service"
  "$hb" wait stays
  "$hb" ps -a --format '{{.Status}}'
  "$hb" rm stays
fi

scenario end
await_none
echo "nothing is left"
