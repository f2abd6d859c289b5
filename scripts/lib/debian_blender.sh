# Sourced by .ci/run after environment.sh: a Blender from the packages of a Debian release, in a folder of its own, on a
# Debian of any age.
#
#   debian_blender FOLDER SUITE    prints the path of the program
#
# Nothing is installed on this machine: apt resolves and downloads for an empty system, the packages are unpacked, and the
# program sees their /usr in place of this machine's, in a mount namespace of its own. The mirror is this machine's.

debian_blender() {
    local folder suite=$2 mirror apt package
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    local packages=(blender libc-bin python3 python3-numpy libgl1 libegl1 libgl1-mesa-dri)
    if [ "$(cat "$folder/recipe" 2>/dev/null)" != "$suite ${packages[*]}" ]; then
        mirror=$(debian_mirror)
        [ -n "$mirror" ] || { say "no Debian mirror among this machine's package sources"; return 1; }
        say "unpacking Blender from Debian $suite into $folder"
        own_folder "$folder" recipe || return 1
        mkdir -p "$folder"/{lists/partial,archives/partial,root}
        : >"$folder/status"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$folder/sources.list"
        apt=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
            -o Dir::Etc::preferencesparts=/dev/null -o "Dir::State=$folder" -o "Dir::State::status=$folder/status"
            -o "Dir::Cache=$folder" -o APT::Install-Recommends=0 -o APT::Sandbox::User=root)
        "${apt[@]}" update >&2 || return 1
        "${apt[@]}" install -y --download-only "${packages[@]}" >"$folder/apt.log" 2>&1 || { tail "$folder/apt.log" >&2; return 1; }
        for package in "$folder"/archives/*.deb; do
            dpkg-deb -x "$package" "$folder/root" || return 1
        done
        rm -rf "$folder/archives" "$folder/lists" "$folder/root/usr/share/doc" "$folder/root/usr/share/locale"
        cat >"$folder/blender" <<WRAPPER
#!/bin/sh
exec unshare --mount sh -c '
    mount --bind "$folder/root/usr" /usr
    # What update-alternatives would have linked.
    export LD_LIBRARY_PATH=/usr/lib/$(uname -m)-linux-gnu/blas:/usr/lib/$(uname -m)-linux-gnu/lapack
    export PATH=/usr/bin LIBGL_ALWAYS_SOFTWARE=1 LC_ALL=C.UTF-8
    exec /usr/bin/blender "\$@"
' blender "\$@"
WRAPPER
        chmod +x "$folder/blender"
        echo "$suite ${packages[*]}" >"$folder/recipe"
    fi
    echo "$folder/blender"
}

# Where this machine has its own Debian packages from.
debian_mirror() {
    local format='$(REPO_URI) $(ORIGIN) $(LABEL)' found
    found=$(apt-get indextargets --format "$format" 'Created-By: Packages' | awk '$2 == "Debian" && $3 == "Debian" {print $1; exit}')
    if [ -z "$found" ]; then
        apt-get update -qq >&2
        found=$(apt-get indextargets --format "$format" 'Created-By: Packages' | awk '$2 == "Debian" && $3 == "Debian" {print $1; exit}')
    fi
    echo "$found"
}
