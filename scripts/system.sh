#!/usr/bin/env bash
# Installs the Debian packages that Wormward's commands need; asks apt only for what is missing.
#
#     scripts/system.sh demo    Python's venv module: all that assessing needs
#     scripts/system.sh test    and the foreign programs that the tests compare with
#     scripts/system.sh bench   and Suricata 7, the peer of the benchmark (from the backports suite)
#
# Runs as root or through sudo. On a system without apt it says what to install and ends 0: what is lacking then
# shows where it is used. Exit 3: Suricata is not to be had from this machine's package source; all else is there.
set -euo pipefail

DEMO=(python3-venv)
TEST=(tshark wireshark-common nmap samba smbclient bind9 bind9-dnsutils bind9-utils curl iproute2 tcpdump util-linux chromium poppler-utils fonts-ipafont-gothic nfdump softflowd
    libreoffice-calc-nogui default-jre-headless)
# What these packages would start at once and at every boot. The tests start their own in a network of their own.
UNITS=(smbd nmbd samba-ad-dc named suricata softflowd)

say() { echo "system: $*"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "needs root or sudo to run: $*" >&2
        return 1
    fi
}

# Prints those of the given packages that are not installed.
missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

# Runs apt-get so that it asks nothing (tshark's question about capturing as a plain user stays at its default, no),
# waits for another apt to end. Its many lines are shown only if it fails.
apt_get() {
    local log code=0
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
        >"$log" 2>&1 || code=$?
    [ $code -eq 0 ] || tail -n 30 "$log" >&2
    rm -f "$log"
    return $code
}

# Debian's own way to keep packages from starting their services while they are installed.
hold_services() {
    [ ! -e /usr/sbin/policy-rc.d ] || return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

disable_new_services() {
    [ -d /run/systemd/system ] || return 0
    local unit
    for unit in "${UNITS[@]}"; do
        if ! grep -qx "$unit" <<<"$1" && systemctl is-enabled --quiet "$unit" 2>/dev/null; then
            as_root systemctl disable --quiet "$unit" || say "could not disable $unit; it will run after the next boot"
        fi
    done
}

enabled_services() {
    [ -d /run/systemd/system ] || return 0
    local unit
    for unit in "${UNITS[@]}"; do
        if systemctl is-enabled --quiet "$unit" 2>/dev/null; then echo "$unit"; fi
    done
}

# install [-t SUITE] PACKAGE...
install() {
    local target=()
    if [ "$1" = -t ]; then target=(-t "$2"); shift 2; fi
    local wanted before
    wanted=$(missing "$@")
    [ -n "$wanted" ] || return 0
    before=$(enabled_services)
    # Unquoted on purpose: a list of names.
    # shellcheck disable=SC2086
    say installing $wanted
    hold_services
    [ ${#target[@]} -gt 0 ] || apt_get update || say "apt-get update failed; trying with the lists that are there"
    # shellcheck disable=SC2086
    apt_get install --no-install-recommends "${target[@]}" $wanted || return
    disable_new_services "$before"
}

# Writes the machine's own package source once more with the backports suite, so that a mirror stays a mirror.
add_backports() {
    local suite="$1" to=/etc/apt/sources.list.d/wormward-backports from=""
    if [ -f /etc/apt/sources.list.d/debian.sources ]; then
        to+=.sources
        # One paragraph a source; the security archive has no backports.
        from=$(awk -v suite="$suite" 'BEGIN { RS = ""; ORS = "\n\n" }
            !/-security/ && !done { sub(/Suites:[^\n]*/, "Suites: " suite); print; done = 1 }' \
            /etc/apt/sources.list.d/debian.sources)
    elif [ -f /etc/apt/sources.list ]; then
        to+=.list
        from=$(sed -nE "s#^(deb( \[[^]]*\])? [^ ]+) ${suite%-backports} .*#\1 $suite main#p" /etc/apt/sources.list | head -n 1)
    fi
    if [ -z "$from" ]; then
        say "found no Debian package source to take the suite $suite from"
        return 3
    fi
    printf '%s\n' "$from" | as_root tee "$to" >/dev/null
    if ! apt_get update; then
        as_root rm -f "$to"
        apt_get update || true
        say "this machine's package source has no suite $suite"
        return 3
    fi
}

install_suricata() {
    local suite
    suricata -V 2>/dev/null | grep -q "version 7\." && return 0
    # shellcheck disable=SC1091
    suite="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")-backports"
    add_backports "$suite" || return 3
    install -t "$suite" suricata || { say "Suricata could not be installed from $suite"; return 3; }
    suricata -V
}

main() {
    if ! command -v apt-get >/dev/null; then
        say "no apt here; please install by hand: python3 with venv; for the tests: ${TEST[*]}"
        return 0
    fi
    local python=()
    # A Python from elsewhere (pyenv) brings its own venv module.
    "${PYTHON:-/usr/bin/python3}" -c 'import ensurepip, venv' 2>/dev/null || python=("${DEMO[@]}")
    case "${1:-}" in
        demo) [ ${#python[@]} -eq 0 ] || install "${python[@]}" ;;
        test) install "${python[@]}" "${TEST[@]}" ;;
        bench) install "${python[@]}" util-linux; install_suricata ;;
        *) say "usage: $0 demo|test|bench" >&2; return 2 ;;
    esac
}

main "$@"
