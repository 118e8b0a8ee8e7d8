# Run by a real systemd (systemd.sh): the package, the guide's commands for its units, and
# what a config does to them that cannot be used.
set -Eeu
trap 'echo "FAILED at line $LINENO"; systemctl status --no-pager -l "axepool*" || true; journalctl --no-pager -n 60' ERR

# The guide's own lines, as they are there.
guide() { grep -xF "sudo $1" /usr/share/doc/axepool/operator.md > /dev/null; }
says() { guide "$1" || { echo "the guide does not say: $1"; exit 1; }; echo "+ $1"; $1; }
state() { systemctl show --value -p "$1" axepool.service; }
active() { systemctl is-active --quiet "$@"; }
# Waits for a condition; the whole run has an end.
until_so() { until "$@"; do sleep 0.1; done; }
refused() { if "$@"; then echo "this should have been refused: $*"; exit 1; fi; }
is() { [ "$(state "$1")" = "$2" ] || { echo "$1 is $(state "$1"), not $2"; exit 1; }; }
reached() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }
refused_at() { ! reached "$1"; }
failed() { [ "$(state ActiveState)" = failed ]; }

dpkg -i --force-depends /mnt/axepool.deb
refused active axepool.service

cp /mnt/axepool.toml /etc/axepool/axepool.toml
chown axepool: /etc/axepool/axepool.toml
chmod 600 /etc/axepool/axepool.toml
says 'systemctl enable --now axepool'
active axepool.service
reached 3333

echo "= the sockets cannot be taken from a pool that runs"
refused systemctl start axepool-stratum.socket
systemctl reset-failed
says 'systemctl stop axepool'
says 'systemctl enable --now axepool-stratum.socket axepool-http.socket'
says 'systemctl start axepool'
active axepool.service axepool-stratum.socket axepool-http.socket
reached 3333
reached 8080

echo "= no connection is refused while it is started anew"
systemctl restart axepool.service &
restart=$!
tries=0
while kill -0 $restart 2> /dev/null; do reached 3333; tries=$((tries + 1)); done
wait $restart
active axepool.service
echo "$tries connections"
[ $tries -gt 0 ]

echo "= a config that cannot be used is not tried again and again"
echo '[upstream' > /etc/axepool/axepool.toml
refused systemctl restart axepool.service
until_so failed
is ExecMainStatus 78
is NRestarts 0
journalctl --no-pager -u axepool.service | grep -q 'this is not TOML'

echo "= devices that call meanwhile change nothing of that"
until_so refused_at 3333
failed

echo "= a config that root has written for itself"
cp /mnt/axepool.toml /etc/axepool/axepool.toml
chown root:root /etc/axepool/axepool.toml
chmod 600 /etc/axepool/axepool.toml
systemctl reset-failed
refused systemctl restart axepool.service
until_so failed
is ExecMainStatus 78
journalctl --no-pager -u axepool.service | grep -q 'chown axepool: /etc/axepool/axepool.toml'

echo "= what the journal says helps"
chown axepool: /etc/axepool/axepool.toml
says 'systemctl reset-failed axepool.service axepool-stratum.socket axepool-http.socket'
says 'systemctl start axepool-stratum.socket axepool-http.socket'
says 'systemctl start axepool'
active axepool.service axepool-stratum.socket axepool-http.socket
reached 3333
systemctl stop axepool.service axepool-stratum.socket axepool-http.socket
echo "ALL IS WELL"
