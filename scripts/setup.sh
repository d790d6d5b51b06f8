#!/bin/bash
# Installs what is missing of scripts/packages.txt. For Debian 12; does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")"

# Commands that may be there from elsewhere: then their package is not wanted, it could break them.
have_otherwise() {
  case $1 in
    nodejs) command -v node ;;
    npm) command -v npm ;;
    *) false ;;
  esac > /dev/null 2>&1
}

missing=()
installed=" $(dpkg-query -W -f '${Package}:${db:Status-Status}\n' | sed -n 's/:installed$//p' | tr '\n' ' ') "
for package in $(sed 's/#.*//' packages.txt); do
  if [[ $installed != *" $package "* ]] && ! have_otherwise "$package"; then missing+=("$package"); fi
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "setup: these packages are missing, and installing them needs root (there is no sudo). As root:" >&2
    echo "  apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]} …" >&2
export DEBIAN_FRONTEND=noninteractive
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3)
# nginx is used as a program; the service that its package would start would take port 80. The policy is a file of
# apt's that is there only while this runs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy > /dev/null
  "${as_root[@]}" chmod 755 $policy
  trap '"${as_root[@]}" rm -f $policy' EXIT
fi
"${apt[@]}" update >&2
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2
