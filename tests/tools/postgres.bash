# A PostgreSQL for one run of the tests, gone with it. Sourced by tests/run.
# shellcheck shell=bash

postgres_home=

# PostgreSQL refuses to be root, and its package brings a user for it.
as_postgres() {
  if [ "$(id -u)" -eq 0 ]; then
    runuser -u "$(postgres_user)" -- "$@"
  else
    "$@"
  fi
}

postgres_user() {
  id -un postgres 2>/dev/null || printf 'nobody\n'
}

free_port() {
  "$BAUTA_TEST_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_postgres() {
  local programs port try
  programs=$(postgres_programs) || die "no PostgreSQL here; the tests need one and skip nothing"
  postgres_home=$(mktemp -d "${TMPDIR:-/tmp}/bauta-postgres.XXXXXX")
  [ "$(id -u)" -ne 0 ] || chown "$(postgres_user)" "$postgres_home"
  (cd / && as_postgres "$programs/initdb" -D "$postgres_home/data" -U postgres --auth=trust --no-sync \
    -E UTF8 --locale=C.UTF-8) >/dev/null || die "initdb failed"
  for try in 1 2 3; do
    # Somebody may take the port between finding and using it.
    port=$(free_port)
    if (cd / && as_postgres "$programs/pg_ctl" -D "$postgres_home/data" -l "$postgres_home/log" -w -t 60 \
      -o "-p $port -k $postgres_home -c listen_addresses=127.0.0.1 -c max_connections=400" start) \
      >/dev/null 2>&1; then
      export BAUTA_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port"
      return
    fi
    printf 'PostgreSQL did not start on port %s (try %s)\n' "$port" "$try"
  done
  tail -n 20 "$postgres_home/log" >&2
  die "PostgreSQL did not start"
}

# Safe to call twice, and before anything was started.
stop_postgres() {
  [ -n "$postgres_home" ] || return 0
  local home=$postgres_home programs
  postgres_home=
  if programs=$(postgres_programs) && [ -f "$home/data/postmaster.pid" ]; then
    (cd / && as_postgres "$programs/pg_ctl" -D "$home/data" -m immediate -t 30 stop) >/dev/null 2>&1 \
      || printf 'PostgreSQL in %s did not stop\n' "$home" >&2
  fi
  rm -rf -- "$home"
}
