#!/usr/bin/env bash
# fetch-lwip.sh DIRECTORY: the sources of lwIP as Debian has them, with Debian's patches, into DIRECTORY; nothing is done when
# they are there. Debian's library is not for us: it is built for a system with threads, and with another configuration.
#
# The package is fetched by apt, which checks it against the archive's signature, with lists of our own: the machine's sources
# often do not include source packages, and are not ours to change.
set -euo pipefail

readonly directory=${1:?the directory is missing} keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $directory/src/Filelists.cmake ]] && exit 0

work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial

# The archives from which this machine has its packages, as sources for source packages.
apt-get indextargets --format "deb-src [signed-by=$keyring] \$(REPO_URI) \$(RELEASE) main" \
  'Created-By: Packages' 'Origin: Debian' 'Component: main' | sort -u >"$work/sources.list"
[[ -s $work/sources.list ]] || { echo "fetch-lwip.sh: apt knows no archive of Debian's" >&2; exit 1; }

apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" \
    -o APT::Sandbox::User= "$@"
}

cd "$work"
apt update
apt source lwip >/dev/null
rm -rf "$directory"
mkdir -p "$(dirname "$directory")"
mv "$work"/lwip-*/ "$directory"
