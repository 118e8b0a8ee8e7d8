#!/bin/bash
# Boots a real systemd as the first process of namespaces of its own, on a copy of this
# machine's root in memory, and runs a driver in it. Nothing of it is left when it ends.
#
#   systemd.sh DIRECTORY     with the driver, driver.sh, and whatever it needs: /mnt in there
#
# The exit status is the driver's; 125 where no systemd can be booted here.
set -eu
readonly dir=$1
if [ "${2:-}" != inside ]; then
    # Its own status says nothing of the driver's.
    timeout -s KILL 300 unshare --mount --propagation private --pid --fork --kill-child \
        --cgroup --net --uts --ipc bash "$0" "$dir" inside || true
    [ ! -e "$dir/status" ] || exit "$(cat "$dir/status")"
    [ ! -e "$dir/booted" ] || { echo "the driver did not end in time"; exit 1; }
    exit 125
fi

readonly base=$(mktemp -d)
cannot() { echo "no systemd can be booted here: $1"; exit 125; }
mount -t tmpfs tmpfs "$base" || cannot "no tmpfs"
readonly root=$base/root
mkdir "$base/upper" "$base/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root" \
    || cannot "no overlay"
mount -t proc proc "$root/proc" || cannot "no /proc"
mount -t sysfs sysfs "$root/sys" || cannot "no /sys"
for place in run tmp dev mnt; do mount -t tmpfs tmpfs "$root/$place"; done
mount --bind "$dir" "$root/mnt"
for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
: > "$root/dev/console"
mkdir "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# Version 1 of control groups where this machine has it, else version 2.
if [ -d /sys/fs/cgroup/systemd ]; then
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd" \
        || cannot "no control groups"
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || cannot "no control groups"
fi

# Of this machine's own units only what a service needs.
find "$root/etc/systemd/system" "$root/lib/systemd/system" -path '*.target.wants/*' -delete
for unit in journald.service journald.socket journald-dev-log.socket; do
    ln -s "/lib/systemd/system/systemd-$unit" "$root/etc/systemd/system/sysinit.target.wants/" \
        2>/dev/null || true
done
: > "$root/etc/machine-id"
: > "$root/etc/fstab"
cat > "$root/etc/systemd/system/driver.service" <<'UNIT'
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
After=systemd-journald.service
[Service]
Type=oneshot
ExecStart=/bin/bash -c 'touch /mnt/booted; bash /mnt/driver.sh > /mnt/log 2>&1; echo $$? > /mnt/status'
ExecStopPost=/bin/systemctl exit --force 0
UNIT
# The console's file is opened before the old root goes.
exec > "$dir/console" 2>&1 < /dev/null
mkdir "$root/.old"
cd "$root"
pivot_root . .old
umount -l /.old
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=driver.service --log-level=err
