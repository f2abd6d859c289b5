# Sourced by the scripts: virtual environments that are made once and again when their recipe changes.
#
#   environment NAME PIP_ARGUMENT...  make build/environments/NAME, with these packages; prints nothing if it is there
#   own_folder FOLDER                 empty a folder for a script to fill, or refuse one that a script did not make
#   system_libraries                  what bpy needs of a Debian or Ubuntu system, if it is not there
#   system_programs NAME=PACKAGE...   programs that tests need, likewise

environments=build/environments

say() { printf '%s\n' "$*" >&2; }

# Python 3.11 is what the bpy packages 4.2 to 5.0 are made for.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say "Python 3.11 is needed (the bpy package on PyPI is made for it). Install it, or name it: PYTHON=/path/to/python3.11 $0"
    return 1
}

# Two scripts at once may want the same one: the second waits for the first, where the system has `flock`.
environment() {
    mkdir -p "$environments"
    (
        ! command -v flock >/dev/null || flock 9
        make_environment "$@"
    ) 9>"$environments/.$1.lock"
}

make_environment() {
    local dir=$environments/$1 python recipe log
    shift
    recipe=$(printf '%s\n' "$PWD" "$@" | cat - pyproject.toml | sha256sum)
    [ "$(cat "$dir/.recipe" 2>/dev/null)" = "$recipe" ] && return
    python=$(find_python) || return 1
    say "making $dir: $*"
    own_folder "$dir" .recipe || return 1
    "$python" -m venv "$dir" || return 1
    log=$dir/pip.log
    if ! "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        say "pip failed; the whole of what it said is in $log"
        return 1
    fi
    echo "$recipe" >"$dir/.recipe"
}

# What a script removes, a script made: the mark is there before anything else.
own_folder() {
    local folder=$1 mark=${2:-.made-by-a-script} there
    there=$(ls -A "$folder" 2>/dev/null) || [ ! -e "$folder" ] || there=unreadable
    if [ -n "$there" ] && [ ! -f "$folder/$mark" ]; then
        say "$folder was not made by this script, so nothing in it is removed: move it away, or name another folder"
        return 1
    fi
    mkdir -p "$folder" || return 1
    find "$folder/" -mindepth 1 -delete || return 1
    echo "not finished" >"$folder/$mark"
}

system_libraries() {
    ldconfig -p 2>/dev/null | awk '{print $1}' >/tmp/netrender-libraries.$$
    local missing=()
    local pair
    for pair in libX11.so.6=libx11-6 libXrender.so.1=libxrender1 libXfixes.so.3=libxfixes3 libXi.so.6=libxi6 \
        libxkbcommon.so.0=libxkbcommon0 libSM.so.6=libsm6 libGL.so.1=libgl1 libEGL.so.1=libegl1; do
        grep -qxF "${pair%%=*}" /tmp/netrender-libraries.$$ || missing+=("${pair##*=}")
    done
    rm -f /tmp/netrender-libraries.$$
    system_packages "${missing[@]}"
}

system_programs() {
    local missing=()
    local pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair##*=}")
    done
    system_packages "${missing[@]}"
}

system_packages() {
    [ $# -eq 0 ] && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing what is needed of the system: $*"
        apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        say "These are needed of the system; install them and run again: $*"
        return 1
    fi
}
