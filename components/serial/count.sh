#!/bin/sh
# Prints {"serial", "image"} of RELEASE: as it is recorded or runs, or else the number after the largest of the stack.
set -eu

labelled() {
    docker "$1" ls --all --quiet --filter "label=$LABEL.stack=$STACK" --filter "label=$LABEL.component=$2" | sort -u |
        xargs -r docker "$1" inspect \
            --format "{{index .Config.Labels \"$LABEL.release\"}} {{index .Config.Labels \"$LABEL.serial\"}}"
}

recorded=$(docker image inspect \
    --format "{{index .Config.Labels \"$LABEL.serial\"}} {{index .Config.Labels \"$LABEL.image\"}}" "$RECORD" 2>/dev/null || true)
if [ -n "$recorded" ] && docker image inspect "${recorded#* }" >/dev/null 2>&1; then
    printf '{"serial":%s,"image":"%s"}\n' "${recorded% *}" "${recorded#* }"
    exit 0
fi
serial=$({
    labelled image release
    labelled container app
} | awk -v release="$RELEASE" '
    $1 == release && $2 != "" { own = $2 }
    $2 + 0 > largest { largest = $2 + 0 }
    END { print own != "" ? own : largest + 1 }')
printf '{"serial":%s,"image":"%s"}\n' "$serial" "$IMAGE"
