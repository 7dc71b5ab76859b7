#!/bin/sh
# Prints {"serial", "image"} of RELEASE: as it is recorded or runs, or else the number after the largest of the stack.
set -eu

# labelled KIND COMPONENT [OPTION]: release and serial number of each of ours. A Docker that does not answer is an error,
# not an empty list: a number that is given twice means an address that is taken.
labelled() {
    ids=$(docker "$1" ls --quiet --filter "label=$LABEL.stack=$STACK" --filter "label=$LABEL.component=$2" "$3") || return 1
    # One of them may go meanwhile.
    # shellcheck disable=SC2086  # ids is a list
    [ -z "$ids" ] || docker "$1" inspect \
        --format "{{index .Config.Labels \"$LABEL.release\"}} {{index .Config.Labels \"$LABEL.serial\"}}" $ids || true
}

images=$(labelled image release --filter=dangling=false)
containers=$(labelled container app --all)
recorded=$(docker image inspect \
    --format "{{index .Config.Labels \"$LABEL.serial\"}} {{index .Config.Labels \"$LABEL.image\"}}" "$RECORD" 2>/dev/null || true)
if [ -n "$recorded" ] && docker image inspect "${recorded#* }" >/dev/null 2>&1; then
    printf '{"serial":%s,"image":"%s"}\n' "${recorded% *}" "${recorded#* }"
    exit 0
fi
serial=$(printf '%s\n%s\n' "$images" "$containers" | awk -v release="$RELEASE" '
    $1 == release && $2 != "" { own = $2 }
    $2 + 0 > largest { largest = $2 + 0 }
    END { print own != "" ? own : largest + 1 }')
printf '{"serial":%s,"image":"%s"}\n' "$serial" "$IMAGE"
