#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
usage: make_certs.sh DIR [--days N] [--renew] [NODE | ROLE@NODE]...

Makes a private certificate authority in DIR, and for every NODE a folder DIR/NODE with ca.crt and a certificate and key
for each role: coordinator.crt, coordinator.key, worker.crt, worker.key, client.crt, client.key. ROLE@NODE makes that role's
alone, so that a node holds no more than it needs. NODE is the host name or IP address of a machine; without any,
localhost. Copy DIR/NODE to its machine, and keep DIR/ca.key, which can admit anyone, away from all of them.

An authority that is there is used again: call this later to add nodes. Certificates that are there are kept, unless
--renew is given. They last 825 days, the authority ten years, or both N days.
END
}

fail() {
  echo "make_certs.sh: $1" >&2
  exit "${2:-1}"
}

days=825
ca_days=3650
renew=
dir=
nodes=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --days=*) days=${1#*=}; ca_days=$days ;;
    --days) (($# > 1)) || fail "--days needs a number" 2; days=$2; ca_days=$2; shift ;;
    --renew) renew=1 ;;
    -*) usage >&2; fail "unknown flag $1" 2 ;;
    *) if [[ -z $dir ]]; then dir=$1; else nodes+=("$1"); fi ;;
  esac
  shift
done
if [[ -z $dir ]]; then
  usage >&2
  exit 2
fi
[[ $days =~ ^[1-9][0-9]{0,4}$ ]] || fail "--days: expected a number of days up to 99999, found '$days'" 2
((${#nodes[@]})) || nodes=(localhost)
for node in "${nodes[@]}"; do
  [[ $node =~ ^((coordinator|worker|client)@)?[A-Za-z0-9:][A-Za-z0-9.:_-]*$ ]] ||
    fail "'$node' is neither a host name or IP address nor coordinator@, worker@ or client@ one" 2
done
command -v openssl >/dev/null || fail "openssl is missing: apt-get install openssl"

umask 077
mkdir -p "$dir"
chmod 755 "$dir"
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
quietly() { "$@" >/dev/null 2>"$errors" || { cat "$errors" >&2; fail "openssl failed"; }; }

new_key() { quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

if [[ ! -e $dir/ca.key && ! -e $dir/ca.crt ]]; then
  new_key "$dir/ca.key"
  quietly openssl req -x509 -new -sha256 -key "$dir/ca.key" -days "$ca_days" -subj "/O=Gantry/CN=Gantry private CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -out "$dir/ca.crt"
  chmod 644 "$dir/ca.crt"
  echo "made $dir/ca.crt"
elif [[ ! -e $dir/ca.key || ! -e $dir/ca.crt ]]; then
  fail "of $dir/ca.key and $dir/ca.crt one is missing; restore it, or choose an empty folder for a new authority"
fi

# certificate ROLE NODE: roles are names that gantry looks for in the certificate (proto/credentials.h).
certificate() {
  local role=$1 node=$2 out=$dir/$2/$1 names usage=serverAuth,clientAuth
  if [[ -e $out.crt && -z $renew ]]; then
    echo "kept $out.crt"
    return
  fi
  if [[ $node == localhost ]]; then
    names=DNS:localhost,IP:127.0.0.1,IP:::1
  elif [[ $node == *:* || $node =~ ^[0-9.]+$ ]]; then
    names=IP:$node
  else
    names=DNS:$node
  fi
  [[ $role != client ]] || usage=clientAuth
  new_key "$out.key"
  quietly openssl req -new -sha256 -key "$out.key" -subj "/O=Gantry/CN=$role" -out "$out.csr"
  quietly openssl x509 -req -sha256 -in "$out.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -days "$days" \
    -set_serial "0x$(openssl rand -hex 16)" -out "$out.crt" -extfile <(
      echo "basicConstraints=critical,CA:FALSE"
      echo "keyUsage=critical,digitalSignature"
      echo "extendedKeyUsage=$usage"
      echo "subjectAltName=DNS:$role.gantry,$names"
    )
  rm "$out.csr"
  chmod 644 "$out.crt"
  echo "made $out.crt"
}

for node in "${nodes[@]}"; do
  roles=(coordinator worker client)
  if [[ $node == *@* ]]; then
    roles=("${node%%@*}")
    node=${node#*@}
  fi
  mkdir -p "$dir/$node"
  chmod 755 "$dir/$node"
  install -m 644 "$dir/ca.crt" "$dir/$node/ca.crt"
  for role in "${roles[@]}"; do certificate "$role" "$node"; done
done
