#!/bin/sh
# Installs Debian's PostgreSQL and RabbitMQ for private use: the packages' programs, without starting (or
# creating) the system-wide servers that the packages would otherwise leave running. Run as root.
set -eu
policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/rollcall-installs.conf

restore() {
  rm -f "$no_cluster" "$policy"
  if [ -e "$policy.before-rollcall" ]; then mv "$policy.before-rollcall" "$policy"; fi
}
trap restore EXIT
trap 'exit 1' HUP INT TERM

if [ -e "$policy" ] && [ ! -e "$policy.before-rollcall" ]; then mv "$policy" "$policy.before-rollcall"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"
mkdir -p "$(dirname "$no_cluster")"
echo 'create_main_cluster = false' >"$no_cluster"

export DEBIAN_FRONTEND=noninteractive
# A mirror fails now and then, and another apt may be at work.
set -- -o Acquire::Retries=3 -o Acquire::http::Timeout=60 -o DPkg::Lock::Timeout=300
apt-get -qq "$@" update
apt-get -qq "$@" install --yes --no-install-recommends postgresql rabbitmq-server >/dev/null
