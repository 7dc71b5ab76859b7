#!/bin/sh
# Ends the swarm once nobody needs it: neither another node nor a service of another stack.
if [ "$(docker node ls --quiet 2>/dev/null | wc -l)" = 1 ] && [ -z "$(docker service ls --quiet)" ] &&
    [ -z "$(docker ps --quiet --filter "label=$LABEL.stack")" ]; then
    docker swarm leave --force >/dev/null
fi
