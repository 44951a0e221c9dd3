#!/usr/bin/env bash
# fetch-source.sh PACKAGE DIRECTORY: the sources of a package as Debian has them, with Debian's patches, into DIRECTORY; nothing is done
# when that is there.
#
# They are fetched by apt, which checks them against the archive's signature, with lists of our own: the machine's sources
# often do not include source packages, and are not ours to change.
set -euo pipefail

readonly package=${1:?the package is missing} directory=${2:?the directory is missing} keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -d $directory ]] && exit 0

work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial

# The archives from which this machine has its packages, as sources for source packages.
apt-get indextargets --format "deb-src [signed-by=$keyring] \$(REPO_URI) \$(RELEASE) main" \
  'Created-By: Packages' 'Origin: Debian' 'Component: main' | sort -u >"$work/sources.list"
[[ -s $work/sources.list ]] || { echo "fetch-source.sh: apt knows no archive of Debian's" >&2; exit 1; }

readonly settings=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=)

cd "$work"
apt-get -qq "${settings[@]}" update
# The newest first: a mirror may have the lists of an archive whose sources it has not.
for version in $(apt-cache "${settings[@]}" showsrc --only-source "$package" | sed -n 's/^Version: //p' | sort -Vur); do
  apt-get -qq "${settings[@]}" source "$package=$version" >/dev/null && break
done
mkdir -p "$(dirname "$directory")"
mv "$work/$package"-*/ "$directory"
