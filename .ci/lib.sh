# What the scripts beside this one share. Sourced, not run.
# Everything that is fetched or built is kept in $cache, so that the next run starts at once.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/plumb-ci
mkdir -p "$cache"

# install PACKAGE…: Debian packages that are not there yet, without starting any service.
install_packages() {
  local missing=() p as_root=
  for p in "$@"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || as_root=sudo
  local policy=/usr/sbin/policy-rc.d made=
  if ! [ -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod +x $policy
    made=yes
  fi
  $as_root apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
  [ -z "$made" ] || $as_root rm -f $policy
}

# free_port: a TCP port that nothing listens on now.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS COMMAND…: until the command succeeds.
wait_for() {
  local left=$(($1 * 5)); shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
    sleep 0.2
  done
}
